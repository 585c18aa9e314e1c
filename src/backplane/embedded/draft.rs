//! What each append or revocation adds to a commit that is being made, and what is refused.

use super::commit_row::{CommitRow, Committed};
use super::count_row::Count;
use super::counts::{CountPuts, Held, Moment};
use super::ledger::Ledger;
use super::meta;
use crate::backplane::store::database::{StoreError, damaged};
use crate::backplane::store::rows::{MailboxKey, Row};
use crate::backplane::tidings::Tidings;
use crate::limits::{RETRY_FULL_MS, RETRY_UNAVAILABLE_MS, REVOCATIONS};
use crate::log::{Append, DedupeKey, LogEvent, Record, Revocation, Ticket};
use crate::model::{ClientId, Envelope, ErrorCode, Kind};
use fjall::OwnedWriteBatch;
use std::collections::{BTreeMap, BTreeSet};

/// A commit being made.
pub struct Draft {
    pub(super) batch: OwnedWriteBatch,
    pub(super) tidings: Tidings,
    pub(super) row: CommitRow,
    pub(super) puts: CountPuts,
    pub(super) now: Moment,
    pub(super) records: usize,
    pub(super) rows: u64,
    pub(super) touched: BTreeSet<u16>,
    /// Mailboxes that were refused something: a smaller record that would still fit must not overtake it.
    pub(super) full: BTreeSet<u64>,
    pub(super) log_is_full: bool,
    pub(super) is_checkpoint_due: bool,
    pub(super) revoked: BTreeMap<ClientId, u64>,
}

impl Draft {
    pub(super) fn new(ledger: &Ledger, batch: OwnedWriteBatch, at_ms: u64, has_new_view: bool) -> Self {
        let bucket = ledger.buckets.last().map_or(0, |bucket| bucket.number);
        Self {
            batch,
            tidings: Tidings::new(ledger.options.topology.cores()),
            row: CommitRow::new(at_ms, bucket),
            puts: CountPuts::new(),
            now: Moment { commit: ledger.commit + 1, record: ledger.record, at_ms, bucket },
            records: 0,
            rows: 0,
            touched: BTreeSet::new(),
            full: BTreeSet::new(),
            log_is_full: false,
            is_checkpoint_due: has_new_view,
            revoked: BTreeMap::new(),
        }
    }
}

impl Ledger {
    pub(super) fn append(&mut self, append: Append, draft: &mut Draft) -> Result<(), StoreError> {
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
            if let Some(value) = bucket.keyspace.get(mailbox.head_key())? {
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
        envelope: &Envelope,
        offset: u64,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        // Counts of the newest bucket may be newer in memory than in the store.
        let held = self.held(mailbox)?;
        let newest = self.buckets.len().saturating_sub(1);
        for (i, bucket) in self.buckets.iter_mut().enumerate() {
            let count = match bucket.keyspace.get(mailbox.head_key())? {
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

    pub(super) fn revoke(
        &mut self,
        ticket: Ticket,
        asked: Revocation,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
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
        let core = self.options.topology.core(asked.client.as_ref());
        draft.tidings.say(core, LogEvent::Revoked(Revocation { client: asked.client, issued_until_s }));
        draft.tidings.appended(ticket, 0, draft.now.at_ms);
        Ok(())
    }
}
