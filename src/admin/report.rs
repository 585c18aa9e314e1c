//! What the parts of a node say about themselves: plain numbers, copied at the moment of asking.

use crate::counters::{COMMIT_US, Counters, Histogram, LogMemory, SIZES, Stage, TURN_US};
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
        /// Keys of connections with TLS, about.
        Tls = "tls",
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

words! {
    /// A topic that records are read from and written to: `topic` of `corepost_records_read_total` and its sister.
    Topic {
        /// Messages. The embedded log is called by this name, too.
        Mailbox = "mailbox",
        /// What is kept of clients.
        State = "state",
        /// What nodes say to each other.
        Node = "node",
        /// Membership.
        Cluster = "cluster",
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
    /// Times accepting paused because the system had no room.
    pub accept_pauses: u64,
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
            accept_pauses: 0,
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
    /// Bytes by [`LogMemory`].
    pub memory: [u64; LogMemory::ALL.len()],
}

impl Default for LogReport {
    fn default() -> Self {
        Self {
            trouble: None,
            commit_us: Histogram::new(COMMIT_US),
            batch_records: Histogram::new(SIZES),
            records_written: 0,
            retained_bytes: 0,
            memory: [0; LogMemory::ALL.len()],
        }
    }
}

/// Numbers by a fixed word of each.
pub type ByWord = Vec<(&'static str, u64)>;

/// What a node of a cluster says beside the rest: its membership, its part of the log, its links. Counts are since the start.
#[derive(Clone, Debug, Default)]
pub struct ClusterReport {
    /// The newest view has it.
    pub is_member: bool,
    /// Nodes of that view.
    pub nodes: u64,
    /// Time since the cluster log said anything, which each node's own word does once a second, milliseconds.
    pub silent_ms: u64,
    /// Why Kafka takes nothing, where that will not pass by itself, and what to do.
    pub trouble: Option<String>,
    /// The topics break their contract, so that nothing is appended.
    pub topics_broken: bool,
    /// The index takes nothing now.
    pub index_failed: bool,
    /// Records read, by [`Topic`]; those of the mailbox topic once each.
    pub read: [u64; Topic::ALL.len()],
    /// Records of the mailbox topic read beside that, by why.
    pub reread: ByWord,
    /// Of all that was read of it, what became no message, by why.
    pub passed: ByWord,
    /// Records written, by [`Topic`].
    pub written: [u64; Topic::ALL.len()],
    /// Node records read, by what they are for.
    pub node_read: ByWord,
    /// Node records written, likewise.
    pub node_written: ByWord,
    /// Partitions that are its own.
    pub owned: u64,
    /// Of these, those that it serves.
    pub served: u64,
    /// Of these, those of which it knows that nothing is missing.
    pub fresh: u64,
    /// By partition that it serves, offsets not read yet.
    pub lags: Vec<(u16, u64)>,
    /// Partitions begun anew or given up, by why.
    pub over: ByWord,
    /// What the index had of partitions and was worth nothing, by why.
    pub stores_dropped: ByWord,
    /// Times the index took nothing.
    pub index_errors: u64,
    /// What went wrong with the state topic, by what.
    pub state_troubles: ByWord,
    /// Views of the cluster told.
    pub views: u64,
    /// Links whose life ended, by why.
    pub links_broken: ByWord,
    /// Links now: to homes, from gateways.
    pub links: [u64; 2],
    /// Hellos: said, taken.
    pub hellos: [u64; 2],
    /// Values for other nodes, or from them, that went no further, by why.
    pub post_drops: ByWord,
    /// Values that wait until they may be said, and their bytes.
    pub waiting: [u64; 2],
    /// Appends refused: because too much was under way, because Kafka did not acknowledge them.
    pub refused: [u64; 2],
    /// Appends under way, and their bytes.
    pub under_way: [u64; 2],
    /// Producers for messages.
    pub producers: u64,
    /// Producers that had failed for good.
    pub made_anew: u64,
    /// Brokers that lead a partition of the mailbox topic.
    pub brokers: u64,
    /// Readers that did not read what was there, by [`Topic`].
    pub readers_made_anew: [u64; Topic::ALL.len()],
}

/// A whole node, as far as it answered.
#[derive(Debug)]
pub struct Reports {
    /// By core; `None` of one that did not answer in time.
    pub cores: Vec<Option<CoreReport>>,
    /// The log.
    pub log: LogReport,
    /// Of a node in a cluster.
    pub cluster: Option<ClusterReport>,
    /// How far its life is.
    pub phase: Phase,
    /// Memory of the process that is in RAM.
    pub resident_bytes: Option<u64>,
    /// Lines that its log left out.
    pub lines_left_out: u64,
    /// When the certificate that clients are shown ends, in seconds since 1970.
    pub certificate_not_after_s: Option<u64>,
}
