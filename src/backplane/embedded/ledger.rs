//! The state of an open log, and how a batch of appends becomes one commit.
//!
//! Everything here is what the rows on disk say, kept in memory by the one thread that writes them. A commit either
//! happens as a whole or the ledger is thrown away and read again from what is on disk: no half-made state survives.

use super::commit_row::{CommitRow, Committed};
use super::counts::{CountPuts, Counts, Held, Moment};
use super::database::{Store, StoreError, damaged};
use super::meta::{self, BucketRow, Checkpoint, Identity};
use super::options::{Options, Recovered};
use super::rows::{Count, MailboxKey, Row};
use super::sweep::Sweep;
use super::tidings::Tidings;
use super::view::{Bucket, View};
use crate::limits::{
    DEDUPE_MS, RETRY_FULL_MS, RETRY_UNAVAILABLE_MS, REVOCATIONS, STORE_BUCKETS_MOST, STORE_CHECKPOINT_MS,
    STORE_CHECKPOINT_RECORDS,
};
use crate::log::{Append, Dedupe, DedupeKey, Epochs, LogEvent, Record, Revocation, Ticket};
use crate::model::{ClientId, ErrorCode, Kind, Partition};
use fjall::OwnedWriteBatch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// A commit being made.
struct Draft {
    batch: OwnedWriteBatch,
    tidings: Tidings,
    row: CommitRow,
    puts: CountPuts,
    now: Moment,
    records: usize,
    rows: u64,
    touched: BTreeSet<u16>,
    /// Mailboxes that were refused something: a smaller record that would still fit must not overtake it.
    full: BTreeSet<u64>,
    log_is_full: bool,
    is_checkpoint_due: bool,
    revoked: BTreeMap<ClientId, u64>,
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

