//! What readers see of an index.

use super::buckets::Bucket;
use super::values::Coverage;
use crate::backplane::store::database::Store;
use crate::backplane::store::mailbox::Stretch;
use crate::log::Epochs;
use crate::model::Partition;
use std::sync::Arc;

/// What of a partition lies in one bucket: nothing of it is at another offset. At most one for each bucket there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub bucket: u32,
    pub first: u64,
    pub last: u64,
}

/// A partition that is held.
#[derive(Clone)]
pub struct Held {
    /// Its mailboxes are named under it, until it is dropped.
    pub seed: u64,
    pub coverage: Coverage,
    pub extents: Vec<Extent>,
    /// Its leaders, if anybody may see it.
    pub shown: Option<Arc<Epochs>>,
}

/// One state of the index.
pub struct View {
    pub store: Store,
    pub buckets: Vec<Bucket>,
    pub partitions: Vec<Option<Arc<Held>>>,
}

impl Held {
    /// Takes a row into the extent of its bucket. Whether that is another one with it.
    pub fn extend(&mut self, bucket: u32, offset: u64) -> bool {
        let Some(extent) = self.extents.iter_mut().find(|extent| extent.bucket == bucket) else {
            self.extents.push(Extent { bucket, first: offset, last: offset });
            return true;
        };
        let before = *extent;
        extent.first = extent.first.min(offset);
        extent.last = extent.last.max(offset);
        *extent != before
    }
}

impl View {
    pub fn held(&self, partition: Partition) -> Option<&Held> {
        self.partitions.get(usize::from(partition.0))?.as_deref()
    }

    /// The same, but nobody sees this partition.
    pub fn without(&self, partition: Partition) -> Self {
        let mut partitions = self.partitions.clone();
        partitions[usize::from(partition.0)] = None;
        Self { store: self.store.clone(), buckets: self.buckets.clone(), partitions }
    }

    /// What of a partition lies in which bucket.
    pub fn stretches(&self, held: &Held) -> Vec<Stretch<'_>> {
        let stretch = |extent: &Extent| {
            let bucket = self.buckets.iter().find(|bucket| bucket.number == extent.bucket)?;
            Some(Stretch {
                keyspace: &bucket.keyspace,
                offsets: extent.first..extent.last + 1,
                began_ms: bucket.from_ms,
                ended_ms: bucket.until_ms - 1,
            })
        };
        held.extents.iter().filter_map(stretch).collect()
    }
}
