//! Reading a log's state from what is on disk, and beginning a new life of it.
//!
//! The last checkpoint says where heads, sizes, counts and dedupe windows stood; the commits after that are added to
//! it. Then a leader epoch begins at the recovered end, and is durable before anything is told: whoever was told more
//! than has survived is found out by it.

use super::commit_row::{Commit, Committed};
use super::count_row::Count;
use super::counts::{CountPuts, Counts, Moment};
use super::epoch;
use super::ledger::Ledger;
use super::meta::{self, BucketRow, Checkpoint, Identity};
use super::options::Options;
use super::view::Bucket;
use crate::backplane::store::database::{Store, StoreError, damaged};
use crate::backplane::store::random;
use crate::backplane::store::rows::{MailboxKey, Row};
use crate::backplane::tidings::Tidings;
use crate::log::{Dedupe, Epochs, Record, Revocation};
use crate::model::{ClientId, Envelope, EnvelopeParts, IdRef, Kind};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The number of partitions is another one.
pub struct OtherPartitions(pub u16);

/// What keeps a log from being read.
pub enum Unrecovered {
    Store(StoreError),
    Partitions(OtherPartitions),
}

impl<E: Into<StoreError>> From<E> for Unrecovered {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl Ledger {
    /// Reads the state, begins a leader epoch, and makes both durable.
    pub fn recover(store: Store, options: Options) -> Result<Self, Unrecovered> {
        let commits = store.keyspace("commits", options.memtable_bytes / 2)?;
        let identity = identity(&store, options.topology.partitions())?;
        let partitions = identity.partitions;
        let checkpoint = match store.meta.get(meta::CHECKPOINT)? {
            Some(value) => Checkpoint::read(&value, partitions).ok_or_else(|| damaged("the checkpoint"))?,
            None => Checkpoint { heads: vec![0; usize::from(partitions)], ..Checkpoint::default() },
        };
        let epochs = match store.meta.get(meta::EPOCHS)? {
            Some(value) => meta::read_epochs(&value, partitions).ok_or_else(|| damaged("the epochs"))?,
            None => vec![Epochs::default(); usize::from(partitions)],
        };
        let buckets = buckets(&store, partitions, checkpoint.bucket_bytes)?;
        let revocations = store.meta.prefix([meta::REVOKED]).count();
        let mut ledger = Self {
            options,
            store,
            commits,
            identity,
            leader_epoch: 0,
            heads: checkpoint.heads.clone(),
            epochs,
            dedupe: vec![Dedupe::default(); usize::from(partitions)],
            at_ms: checkpoint.at_ms,
            commit: checkpoint.commit,
            record: 0,
            buckets,
            next_bucket: checkpoint.next_bucket,
            counts: Counts::default(),
            window: VecDeque::new(),
            checkpoint: (0, checkpoint.at_ms),
            read_from: checkpoint.read_from(),
            forgotten: 0,
            revocations,
            sweeps: VecDeque::new(),
            row: Vec::new(),
        };
        let counts = ledger.replay(&checkpoint)?;
        ledger.begin(counts)?;
        ledger.sweep_behind_all()?;
        Ok(ledger)
    }

    /// Adds the commits since the checkpoint, and what is older of the dedupe windows.
    fn replay(&mut self, checkpoint: &Checkpoint) -> Result<CountPuts, StoreError> {
        let mut counts = HashMap::new();
        let (mut records, mut said) = (0_u64, Instant::now());
        let (commits, from) = (self.commits.clone(), checkpoint.read_from());
        for guard in commits.range(from.to_be_bytes()..) {
            let (key, value) = guard.into_inner()?;
            let number =
                key.first_chunk().map(|n| u64::from_be_bytes(*n)).ok_or_else(|| damaged("a commit"))?;
            let mut commit = Commit::read(&value).ok_or_else(|| damaged("a commit"))?;
            let is_new = number > checkpoint.commit;
            if is_new && number != self.commit + 1 {
                return Err(StoreError::Damaged(format!(
                    "commit {} is missing before {number}",
                    self.commit + 1
                )));
            }
            let at_ms = commit.at_ms;
            while let Some(record) = commit.next() {
                let record = record.ok_or_else(|| damaged("a commit"))?;
                records += 1;
                self.dedupe[usize::from(record.mailbox.partition.0)].apply(record.key, record.offset, at_ms);
                if is_new {
                    self.replay_head(record, commit.bucket)?;
                }
                if number >= checkpoint.counts_from && !record.is_duplicate && !record.is_erase {
                    self.replay_count(record, commit.bucket, number, &mut counts)?;
                }
            }
            if is_new {
                (self.commit, self.at_ms) = (number, self.at_ms.max(at_ms));
            }
            if said.elapsed() >= Duration::from_secs(1) {
                said = Instant::now();
                tracing::info!(
                    records,
                    "starting: reading which messages of the last minutes are not to come twice"
                );
            }
            if self.window.back().is_none_or(|&(_, last_ms)| at_ms - last_ms >= 1_000) {
                self.window.push_back((number, at_ms));
            }
        }
        if let Some(newest) = self.buckets.last_mut() {
            newest.ended_ms = newest.ended_ms.max(self.at_ms);
        }
        Ok(counts.into_iter().collect())
    }

