//! How the log is: plain atomics that the log's threads write and anybody reads.

use crate::backplane::store::memory::{self, Memory};
use crate::counters::{Bounds, COMMIT_US, SIZES};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// What keeps the log from taking records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trouble {
    /// Nothing.
    None = 0,
    /// The disk is full.
    DiskFull = 1,
    /// Writing or opening failed otherwise.
    Io = 2,
    /// Opened again, the log ended before what had been told. It stays closed: restart, so that cursors are judged.
    Shortened = 3,
    /// All retained records together have reached `--retention-size`. Reading and single appends may still go on.
    Full = 4,
    /// It was stopped.
    Stopped = 5,
}

/// A histogram: counts per bucket (the last one unbounded) and a sum.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

/// What the log's threads count.
#[derive(Debug, Default)]
pub struct Health {
    commit_us: Histogram<{ COMMIT_US.len() + 1 }>,
    commit_records: Histogram<{ SIZES.len() + 1 }>,
    pub(super) rows: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) memory: Memory,
    pub(super) damaged: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) swept: AtomicU64,
    pub(super) reopened: AtomicU64,
    trouble: AtomicU8,
}

/// One reading of [`Health`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReading {
    /// Commits by duration, see [`COMMIT_US`]; not cumulative.
    pub commit_us: [u64; COMMIT_US.len() + 1],
    /// Microseconds of all commits.
    pub commit_us_sum: u64,
    /// Commits by number of records, see [`SIZES`]; not cumulative.
    pub commit_records: [u64; SIZES.len() + 1],
    /// Records of all commits.
    pub commit_records_sum: u64,
    /// Rows written since the start.
    pub rows: u64,
    /// Bytes (key + headers + body) retained.
    pub bytes: u64,
    /// What it takes of memory, as of a moment ago.
    pub memory: memory::Bytes,
    /// Reads that met a damaged row.
    pub damaged: u64,
    /// Reads answered.
    pub reads: u64,
    /// Erased rows taken off the disk.
    pub swept: u64,
    /// Times the store was opened again after an error.
    pub reopened: u64,
    /// What keeps it from taking records now.
    pub trouble: Trouble,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }
}

impl Health {
    /// How it is now.
    pub fn read(&self) -> HealthReading {
        let counts = |all: &[AtomicU64]| all.iter().map(|n| n.load(Relaxed)).collect::<Vec<_>>();
        HealthReading {
            commit_us: counts(&self.commit_us.counts).try_into().expect("as many as there are"),
            commit_us_sum: self.commit_us.sum.load(Relaxed),
            commit_records: counts(&self.commit_records.counts).try_into().expect("as many as there are"),
            commit_records_sum: self.commit_records.sum.load(Relaxed),
            rows: self.rows.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            memory: self.memory.read(),
            damaged: self.damaged.load(Relaxed),
            reads: self.reads.load(Relaxed),
            swept: self.swept.load(Relaxed),
            reopened: self.reopened.load(Relaxed),
            trouble: self.trouble(),
        }
    }

    /// What keeps it from taking records.
    pub fn trouble(&self) -> Trouble {
        match self.trouble.load(Relaxed) {
            0 => Trouble::None,
            1 => Trouble::DiskFull,
            3 => Trouble::Shortened,
            4 => Trouble::Full,
            5 => Trouble::Stopped,
            _ => Trouble::Io,
        }
    }

    pub(super) fn set_trouble(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Relaxed);
    }

    pub(super) fn committed(&self, us: u64, records: u64, rows: u64) {
        self.commit_us.add(COMMIT_US, us);
        self.commit_records.add(SIZES, records);
        self.rows.fetch_add(rows, Relaxed);
    }
}

impl<const N: usize> Histogram<N> {
    fn add(&self, bounds: &Bounds, value: u64) {
        self.counts[bounds.bucket(value)].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }
}
