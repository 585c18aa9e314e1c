//! Whether a reader can be served from what is covered.

use super::CHUNK_OFFSETS;
use super::course::Tail;
use crate::model::{Position, Unresumed};

/// Where a read is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// After a position, which its holder has.
    After(Position),
    /// At this offset, or where replay begins if that is later. 0: at the oldest there is; for a time: the first offset at
    /// or after it, as the broker says.
    Offset(u64),
    /// Further back than what is covered: the index has looked through that for the last so many, and they were too few.
    Further,
}

/// What a reader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// Everything from this offset up to the head is in the index.
    Ready {
        /// Nothing below it may be read.
        from: u64,
    },
    /// History must be filled in down to this offset first.
    Fill {
        /// See [`Tail::want`].
        down_to: u64,
    },
    /// What the reader holds does not lead to the present.
    Refused(Unresumed),
}

impl Tail {
    /// Judges a reader of a partition that is served. A position beyond the head is the router's to judge, and is found ready or truncated here.
    pub fn judge(&self, at: ReadAt) -> Judgement {
        let lowest = self.floor();
        match at {
            ReadAt::After(position) => self.judge_after(position),
            ReadAt::Offset(offset) => self.ready_from(offset.max(lowest)),
            // At the end of history there is no more to look through.
            ReadAt::Further => self.ready_from(self.from.saturating_sub(CHUNK_OFFSETS).max(lowest)),
        }
    }

    fn judge_after(&self, position: Position) -> Judgement {
        let offset = position.offset;
        if offset < self.from && offset < self.ground.floor() {
            Judgement::Refused(Unresumed::Expired)
        } else if self.hole.is_some_and(|hole| offset <= hole) {
            Judgement::Refused(Unresumed::Damaged)
        } else if !self.fold.epochs.still_hold(position) {
            Judgement::Refused(Unresumed::Truncated)
        } else {
            self.ready_from(offset)
        }
    }

    fn ready_from(&self, from: u64) -> Judgement {
        if from >= self.from || crate::sabotaged!(ServedOutsideCoverage) {
            Judgement::Ready { from }
        } else {
            Judgement::Fill { down_to: from }
        }
    }
}
