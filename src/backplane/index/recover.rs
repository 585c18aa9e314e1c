//! Opening an index: reading what it holds, and beginning anew where that is another log's, or damaged.

use super::buckets::{Bucket, Buckets};
use super::ledger::Ledger;
use super::meta;
use super::options::IndexOptions;
use super::values::{Kept, Opened, Wiped};
use super::view::{Extent, Held};
use crate::backplane::store;
use crate::backplane::store::database::{Store, StoreError, damaged};
use crate::backplane::store::directory::Directory;
use std::sync::Arc;

/// Opens what is there, or wipes it.
pub fn open(directory: &Directory, options: &IndexOptions) -> Result<(Ledger, Opened), StoreError> {
    let wiped = match attempt(directory, options) {
        Ok(Found::Ours(ledger, kept)) => return Ok((*ledger, Opened { kept, wiped: None })),
        Ok(Found::OtherLog { log_epoch, partitions }) => Wiped::OtherLog { log_epoch, partitions },
        Err(StoreError::Damaged(what)) => Wiped::Damaged(what),
        Err(error) => return Err(error),
    };
    tracing::warn!(?wiped, "the index of mailboxes is begun anew; its log is Kafka");
    directory.wait_for_store()?;
    directory.drop_store()?;
    match attempt(directory, options)? {
        Found::Ours(ledger, kept) => Ok((*ledger, Opened { kept, wiped: Some(wiped) })),
        Found::OtherLog { .. } => unreachable!("a new index is of the log it was made for"),
    }
}

enum Found {
    Ours(Box<Ledger>, Vec<Kept>),
    OtherLog { log_epoch: u64, partitions: u16 },
}

fn attempt(directory: &Directory, options: &IndexOptions) -> Result<Found, StoreError> {
    let store = Store::open(directory, options.settings())?;
    match store.meta.get(meta::LOG)? {
        Some(value) => {
            let (log_epoch, partitions) =
                meta::read_log(&value).ok_or_else(|| damaged("the log's identity"))?;
            if (log_epoch, partitions) != (options.log_epoch, options.partitions) {
                return Ok(Found::OtherLog { log_epoch, partitions });
            }
        }
        None => {
            let mut batch = store.durable_batch();
            batch.insert(&store.meta, meta::LOG, meta::encode_log(options.log_epoch, options.partitions));
            batch.commit()?;
        }
    }
    let buckets = buckets(&store, options)?;
    let (mut partitions, kept) = partitions(&store, options.partitions)?;
    for guard in store.meta.prefix([meta::EXTENT]) {
        let (key, value) = guard.into_inner()?;
        let (partition, bucket) = meta::read_extent_key(&key).ok_or_else(|| damaged("an extent"))?;
        let (first, last) = meta::read_pair(&value).ok_or_else(|| damaged("an extent"))?;
        let held = partitions.get_mut(usize::from(partition.0)).and_then(Option::as_mut);
        let held = held.ok_or_else(|| damaged("the partition of an extent"))?;
        if !buckets.all().iter().any(|there| there.number == bucket) {
            return Err(damaged("the bucket of an extent"));
        }
        held.extents.push(Extent { bucket, first, last });
    }
    let partitions = partitions.into_iter().map(|held| held.map(Arc::new)).collect();
    Ok(Found::Ours(Box::new(Ledger { options: *options, store, buckets, partitions }), kept))
}

type Partitions = (Vec<Option<Held>>, Vec<Kept>);

fn partitions(store: &Store, number: u16) -> Result<Partitions, StoreError> {
    let (mut all, mut kept) = (vec![None; usize::from(number)], Vec::new());
    for guard in store.meta.prefix([meta::PARTITION]) {
        let (key, value) = guard.into_inner()?;
        let partition = meta::partition_of(&key).filter(|partition| partition.0 < number);
        let row = partition.zip(meta::read_partition(&value));
        let (partition, (seed, coverage, state)) = row.ok_or_else(|| damaged("a partition's row"))?;
        all[usize::from(partition.0)] = Some(Held { seed, coverage, extents: Vec::new(), shown: None });
        kept.push(Kept { partition, coverage, state: state.to_vec() });
    }
    Ok((all, kept))
}

/// The buckets. Files of buckets that no row names are of a bucket that never began or was dropped.
fn buckets(store: &Store, options: &IndexOptions) -> Result<Buckets, StoreError> {
    let (mut all, there) = (Vec::new(), store.bucket_numbers());
    for guard in store.meta.prefix([meta::BUCKET]) {
        let (key, value) = guard.into_inner()?;
        let number = key.last_chunk().map(|number| u32::from_be_bytes(*number));
        let row = number.zip(meta::read_bucket(&value));
        let (number, (from_ms, until_ms, bytes)) = row.ok_or_else(|| damaged("a bucket's row"))?;
        if !there.contains(&number) {
            return Err(StoreError::Damaged(format!("bucket {number} is missing")));
        }
        all.push(Bucket { number, from_ms, until_ms, bytes, keyspace: store.bucket(number)? });
    }
    for &number in &there {
        if !all.iter().any(|bucket| bucket.number == number) {
            store.drop_bucket(store.bucket(number)?)?;
        }
    }
    let next_number = there.iter().max().map_or(0, |newest| newest + 1);
    Ok(Buckets::new(all, next_number, store::bucket_ms(options.retention_ms)))
}
