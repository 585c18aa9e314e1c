//! What the readers see: the buckets, the epochs and the floors.

use crate::backplane::store::database::Store;
use crate::backplane::store::mailbox::Stretch;
use crate::log::Epochs;
use crate::model::Partition;
use fjall::Keyspace;
use std::sync::Arc;

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

impl View {
    /// The floor of a partition.
    pub fn floor(&self, partition: Partition) -> u64 {
        self.floors[usize::from(partition.0)]
    }

    /// The epochs of a partition.
    pub fn epochs(&self, partition: Partition) -> &Epochs {
        &self.epochs[usize::from(partition.0)]
    }

    /// What of a partition lies in which bucket. A bucket ends where, and no later than, the next one begins.
    pub fn stretches(&self, partition: Partition) -> Vec<Stretch<'_>> {
        let p = usize::from(partition.0);
        let ends = self.buckets.iter().skip(1).map(|next| (next.first[p], next.began_ms));
        let ends = ends.chain([(u64::MAX, u64::MAX)]);
        let buckets = self.buckets.iter().zip(ends);
        let stretch = buckets.map(|(bucket, (end, ended_ms))| Stretch {
            keyspace: &bucket.keyspace,
            offsets: bucket.first[p]..end,
            began_ms: bucket.began_ms,
            ended_ms,
        });
        stretch.collect()
    }
}
