//! A stretch of a partition read in order: which of its records are duplicates, and whose time each is of.

use super::{Found, Over, Place};
use crate::log::{Dedupe, Epochs};

/// What a stretch of records comes to, from wherever its reading began.
#[derive(Debug, Default)]
pub(super) struct Fold {
    dedupe: Dedupe,
    /// Of the records read, and of those that a store remembers.
    pub epochs: Epochs,
    /// Below this offset the epochs are those of a store.
    remembered: u64,
    /// The newest record. Its time is the greatest so far.
    pub newest: Option<Place>,
    /// Everything of the log below this offset was read, from where it began.
    pub next: u64,
}

impl Fold {
    /// Reading begins at an offset, with what a store remembers of the epochs below another.
    pub fn new(read_from: u64, epochs: Epochs, remembered: u64) -> Self {
        Self { epochs, remembered, next: read_from, ..Self::default() }
    }

    /// Takes the next record and says whether it is a duplicate.
    pub fn take(&mut self, place: Place, found: Found) -> Result<bool, Over> {
        if place.offset < self.next {
            return Err(Over::Truncated);
        }
        if found == Found::Newer {
            return Err(Over::Newer);
        }
        self.epoch(place)?;
        // A leader whose clock is behind does not turn log time back.
        let at_ms = self.newest.map_or(place.at_ms, |newest| newest.at_ms.max(place.at_ms));
        self.newest = Some(Place { at_ms, ..place });
        self.next = place.offset.saturating_add(1);
        let Found::Envelope(key) = found else { return Ok(false) };
        Ok(self.dedupe.apply(key, place.offset, at_ms))
    }

    /// What remembering what was read takes.
    pub fn bytes(&self) -> usize {
        self.dedupe.bytes()
    }

    fn epoch(&mut self, place: Place) -> Result<(), Over> {
        // Whether a store fits shows at its last record: where that is the same, all before it are.
        if place.offset < self.remembered {
            return Ok(());
        }
        match self.epochs.of(place.offset) {
            Some(known) if known == place.leader_epoch => {}
            Some(known) if known > place.leader_epoch => return Err(Over::Truncated),
            _ => self.epochs.begin(place.leader_epoch, place.offset),
        }
        Ok(())
    }

    /// There are no records from the last one up to here.
    pub fn pass(&mut self, offset: u64) {
        self.next = self.next.max(offset);
    }
}

/// The table of an older stretch that ends with a record of the newer one.
pub(super) fn joined(older: Epochs, newer: &Epochs) -> Epochs {
    let mut joined = older;
    for &(epoch, first) in newer.entries() {
        if joined.entries().last().is_none_or(|&(last, _)| last < epoch) {
            joined.begin(epoch, first);
        }
    }
    joined
}
