//! How the process ends, as scripts and supervisors see it (DESIGN.md §9: fixed for ever).

use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is done.
    Done = 0,
    /// It failed: a port in use, a file that cannot be written. May work later.
    Failed = 1,
    /// Arguments or configuration are wrong. Will not work before they are changed.
    Usage = 2,
    /// The data directory is in use by another process, of a newer format, or a node's of the other kind.
    DataDirectory = 3,
    /// Kafka topics break the contract.
    Topics = 4,
    /// This node's ordinal is in use, or the cluster speaks what we cannot.
    Cluster = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
