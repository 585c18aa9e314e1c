//! What an index is opened with.

use crate::backplane::store::database::Settings;
use crate::limits::{STORE_CACHE_BYTES, STORE_MEMTABLE_BYTES};
use crate::model::Durability;

/// How an index is to be.
#[derive(Clone, Copy, Debug)]
pub struct IndexOptions {
    /// Which log it is of. The index of another one is wiped.
    pub log_epoch: u64,
    /// Partitions of that log.
    pub partitions: u16,
    /// Rows younger than this are there.
    pub retention_ms: u64,
    /// Bytes of the block cache.
    pub cache_bytes: u64,
    /// Bytes of a bucket's newest rows in memory before they become a table.
    pub memtable_bytes: u64,
}

impl IndexOptions {
    /// The defaults of the command line, for this log.
    pub fn new(log_epoch: u64, partitions: u16) -> Self {
        Self {
            log_epoch,
            partitions,
            retention_ms: 7 * 24 * 3_600_000,
            cache_bytes: STORE_CACHE_BYTES,
            memtable_bytes: STORE_MEMTABLE_BYTES,
        }
    }

    /// How fjall is to be: Kafka is the log, so a power cut may take the end of this.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            durability: Durability::Process,
            cache_bytes: self.cache_bytes,
            memtable_bytes: self.memtable_bytes,
        }
    }
}