    /// Makes one commit of these commands, in their order, and says what is to be told of it.
    pub fn commit(&mut self, commands: Vec<Command>) -> Result<Done, StoreError> {
        let at_ms = self.at_ms.max((self.options.clock)());
        let mut batch = self.store.batch();
        let appends = commands.iter().any(|command| matches!(command, Command::Append(_)));
        let has_new_view = appends && self.bucket_for(at_ms, &mut batch)?;
        let bucket = self.buckets.last().map_or(0, |bucket| bucket.number);
        let commit = self.commit + 1;
        let mut draft = Draft {
            batch,
            tidings: Tidings::new(self.options.topology.cores()),
            row: CommitRow::new(at_ms, bucket),
            puts: CountPuts::new(),
            now: Moment { commit, record: self.record, at_ms, bucket },
            records: 0,
            rows: 0,
            touched: BTreeSet::new(),
            full: BTreeSet::new(),
            log_is_full: false,
            is_checkpoint_due: has_new_view,
            revoked: BTreeMap::new(),
        };
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
                &self.store.commits,
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
            self.store.wait_for_room([&self.store.meta, &self.store.commits].into_iter().chain(newest))?;
            draft.batch.commit()?;
        }
        for &partition in &draft.touched {
            let p = usize::from(partition);
            draft.tidings.head(Partition(partition), self.epochs[p].position(self.heads[p]));
        }
        let Draft { tidings, records, rows, log_is_full, .. } = draft;
        Ok(Done { tidings, records, rows, has_new_view, log_is_full })
    }

    fn append(&mut self, append: Append, draft: &mut Draft) -> Result<(), StoreError> {
        let Append { ticket, partition, envelope } = append;
        let place = self.options.topology.place(envelope.to());
        debug_assert_eq!(place.partition, partition, "{envelope:?} was appended to another partition");
        let (p, offset) = (usize::from(partition.0), self.heads[usize::from(partition.0)]);
        let key = DedupeKey::of(&envelope);
        let is_duplicate = self.dedupe[p].would_drop(key, offset, draft.now.at_ms);
        let is_erase = envelope.kind() == Kind::Erase;
        let mailbox = MailboxKey::new(partition, envelope.to(), self.identity.seed);
        self.row.clear();
        let size = Row::encode(&envelope, draft.now.at_ms, &mut self.row);
        if is_erase && !is_duplicate {
            self.erase(mailbox, &envelope, offset, draft)?;
        } else if !is_duplicate {
            if let Some((code, retry_after_ms)) = self.refusal(mailbox, size, draft)? {
                draft.tidings.refused(ticket, code, retry_after_ms);
                return Ok(());
            }
            let newest = self.buckets.last_mut().expect("a commit with appends has a bucket");
            newest.bytes += size;
            newest.ended_ms = draft.now.at_ms;
            draft.batch.insert(&newest.keyspace, mailbox.row_key(offset), &self.row[..]);
            self.counts.add(mailbox, size, draft.now, &mut draft.puts);
            draft.rows += 1;
        }
        self.dedupe[p].apply(key, offset, draft.now.at_ms);
        self.heads[p] += 1;
        draft.touched.insert(partition.0);
        draft.records += 1;
        draft.row.push(Committed { mailbox, offset, size: size as u32, is_duplicate, is_erase, key });
        draft.tidings.appended(ticket, offset, draft.now.at_ms);
        if !is_duplicate {
            let (leader_epoch, at_ms) = (self.leader_epoch, draft.now.at_ms);
            draft.tidings.record(place.core, Record { partition, offset, leader_epoch, at_ms, envelope });
        }
        Ok(())
    }

    /// Whether the mailbox, or the log, has no room for so much more.
    fn refusal(
        &mut self,
        mailbox: MailboxKey,
        size: u64,
        draft: &mut Draft,
    ) -> Result<Option<(ErrorCode, u32)>, StoreError> {
        draft.log_is_full |= self.bytes() + size > self.options.retention_bytes;
        if draft.log_is_full {
            return Ok(Some((ErrorCode::Unavailable, RETRY_FULL_MS)));
        }
        let held = self.held(mailbox)?;
        if held.envelopes >= self.options.mailbox_envelopes || held.bytes + size > self.options.mailbox_bytes
        {
            draft.full.insert(mailbox.hash);
        }
        Ok(draft.full.contains(&mailbox.hash).then_some((ErrorCode::MailboxFull, RETRY_FULL_MS)))
    }

    /// What a mailbox holds, from memory or else from the store.
    fn held(&mut self, mailbox: MailboxKey) -> Result<Held, StoreError> {
        if let Some(held) = self.counts.get(mailbox) {
            return Ok(held);
        }
        let mut held = Held::default();
        for bucket in &self.buckets {
            held.newest = Count::default();
            if let Some(value) = bucket.keyspace.get(mailbox.count_key())? {
                held.newest = Count::read(&value).ok_or_else(|| damaged("a mailbox's count"))?;
            }
            held.envelopes += u64::from(held.newest.envelopes);
            held.bytes += held.newest.bytes;
        }
        let newest = self.buckets.last().map_or(0, |bucket| bucket.number);
        self.counts.learn(mailbox, held, newest);
        Ok(held)
    }

    fn erase(
        &mut self,
        mailbox: MailboxKey,
        envelope: &crate::model::Envelope,
        offset: u64,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        // Counts of the newest bucket may be newer in memory than in the store.
        let held = self.held(mailbox)?;
        let newest = self.buckets.len().saturating_sub(1);
        for (i, bucket) in self.buckets.iter_mut().enumerate() {
            let count = match bucket.keyspace.get(mailbox.count_key())? {
                _ if i == newest => held.newest,
                Some(value) => Count::read(&value).ok_or_else(|| damaged("a mailbox's count"))?,
                None => Count::default(),
            };
            bucket.bytes = bucket.bytes.saturating_sub(count.bytes);
        }
        let buckets = self.buckets.iter().map(|bucket| bucket.number);
        self.counts.erase(mailbox, buckets, draft.now, &mut draft.puts);
        let key = meta::client_key(meta::ERASED, envelope.to());
        draft.batch.insert(&self.store.meta, key, meta::encode_erase(mailbox.partition, offset));
        self.sweep_behind(envelope.to(), mailbox.partition, offset);
        draft.is_checkpoint_due = true;
        Ok(())
    }

    fn revoke(&mut self, ticket: Ticket, asked: Revocation, draft: &mut Draft) -> Result<(), StoreError> {
        let key = meta::client_key(meta::REVOKED, asked.client.as_ref());
        let known = match draft.revoked.get(&asked.client) {
            Some(&until_s) => Some(until_s),
            None => self
                .store
                .meta
                .get(&key)?
                .and_then(|value| value.first_chunk().map(|s| u64::from_le_bytes(*s))),
        };
        if known.is_none() && self.revocations >= REVOCATIONS {
            draft.tidings.refused(ticket, ErrorCode::Unavailable, RETRY_UNAVAILABLE_MS);
            return Ok(());
        }
        self.revocations += usize::from(known.is_none());
        let issued_until_s = asked.issued_until_s.max(known.unwrap_or(0));
        draft.revoked.insert(asked.client.clone(), issued_until_s);
        draft.batch.insert(&self.store.meta, key, issued_until_s.to_le_bytes());
        let core = self.options.topology.place(asked.client.as_ref()).core;
        draft.tidings.say(core, LogEvent::Revoked(Revocation { client: asked.client, issued_until_s }));
        draft.tidings.appended(ticket, 0, draft.now.at_ms);
        Ok(())
    }

    /// Opens a bucket if none takes rows of this moment. Its row is in the batch, so it begins with its first record.
    fn bucket_for(&mut self, at_ms: u64, batch: &mut OwnedWriteBatch) -> Result<bool, StoreError> {
        let newest = self.buckets.last();
        let is_over = newest.is_none_or(|bucket| at_ms - bucket.began_ms >= self.options.bucket_ms());
        if !is_over || (newest.is_some() && self.buckets.len() >= STORE_BUCKETS_MOST) {
            return Ok(false);
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