    fn replay_head(&mut self, record: Committed, bucket: u32) -> Result<(), StoreError> {
        let head = &mut self.heads[usize::from(record.mailbox.partition.0)];
        if record.offset != *head {
            return Err(StoreError::Damaged(format!("offset {} follows {head}", record.offset)));
        }
        *head += 1;
        if !record.is_duplicate && !record.is_erase {
            let bucket = self.buckets.iter_mut().find(|one| one.number == bucket);
            bucket.ok_or_else(|| damaged("the bucket of a commit"))?.bytes += u64::from(record.size);
        }
        Ok(())
    }

    /// One more envelope of its mailbox, unless the count in the store has it already.
    fn replay_count(
        &self,
        record: Committed,
        bucket: u32,
        number: u64,
        counts: &mut HashMap<(u32, [u8; 10]), Count>,
    ) -> Result<(), StoreError> {
        let Some(bucket) = self.buckets.iter().find(|one| one.number == bucket) else { return Ok(()) };
        let key = record.mailbox.head_key();
        let count = match counts.entry((bucket.number, key)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let stored = bucket.keyspace.get(key)?.and_then(|value| Count::read(&value));
                unknown.insert(stored.unwrap_or_default())
            }
        };
        if number > count.as_of {
            count.envelopes += 1;
            count.bytes += u64::from(record.size);
        }
        Ok(())
    }

    /// Begins a leader epoch where the log ends.
    fn begin(&mut self, mut counts: CountPuts) -> Result<(), StoreError> {
        let newest = self.epochs.iter().flat_map(|epochs| epochs.entries()).map(|&(epoch, _)| epoch).max();
        let now_s = u32::try_from((self.options.clock)() / 1_000).unwrap_or(0);
        self.leader_epoch = epoch::name(newest.unwrap_or(0), now_s, u32::from_le_bytes(random()?))
            .ok_or_else(|| StoreError::Damaged("no leader epoch is left after its last one".into()))?;
        for (epochs, &head) in self.epochs.iter_mut().zip(&self.heads) {
            epochs.begin(self.leader_epoch, head);
        }
        let mut batch = self.store.durable_batch();
        batch.insert(&self.store.meta, meta::EPOCHS, meta::encode_epochs(&self.epochs));
        for count in counts.values_mut() {
            count.as_of = self.commit;
        }
        let now = Moment { commit: self.commit, record: 0, at_ms: self.at_ms, bucket: 0 };
        self.write_counts(now, true, &mut counts, &mut batch);
        self.write_checkpoint(&mut batch);
        let buckets = self.buckets.iter().map(|bucket| &bucket.keyspace);
        self.store.wait_for_room([&self.store.meta, &self.commits].into_iter().chain(buckets))?;
        Ok(batch.commit()?)
    }

    /// All revocations, to be told first.
    pub fn all_revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        let mut all = Vec::with_capacity(self.revocations);
        for guard in self.store.meta.prefix([meta::REVOKED]) {
            let (key, value) = guard.into_inner()?;
            let client: Option<ClientId> = IdRef::from_bytes(&key[1..]).ok().map(IdRef::to_client);
            let (Some(client), Some(until)) = (client, value.first_chunk()) else {
                return Err(damaged("a revocation"));
            };
            all.push(Revocation { client, issued_until_s: u64::from_le_bytes(*until) });
        }
        Ok(all)
    }
}

impl Ledger {
    /// Tells the records after this commit, which is the last that was told: they survived although nobody knew.
    pub fn untold(&self, told: u64, tidings: &mut Tidings) -> Result<(), StoreError> {
        for guard in self.commits.range((told + 1).to_be_bytes()..) {
            let (_, value) = guard.into_inner()?;
            let mut commit = Commit::read(&value).ok_or_else(|| damaged("a commit"))?;
            let (at_ms, bucket) = (commit.at_ms, commit.bucket);
            while let Some(record) = commit.next() {
                let record = record.ok_or_else(|| damaged("a commit"))?;
                if !record.is_duplicate {
                    let envelope = self.envelope_of(record, bucket)?;
                    let core = self.options.topology.core(envelope.to());
                    let (partition, offset) = (record.mailbox.partition, record.offset);
                    let leader_epoch = self.epochs[usize::from(partition.0)].of(offset).unwrap_or(0);
                    tidings.record(core, Record { partition, offset, leader_epoch, at_ms, envelope });
                }
            }
        }
        Ok(())
    }

