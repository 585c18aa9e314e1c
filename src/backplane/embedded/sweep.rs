//! Taking erased rows off the disk. An erase only says from where on a mailbox is served; the rows before it go here,
//! a few at a time, so that no commit waits for a large mailbox. A start sweeps again behind every erase it finds.

use super::ledger::Ledger;
use super::meta;
use crate::backplane::store::database::StoreError;
use crate::backplane::store::rows::{MailboxKey, Row, offset_of};
use crate::limits::{STORE_SWEEP_ROWS, STORE_SWEEPS};
use crate::model::{ClientId, IdRef, Partition};

/// A mailbox whose rows up to an erase are to go.
pub struct Sweep {
    mailbox: MailboxKey,
    client: ClientId,
    /// The next row to look at.
    from: u64,
    erased: u64,
}

impl Ledger {
    /// Rows of this client up to this offset are to go. With too many waiting they stay until they expire.
    pub(super) fn sweep_behind(&mut self, client: IdRef<'_>, partition: Partition, erased: u64) {
        if self.sweeps.len() < STORE_SWEEPS {
            let mailbox = MailboxKey::new(partition, client, self.identity.seed);
            self.sweeps.push_back(Sweep { mailbox, client: client.to_client(), from: 0, erased });
        }
    }

    /// Sweeps behind all erases that have not expired.
    pub(super) fn sweep_behind_all(&mut self) -> Result<(), StoreError> {
        for guard in self.store.meta.clone().prefix([meta::ERASED]).take(STORE_SWEEPS) {
            let (key, value) = guard.into_inner()?;
            if let (Ok(client), Some((partition, erased))) =
                (IdRef::from_bytes(&key[1..]), meta::read_erase(&value))
            {
                self.sweep_behind(client, partition, erased);
            }
        }
        Ok(())
    }

    /// Removes the next few rows. Returns how many.
    pub fn sweep(&mut self) -> Result<usize, StoreError> {
        let Some(mut sweep) = self.sweeps.pop_front() else { return Ok(0) };
        let (mut batch, mut looked_at, mut removed) = (self.store.batch(), 0, 0);
        let keys = sweep.mailbox.row_key(sweep.from)..sweep.mailbox.row_key(sweep.erased);
        'buckets: for bucket in &self.buckets {
            for guard in bucket.keyspace.range(keys.clone()) {
                if looked_at == STORE_SWEEP_ROWS {
                    break 'buckets;
                }
                let (key, value) = guard.into_inner()?;
                looked_at += 1;
                sweep.from = offset_of(&key).map_or(sweep.erased, |offset| offset + 1);
                if Row::read(&value).is_none_or(|row| row.client == sweep.client.as_str().as_bytes()) {
                    batch.remove(&bucket.keyspace, key);
                    removed += 1;
                }
            }
        }
        if removed > 0 {
            self.store.wait_for_room(self.buckets.iter().map(|bucket| &bucket.keyspace))?;
            batch.commit()?;
        }
        if looked_at == STORE_SWEEP_ROWS {
            self.sweeps.push_back(sweep);
        }
        Ok(removed)
    }
}
