//! What the readers see: the buckets, the epochs and the floors, replaced as a whole when one of them changes.

use super::database::Store;
use crate::log::Epochs;
use crate::model::Partition;
use fjall::Keyspace;
use std::sync::{Arc, Mutex};

/// A bucket: rows of a time, dropped whole.
#[derive(Clone)]
pub struct Bucket {
    pub number: u32,
    /// Log time of its first commit.
    pub began_ms: u64,
    /// Log time of its last one.
    pub ended_ms: u64,
    /// Key, headers and body of its rows.
    pub bytes: u64,
    /// Its first offset in each partition.
    pub first: Arc<[u64]>,
    pub keyspace: Keyspace,
}

/// One state of the log. Buckets are in order of time, so in order of offsets in every partition.
pub struct View {
    pub store: Store,
    pub seed: u64,
    pub buckets: Vec<Bucket>,
    pub epochs: Vec<Epochs>,
    pub floors: Arc<[u64]>,
}

/// Where the newest view is; none while the store is closed. Neither side holds the lock for longer than a pointer's
/// copy, and no core's thread takes it.
#[derive(Default)]
pub struct Sight(Mutex<Option<Arc<View>>>);

impl Sight {
    pub fn get(&self) -> Option<Arc<View>> {
        self.0.lock().expect("nobody panics with the view in hand").clone()
    }

    pub fn set(&self, view: Option<Arc<View>>) -> Option<Arc<View>> {
        std::mem::replace(&mut *self.0.lock().expect("nobody panics with the view in hand"), view)
    }
}

impl View {
    /// The floor of a partition.
    pub fn floor(&self, partition: Partition) -> u64 {
        self.floors[usize::from(partition.0)]
    }

    /// The epochs of a partition.
    pub fn epochs(&self, partition: Partition) -> &Epochs {
        &self.epochs[usize::from(partition.0)]
    }

    /// The buckets that hold offsets of `partition` in `from..upto`, oldest first.
    pub fn buckets(&self, partition: Partition, from: u64, upto: u64) -> &[Bucket] {
        let first = |bucket: &Bucket| bucket.first[usize::from(partition.0)];
        let end = self.buckets.partition_point(|bucket| first(bucket) < upto);
        let begin = self.buckets[..end].partition_point(|bucket| first(bucket) <= from).saturating_sub(1);
        &self.buckets[begin..end]
    }
}
