//! The state of an open log, and how a batch of appends becomes one commit.
//!
//! Everything here is what the rows on disk say, kept in memory by the one thread that writes them. A commit either
//! happens as a whole or the ledger is thrown away and read again from what is on disk: no half-made state survives.

use super::counts::{CountPuts, Counts, Moment};
use super::draft::Draft;
use super::meta::{self, BucketRow, Checkpoint, Identity};
use super::options::{Options, Recovered};
use super::sweep::Sweep;
use super::view::{Bucket, View};
use crate::backplane::store::database::{Store, StoreError};
use crate::backplane::store::memory;
use crate::backplane::tidings::Tidings;
use crate::counters::LogMemory;
use crate::limits::{DEDUPE_MS, STORE_BUCKETS_MOST, STORE_CHECKPOINT_MS, STORE_CHECKPOINT_RECORDS};
use crate::log::{Append, Dedupe, Epochs, Revocation, Ticket};
use crate::model::Partition;
use fjall::{Keyspace, OwnedWriteBatch};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a core asks of the thread that writes.
pub enum Command {
    /// Append these.
    Append(Vec<Append>),
    /// Remember this.
    Revoke(Ticket, Revocation),
    /// Finish.
    Stop,
}

/// The log as its writer knows it.
pub struct Ledger {
    pub(super) options: Options,
    pub(super) store: Store,
    /// One row per commit.
    pub(super) commits: Keyspace,
    pub(super) identity: Identity,
    /// Of this life of the log.
    pub(super) leader_epoch: u32,
    pub(super) heads: Vec<u64>,
    pub(super) epochs: Vec<Epochs>,
    pub(super) dedupe: Vec<Dedupe>,
    /// The newest log time. One for all partitions, so that commits, buckets and offsets are in one order of time.
    pub(super) at_ms: u64,
    /// The number of the last commit.
    pub(super) commit: u64,
    /// Records since this ledger was read.
    pub(super) record: u64,
    /// Oldest first; the last one takes the rows.
    pub(super) buckets: Vec<Bucket>,
    /// Numbers are not used twice.
    pub(super) next_bucket: u32,
    pub(super) counts: Counts,
    /// One (commit, log time) per second of the dedupe window: what of the commits must be kept.
    pub(super) window: VecDeque<(u64, u64)>,
    /// Record and log time of the last checkpoint.
    pub(super) checkpoint: (u64, u64),
    /// What a start reads commits from, as the last checkpoint says.
    pub(super) read_from: u64,
    /// Commits below this one have been dropped, or were asked to be.
    pub(super) forgotten: u64,
    pub(super) revocations: usize,
    /// Erased mailboxes whose rows are still on the disk.
    pub(super) sweeps: VecDeque<Sweep>,
    pub(super) row: Vec<u8>,
}

/// What a commit did.
pub struct Done {
    pub tidings: Tidings,
    pub records: usize,
    pub rows: u64,
    /// There is a new bucket.
    pub has_new_view: bool,
    pub log_is_full: bool,
}

impl Ledger {
    /// What was there at the start.
    pub fn recovered(&self) -> Recovered {
        let heads = (0..).zip(&self.heads).map(|(p, &head)| self.epochs[p].position(head)).collect();
        Recovered { log_epoch: self.identity.log_epoch, heads, floors: self.floors() }
    }

    /// Nothing below these is served: the oldest bucket's first offsets, or the heads when there is none.
    pub fn floors(&self) -> Arc<[u64]> {
        self.buckets.first().map_or_else(|| self.heads.clone().into(), |oldest| oldest.first.clone())
    }

    /// What readers are to see.
    pub fn view(&self) -> View {
        View {
            store: self.store.clone(),
            seed: self.identity.seed,
            buckets: self.buckets.clone(),
            epochs: self.epochs.clone(),
            floors: self.floors(),
        }
    }

