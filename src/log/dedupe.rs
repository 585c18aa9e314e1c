//! Which records of a partition are duplicates: a function of the log alone (DESIGN.md §3.4).
//!
//! A record is a duplicate iff an earlier record with the same key, itself duplicate or not, lies at most
//! [`DEDUPE_MS`] of log time and [`DEDUPE_OFFSETS`] offsets before it. Duplicates open windows of their own; records
//! without an ID are never duplicates and open none.

use crate::limits::{DEDUPE_MS, DEDUPE_OFFSETS};
use crate::model::Envelope;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// What makes two records the same: recipient, sender, ID and the hash of the body, in 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupeKey(pub u128);

impl DedupeKey {
    /// `None` for an envelope without an ID.
    pub fn of(envelope: &Envelope) -> Option<Self> {
        let id = envelope.id()?;
        let mut hasher = Xxh3Default::new();
        let to = (!crate::sabotaged!(DedupeWithoutRecipient)).then(|| envelope.to());
        for text in [to, envelope.from(), Some(id)] {
            // Lengths first, so that no two different triples are one text; a missing sender is no empty one.
            let text = text.map(|id| id.as_str());
            hasher.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hasher.update(text.unwrap_or_default().as_bytes());
        }
        hasher.update(&xxh3_64(envelope.body()).to_le_bytes());
        Some(Self(hasher.digest128()))
    }
}

/// The window of one partition: at most [`DEDUPE_OFFSETS`] + 1 keys of 24 bytes, and 4 to 8 bytes each to find them.
#[derive(Clone, Debug, Default)]
pub struct Dedupe {
    /// In order of offsets, for forgetting.
    window: VecDeque<Seen>,
    /// The number of the window's first one; numbers wrap.
    first: u32,
    /// Offset and log time of the newest one. All others lie within a window before it, so the low halves do.
    newest: (u64, u64),
    /// For each key the number of its newest one, by hash, linearly probed; at most half full.
    slots: Vec<u32>,
    /// So that nobody can choose IDs that probe long. Changes nothing that shows.
    secret: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    key: [u64; 2],
    offset: u32,
    at_ms: u32,
}

const FREE: u32 = u32::MAX;
/// Numbers have one bit less than a slot, so that none is [`FREE`].
const NUMBERS: u32 = u32::MAX >> 1;

impl Dedupe {
    /// Takes the next record of the partition and says whether it is a duplicate.
    pub fn apply(&mut self, key: Option<DedupeKey>, offset: u64, at_ms: u64) -> bool {
        self.forget(offset, at_ms);
        let Some(key) = key.map(halves) else { return false };
        debug_assert!(self.window.is_empty() || self.newest.0 < offset, "offsets increase");
        self.make_room();
        let number = self.first.wrapping_add(self.window.len() as u32) & NUMBERS;
        self.window.push_back(Seen { key, offset: offset as u32, at_ms: at_ms as u32 });
        self.newest = (offset, at_ms);
        let slot = self.slot_of(key);
        std::mem::replace(&mut self.slots[slot], number) != FREE
    }

    /// Whether a record with this key would be a duplicate here, without taking it.
    pub fn would_drop(&self, key: Option<DedupeKey>, offset: u64, at_ms: u64) -> bool {
        let Some(key) = key.map(halves).filter(|_| !self.window.is_empty()) else { return false };
        match self.slots[self.slot_of(key)] {
            FREE => false,
            number => self.reaches(self.seen(number), offset, at_ms),
        }
    }

    /// Keys remembered, at most [`DEDUPE_OFFSETS`] + 1.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// Drops what lies too far before a record at this offset and time. A key seen again later stays with that.
    fn forget(&mut self, offset: u64, at_ms: u64) {
        while let Some(&seen) = self.window.front() {
            if self.reaches(seen, offset, at_ms) {
                break;
            }
            let slot = self.slot_of(seen.key);
            if self.slots[slot] == self.first {
                self.free(slot);
            }
            self.window.pop_front();
            self.first = (self.first + 1) & NUMBERS;
        }
    }

    /// Whether the window of `seen` holds a record at this offset and time.
    fn reaches(&self, seen: Seen, offset: u64, at_ms: u64) -> bool {
        let (newest, newest_ms) = self.newest;
        let seen_at = newest - u64::from((newest as u32).wrapping_sub(seen.offset));
        let seen_ms = newest_ms - u64::from((newest_ms as u32).wrapping_sub(seen.at_ms));
        offset - seen_at <= DEDUPE_OFFSETS && at_ms.saturating_sub(seen_ms) <= DEDUPE_MS
    }

    fn seen(&self, number: u32) -> Seen {
        self.window[(number.wrapping_sub(self.first) & NUMBERS) as usize]
    }

