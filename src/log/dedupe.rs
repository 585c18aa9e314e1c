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

/// The window of one partition: at most [`DEDUPE_OFFSETS`] + 1 keys of 24 bytes, and 8 to 16 bytes each to find them. It is as
/// large as traffic makes it, and small again when that is over.
///
/// All windows of a node together are far larger than any cache, so a record costs what it touches: the slots around
/// its key's place, and a key of the window only where a slot says that it may be the same.
#[derive(Clone, Debug)]
pub struct Dedupe {
    /// In order of offsets, for forgetting.
    window: VecDeque<Seen>,
    /// The number of the window's first one; numbers wrap.
    first: u32,
    /// Offset and log time of the newest one. All others lie within a window before it, so the low halves do.
    newest: (u64, u64),
    /// For each key a slot with the number of its newest one, by hash, linearly probed; at most half full.
    slots: Vec<Slot>,
    /// So that nobody can choose IDs that probe long. Changes nothing that shows.
    secret: [u64; 2],
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    key: [u64; 2],
    offset: u32,
    at_ms: u32,
}

/// Free, or a number of the window and where its key belongs: the low bits of its home, from which the home is known
/// again as long as nothing lies further from it than [`REACH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot(u32);

/// Numbers have so many bits: more than a window has keys.
const NUMBERS: u32 = (1 << 18) - 1;
/// A window grows by at least so many keys, and with fewer it is taken for one of so many when room is given back.
const LEAST: usize = 16;
/// A home's bits in a slot.
const REACH: usize = 1 << 13;

const _: () = assert!(DEDUPE_OFFSETS + 1 < NUMBERS as u64);

impl Slot {
    const FREE: Self = Self(0);

    fn new(number: u32, home: usize) -> Self {
        Self(1 << 31 | ((home & (REACH - 1)) as u32) << 18 | number)
    }

    fn number(self) -> u32 {
        self.0 & NUMBERS
    }

    /// How far behind its home it lies in a table of so many slots, less one.
    fn distance(self, at: usize, last: usize) -> usize {
        at.wrapping_sub((self.0 >> 18) as usize) & (REACH - 1) & last
    }
}

