//! One page of one mailbox, from one view of the store.

use super::database::StoreError;
use super::meta;
use super::rows::{MailboxKey, Row, offset_of};
use super::view::View;
use crate::limits::MAILBOX_ENVELOPES;
use crate::log::{Page, Read, ReadFrom, Record, Unreadable};
use crate::model::{Position, Unresumed};
use fjall::{Readable, Snapshot};
use std::io;
use std::ops::ControlFlow::{self, Break, Continue};

/// Reads a page. The view is of the moment the reader took it; rows up to `upto` were there when its core heard of
/// them, and rows never change.
pub fn read(view: &View, read: &Read) -> Result<Page, Unreadable> {
    let reading = Reading {
        view,
        snapshot: view.store.snapshot(),
        mailbox: MailboxKey::new(read.partition, read.client.as_ref(), view.seed),
        read,
    };
    reading.page().map_err(|stop| match stop {
        Stop::Unreadable(unreadable) => unreadable,
        Stop::Store(StoreError::Io(error)) => {
            tracing::warn!(%error, "the store could not be read");
            Unreadable::Unavailable
        }
        Stop::Store(StoreError::Damaged(what)) => {
            tracing::error!(what, partition = read.partition.0, "the store is damaged");
            Unreadable::Unresumed(Unresumed::Damaged)
        }
    })
}

enum Stop {
    Unreadable(Unreadable),
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Unresumed> for Stop {
    fn from(why: Unresumed) -> Self {
        Self::Unreadable(Unreadable::Unresumed(why))
    }
}

struct Reading<'a> {
    view: &'a View,
    snapshot: Snapshot,
    mailbox: MailboxKey,
    read: &'a Read,
}

