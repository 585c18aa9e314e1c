//! Which records of a partition are duplicates: a function of the log alone (DESIGN.md §3.4).
//!
//! A record is a duplicate iff an earlier record with the same key, itself duplicate or not, lies at most
//! [`DEDUPE_MS`] of log time and [`DEDUPE_OFFSETS`] offsets before it. Duplicates open windows of their own; records
//! without an ID are never duplicates and open none.

use crate::limits::{DEDUPE_MS, DEDUPE_OFFSETS};
use crate::model::Envelope;
use std::collections::{HashMap, VecDeque};
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

/// The window of one partition: at most [`DEDUPE_OFFSETS`] keys.
#[derive(Clone, Debug, Default)]
pub struct Dedupe {
    /// The newest record of each key in the window.
    last: HashMap<DedupeKey, (u64, u64)>,
    /// In order of offsets, for forgetting.
    window: VecDeque<(u64, DedupeKey)>,
}

impl Dedupe {
    /// Takes the next record of the partition and says whether it is a duplicate.
    pub fn apply(&mut self, key: Option<DedupeKey>, offset: u64, at_ms: u64) -> bool {
        self.forget(offset, at_ms);
        let Some(key) = key else { return false };
        debug_assert!(self.window.back().is_none_or(|&(last, _)| last < offset), "offsets increase");
        self.window.push_back((offset, key));
        self.last.insert(key, (offset, at_ms)).is_some()
    }

    /// Whether a record with this key would be a duplicate here, without taking it.
    pub fn would_drop(&self, key: Option<DedupeKey>, offset: u64, at_ms: u64) -> bool {
        let Some(&(old, old_at_ms)) = key.as_ref().and_then(|key| self.last.get(key)) else { return false };
        offset - old <= DEDUPE_OFFSETS && at_ms.saturating_sub(old_at_ms) <= DEDUPE_MS
    }

    /// Keys remembered, at most [`DEDUPE_OFFSETS`].
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// Drops what lies too far before a record at this offset and time.
    fn forget(&mut self, offset: u64, at_ms: u64) {
        while let Some(&(old, key)) = self.window.front() {
            let &(newest, old_at_ms) =
                self.last.get(&key).expect("a key in the window has its newest record");
            if newest != old {
                self.window.pop_front();
                continue;
            }
            if offset - old <= DEDUPE_OFFSETS && at_ms.saturating_sub(old_at_ms) <= DEDUPE_MS {
                break;
            }
            self.window.pop_front();
            self.last.remove(&key);
        }
    }
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
            records in proptest::collection::vec((0..4u128, 1..60_000u64, 0..300_000u64), 1..60),
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
