//! The data directory: who has it, what it holds, and of which format it is.
//!
//! ```text
//! DIR/lock      locked by the process that has the directory; the kernel unlocks it when that process ends
//! DIR/format    "corepost-log 1" or "corepost-index 1": written, and on the disk, before anything else is
//! DIR/lossy     there while the store is written without fsync: several of its last batches may be torn
//! DIR/store/    fjall's
//! ```

use super::open_error::OpenError;
use crate::limits::STORE_PROBE_BYTES;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The format this version writes, and the newest one it reads.
pub const FORMAT: u32 = 1;

/// What a data directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A log of its own: all there is of it.
    Log,
    /// An index of a log that is elsewhere.
    Index,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Log => "corepost-log",
            Self::Index => "corepost-index",
        }
    }
}

/// A directory that is ours alone until this is dropped.
pub struct Directory {
    dir: PathBuf,
    kind: Kind,
    _lock: File,
}

impl Directory {
    /// Makes it if it is not there, takes its lock, checks what it holds and its format.
    pub fn open(dir: &Path, kind: Kind) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Io { dir: dir.to_owned(), error };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let is_new = std::fs::read_dir(dir).map_err(failed)?.next().is_none();
        if !is_new && !dir.join("lock").exists() && !dir.join("format").exists() {
            return Err(OpenError::NotOurs { dir: dir.to_owned() });
        }
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join("lock"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let directory = Self { dir: dir.to_owned(), kind, _lock: lock };
        directory.check_format()?;
        directory.drop_unfinished_store().map_err(failed)?;
        Ok(directory)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Where fjall's files are.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Whether the store may have been written without fsync since it was last made whole.
    pub fn is_lossy(&self) -> bool {
        self.dir.join("lossy").exists()
    }

    /// From now on it is, or is not, written without fsync. What was written before is durable.
    pub fn set_lossy(&self, lossy: bool) -> io::Result<()> {
        match (self.is_lossy(), lossy) {
            (false, true) => File::create(self.dir.join("lossy"))?.sync_all()?,
            (true, false) => std::fs::remove_file(self.dir.join("lossy"))?,
            _ => return Ok(()),
        }
        sync_dir(&self.dir)
    }

    /// Waits a moment for fjall to let go of its files after an error: until then it may still write to its journal.
    pub fn wait_for_store(&self) -> io::Result<()> {
        let lock = match File::options().write(true).open(self.store().join("lock")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            lock => lock?,
        };
        for _ in 0..20 {
            if lock.try_lock().is_ok() {
                // Its worker lets go of the journal within microseconds of the lock; this is milliseconds.
                std::thread::sleep(Duration::from_millis(10));
                return lock.unlock();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the store is still being read"))
    }

    /// Whether a few megabytes can be written here and reach the disk.
    pub fn probe(&self, bytes: usize) -> io::Result<()> {
        let path = self.dir.join("probe");
        let written = std::fs::write(&path, vec![0x5a; bytes]).and_then(|()| File::open(&path)?.sync_all());
        std::fs::remove_file(&path).or_else(|e| if written.is_err() { Ok(()) } else { Err(e) })?;
        written
    }

    /// Whether what fails here fails because nothing more fits on the disk.
    pub fn is_full(&self) -> bool {
        self.probe(STORE_PROBE_BYTES).is_err_and(|error| error.kind() == io::ErrorKind::StorageFull)
    }

    /// Takes fjall's files away, which nobody has open. Cut short, it is finished when the directory is opened.
    pub fn drop_store(&self) -> io::Result<()> {
        match std::fs::remove_file(self.store().join("version")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.drop_unfinished_store(),
        }
    }

    fn check_format(&self) -> Result<(), OpenError> {
        let failed = |error| OpenError::Io { dir: self.dir.clone(), error };
        let path = self.dir.join("format");
        match std::fs::read_to_string(&path) {
            Ok(text) => match read_format(&text) {
                Some((found, _)) if found != self.kind => {
                    Err(OpenError::OtherKind { dir: self.dir.clone(), found })
                }
                Some((_, found)) if found > FORMAT => {
                    Err(OpenError::NewerFormat { dir: self.dir.clone(), found, known: FORMAT })
                }
                Some(_) => Ok(()),
                None => Err(OpenError::Damaged {
                    dir: self.dir.clone(),
                    what: format!("{} does not say \"{} <number>\"", path.display(), self.kind.word()),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.store().exists() => {
                self.write_format().map_err(failed)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Damaged {
                dir: self.dir.clone(),
                what: "its file \"format\" is missing beside a store".to_owned(),
            }),
            Err(error) => Err(failed(error)),
        }
    }

    fn write_format(&self) -> io::Result<()> {
        let unnamed = self.dir.join("format.new");
        std::fs::write(&unnamed, format!("{} {FORMAT}\n", self.kind.word()))?;
        File::open(&unnamed)?.sync_all()?;
        std::fs::rename(&unnamed, self.dir.join("format"))?;
        sync_dir(&self.dir)?;
        // The directory's own name, which may be new as well.
        self.dir.canonicalize()?.parent().map_or(Ok(()), sync_dir)
    }

    /// fjall writes its `version` last: without it the store was never finished and nothing can be in it, but fjall
    /// itself would not begin again.
    fn drop_unfinished_store(&self) -> io::Result<()> {
        let store = self.store();
        if store.exists() && !store.join("version").exists() {
            std::fs::remove_dir_all(&store)?;
        }
        Ok(())
    }
}

/// Makes the names in a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn read_format(text: &str) -> Option<(Kind, u32)> {
    let (word, number) = text.trim_end().split_once(' ')?;
    let kind = [Kind::Log, Kind::Index].into_iter().find(|kind| kind.word() == word)?;
    Some((kind, number.parse().ok()?))
}
