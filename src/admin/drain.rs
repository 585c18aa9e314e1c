//! A drain, asked for and watched from the same host: `POST /drain` and `GET /drain`.

use serde::{Deserialize, Serialize};

/// How a node is drained.
pub struct Drain {
    /// Asks the node to drain, and returns at once. Asked again it changes nothing.
    pub begin: Box<dyn Fn() + Send>,
    /// How far it has come.
    pub progress: Box<dyn Fn() -> Progress + Send>,
}

/// How far a drain has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// It has begun.
    pub draining: bool,
    /// Sessions, and requests that are being served, which are here still.
    pub sessions: u64,
    /// In a cluster, of a node that drains: partitions that were its own and are not live at their new homes yet.
    pub partitions: u64,
    /// Milliseconds that a drain takes at most.
    pub within_ms: u64,
    /// When this process started, Unix milliseconds: another one may answer at the same address later.
    pub started_ms: u64,
}

impl Progress {
    pub(super) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data is always JSON")
    }
}