    fn envelope_of(&self, record: Committed, bucket: u32) -> Result<Envelope, StoreError> {
        if record.is_erase {
            return self.erase_at(record);
        }
        let bucket = self.buckets.iter().find(|one| one.number == bucket);
        let bucket = bucket.ok_or_else(|| damaged("the bucket of a commit"))?;
        let row = bucket.keyspace.get(record.mailbox.row_key(record.offset))?;
        row.and_then(|row| Row::read(&row)?.envelope()).ok_or_else(|| damaged("a record"))
    }

    /// Erases have no row of their own: the client's newest one is in the fold, and stands for all before.
    fn erase_at(&self, record: Committed) -> Result<Envelope, StoreError> {
        for guard in self.store.meta.prefix([meta::ERASED]) {
            let (key, value) = guard.into_inner()?;
            let Ok(client) = IdRef::from_bytes(&key[1..]) else { continue };
            let mailbox = MailboxKey::new(record.mailbox.partition, client, self.identity.seed);
            if mailbox == record.mailbox && meta::read_erase(&value).is_some() {
                return Ok(Envelope::new(EnvelopeParts {
                    kind: Kind::Erase,
                    to: Some(client),
                    from: None,
                    id: None,
                    copied_to: b"",
                    body: b"",
                }));
            }
        }
        Err(damaged("an erase"))
    }

    /// Writes down what a next start would have to count, and makes everything survive a power cut.
    pub fn close(&mut self) -> Result<(), StoreError> {
        let mut batch = self.store.durable_batch();
        let now = Moment { commit: self.commit, record: self.record, at_ms: self.at_ms, bucket: 0 };
        self.write_counts(now, true, &mut CountPuts::new(), &mut batch);
        self.write_checkpoint(&mut batch);
        batch.commit()?;
        self.store.sync()
    }
}

/// Which log this is; a new one where there is none.
fn identity(store: &Store, partitions: u16) -> Result<Identity, Unrecovered> {
    if let Some(value) = store.meta.get(meta::LOG)? {
        let identity = Identity::read(&value).ok_or_else(|| damaged("the log's identity"))?;
        return match identity.partitions == partitions {
            true => Ok(identity),
            false => Err(Unrecovered::Partitions(OtherPartitions(identity.partitions))),
        };
    }
    let (log_epoch, seed) = (u64::from_le_bytes(random()?), u64::from_le_bytes(random()?));
    let identity = Identity { log_epoch, seed, partitions };
    let mut batch = store.durable_batch();
    batch.insert(&store.meta, meta::LOG, identity.encode());
    batch.commit()?;
    Ok(identity)
}

/// The rows of all buckets that hold something, oldest first.
fn bucket_rows(store: &Store, partitions: u16) -> Result<Vec<BucketRow>, StoreError> {
    let mut rows = Vec::new();
    for guard in store.meta.prefix([meta::BUCKET]) {
        let (key, value) = guard.into_inner()?;
        rows.push(BucketRow::read(&key, &value, partitions).ok_or_else(|| damaged("a bucket's row"))?);
    }
    Ok(rows)
}

/// The buckets, oldest first. Files of buckets that no row names are of a bucket that never began or was dropped.
fn buckets(store: &Store, partitions: u16, newest_bytes: u64) -> Result<Vec<Bucket>, StoreError> {
    let (rows, there) = (bucket_rows(store, partitions)?, store.bucket_numbers());
    for &number in &there {
        if !rows.iter().any(|row| row.number == number) {
            store.drop_bucket(store.bucket(number)?)?;
        }
    }
    let newest = rows.len().saturating_sub(1);
    rows.into_iter()
        .enumerate()
        .map(|(i, row)| {
            if !there.contains(&row.number) {
                return Err(StoreError::Damaged(format!("bucket {} is missing", row.number)));
            }
            let keyspace = store.bucket(row.number)?;
            let bytes = if i == newest { newest_bytes } else { row.bytes };
            let (number, began_ms, ended_ms) = (row.number, row.began_ms, row.ended_ms);
            Ok(Bucket { number, began_ms, ended_ms, bytes, first: row.first.into(), keyspace })
        })
        .collect()
}