impl Default for Dedupe {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            window: VecDeque::new(),
            first: 0,
            newest: (0, 0),
            slots: Vec::new(),
            secret: [random.hash_one(0), random.hash_one(1)],
        }
    }
}

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
        let (slot, home) = self.find(key);
        if crate::sabotaged!(DuplicateOpensNoWindow) && self.slots[slot] != Slot::FREE {
            self.window.pop_back();
            return true;
        }
        std::mem::replace(&mut self.slots[slot], Slot::new(number, home)) != Slot::FREE
    }

    /// Whether a record with this key would be a duplicate here, without taking it.
    pub fn would_drop(&self, key: Option<DedupeKey>, offset: u64, at_ms: u64) -> bool {
        let Some(key) = key.map(halves).filter(|_| !self.window.is_empty()) else { return false };
        match self.slots[self.find(key).0] {
            Slot::FREE => false,
            slot => self.reaches(self.seen(slot), offset, at_ms),
        }
    }

    /// Keys remembered, at most [`DEDUPE_OFFSETS`] + 1.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// What remembering them takes.
    pub fn bytes(&self) -> usize {
        self.window.capacity() * size_of::<Seen>() + self.slots.capacity() * size_of::<Slot>()
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
            if let Some(slot) = self.slot_of_first(seen.key) {
                self.free(slot);
            }
            self.window.pop_front();
            self.first = (self.first + 1) & NUMBERS;
        }
        self.give_back();
    }

    /// Whether the window of `seen` holds a record at this offset and time.
    fn reaches(&self, seen: Seen, offset: u64, at_ms: u64) -> bool {
        let (newest, newest_ms) = self.newest;
        let seen_at = newest - u64::from((newest as u32).wrapping_sub(seen.offset));
        let seen_ms = newest_ms - u64::from((newest_ms as u32).wrapping_sub(seen.at_ms));
        offset - seen_at <= DEDUPE_OFFSETS && at_ms.saturating_sub(seen_ms) <= DEDUPE_MS
    }

    fn seen(&self, slot: Slot) -> Seen {
        self.window[(slot.number().wrapping_sub(self.first) & NUMBERS) as usize]
    }

    /// The slot of a key, which holds its newest or is free, and the one where its search begins.
    fn find(&self, key: [u64; 2]) -> (usize, usize) {
        let (home, last) = (self.home_of(key), self.slots.len() - 1);
        for distance in 0..REACH.min(self.slots.len()) {
            let at = (home + distance) & last;
            let slot = self.slots[at];
            if slot == Slot::FREE || slot.distance(at, last) == distance && self.seen(slot).key == key {
                return (at, home);
            }
        }
        panic!("half of the slots are free and {REACH} in a row are taken")
    }

    /// The slot of the window's first one, unless its key was seen again and the slot is that one's.
    fn slot_of_first(&self, key: [u64; 2]) -> Option<usize> {
        let (home, last) = (self.home_of(key), self.slots.len() - 1);
        let probed = (0..self.slots.len()).map(|distance| (home + distance) & last);
        let mut taken = probed.take_while(|&at| self.slots[at] != Slot::FREE);
        taken.find(|&at| self.slots[at].number() == self.first)
    }

    fn home_of(&self, key: [u64; 2]) -> usize {
        let product = u128::from(key[0] ^ self.secret[0]) * u128::from(key[1] ^ self.secret[1]);
        (product as u64 ^ (product >> 64) as u64) as usize & (self.slots.len() - 1)
    }

    /// Frees a slot and moves up what had to go past it.
    fn free(&mut self, mut hole: usize) {
        let last = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & last;
            if self.slots[at] == Slot::FREE {
                break;
            }
            // It may move unless its home lies after the hole, going round.
            if self.slots[at].distance(at, last) >= (at.wrapping_sub(hole) & last) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
        }
        self.slots[hole] = Slot::FREE;
    }

    /// Room for one more: the window grows by a quarter, to no more than it may ever hold, the slots by doubling. A window
    /// that doubled too would take twice what a steady load needs as soon as it once needs a little more.
    fn make_room(&mut self) {
        const MOST: usize = DEDUPE_OFFSETS as usize + 1;
        let len = self.window.len();
        if len == self.window.capacity() {
            self.window.reserve_exact((len / 4).max(LEAST).min(MOST.saturating_sub(len)).max(1));
        }
        if self.slots.is_empty() || len * 2 > self.slots.len() {
            self.find_by((len * 2).next_power_of_two().max(2 * LEAST));
        }
    }

    /// Room of which three quarters are free, since what needed it has been forgotten: half of it goes, or more.
    fn give_back(&mut self) {
        let len = self.window.len();
        if len.max(LEAST) * 4 < self.window.capacity() {
            self.window.shrink_to(len * 2);
        }
        if len.max(LEAST) * 8 < self.slots.len() {
            self.find_by((len * 4).next_power_of_two().max(2 * LEAST));
        }
    }

    /// Makes so many slots, and enters the window into them.
    fn find_by(&mut self, slots: usize) {
        self.slots = vec![Slot::FREE; slots];
        for at in 0..self.window.len() as u32 {
            // In order, so the newest of a key is the one that stays.
            let (slot, home) = self.find(self.window[at as usize].key);
            self.slots[slot] = Slot::new((self.first + at) & NUMBERS, home);
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
    use std::collections::HashMap;

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
        assert!(dedupe.bytes() <= dedupe.len() * 40, "{} bytes for {} keys", dedupe.bytes(), dedupe.len());
        let used = dedupe.slots.iter().filter(|&&slot| slot != Slot::FREE).count();
        assert_eq!(used, dedupe.len(), "what was forgotten left its slot");
        assert!(dedupe.apply(Some(DedupeKey(u128::from(2 * DEDUPE_OFFSETS) << 40)), 3 * DEDUPE_OFFSETS, 400));
    }

    #[test]
    fn a_window_is_as_large_as_its_traffic() {
        let (mut dedupe, mut at_ms) = (Dedupe::default(), 0);
        // A load that grows a thousandfold, and is small again: so many records in each tenth of a window.
        let loads = (0..40).map(|n| 1.3f64.powi(n.min(26)) as u64).chain([5; 20]);
        let mut offsets = 0..;
        for load in loads {
            for n in 0..load {
                let offset = offsets.next().expect("offsets do not end");
                let key = DedupeKey(u128::from(offset) << 40);
                assert!(!dedupe.apply(Some(key), offset, at_ms + n * DEDUPE_MS / 10 / load));
            }
            at_ms += DEDUPE_MS / 10;
            let most = dedupe.len() * 130 + 2_000;
            assert!(dedupe.bytes() <= most, "{} bytes for {} keys", dedupe.bytes(), dedupe.len());
        }
        assert!(dedupe.bytes() < 8_000, "{} bytes for {} keys", dedupe.bytes(), dedupe.len());
    }

    #[test]
    fn a_steady_load_has_a_quarter_more_than_it_needs() {
        let mut dedupe = Dedupe::default();
        for offset in 0..5_000 {
            assert!(!dedupe.apply(Some(DedupeKey(u128::from(offset) << 40)), offset, offset));
            let most = dedupe.len() * (24 * 5 / 4 + 16) + 1_000;
            assert!(dedupe.bytes() <= most, "{} bytes for {} keys", dedupe.bytes(), dedupe.len());
        }
    }

    #[test]
    fn a_duplicate_opens_a_window_of_its_own() {
        let mut dedupe = Dedupe::default();
        assert!(!dedupe.apply(A, 0, 0));
        assert!(dedupe.apply(A, 1, DEDUPE_MS));
        assert!(dedupe.apply(A, 2, DEDUPE_MS * 2));
    }

    proptest! {
        /// Thousands of keys that come, are forgotten in part, and come again, so that slots move about.
        #[test]
        fn a_crowded_window_says_what_the_newest_of_each_key_says(
            seed in any::<u64>(), keys in 100..3_000u64, most_ms in 100..3_000u64,
        ) {
            let (mut dedupe, mut newest, mut at_ms) = (Dedupe::default(), HashMap::new(), 0);
            let mut random = seed;
            for offset in 0..6_000u64 {
                random = xxh3_64(&random.to_le_bytes());
                at_ms += random % most_ms;
                let key = DedupeKey(u128::from(random >> 32) % u128::from(keys));
                let before = newest.insert(key, (offset, at_ms));
                let defined = before.is_some_and(|(_, seen_ms)| at_ms - seen_ms <= DEDUPE_MS);
                prop_assert_eq!(dedupe.apply(Some(key), offset, at_ms), defined, "offset {}", offset);
            }
            let used = dedupe.slots.iter().filter(|&&slot| slot != Slot::FREE).count();
            let held: std::collections::HashSet<_> = dedupe.window.iter().map(|seen| seen.key).collect();
            prop_assert_eq!(used, held.len(), "a slot for each key of the window");
        }

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