impl Reading<'_> {
    fn page(&self) -> Result<Page, Stop> {
        let unerased = self.unerased()?;
        let lowest = self.view.floor(self.read.partition).max(unerased);
        let upto = self.read.upto.offset;
        let begin = match self.read.from {
            ReadFrom::After(position) => {
                self.judge(position, unerased)?;
                return Ok(self.collect(position.offset.max(unerased), Some(position))?);
            }
            ReadFrom::Oldest => lowest,
            ReadFrom::Since(at_ms) => self.since(at_ms, lowest)?,
            ReadFrom::Last(n) => self.last(n, lowest)?.0,
        };
        match self.collect(begin, None) {
            // Nothing is claimed of what lies before the first envelope: begin after the hole.
            Err(StoreError::Damaged(_)) if begin < upto => {
                let (after, _) = self.last(MAILBOX_ENVELOPES as u32, begin)?;
                Ok(self.collect(after, None)?)
            }
            page => Ok(page?),
        }
    }

    /// Whether everything between this position and the present is still there.
    ///
    /// An erase at or after `upto` is one its core has not heard of: it skips what is before, and judges nobody yet.
    fn judge(&self, position: Position, unerased: u64) -> Result<(), Stop> {
        if position.offset < self.view.floor(self.read.partition) {
            return Err(Unresumed::Expired.into());
        }
        if !self.view.epochs(self.read.partition).still_hold(position) {
            return Err(Unresumed::Truncated.into());
        }
        if position.offset < unerased && unerased <= self.read.upto.offset {
            return Err(Unresumed::Erased.into());
        }
        Ok(())
    }

    /// The first offset after the mailbox's newest erase.
    fn unerased(&self) -> Result<u64, StoreError> {
        let key = meta::client_key(meta::ERASED, self.read.client.as_ref());
        let value = self.snapshot.get(&self.view.store.meta, key)?;
        Ok(value.and_then(|value| meta::read_erase(&value)).map_or(0, |(_, offset)| offset + 1))
    }

    /// The page that begins at this offset, and how many there are after it.
    fn collect(&self, begin: u64, given: Option<Position>) -> Result<Page, StoreError> {
        let epochs = self.view.epochs(self.read.partition);
        let (mut records, mut bytes, mut counted, mut more): (Vec<Record>, _, _, _) =
            (Vec::new(), 0, 0u32, false);
        let (mut is_full, mut start) = (false, given);
        self.scan(begin, |offset, row| {
            start.get_or_insert_with(|| epochs.position(offset));
            bytes += row.size();
            is_full |= records.len() >= self.read.page_envelopes as usize
                || (!records.is_empty() && bytes > u64::from(self.read.page_bytes));
            if !is_full {
                let envelope = row.envelope().ok_or_else(|| super::database::damaged("a record"))?;
                let leader_epoch = epochs.of(offset).unwrap_or(0);
                let (partition, at_ms) = (self.read.partition, row.at_ms);
                records.push(Record { partition, offset, leader_epoch, at_ms, envelope });
            } else if counted >= self.read.count_to {
                more = true;
                return Ok(Break(()));
            }
            counted += 1;
            Ok(Continue(()))
        })?;
        let upto = given.map_or(self.read.upto, |given| given.max(self.read.upto));
        let start = start.unwrap_or(upto);
        let through = match (is_full, records.last()) {
            (false, _) => upto,
            (true, Some(last)) => last.position(),
            (true, None) => start,
        };
        Ok(Page { start, records, through, counted, more })
    }

    /// The rows of the mailbox from this offset on, oldest first.
    fn scan(
        &self,
        begin: u64,
        mut visit: impl FnMut(u64, &Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let upto = self.read.upto.offset;
        if begin >= upto {
            return Ok(());
        }
        let keys = self.mailbox.row_key(begin)..self.mailbox.row_key(upto);
        for bucket in self.view.buckets(self.read.partition, begin, upto) {
            for guard in self.snapshot.range(&bucket.keyspace, keys.clone()) {
                let (key, value) = guard.into_inner()?;
                if let Break(()) = self.visit(&key, &value, &mut visit)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Passes on a row if it is this client's own.
    fn visit(
        &self,
        key: &[u8],
        value: &[u8],
        visit: &mut impl FnMut(u64, &Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let row = offset_of(key).zip(Row::read(value));
        let (offset, row) = row.ok_or_else(|| super::database::damaged("a row"))?;
        if row.client != self.read.client.as_str().as_bytes() {
            return Ok(Continue(()));
        }
        visit(offset, &row)
    }

    /// The offset of the `n`th newest envelope, not below `lowest`, and how many there are from it on. A damaged row
    /// ends the search: what is after it is all that can be had.
    fn last(&self, n: u32, lowest: u64) -> Result<(u64, u32), StoreError> {
        let upto = self.read.upto.offset;
        let (mut at, mut found) = (upto, 0);
        if lowest >= upto || n == 0 {
            return Ok((at, 0));
        }
        let keys = self.mailbox.row_key(lowest)..self.mailbox.row_key(upto);
        for bucket in self.view.buckets(self.read.partition, lowest, upto).iter().rev() {
            for guard in self.snapshot.range(&bucket.keyspace, keys.clone()).rev() {
                let row = guard.into_inner().map_err(StoreError::from);
                let step = row.and_then(|(key, value)| {
                    self.visit(&key, &value, &mut |offset, row| {
                        row.envelope().ok_or_else(|| super::database::damaged("a record"))?;
                        (at, found) = (offset, found + 1);
                        Ok(if found == n { Break(()) } else { Continue(()) })
                    })
                });
                match step {
                    Ok(Continue(())) => {}
                    Ok(Break(())) | Err(StoreError::Damaged(_)) => return Ok((at, found)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((at, found))
    }

    /// The first offset not below `lowest` whose envelope was appended at or after this time. Log time does not
    /// decrease, so it is searched for by halves within the one bucket where it can be.
    fn since(&self, at_ms: u64, lowest: u64) -> Result<u64, StoreError> {
        let p = usize::from(self.read.partition.0);
        // A bucket ends no later than the next one begins.
        let is_before = |pair: &[super::view::Bucket]| pair[1].began_ms < at_ms;
        let bucket = self.view.buckets.windows(2).take_while(|pair| is_before(pair)).count();
        let Some(found) = self.view.buckets.get(bucket) else { return Ok(lowest) };
        let end = self.view.buckets.get(bucket + 1).map_or(u64::MAX, |next| next.first[p]);
        let (mut low, mut high) = (found.first[p].max(lowest), end.min(self.read.upto.offset));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.first_at(found, middle, high)? {
                // The first row from the middle on is too old: so is everything before it.
                Some((offset, row_ms)) if row_ms < at_ms => low = offset + 1,
                _ => high = middle,
            }
        }
        Ok(low.max(lowest))
    }

    /// Offset and time of the first row of this mailbox within these offsets of a bucket.
    fn first_at(
        &self,
        bucket: &super::view::Bucket,
        from: u64,
        upto: u64,
    ) -> Result<Option<(u64, u64)>, StoreError> {
        let keys = self.mailbox.row_key(from)..self.mailbox.row_key(upto);
        let Some(guard) = self.snapshot.range(&bucket.keyspace, keys).next() else { return Ok(None) };
        let (key, value) = guard.into_inner()?;
        let row = offset_of(&key).zip(Row::read(&value));
        let (offset, row) =
            row.ok_or_else(|| StoreError::Io(io::Error::other("a damaged row in a search")))?;
        Ok(Some((offset, row.at_ms)))
    }
}