    /// Bytes of all buckets.
    pub fn bytes(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.bytes).sum()
    }

    /// What it takes of memory.
    pub fn memory(&self) -> memory::Bytes {
        let buckets = self.buckets.iter().map(|bucket| &bucket.keyspace);
        let mut bytes = self.store.memory(buckets.chain([&self.commits]));
        bytes[LogMemory::Windows as usize] = self.dedupe.iter().map(|dedupe| dedupe.bytes() as u64).sum();
        bytes
    }

    /// Makes one commit of these commands, in their order, and says what is to be told of it.
    pub fn commit(&mut self, commands: Vec<Command>) -> Result<Done, StoreError> {
        let at_ms = self.at_ms.max((self.options.clock)());
        let mut batch = self.store.batch();
        let appends = commands.iter().any(|command| matches!(command, Command::Append(_)));
        let has_new_view = appends && self.bucket_for(at_ms, &mut batch)?;
        let mut draft = Draft::new(self, batch, at_ms, has_new_view);
        for command in commands {
            match command {
                Command::Append(appends) => {
                    appends.into_iter().try_for_each(|append| self.append(append, &mut draft))?;
                }
                Command::Revoke(ticket, revocation) => self.revoke(ticket, revocation, &mut draft)?,
                Command::Stop => unreachable!("the thread stops, not the ledger"),
            }
        }
        self.finish(draft, has_new_view)
    }

    /// Writes what the commit says about itself, commits, and adds the heads to the tidings.
    fn finish(&mut self, mut draft: Draft, has_new_view: bool) -> Result<Done, StoreError> {
        if draft.records > 0 {
            self.commit = draft.now.commit;
            self.at_ms = draft.now.at_ms;
            self.record += draft.records as u64;
            draft.batch.insert(
                &self.commits,
                draft.now.commit.to_be_bytes(),
                draft.row.finish(draft.records),
            );
            self.write_counts(draft.now, false, &mut draft.puts, &mut draft.batch);
            self.mark_window();
            let (record, at_ms) = self.checkpoint;
            draft.is_checkpoint_due |=
                self.record - record >= STORE_CHECKPOINT_RECORDS || self.at_ms - at_ms >= STORE_CHECKPOINT_MS;
        }
        if draft.is_checkpoint_due {
            self.write_checkpoint(&mut draft.batch);
        }
        if !draft.batch.is_empty() {
            let newest = self.buckets.last().map(|bucket| &bucket.keyspace);
            self.store.wait_for_room([&self.store.meta, &self.commits].into_iter().chain(newest))?;
            draft.batch.commit()?;
        }
        for &partition in &draft.touched {
            let p = usize::from(partition);
            draft.tidings.head(Partition(partition), self.epochs[p].position(self.heads[p]));
        }
        let Draft { tidings, records, rows, log_is_full, .. } = draft;
        Ok(Done { tidings, records, rows, has_new_view, log_is_full })
    }

    /// Opens a bucket if none takes rows of this moment. Its row is in the batch, so it begins with its first record.
    fn bucket_for(&mut self, at_ms: u64, batch: &mut OwnedWriteBatch) -> Result<bool, StoreError> {
        let newest = self.buckets.last();
        let is_over = newest.is_none_or(|bucket| at_ms - bucket.began_ms >= self.options.bucket_ms());
        if !is_over || (newest.is_some() && self.buckets.len() >= STORE_BUCKETS_MOST) {
            return Ok(false);
        }
        if let Some(over) = newest {
            self.store.write_out(&over.keyspace)?;
        }
        let number = self.next_bucket;
        self.next_bucket += 1;
        let keyspace = self.store.bucket(number)?;
        let first = self.heads.clone().into();
        let bucket = Bucket { number, began_ms: at_ms, ended_ms: at_ms, bytes: 0, first, keyspace };
        self.put_bucket(&bucket, batch);
        self.buckets.push(bucket);
        Ok(true)
    }

    pub(super) fn put_bucket(&self, bucket: &Bucket, batch: &mut OwnedWriteBatch) {
        let Bucket { number, began_ms, ended_ms, bytes, .. } = *bucket;
        let row = BucketRow { number, began_ms, ended_ms, bytes, first: bucket.first.to_vec() };
        batch.insert(&self.store.meta, meta::bucket_key(number), row.encode());
    }

    /// Writes counts that are due, or all of them.
    pub(super) fn write_counts(
        &mut self,
        now: Moment,
        all: bool,
        puts: &mut CountPuts,
        batch: &mut OwnedWriteBatch,
    ) {
        self.counts.write_back(now, all, puts);
        for (&(number, key), count) in puts.iter() {
            if let Some(bucket) = self.buckets.iter().find(|bucket| bucket.number == number) {
                batch.insert(&bucket.keyspace, key, count.encode());
            }
        }
    }

    pub(super) fn write_checkpoint(&mut self, batch: &mut OwnedWriteBatch) {
        self.checkpoint = (self.record, self.at_ms);
        let checkpoint = Checkpoint {
            commit: self.commit,
            at_ms: self.at_ms,
            counts_from: self.counts.counted_from(self.commit + 1),
            window_from: self.window.front().map_or(self.commit + 1, |&(commit, _)| commit),
            next_bucket: self.next_bucket,
            bucket_bytes: self.buckets.last().map_or(0, |bucket| bucket.bytes),
            heads: self.heads.clone(),
        };
        self.read_from = checkpoint.read_from();
        batch.insert(&self.store.meta, meta::CHECKPOINT, checkpoint.encode());
        for bucket in self.buckets.iter().rev().skip(1) {
            self.put_bucket(bucket, batch);
        }
    }

    /// Remembers which commits the dedupe windows still need.
    pub(super) fn mark_window(&mut self) {
        if self.window.back().is_none_or(|&(_, at_ms)| self.at_ms - at_ms >= 1_000) {
            self.window.push_back((self.commit, self.at_ms));
        }
        // The mark after the first one must be too old as well: between the two lie younger commits.
        while self.window.len() > 1 && self.at_ms - self.window[1].1 > DEDUPE_MS {
            self.window.pop_front();
        }
    }
}
