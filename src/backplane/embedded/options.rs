//! What an embedded log is opened with, and what opening it gives.

use crate::backplane::OnThread;
use crate::backplane::store;
use crate::backplane::store::database::Settings;
use crate::host::unix_ms;
use crate::limits::{MAILBOX_BYTES, MAILBOX_ENVELOPES, STORE_CACHE_BYTES, STORE_MEMTABLE_BYTES};
use crate::model::{Durability, Position, Topology};
use std::sync::Arc;

/// The wall clock, in Unix milliseconds; it may step.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How a log is to be.
#[derive(Clone)]
pub struct Options {
    /// What an acknowledged record survives.
    pub durability: Durability,
    /// Records younger than this are there.
    pub retention_ms: u64,
    /// Bytes (key + headers + body) of all retained records; beyond, appends are refused.
    pub retention_bytes: u64,
    /// Partitions, fixed when the log is made, and the cores to tell.
    pub topology: Topology,
    /// Bytes of the block cache.
    pub cache_bytes: u64,
    /// Bytes of a bucket's newest rows in memory before they become a table.
    pub memtable_bytes: u64,
    /// Envelopes of one mailbox.
    pub mailbox_envelopes: u64,
    /// Bytes of one mailbox.
    pub mailbox_bytes: u64,
    /// The wall clock.
    pub clock: Clock,
    /// Pins the log's threads.
    pub on_thread: OnThread,
}

impl Options {
    /// The defaults of the command line.
    pub fn new(topology: Topology) -> Self {
        Self {
            durability: Durability::Fsync,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: 10 << 30,
            topology,
            cache_bytes: STORE_CACHE_BYTES,
            memtable_bytes: STORE_MEMTABLE_BYTES,
            mailbox_envelopes: MAILBOX_ENVELOPES,
            mailbox_bytes: MAILBOX_BYTES,
            clock: Arc::new(unix_ms),
            on_thread: Arc::new(|_| ()),
        }
    }

    /// How long one bucket takes records.
    pub(super) fn bucket_ms(&self) -> u64 {
        store::bucket_ms(self.retention_ms)
    }

    /// How fjall is to be.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            durability: self.durability,
            cache_bytes: self.cache_bytes,
            memtable_bytes: self.memtable_bytes,
        }
    }
}

/// What was there when a log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Which log this is.
    pub log_epoch: u64,
    /// The end of each partition. Everything below has been told or will be read.
    pub heads: Vec<Position>,
    /// Nothing below these is served any more.
    pub floors: Arc<[u64]>,
}
