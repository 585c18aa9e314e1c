//! fjall, with our settings: opening it, its keyspaces, and waiting for it before it would make us wait for ever.

use super::background::in_background;
use super::directory::{Directory, sync_dir};
use super::journal::{self, Tail};
use super::memory::Bytes;
use crate::counters::LogMemory;
use crate::limits::{STORE_FILES, STORE_JOURNAL_BYTES, STORE_MEMTABLES};
use crate::model::Durability;
use fjall::{
    AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
    compaction::Leveled,
};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// An open store: fjall, and the keyspace in which a store knows about itself. Buckets are keyspaces too.
#[derive(Clone)]
pub struct Store {
    db: Database,
    pub meta: Keyspace,
    durability: Durability,
    memtable_bytes: u64,
}

/// How fjall is to be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What a commit survives.
    pub durability: Durability,
    /// Bytes of the block cache.
    pub cache_bytes: u64,
    /// Bytes of a bucket's newest rows in memory before they become a table.
    pub memtable_bytes: u64,
}

/// Why the store could not be opened or written.
#[derive(Debug)]
pub enum StoreError {
    /// The disk, or what stands on it in a way that may pass.
    Io(io::Error),
    /// What stands on the disk is broken.
    Damaged(String),
}

impl Store {
    /// Mends the journal's end and opens fjall, making both if they are not there.
    pub fn open(directory: &Directory, settings: Settings) -> Result<Self, StoreError> {
        let path = directory.store();
        directory.wait_for_store()?;
        let is_lossy = settings.durability == Durability::Process;
        if path.exists() {
            match journal::mend(&path, directory.is_lossy())? {
                Tail::Sound => {}
                Tail::Cut(bytes) => tracing::warn!(bytes, "cut an unacknowledged end off the journal"),
                Tail::Damaged(at) => {
                    let what =
                        format!("a broken batch at byte {at} of its newest journal, before sound ones");
                    return Err(StoreError::Damaged(what));
                }
            }
        }
        if is_lossy {
            directory.set_lossy(true)?;
        }
        let builder = Database::builder(&path)
            .cache_size(settings.cache_bytes)
            .worker_threads(1)
            .max_cached_files(Some(STORE_FILES))
            .max_journaling_size(STORE_JOURNAL_BYTES)
            .manual_journal_persist(true)
            .journal_compression(CompressionType::None);
        // fjall starts its worker here.
        let db = in_background(|| builder.open())?;
        let memtable_bytes = settings.memtable_bytes;
        let meta = db.keyspace("meta", || keyspace_options(memtable_bytes / 8))?;
        let store = Self { db, meta, durability: settings.durability, memtable_bytes };
        // fjall syncs what is in a new keyspace's directory but not that directory's own name.
        sync_dir(&path.join("keyspaces"))?;
        sync_dir(directory.path())?;
        if !is_lossy {
            store.sync()?;
            directory.set_lossy(false)?;
        }
        Ok(store)
    }

    /// The keyspace of a bucket.
    pub fn bucket(&self, number: u32) -> Result<Keyspace, StoreError> {
        self.keyspace(&bucket_name(number), self.memtable_bytes)
    }

    /// A keyspace, durable before it is used: fjall would skip its rows in the journal otherwise.
    pub fn keyspace(&self, name: &str, memtable_bytes: u64) -> Result<Keyspace, StoreError> {
        let keyspace = self.db.keyspace(name, || keyspace_options(memtable_bytes))?;
        if let Some(parent) = keyspace.path().parent() {
            sync_dir(parent)?;
        }
        Ok(keyspace)
    }

    /// Gives a bucket's space back, once nobody reads it any more.
    pub fn drop_bucket(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        Ok(self.db.delete_keyspace(keyspace)?)
    }

    /// Has its newest rows written to a table, which takes a moment: it takes no more of them. They would stay in memory for as
    /// long as a journal names them, also when the bucket is long dropped.
    pub fn write_out(&self, keyspace: &Keyspace) -> Result<(), StoreError> {
        keyspace.rotate_memtable()?;
        Ok(())
    }

    /// The numbers of all buckets there are files of.
    pub fn bucket_numbers(&self) -> Vec<u32> {
        let names = self.db.list_keyspace_names();
        names.iter().filter_map(|name| name.strip_prefix("bucket-")?.parse().ok()).collect()
    }

    /// A batch that is as durable as the log is, once committed.
    pub fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(match self.durability {
            Durability::Fsync => PersistMode::SyncData,
            Durability::Process => PersistMode::Buffer,
        }))
    }

    /// A batch that survives a power cut, whatever the log's durability.
    pub fn durable_batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncAll))
    }

    /// Makes everything committed survive a power cut.
    pub fn sync(&self) -> Result<(), StoreError> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    /// What it takes of memory with these keyspaces and its own.
    pub fn memory<'a>(&'a self, keyspaces: impl Iterator<Item = &'a Keyspace>) -> Bytes {
        let mut bytes = Bytes::default();
        bytes[LogMemory::Cache as usize] = self.db.cache_size();
        for tree in keyspaces.chain([&self.meta]).map(|keyspace| &keyspace.tree) {
            // Those included that are written, and that somebody may still read.
            bytes[LogMemory::Memtables as usize] += tree.version_memtable_size_sum();
            let kept = tree.pinned_filter_size() + tree.pinned_block_index_size();
            bytes[LogMemory::Tables as usize] += kept as u64;
        }
        bytes
    }

    /// One view of everything.
    pub fn snapshot(&self) -> fjall::Snapshot {
        self.db.snapshot()
    }

    /// Waits until fjall can take a commit to these keyspaces without halting us. It halts a writer while four
    /// memtables wait for its worker, and for ever when the worker has died of a full disk.
    pub fn wait_for_room<'a>(
        &self,
        keyspaces: impl Iterator<Item = &'a Keyspace> + Clone,
    ) -> Result<(), StoreError> {
        for keyspace in keyspaces {
            // fjall asks its worker to do this, but not for what it has just recovered, and not while it compacts.
            if keyspace.tree.active_memtable().size() > STORE_MEMTABLES as u64 * self.memtable_bytes {
                keyspace.rotate_memtable()?;
            }
            while keyspace.sealed_memtable_count() >= STORE_MEMTABLES {
                self.db.persist(PersistMode::Buffer)?;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}

/// A row of our own that cannot be read.
pub fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} cannot be read"))
}

fn bucket_name(number: u32) -> String {
    format!("bucket-{number}")
}

fn keyspace_options(memtable_bytes: u64) -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(memtable_bytes)
        .manual_journal_persist(true)
        .compaction_strategy(Arc::new(Leveled::default().with_table_target_size(2 * memtable_bytes)))
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) => Self::Io(error),
            fjall::Error::Storage(fjall::LsmError::Io(error)) => match error.kind() {
                // A table that is shorter than its index says, or gone.
                io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => Self::Damaged(error.to_string()),
                _ => Self::Io(error),
            },
            fjall::Error::Poisoned => Self::Io(io::Error::other("an earlier write failed")),
            fjall::Error::Locked => Self::Io(io::Error::other("fjall's files are locked")),
            fjall::Error::KeyspaceDeleted => Self::Io(io::Error::other("the bucket was dropped")),
            other => Self::Damaged(other.to_string()),
        }
    }
}
