//! How appending goes: what the appender's thread counts and anybody reads.

use crate::backplane::kafka::Trouble;
use crate::counters::{COMMIT_US, Histogram, SIZES};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts since the start, and how it is now.
#[derive(Clone, Debug)]
pub struct AppendReading {
    /// From being sent to its report, by record, microseconds.
    pub commit_us: Histogram,
    /// Records answered in one turn.
    pub commit_records: Histogram,
    /// Records in the log.
    pub written: u64,
    /// Of these, repetitions of which the broker did not say any more where they are.
    pub unplaced: u64,
    /// Appends refused because too much was under way, or something before them was refused.
    pub refused_full: u64,
    /// Appends refused because they were not acknowledged in time, or failed.
    pub refused_failed: u64,
    /// Times that a producer's records were given up together.
    pub given_up: u64,
    /// Producers that were made anew.
    pub made_anew: u64,
    /// Producers there are.
    pub producers: usize,
    /// Brokers that lead a partition, when they were counted last.
    pub brokers: usize,
    /// Records under way.
    pub under_way: usize,
    /// Their bytes, with what each costs beside itself.
    pub under_way_bytes: usize,
    /// Why nothing gets through, where that will not pass by itself.
    pub trouble: Option<Trouble>,
}

/// Written once a turn, so that nobody waits for its lock.
#[derive(Debug)]
pub struct AppendHealth(Mutex<AppendReading>);

impl Default for AppendHealth {
    fn default() -> Self {
        Self(Mutex::new(AppendReading {
            commit_us: Histogram::new(COMMIT_US),
            commit_records: Histogram::new(SIZES),
            written: 0,
            unplaced: 0,
            refused_full: 0,
            refused_failed: 0,
            given_up: 0,
            made_anew: 0,
            producers: 0,
            brokers: 0,
            under_way: 0,
            under_way_bytes: 0,
            trouble: None,
        }))
    }
}

impl AppendHealth {
    /// How it is now. Not for a core's thread.
    pub fn read(&self) -> AppendReading {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, AppendReading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
