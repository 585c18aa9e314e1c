//! What the parts of a node say about themselves: plain numbers, copied at the moment of asking.

use crate::counters::{COMMIT_US, Counters, Histogram, SIZES, Stage, TURN_US};
use crate::words::words;

words! {
    /// What a core's memory is for: `corepost_memory_bytes{core,purpose}`.
    CoreMemory {
        /// Recent envelopes.
        Recent = "recent",
        /// Buffers kept for the next who needs one, and the one that all sockets are read into.
        Buffers = "buffers",
        /// Messages that are not complete.
        Partial = "partial",
        /// What was read from sessions that are held up, and is not obeyed yet.
        Held = "held",
        /// Request heads and bodies that are not complete, and answers that are not taken.
        Requests = "requests",
        /// Frames that sockets have not taken.
        Outbound = "outbound",
        /// Appends that the log has not answered.
        Appends = "appends",
    }
}

words! {
    /// What keeps the log from taking messages; also the reason in `/readyz`.
    LogTrouble {
        /// The disk is full.
        DiskFull = "disk_full",
        /// All that is retained has reached `--retention-size`.
        RetentionFull = "retention_full",
        /// It cannot write or be reached.
        Unavailable = "log_unavailable",
        /// It was stopped, or waits for an operator.
        Stopped = "log_stopped",
    }
}

/// How far a node's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does not accept yet.
    Starting,
    /// It does.
    Serving,
    /// It does not any more.
    Draining,
}

/// One core about itself.
#[derive(Clone, Debug)]
pub struct CoreReport {
    /// What its shard, and the loop around it, counted.
    pub counters: Counters,
    /// It has heard of its log within the last second.
    pub fresh: bool,
    /// Time spent in turns, microseconds.
    pub busy_us: u64,
    /// Lengths of turns, microseconds.
    pub turns_us: Histogram,
    /// Turns over [`crate::limits::TURN_MS`] that were late by what they did.
    pub late_turns: u64,
    /// Turns over it that the host's scheduler made late.
    pub starved_turns: u64,
    /// By [`Stage`], microseconds.
    pub end_to_end_us: [Histogram; Stage::ALL.len()],
    /// Messages per batch posted to it.
    pub mesh_batches: Histogram,
    /// Messages that wait in its inbox.
    pub mesh_depth: u64,
    /// Times it had to be woken for a batch.
    pub mesh_wakes: u64,
    /// Bytes by [`CoreMemory`].
    pub memory: [u64; CoreMemory::ALL.len()],
}

impl Default for CoreReport {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            fresh: false,
            busy_us: 0,
            turns_us: Histogram::new(TURN_US),
            late_turns: 0,
            starved_turns: 0,
            end_to_end_us: [const { Histogram::new(COMMIT_US) }; Stage::ALL.len()],
            mesh_batches: Histogram::new(SIZES),
            mesh_depth: 0,
            mesh_wakes: 0,
            memory: [0; CoreMemory::ALL.len()],
        }
    }
}

/// The log about itself.
#[derive(Clone, Debug)]
pub struct LogReport {
    /// What keeps it from taking messages.
    pub trouble: Option<LogTrouble>,
    /// Durations of commits, microseconds.
    pub commit_us: Histogram,
    /// Records per commit.
    pub batch_records: Histogram,
    /// Records written since the start.
    pub records_written: u64,
    /// Bytes retained.
    pub retained_bytes: u64,
    /// Memory of its caches.
    pub cache_bytes: u64,
}

impl Default for LogReport {
    fn default() -> Self {
        Self {
            trouble: None,
            commit_us: Histogram::new(COMMIT_US),
            batch_records: Histogram::new(SIZES),
            records_written: 0,
            retained_bytes: 0,
            cache_bytes: 0,
        }
    }
}

/// A whole node, as far as it answered.
#[derive(Debug)]
pub struct Reports {
    /// By core; `None` of one that did not answer in time.
    pub cores: Vec<Option<CoreReport>>,
    /// The log.
    pub log: LogReport,
    /// How far its life is.
    pub phase: Phase,
    /// Memory of the process that is in RAM.
    pub resident_bytes: Option<u64>,
}
