//! Why a store could not be opened: whose fault it is and what to do.

use super::database::StoreError;
use super::directory::Kind;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a log, or the index of one, could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has this directory.
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory was written by a newer version.
    NewerFormat {
        /// The directory.
        dir: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest one this version reads.
        known: u32,
    },
    /// The directory holds the other one of the two.
    OtherKind {
        /// The directory.
        dir: PathBuf,
        /// What it holds.
        found: Kind,
    },
    /// The directory has other things in it.
    NotOurs {
        /// The directory.
        dir: PathBuf,
    },
    /// The log was made with another number of partitions.
    Partitions {
        /// The directory.
        dir: PathBuf,
        /// Those it was made with.
        found: u16,
        /// Those asked for.
        asked: u16,
    },
    /// What stands in the directory is damaged before its end.
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// The operating system refused something.
    Io {
        /// The directory.
        dir: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}

impl OpenError {
    /// What keeps the store in this directory from being opened.
    pub(in crate::backplane) fn of_store(dir: &Path, error: StoreError) -> Self {
        let dir = dir.to_owned();
        match error {
            StoreError::Io(error) => Self::Io { dir, error },
            StoreError::Damaged(what) => Self::Damaged { dir, what },
        }
    }

    /// Exit 3: the directory is in use, of a newer format, or a node's of the other kind. All else is exit 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InUse { .. } | Self::NewerFormat { .. } | Self::OtherKind { .. } => 3,
            _ => 1,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { dir } => write!(
                f,
                "the data directory {} is in use by another process; stop that one, or give --data another directory",
                dir.display()
            ),
            Self::NewerFormat { dir, found, known } => write!(
                f,
                "the data directory {} has format {found}, this version reads up to {known}; run the newer version",
                dir.display()
            ),
            Self::OtherKind { dir, found: Kind::Log } => write!(
                f,
                "the data directory {} holds the log of a node without Kafka; give --data another directory, or \
                 start without --kafka",
                dir.display()
            ),
            Self::OtherKind { dir, found: Kind::Index } => write!(
                f,
                "the data directory {} holds the index of a node in a cluster; give --data another directory, or \
                 start with --kafka",
                dir.display()
            ),
            Self::NotOurs { dir } => write!(
                f,
                "{} is not empty and no data directory of ours; give --data an empty or a new directory",
                dir.display()
            ),
            Self::Partitions { dir, found, asked } => write!(
                f,
                "the log in {} was made with {found} partitions, {asked} were asked for; they cannot change, so \
                 set --partitions {found} or begin a new directory",
                dir.display()
            ),
            Self::Damaged { dir, what } => write!(
                f,
                "the log in {} is damaged: {what}; nothing was changed. Restore it from a backup, or begin a new \
                 directory and keep this one for an investigation",
                dir.display()
            ),
            Self::Io { dir, error } => {
                write!(
                    f,
                    "cannot open the log in {}: {error}; see to its permissions and disk",
                    dir.display()
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}
