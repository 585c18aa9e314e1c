//! Filling in history before what is covered: backwards, in chunks, each with its window before it.
//!
//! Always holds: coverage moves when a chunk has been read up to the record that coverage begins after, and not before.
//! So an aborted chunk has changed nothing; what it put into the index lies below coverage, and the next one puts the
//! same there. Where the log may have lost what was counted on, its beginning is asked for before the next one.

use super::begin::window_start;
use super::course::Tail;
use super::fold::{Fold, joined};
use super::{CHUNK_OFFSETS, Found, Over, Place, Verdict};
use crate::log::Epochs;

/// A piece of history to be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// From this offset. The first record at or after it says where the window begins.
    pub rows_from: u64,
    /// Up to this one, where coverage begins.
    pub upto: u64,
}

/// Where the dedupe window of a chunk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first offset at or after the log time of the chunk's first record less [`crate::limits::DEDUPE_MS`].
    pub from: u64,
    /// The log's start, asked for after that: the window is whole if nothing more was deleted than the [`Ground`] says.
    ///
    /// [`Ground`]: super::Ground
    pub start: u64,
}

/// How a chunk is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Reading begins here, …
    pub read_from: u64,
    /// … rows are made from here on, …
    pub rows_from: u64,
    /// … up to here: the record right before it is the last one.
    pub upto: u64,
    /// Which attempt: records of another one are not taken.
    pub attempt: u64,
}

/// A chunk that is being read.
#[derive(Debug)]
pub(super) struct Filling {
    fill: Fill,
    pub(super) fold: Fold,
    /// The last record before the rows: what names the position at which they begin.
    before: Option<u64>,
    /// The newest damaged record.
    hole: Option<u64>,
}

/// Offsets read before the rows at least, for the record that names their beginning. Where a gap is, many more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach(u64);

impl Default for Reach {
    fn default() -> Self {
        Self(1)
    }
}

impl Tail {
    /// Somebody waits for everything from this offset on. The lowest of such wishes counts, until it is fulfilled.
    pub fn want(&mut self, down_to: u64) {
        if down_to < self.from {
            self.wanted = Some(self.wanted.map_or(down_to, |wanted| wanted.min(down_to)));
        }
    }

    /// Nobody waits any more. A chunk that is being read is read to its end: whoever comes back finds it covered.
    pub fn want_nothing(&mut self) {
        self.wanted = None;
    }

    /// The next chunk, if one is wanted and none is being read. What is below the floor is never filled in.
    pub fn chunk(&self) -> Option<Chunk> {
        let lowest = self.ground.floor().max(self.hole.map_or(0, |hole| hole + 1));
        let wanted = self.wanted?.max(lowest);
        if self.serving().is_none() || self.filling.is_some() || self.doubts_ground || wanted >= self.from {
            return None;
        }
        Some(Chunk { rows_from: wanted.max(self.from.saturating_sub(CHUNK_OFFSETS)), upto: self.from })
    }

    /// Begins to read a chunk. Without a `window` its offsets alone bound it. `None` if that chunk is not the next one any
    /// more, or if the ground is to be looked at before: a part of its window may be gone.
    pub fn fill(&mut self, chunk: Chunk, window: Option<Window>) -> Option<Fill> {
        let Chunk { rows_from, upto } = self.chunk().filter(|&next| next == chunk)?;
        if window.is_some_and(|window| window.start > self.ground.start) {
            self.doubts_ground = true;
            return None;
        }
        let before = rows_from.saturating_sub(self.reach.0);
        let read_from = window_start(window.map(|it| it.from), rows_from, before, self.ground.start);
        self.attempts += 1;
        let fill = Fill { read_from, rows_from, upto, attempt: self.attempts };
        let fold = Fold::new(read_from, Epochs::default(), 0);
        self.filling = Some(Filling { fill, fold, before: None, hole: None });
        Some(fill)
    }

    /// The chunk that is being read. Not there any more: it is complete, or was given up.
    pub fn filling(&self) -> Option<Fill> {
        self.filling.as_ref().map(|filling| filling.fill)
    }

    /// The chunk cannot be read on: its records were deleted, or the log ended before its last one, which the partition's
    /// own consumer will be told of. Nothing has changed, and it is wanted still, once the ground was looked at.
    pub fn abort(&mut self) {
        self.filling = None;
        self.doubts_ground = true;
    }

    /// No more history is filled in until [`Tail::on_ground`].
    pub fn doubts_ground(&self) -> bool {
        self.doubts_ground
    }

    /// A record of a chunk was read. With the last one coverage moves and [`Tail::filling`] ends. Where no record was found
    /// that names the beginning, it ends too, coverage stays, and the next attempt reads from further back.
    pub fn on_history(&mut self, fill: Fill, place: Place, found: Found) -> Verdict {
        if let Some(over) = self.over {
            return Verdict::Over(over);
        }
        let verdict = match self.filling.as_mut().filter(|filling| filling.fill == fill) {
            Some(filling) => filling.take(place, found, &self.fold.epochs),
            None => return Verdict::Void,
        };
        let is_last = place.offset + 1 == fill.upto;
        match verdict {
            Ok(verdict) => {
                if is_last {
                    self.complete();
                }
                verdict
            }
            Err(over) => self.end(over),
        }
    }

    /// Coverage begins where the chunk's rows do, or after what of it is damaged.
    fn complete(&mut self) {
        let Some(Filling { fill, fold, before, hole }) = self.filling.take() else { return };
        let rows_from = match before {
            Some(before) => before + 1,
            None if fill.read_from <= self.ground.start => fill.read_from,
            None => {
                self.reach.0 = self.reach.0.saturating_mul(64);
                return;
            }
        };
        self.reach = Reach::default();
        self.hole = self.hole.max(hole);
        self.from = hole.map_or(rows_from, |hole| rows_from.max(hole + 1));
        self.fold.epochs = joined(fold.epochs, &self.fold.epochs);
        self.fold.epochs.forget_below(self.from);
        self.wanted = self.wanted.filter(|_| self.chunk().is_some());
    }
}

impl Filling {
    fn take(&mut self, place: Place, found: Found, known: &Epochs) -> Result<Verdict, Over> {
        let Fill { rows_from, upto, .. } = self.fill;
        let contradicts = known.of(place.offset).is_some_and(|known| known != place.leader_epoch);
        // The record before coverage was passed: it is not where it was.
        if place.offset >= upto || contradicts {
            return Err(Over::Truncated);
        }
        let is_duplicate = self.fold.take(place, found)?;
        if found == Found::Damaged {
            self.hole = Some(place.offset);
        }
        if place.offset < rows_from {
            self.before = Some(place.offset);
            return Ok(Verdict::Window);
        }
        Ok(Verdict::of(found, is_duplicate))
    }

    pub fn read_from(&self) -> u64 {
        self.fill.read_from
    }

    pub fn upto(&self) -> u64 {
        self.fill.upto
    }
}