    /// The slot of a key: the one that holds its newest, or the free one where it belongs.
    fn slot_of(&self, key: [u64; 2]) -> usize {
        let mut slot = self.home_of(key);
        while self.slots[slot] != FREE && self.seen(self.slots[slot]).key != key {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        slot
    }

    fn home_of(&self, key: [u64; 2]) -> usize {
        self.secret.hash_one(key) as usize & (self.slots.len() - 1)
    }

    /// Frees a slot and moves up what had to go past it.
    fn free(&mut self, mut hole: usize) {
        let last = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & last;
            if self.slots[at] == FREE {
                break;
            }
            let home = self.home_of(self.seen(self.slots[at]).key);
            // It may move unless its home lies after the hole, going round.
            if (at.wrapping_sub(home) & last) >= (at.wrapping_sub(hole) & last) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
        }
        self.slots[hole] = FREE;
    }

    /// Room for one more: the window grows to no more than it may ever hold, the slots by doubling.
    fn make_room(&mut self) {
        const MOST: usize = DEDUPE_OFFSETS as usize + 1;
        let len = self.window.len();
        if len == self.window.capacity() {
            self.window.reserve_exact(len.max(16).min(MOST.saturating_sub(len)).max(1));
        }
        if self.slots.is_empty() || len * 2 > self.slots.len() {
            self.slots = vec![FREE; (len * 2).next_power_of_two().max(32)];
            for at in 0..len as u32 {
                // In order, so the newest of a key is the one that stays.
                let slot = self.slot_of(self.window[at as usize].key);
                self.slots[slot] = (self.first + at) & NUMBERS;
            }
        }
    }
}

fn halves(DedupeKey(key): DedupeKey) -> [u64; 2] {
    [key as u64, (key >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Option<DedupeKey> = Some(DedupeKey(1));

    #[test]
    fn the_window_ends_by_time_and_by_offsets_and_includes_its_edge() {
        for (offset, at_ms, duplicate) in [
            (1, 0, true),
            (1, DEDUPE_MS, true),
            (1, DEDUPE_MS + 1, false),
            (DEDUPE_OFFSETS, 0, true),
            (DEDUPE_OFFSETS + 1, 0, false),
        ] {
            let mut dedupe = Dedupe::default();
            assert!(!dedupe.apply(A, 0, 0));
            assert_eq!(dedupe.apply(A, offset, at_ms), duplicate, "offset {offset} at {at_ms}");
        }
    }

    #[test]
    fn a_full_window_takes_no_more_memory_than_it_says() {
        let mut dedupe = Dedupe::default();
        for offset in 0..3 * DEDUPE_OFFSETS {
            let key = DedupeKey(u128::from(offset) << 40);
            assert!(!dedupe.apply(Some(key), offset, offset / 1_000));
        }
        assert_eq!(dedupe.len() as u64, DEDUPE_OFFSETS + 1);
        let bytes = dedupe.window.capacity() * size_of::<Seen>() + dedupe.slots.len() * 4;
        assert!(bytes <= dedupe.len() * 40, "{bytes} bytes for {} keys", dedupe.len());
        let used = dedupe.slots.iter().filter(|&&slot| slot != FREE).count();
        assert_eq!(used, dedupe.len(), "what was forgotten left its slot");
        assert!(dedupe.apply(Some(DedupeKey(u128::from(2 * DEDUPE_OFFSETS) << 40)), 3 * DEDUPE_OFFSETS, 400));
    }

    #[test]
    fn a_duplicate_opens_a_window_of_its_own() {
        let mut dedupe = Dedupe::default();
        assert!(!dedupe.apply(A, 0, 0));
        assert!(dedupe.apply(A, 1, DEDUPE_MS));
        assert!(dedupe.apply(A, 2, DEDUPE_MS * 2));
    }

    proptest! {
        /// The definition, word for word, beside the window.
        #[test]
        fn says_what_the_definition_says(
            records in proptest::collection::vec((0..9u128, 1..30_000u64, 0..200_000u64), 1..200),
        ) {
            let (mut dedupe, mut log, mut offset, mut at_ms) = (Dedupe::default(), Vec::new(), 0, 0);
            for (key, step, later) in records {
                (offset, at_ms) = (offset + step, at_ms + later);
                let key = (key > 0).then_some(DedupeKey(key));
                let defined = key.is_some() && log.iter().any(|&(k, o, t)| {
                    k == key && offset - o <= DEDUPE_OFFSETS && at_ms - t <= DEDUPE_MS
                });
                prop_assert_eq!(dedupe.would_drop(key, offset, at_ms), defined);
                prop_assert_eq!(dedupe.apply(key, offset, at_ms), defined);
                log.push((key, offset, at_ms));
            }
        }
    }
}
