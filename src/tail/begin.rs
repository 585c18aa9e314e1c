//! How a partition begins: with what the store has of it, or cold, at the log's end.

use super::course::Tail;
use super::{Ground, Place, STORE_BEHIND};
use crate::limits::{DEDUPE_MS, DEDUPE_OFFSETS};
use crate::log::Epochs;
use crate::words::words;

/// What the broker says of a partition, to be asked in this order when it begins; but [`Ground::young`] after the end. What came
/// just before the end is then known to be young: asked before, it would lie below the floor, and who lacks nothing else
/// would be refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Its beginning.
    pub ground: Ground,
    /// Its end: the offset of the next record.
    pub end: u64,
    /// The last record before the end, if there is any: read from right before it, or further back where a gap is.
    pub last: Option<Place>,
    /// The leader epoch that the broker gives with the end, 0 if it gives none. Names the end where no record does.
    pub leader_epoch: u32,
}

/// What the index keeps of a partition, written together with its rows. Rows below `from`, and those of a partition
/// without this value, are worth nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Coverage: the rows hold everything from this offset on that is no duplicate …
    pub from: u64,
    /// … up to this one.
    pub next: u64,
    /// The last record below `next`, covered or not, with the greatest log time so far.
    pub last: Place,
    /// Leader epochs from the record before `from` on.
    pub epochs: Epochs,
    /// The newest damaged record, below `from`.
    pub hole: Option<u64>,
}

words! {
    /// `reason` of `corepost_stores_dropped_total`: why what the index had of a partition is worth nothing.
    Unfit {
        /// Too far behind the log's end.
        Behind = "behind",
        /// It has what the log has not.
        Beyond = "beyond",
        /// It ends below the log's floor.
        Expired = "expired",
        /// It contradicts itself.
        Damaged = "damaged",
    }
}

impl Stored {
    /// Why it cannot be gone on from, if so. Whether it holds what the log holds shows as the log is read.
    fn unfit(&self, bounds: &Bounds) -> Option<Unfit> {
        let (start, end) = (bounds.ground.start, bounds.end);
        if !self.is_sound(start) {
            Some(Unfit::Damaged)
        } else if self.next > end || bounds.last.is_none_or(|last| last.offset < self.last.offset) {
            Some(Unfit::Beyond)
        } else if self.next < bounds.ground.floor() || self.last.offset < start {
            Some(Unfit::Expired)
        } else if end - self.next > STORE_BEHIND {
            Some(Unfit::Behind)
        } else {
            None
        }
    }

    fn is_sound(&self, start: u64) -> bool {
        let is_named = |record: u64| record < start || self.epochs.of(record).is_some();
        self.from <= self.next
            && self.last.offset < self.next
            && self.from <= self.last.offset.saturating_add(1)
            && self.epochs.of(self.last.offset) == Some(self.last.leader_epoch)
            && self.epochs.entries().iter().all(|&(_, first)| first <= self.last.offset)
            && self.from.checked_sub(1).is_none_or(is_named)
            && self.hole.is_none_or(|hole| hole < self.from)
    }
}

/// A partition about to begin: all is known but where the dedupe window begins.
#[derive(Clone, Debug)]
pub struct Begin {
    bounds: Bounds,
    warm: Option<Stored>,
    dropped: Option<Unfit>,
}

impl Begin {
    /// With what the index has, if anything, and what the broker says.
    pub fn new(stored: Option<Stored>, mut bounds: Bounds) -> Self {
        // The answers are of different moments: retention may have come between.
        let start = bounds.ground.start;
        bounds.last = bounds.last.filter(|last| last.offset >= start);
        bounds.end = bounds.end.max(start).max(bounds.last.map_or(0, |last| last.offset + 1));
        let dropped = stored.as_ref().and_then(|stored| stored.unfit(&bounds));
        Self { warm: stored.filter(|_| dropped.is_none()), bounds, dropped }
    }

    /// Nothing that the index has of this partition is worth anything: its rows are to be dropped before others come.
    pub fn is_cold(&self) -> bool {
        self.warm.is_none()
    }

    /// Why what was stored is dropped.
    pub fn dropped(&self) -> Option<Unfit> {
        self.dropped
    }

    /// The first offset at or after this log time is to be asked for: where the dedupe window begins.
    pub fn window_ms(&self) -> Option<u64> {
        self.last_before().map(|last| last.at_ms.saturating_sub(DEDUPE_MS))
    }

    /// The last record before those that will be applied.
    fn last_before(&self) -> Option<Place> {
        self.warm.as_ref().map_or(self.bounds.last, |stored| Some(stored.last))
    }

    /// The partition begins. Without a `window`, which is the answer to [`Begin::window_ms`], its offsets alone bound it.
    pub fn tail(self, window: Option<u64>) -> Tail {
        let apply_from = self.warm.as_ref().map_or(self.bounds.end, |stored| stored.next);
        let last = self.last_before().map(|last| last.offset);
        let read_from = window_start(window, apply_from, last.unwrap_or(0), self.bounds.ground.start);
        Tail::new(self.bounds, self.warm, apply_from, read_from)
    }
}

/// Where to read from so that a record at `offset` or later can be judged: its window in time or in offsets, whichever
/// is shorter, and not less than a record that lies before it; not more than the log has.
pub(super) fn window_start(window: Option<u64>, offset: u64, before: u64, start: u64) -> u64 {
    let window = if crate::sabotaged!(ServedBeforeWindow) { Some(before) } else { window };
    window.unwrap_or(0).max(offset.saturating_sub(DEDUPE_OFFSETS)).min(before).max(start)
}
