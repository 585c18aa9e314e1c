//! Why a log could not be opened: whose fault it is and what to do.

use std::fmt;
use std::path::PathBuf;

/// Why a log could not be opened.
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
    /// Exit 3: the directory is in use or of a newer format. All else is exit 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InUse { .. } | Self::NewerFormat { .. } => 3,
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
