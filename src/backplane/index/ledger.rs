//! The state of an open index, and how a batch is made.
//!
//! Everything here is what the rows on disk say, kept in memory by the one thread that writes them. A batch happens as
//! a whole or not at all; what it changes here, it changes when it has happened.

use super::buckets::Buckets;
use super::meta;
use super::options::IndexOptions;
use super::values::{Erase, Portion, Put};
use super::view::{Held, View};
use crate::backplane::store::database::{Store, StoreError};
use crate::backplane::store::memory;
use crate::backplane::store::random;
use crate::backplane::store::rows::{MailboxKey, Row};
use crate::log::Epochs;
use crate::model::Partition;
use fjall::OwnedWriteBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// The index as its writer knows it.
pub struct Ledger {
    pub(super) options: IndexOptions,
    pub(super) store: Store,
    pub(super) buckets: Buckets,
    /// By number.
    pub(super) partitions: Vec<Option<Arc<Held>>>,
}

/// A batch being made.
struct Draft {
    batch: OwnedWriteBatch,
    buckets: Buckets,
    /// Numbers of the buckets that have rows of this batch.
    touched: BTreeSet<u32>,
    row: Vec<u8>,
}

impl Ledger {
    /// What readers are to see.
    pub fn view(&self) -> View {
        View {
            store: self.store.clone(),
            buckets: self.buckets.all().to_vec(),
            partitions: self.partitions.clone(),
        }
    }

    /// Bytes of all buckets.
    pub fn bytes(&self) -> u64 {
        self.buckets.all().iter().map(|bucket| bucket.bytes).sum()
    }

    /// What it takes of memory.
    pub fn memory(&self) -> memory::Bytes {
        self.store.memory(self.buckets.all().iter().map(|bucket| &bucket.keyspace))
    }

    pub fn show(&mut self, partition: Partition, epochs: Epochs) {
        if let Some(held) = &mut self.partitions[usize::from(partition.0)] {
            Arc::make_mut(held).shown = Some(Arc::new(epochs));
        }
    }

    pub fn hide(&mut self, partition: Partition) {
        if let Some(held) = &mut self.partitions[usize::from(partition.0)] {
            Arc::make_mut(held).shown = None;
        }
    }

    /// Writes these portions as one batch.
    pub fn commit(&mut self, portions: Vec<Portion>) -> Result<(), StoreError> {
        let (batch, buckets) = (self.store.batch(), self.buckets.clone());
        let mut draft = Draft { batch, buckets, touched: BTreeSet::new(), row: Vec::new() };
        let mut changed = BTreeMap::new();
        for portion in portions {
            let partition = portion.partition;
            let held = self.take(portion, &mut draft)?;
            assert!(changed.insert(partition, held).is_none(), "{partition:?} is twice in one batch");
        }
        let mut keyspaces = vec![&self.store.meta];
        for bucket in draft.buckets.all().iter().filter(|bucket| draft.touched.contains(&bucket.number)) {
            let row = meta::encode(&[bucket.from_ms, bucket.until_ms, bucket.bytes]);
            draft.batch.insert(&self.store.meta, meta::bucket_key(bucket.number), row);
            keyspaces.push(&bucket.keyspace);
        }
        self.store.wait_for_room(keyspaces.into_iter())?;
        draft.batch.commit()?;
        self.buckets = draft.buckets;
        for (partition, held) in changed {
            self.partitions[usize::from(partition.0)] = Some(Arc::new(held));
        }
        Ok(())
    }

    /// Puts a portion into the batch, and says what is held of its partition with it.
    fn take(&self, portion: Portion, draft: &mut Draft) -> Result<Held, StoreError> {
        let Portion { partition, rows, erases, coverage, epochs, state } = portion;
        let mut held = match &self.partitions[usize::from(partition.0)] {
            Some(held) => Held::clone(held),
            None => Held { seed: new_seed()?, coverage, extents: Vec::new(), shown: None },
        };
        held.coverage = coverage;
        held.shown = Some(Arc::new(epochs));
        self.put(partition, &rows, &mut held, draft)?;
        self.erase(partition, &erases, held.seed, draft)?;
        let row = meta::encode_partition(held.seed, coverage, &state);
        draft.batch.insert(&self.store.meta, meta::partition_key(partition), row);
        Ok(held)
    }

    fn put(
        &self,
        partition: Partition,
        rows: &[Put],
        held: &mut Held,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let mut extended = BTreeSet::new();
        for Put { offset, at_ms, envelope } in rows {
            assert!(*offset < held.coverage.next, "offset {offset} of {partition:?} is beyond its coverage");
            draft.row.clear();
            let size = Row::encode(envelope, *at_ms, &mut draft.row);
            let bucket = draft.buckets.at(*at_ms, &self.store)?;
            bucket.bytes += size;
            draft.touched.insert(bucket.number);
            if held.extend(bucket.number, *offset) {
                extended.insert(bucket.number);
            }
            let key = MailboxKey::new(partition, envelope.to(), held.seed).row_key(*offset);
            draft.batch.insert(&bucket.keyspace, key, &draft.row[..]);
        }
        for extent in held.extents.iter().filter(|extent| extended.contains(&extent.bucket)) {
            let key = meta::extent_key(partition, extent.bucket);
            draft.batch.insert(&self.store.meta, key, meta::encode(&[extent.first, extent.last]));
        }
        Ok(())
    }

    /// History comes after what is younger, so the newest erase of a mailbox stands, not the last one.
    fn erase(
        &self,
        partition: Partition,
        erases: &[Erase],
        seed: u64,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let mut newest = BTreeMap::new();
        for Erase { client, offset } in erases {
            let known = newest.entry(client).or_insert(*offset);
            *known = (*known).max(*offset);
        }
        for (client, offset) in newest {
            let key = meta::erase_key(partition, client.as_ref());
            let stored = self.store.meta.get(&key)?.and_then(|value| meta::read_pair(&value));
            if !stored.is_some_and(|(under, stored)| under == seed && stored >= offset) {
                draft.batch.insert(&self.store.meta, key, meta::encode(&[seed, offset]));
            }
        }
        Ok(())
    }

    /// Forgets these partitions. Their rows stay until their buckets go, under seeds that nobody knows any more.
    pub fn drop_partitions(&mut self, partitions: &[Partition]) -> Result<(), StoreError> {
        let mut batch = self.store.durable_batch();
        for &partition in partitions {
            let Some(held) = self.partitions[usize::from(partition.0)].take() else { continue };
            batch.remove(&self.store.meta, meta::partition_key(partition));
            for extent in &held.extents {
                batch.remove(&self.store.meta, meta::extent_key(partition, extent.bucket));
            }
        }
        if !batch.is_empty() {
            self.store.wait_for_room([&self.store.meta].into_iter())?;
            batch.commit()?;
        }
        Ok(())
    }
}

/// So that nobody can choose client IDs that collide, and no two times of a partition share a row.
fn new_seed() -> io::Result<u64> {
    random().map(u64::from_le_bytes)
}
