//! Why the index takes nothing: the disk's fault, never the node's end.

use std::fmt;
use std::io;

/// Why the index could not be written, or opened again. What was not committed is in Kafka.
#[derive(Debug)]
pub enum IndexError {
    /// Nothing more fits on the disk.
    DiskFull,
    /// The disk fails otherwise, or a reader is still at the files.
    Io(io::Error),
    /// What stands on the disk is broken. Opening it again wipes it, if it is found then too.
    Damaged(String),
    /// An earlier write failed, and it has not been opened again.
    Closed,
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskFull => write!(f, "the disk of the index is full; make room, it goes on by itself"),
            Self::Io(error) => write!(f, "the index cannot be written: {error}; see to its disk"),
            Self::Damaged(what) => write!(f, "the index is damaged: {what}; it is read from Kafka again"),
            Self::Closed => write!(f, "the index is closed after an error and has not been opened again"),
        }
    }
}

impl std::error::Error for IndexError {}
