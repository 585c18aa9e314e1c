//! One mailbox, read from one snapshot: a page of it, wherever that begins.
//!
//! Its rows lie in buckets, each of a time. Log time follows offsets where one clock gives it, and nearly so where
//! several do, so the stretches of offsets that buckets hold may overlap a little at their ends: rows are taken in
//! order of offsets from all buckets that may have the next one, and a bucket is touched only when its turn comes.

use super::database::{StoreError, damaged};
use super::rows::{MailboxKey, Row};
use super::walk::Walk;
use crate::limits::MAILBOX_ENVELOPES;
use crate::log::{Epochs, Page, Read, ReadFrom, Record, Unreadable};
use crate::model::{Position, Unresumed};
use fjall::{Keyspace, Readable, Snapshot};
use std::io;
use std::ops::Range;

/// What of a partition lies in one bucket.
pub struct Stretch<'a> {
    pub keyspace: &'a Keyspace,
    /// Its offsets, at most.
    pub offsets: Range<u64>,
    /// No row of it is older.
    pub began_ms: u64,
    /// No row of it is younger.
    pub ended_ms: u64,
}

/// A read of a mailbox, and what it is read from.
pub struct Mailbox<'a> {
    pub snapshot: Snapshot,
    pub key: MailboxKey,
    pub read: &'a Read,
    /// Of its partition.
    pub epochs: &'a Epochs,
    /// Of its partition.
    pub stretches: Vec<Stretch<'a>>,
}

/// Where the last so many envelopes of a mailbox begin.
pub struct Last {
    /// The offset of the first of them.
    pub at: u64,
    /// They are as many as were asked for, or all that can be had: before them is a damaged row.
    pub is_all: bool,
}

/// What a core is answered when the store fails a read.
pub fn unreadable(error: StoreError, read: &Read) -> Unreadable {
    match error {
        StoreError::Io(error) => {
            tracing::warn!(%error, "the store could not be read");
            Unreadable::Unavailable
        }
        StoreError::Damaged(what) => {
            tracing::error!(what, partition = read.partition.0, "the store is damaged");
            Unreadable::Unresumed(Unresumed::Damaged)
        }
    }
}

impl Mailbox<'_> {
    /// The page that was asked for, of what is not below `lowest`. A position to begin after has been judged.
    pub fn page(&self, lowest: u64) -> Result<Page, StoreError> {
        let begin = match self.read.from {
            ReadFrom::After(position) => {
                return self.collect(position.offset.max(lowest), Some(position));
            }
            ReadFrom::Oldest => lowest,
            ReadFrom::Since(at_ms) => self.since(at_ms, lowest)?,
            ReadFrom::Last(n) => self.last(n, lowest)?.at,
        };
        match self.collect(begin, None) {
            // Nothing is claimed of what lies before the first envelope: begin after the hole.
            Err(StoreError::Damaged(_)) if begin < self.read.upto.offset => {
                self.collect(self.last(MAILBOX_ENVELOPES as u32, begin)?.at, None)
            }
            page => page,
        }
    }

    /// The page that begins at this offset, and how many there are after it.
    fn collect(&self, begin: u64, given: Option<Position>) -> Result<Page, StoreError> {
        let (mut records, mut bytes, mut counted, mut more): (Vec<Record>, _, _, _) =
            (Vec::new(), 0, 0u32, false);
        let (mut is_full, mut start) = (false, given);
        let mut walk = Walk::forward(self, begin);
        while let Some((offset, row)) = walk.next()? {
            start.get_or_insert_with(|| self.epochs.position(offset));
            bytes += row.size();
            is_full |= records.len() >= self.read.page_envelopes as usize
                || (!records.is_empty() && bytes > u64::from(self.read.page_bytes));
            if !is_full {
                let envelope = row.envelope().ok_or_else(|| damaged("a record"))?;
                let leader_epoch = self.epochs.of(offset).unwrap_or(0);
                let (partition, at_ms) = (self.read.partition, row.at_ms);
                records.push(Record { partition, offset, leader_epoch, at_ms, envelope });
            } else if counted >= self.read.count_to {
                more = true;
                break;
            }
            counted += 1;
        }
        let upto = given.map_or(self.read.upto, |given| given.max(self.read.upto));
        let start = start.unwrap_or(upto);
        let through = match (is_full, records.last()) {
            (false, _) => upto,
            (true, Some(last)) => last.position(),
            (true, None) => start,
        };
        Ok(Page { start, records, through, counted, more })
    }

    /// The `n` newest envelopes, not below `lowest`.
    pub fn last(&self, n: u32, lowest: u64) -> Result<Last, StoreError> {
        let mut last = Last { at: self.read.upto.offset, is_all: true };
        let mut walk = Walk::backward(self, lowest);
        for _ in 0..n {
            match walk.next() {
                Ok(Some((offset, row))) if row.envelope().is_some() => last.at = offset,
                Ok(None) => {
                    last.is_all = false;
                    break;
                }
                Ok(Some(_)) | Err(StoreError::Damaged(_)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(last)
    }

    /// The first offset not below `lowest` whose envelope was appended at or after this time. It is searched for by
    /// halves where a bucket has older ones too: exact as far as log time does not decrease, near it where it does.
    fn since(&self, at_ms: u64, lowest: u64) -> Result<u64, StoreError> {
        let mut begin = self.read.upto.offset;
        for stretch in self.stretches.iter().filter(|stretch| stretch.ended_ms >= at_ms) {
            let first = stretch.offsets.start.max(lowest);
            if first < begin {
                let end = stretch.offsets.end.min(begin);
                let is_young = stretch.began_ms >= at_ms;
                begin = if is_young { first } else { self.search(stretch.keyspace, at_ms, first..end)? };
            }
        }
        Ok(begin.max(lowest))
    }

    /// Within these offsets of a bucket, the first one from which on rows are not older than this, or their end.
    fn search(&self, keyspace: &Keyspace, at_ms: u64, offsets: Range<u64>) -> Result<u64, StoreError> {
        let (mut low, mut high) = (offsets.start, offsets.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.first_at(keyspace, middle..high)? {
                // The first row from the middle on is too old: so is everything before it.
                Some((offset, row_ms)) if row_ms < at_ms => low = offset + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Offset and time of the first row of this mailbox within these offsets of a bucket.
    fn first_at(&self, keyspace: &Keyspace, offsets: Range<u64>) -> Result<Option<(u64, u64)>, StoreError> {
        let keys = self.key.row_key(offsets.start)..self.key.row_key(offsets.end);
        let Some(guard) = self.snapshot.range(keyspace, keys).next() else { return Ok(None) };
        let (key, value) = guard.into_inner()?;
        let row = super::rows::offset_of(&key).zip(Row::read(&value));
        let (offset, row) =
            row.ok_or_else(|| StoreError::Io(io::Error::other("a damaged row in a search")))?;
        Ok(Some((offset, row.at_ms)))
    }
}
