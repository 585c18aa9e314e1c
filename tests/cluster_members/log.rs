//! The modelled topic: append times of leaders whose clocks differ, retention, and the fold from its very beginning.

use corepost::cluster::{Fold, Raw, Record};

/// A record.
pub struct Entry {
    pub at_ms: u64,
    append_ms: u64,
    value: Vec<u8>,
}

/// One partition.
pub struct Log {
    entries: Vec<Entry>,
    /// The first offset that is still there.
    pub start: u64,
    /// The leader's clock less the world's.
    pub skew_ms: i64,
    /// Nothing is appended or read before this.
    pub stalled_until_ms: u64,
    /// What a reader that missed nothing knows.
    pub truth: Fold,
}

impl Log {
    pub fn new(node_timeout_ms: u32) -> Self {
        let truth = Fold::new(node_timeout_ms);
        Self { entries: Vec::new(), start: 0, skew_ms: 0, stalled_until_ms: 0, truth }
    }

    pub fn append(&mut self, record: &Record, now_ms: u64) {
        let append_ms = (now_ms + 10_000_000).saturating_add_signed(self.skew_ms);
        self.entries.push(Entry { at_ms: now_ms, append_ms, value: record.value() });
        let offset = self.end() - 1;
        let raw = raw(&self.entries[offset as usize], offset);
        self.truth.take(raw);
        self.truth.invariants();
    }

    pub fn end(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn read(&self, offset: u64) -> Raw<'_> {
        assert!(offset >= self.start, "a consumer is told when its place is gone");
        raw(&self.entries[offset as usize], offset)
    }

    /// Drops what is older than this.
    pub fn retain(&mut self, older_ms: u64) {
        while self.start < self.end() && self.entries[self.start as usize].at_ms < older_ms {
            self.start += 1;
        }
    }
}

fn raw(entry: &Entry, offset: u64) -> Raw<'_> {
    Raw { offset, append_ms: Some(entry.append_ms), version: Some(b"1"), value: &entry.value }
}
