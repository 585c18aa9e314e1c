//! Why a running node must end, found by one of its threads: told to the program by the signal that ends it anyway.

use crate::cluster::Refusal;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The cluster cannot have this node any more.
    Refused(Refusal),
    /// The mailbox topic is another one than this node began with.
    OtherLog,
}

impl Ending {
    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(refusal) => refusal.exit_code(),
            Self::OtherLog => 1,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::OtherLog => write!(
                f,
                "the mailbox topic was deleted and made again: it is another log. Start this node again; it wipes its \
                 index, and clients are told that their cursors are of another log (`epoch`)"
            ),
        }
    }
}

/// Where the first reason stands. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Endings(Arc<Mutex<Option<Ending>>>);

impl Endings {
    /// Why this node must end, if it must.
    pub fn first(&self) -> Option<Ending> {
        self.lock().clone()
    }

    /// It must end: the program is woken as if it were told to, and finds the reason.
    pub fn end(&self, why: Ending) {
        self.lock().get_or_insert(why);
        let _ = signal_hook::low_level::raise(signal_hook::consts::SIGTERM);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
