//! The store of a home in a cluster: an index of mailboxes, (client, offset) → envelope, beside a log that is Kafka's.
//!
//! It is rebuilt from Kafka at any time, so nothing in it needs an fsync, and nothing that is wrong with it stops a node:
//! rows, and how far they go, are one batch, so a crash takes both or neither, and what was lost is read again. Another
//! log's index is wiped, and so is a damaged one.
//!
//! One thread writes. What it has not put into a partition's coverage cannot be found, wherever it lies, and dropping a
//! partition makes all of it unfindable at once: its rows are named under a seed that is the partition's own for as long
//! as it is kept, and go with their buckets.
//!
//! Reading order: `values` is what it is told and tells; `ledger` is what its writer knows and how a batch is
//! made; `page` is a read; `recover` is an opening.

mod buckets;
mod error;
mod ledger;
mod meta;
mod options;
mod page;
mod recover;
mod retention;
mod values;
mod view;

pub use error::IndexError;
pub use options::IndexOptions;
pub use values::{Coverage, Cut, Erase, Kept, Opened, Portion, Put, Wiped};

use super::store::database::StoreError;
use super::store::directory::{Directory, Kind};
use super::store::memory;
use super::store::open_error::OpenError;
use super::store::sight::Sight;
use crate::limits::STORE_PROBE_BYTES;
use crate::log::{Epochs, Page, Read, Unreadable};
use crate::model::Partition;
use ledger::Ledger;
use std::path::Path;
use std::sync::Arc;
use view::View;

/// An open index, in the hands of the one thread that writes it.
///
/// After an error of any of its methods it takes nothing more until [`Index::reopen`]; reading goes on meanwhile.
pub struct Index {
    directory: Directory,
    options: IndexOptions,
    /// None after a failure.
    ledger: Option<Ledger>,
    sight: Arc<Sight<View>>,
}

/// Reads pages, on any thread. Clones are the same.
#[derive(Clone)]
pub struct IndexReader(Arc<Sight<View>>);

impl Index {
    /// Opens the index in `dir`, or makes one, and says what it holds. Nothing of it is read before it is shown.
    pub fn open(dir: &Path, options: IndexOptions) -> Result<(Self, Opened), OpenError> {
        let directory = Directory::open(dir, Kind::Index)?;
        let (ledger, opened) =
            recover::open(&directory, &options).map_err(|error| OpenError::of_store(dir, error))?;
        let index = Self { directory, options, ledger: Some(ledger), sight: Arc::default() };
        index.publish();
        Ok((index, opened))
    }

    /// For the threads that read.
    pub fn reader(&self) -> IndexReader {
        IndexReader(self.sight.clone())
    }

    /// Takes what was read of some partitions, each named once, as a whole: readers see all of it from here on.
    pub fn commit(&mut self, portions: Vec<Portion>) -> Result<(), IndexError> {
        self.write(|ledger| ledger.commit(portions))
    }

    /// Lets readers see a partition that was kept, with these leaders. Nothing is written. A partition that is not held
    /// stays unseen.
    pub fn show(&mut self, partition: Partition, epochs: Epochs) {
        if let Some(ledger) = &mut self.ledger {
            ledger.show(partition, epochs);
            self.publish();
        }
    }

    /// Lets nobody see a partition, which stays where it is: another node has become its home. Nothing is written.
    pub fn hide(&mut self, partition: Partition) {
        if let Some(ledger) = &mut self.ledger {
            ledger.hide(partition);
            self.publish();
        } else if let Some(view) = self.sight.get() {
            // Closed, it goes on showing what it showed.
            self.sight.set(Some(Arc::new(view.without(partition))));
        }
    }

    /// Nothing of these partitions is found any more, at once and also after a power cut. The same offsets may come
    /// again with other content. After an error they are not found either, but what [`Index::reopen`] returns may hold
    /// them: then they are to be dropped again.
    pub fn drop_partitions(&mut self, partitions: &[Partition]) -> Result<(), IndexError> {
        partitions.iter().for_each(|&partition| self.hide(partition));
        self.write(|ledger| ledger.drop_partitions(partitions))
    }

    /// Drops the buckets all of which is older than retention at this log time, and says from where on partitions are
    /// whole now, where that changed: so much is their coverage.
    pub fn expire(&mut self, now_ms: u64) -> Result<Vec<Cut>, IndexError> {
        let (expired, cuts) = self.write(|ledger| ledger.expire(now_ms))?;
        // Their files go when the last reader has let go of them.
        self.write(|ledger| ledger.drop_buckets(expired))?;
        Ok(cuts)
    }

    /// Key, headers and body of all rows that are on the disk, those included that are not found any more.
    pub fn bytes(&self) -> u64 {
        self.ledger.as_ref().map_or(0, Ledger::bytes)
    }

    /// What it takes of memory.
    pub fn memory(&self) -> memory::Bytes {
        self.ledger.as_ref().map_or(memory::Bytes::default(), Ledger::memory)
    }

    /// Whether it takes anything.
    pub fn is_open(&self) -> bool {
        self.ledger.is_some()
    }

    /// Opens it again after an error, as if it were the first time: what it holds may be less than what was committed,
    /// and nothing of it is seen before it is shown. Fails as long as the disk does, and for the moment in which a reader
    /// is still at it.
    pub fn reopen(&mut self) -> Result<Opened, IndexError> {
        self.ledger = None;
        self.directory.probe(STORE_PROBE_BYTES).map_err(IndexError::from)?;
        drop(self.sight.set(None));
        let (ledger, opened) =
            recover::open(&self.directory, &self.options).map_err(|error| self.explain(error))?;
        self.ledger = Some(ledger);
        self.publish();
        Ok(opened)
    }

    /// Changes something on the disk and lets readers see it.
    fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Ledger) -> Result<T, StoreError>,
    ) -> Result<T, IndexError> {
        let ledger = self.ledger.as_mut().ok_or(IndexError::Closed)?;
        match change(ledger) {
            Ok(done) => {
                self.publish();
                Ok(done)
            }
            Err(error) => {
                // Nobody knows what of it is on the disk: that is read again, not guessed.
                self.ledger = None;
                Err(self.explain(error))
            }
        }
    }

    fn publish(&self) {
        self.sight.set(self.ledger.as_ref().map(|ledger| Arc::new(ledger.view())));
    }

    fn explain(&self, error: StoreError) -> IndexError {
        match error {
            // fjall's worker met the error, and tells only that there was one.
            StoreError::Io(_) if self.directory.is_full() => IndexError::DiskFull,
            StoreError::Io(error) => error.into(),
            StoreError::Damaged(what) => IndexError::Damaged(what),
        }
    }
}

/// Readers let go of it too, so that its files are closed.
impl Drop for Index {
    fn drop(&mut self) {
        drop(self.sight.set(None));
    }
}

impl IndexReader {
    /// One page of one mailbox, of what is at `from` or after: of whoever knows the log it was judged that the reader can
    /// be served so. Only an erase is judged here. `Unavailable` is also said where what was judged holds no more, for
    /// coverage has changed: judge again.
    pub fn read(&self, read: &Read, from: u64) -> Result<Page, Unreadable> {
        let view = self.0.get().ok_or(Unreadable::Unavailable)?;
        page::read(&view, read, from)
    }

    /// Whether the last `n` envelopes of a mailbox, or as many as can be had, are at `from` or after. If not, there may
    /// be more before it.
    pub fn has_last(&self, read: &Read, from: u64, n: u32) -> Result<bool, Unreadable> {
        let view = self.0.get().ok_or(Unreadable::Unavailable)?;
        page::has_last(&view, read, from, n)
    }
}
