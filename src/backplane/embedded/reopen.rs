//! When the disk does not: what the writer does after a failed commit, and how it opens the store again in place.
//!
//! Nobody knows what of a failed commit is on the disk, so the ledger is dropped and read again, as after a restart.

use super::Trouble;
use super::ledger::Ledger;
use super::options::Options;
use super::recover::Unrecovered;
use super::writer::Writer;
use crate::backplane::store::database::{Store, StoreError};
use crate::backplane::store::directory::Directory;
use crate::backplane::tidings::Tidings;
use crate::limits::{STORE_PROBE_BYTES, STORE_REOPEN_MS};
use crate::log::LogEvent;
use crate::model::Partition;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Opens the store and reads the log's state.
pub fn recover(directory: &Directory, options: &Options) -> Result<Ledger, Unrecovered> {
    Ledger::recover(Store::open(directory, options.settings())?, options.clone())
}

impl Writer {
    /// The store cannot be written. What is in memory may be ahead of it, so it goes; the view stays.
    pub(super) fn fail(&mut self, error: &StoreError) {
        let trouble = match error {
            StoreError::Io(error) if error.kind() == io::ErrorKind::StorageFull => Trouble::DiskFull,
            // fjall's worker met the error, and tells only that there was one.
            StoreError::Io(_) if self.directory.is_full() => Trouble::DiskFull,
            _ => Trouble::Io,
        };
        tracing::error!(?error, ?trouble, "the store cannot be written; sends are refused until it can");
        self.shared.health.set_trouble(trouble);
        self.ledger = None;
        self.next_attempt = Instant::now() + Duration::from_millis(STORE_REOPEN_MS);
    }

    /// Opens the store anew, once something can be written.
    pub(super) fn reopen(&mut self) {
        if self.directory.probe(STORE_PROBE_BYTES).is_err() {
            return;
        }
        // fjall's own lock is free once nobody reads any more; until then the attempt fails and is made again.
        drop(self.shared.sight.set(None));
        match recover(&self.directory, &self.options) {
            Ok(ledger) => self.resume(ledger),
            Err(Unrecovered::Store(error)) => tracing::error!(?error, "the store cannot be opened again yet"),
            Err(Unrecovered::Partitions(_)) => unreachable!("a log's partitions never change"),
        }
    }

    fn resume(&mut self, ledger: Ledger) {
        if ledger.heads.iter().zip(&self.told.1).any(|(now, told)| now < told) {
            tracing::error!(
                "opened again, the log is shorter than what was told; restart to judge all cursors again"
            );
            return self.shared.health.set_trouble(Trouble::Shortened);
        }
        match self.first_tidings(&ledger) {
            Ok(tidings) => {
                self.publish(&ledger);
                tidings.tell(&self.shared.deliver);
                self.told = (ledger.commit, ledger.heads.clone());
                self.ledger = Some(ledger);
                self.shared.health.reopened.fetch_add(1, Relaxed);
                self.shared.health.set_trouble(Trouble::None);
                tracing::info!("the store takes records again");
            }
            Err(error) => tracing::error!(?error, "the store cannot be read again yet"),
        }
    }

    pub(super) fn publish(&self, ledger: &Ledger) {
        self.shared.health.bytes.store(ledger.bytes(), Relaxed);
        self.shared.sight.set(Some(Arc::new(ledger.view())));
    }

    /// What is told of a ledger just read: revocations, what had not been told yet, heads and floors.
    pub(super) fn first_tidings(&self, ledger: &Ledger) -> Result<Tidings, StoreError> {
        let topology = self.options.topology;
        let mut tidings = Tidings::new(topology.cores());
        for revocation in ledger.all_revocations()? {
            tidings.say(topology.core(revocation.client.as_ref()), LogEvent::Revoked(revocation));
        }
        ledger.untold(self.told.0, &mut tidings)?;
        tidings.say_to_all(LogEvent::Floors(ledger.floors()));
        for (p, head) in (0..).zip(ledger.recovered().heads) {
            tidings.head(Partition(p), head);
        }
        Ok(tidings)
    }
}
