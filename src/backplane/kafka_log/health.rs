//! How the log is: plain atomics that the follower writes and anybody reads.

use crate::backplane::kafka::Trouble;
use crate::backplane::store::memory::{self, Memory};
use crate::tail::{Over, Unfit};
use crate::words::words;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

words! {
    /// Why a record was read beside the one time that its home reads it: `why` of `corepost_records_reread_total`.
    Reread {
        /// Before its partition was served here: the dedupe window, and what the index lacked.
        Begin = "begin",
        /// For somebody who was away, or who looks back.
        History = "history",
        /// By the node that would own its partition next.
        Standby = "standby",
        /// Its partition had just become another node's.
        Late = "late",
    }
}

words! {
    /// What went wrong with the state topic: `what` of `corepost_state_troubles_total`.
    StateTrouble {
        /// What it holds of a partition could not be read, which is not served meanwhile; it is tried again.
        Unread = "unread",
        /// A revocation was not taken, or not acknowledged.
        Refused = "refused",
        /// The producer had failed for good and was made anew.
        MadeAnew = "made_anew",
    }
}

/// What the follower counts.
#[derive(Debug, Default)]
pub struct KafkaHealth {
    pub(super) records: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) nobodys: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) reread: [AtomicU64; Reread::ALL.len()],
    pub(super) rows: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) memory: Memory,
    pub(super) owned: AtomicU64,
    pub(super) served: AtomicU64,
    pub(super) fresh: AtomicU64,
    pub(super) over: [AtomicU64; Over::ALL.len()],
    pub(super) unfit: [AtomicU64; Unfit::ALL.len()],
    pub(super) suspended: AtomicBool,
    pub(super) revocations: AtomicU64,
    pub(super) states_passed: AtomicU64,
    pub(super) states_written: AtomicU64,
    pub(super) state_troubles: [AtomicU64; StateTrouble::ALL.len()],
    pub(super) readers_made_anew: [AtomicU64; 2],
    pub(super) trouble: Mutex<Option<Trouble>>,
    pub(super) index_failed: AtomicBool,
    pub(super) index_errors: AtomicU64,
    /// By partition, what is owned and served; at most P.
    pub(super) lags: Mutex<Vec<(u16, u64)>>,
}

/// One reading of [`KafkaHealth`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaReading {
    /// Records of the mailbox topic read while their partition was served here: each once, but for two homes at once.
    pub records: u64,
    /// Records read beside that, by the number of [`Reread`].
    pub reread: [u64; Reread::ALL.len()],
    /// Of what was read at the end of logs, duplicates.
    pub duplicates: u64,
    /// Of that, nobody's: counted and passed.
    pub nobodys: u64,
    /// Of that, damaged: a hole.
    pub damaged: u64,
    /// Rows put into the index.
    pub rows: u64,
    /// Bytes that it holds.
    pub bytes: u64,
    /// What the index and the dedupe windows take of memory, as of a moment ago.
    pub memory: memory::Bytes,
    /// Partitions that are this node's.
    pub owned: u64,
    /// Of these, those that it serves.
    pub served: u64,
    /// Of these, those of which nothing is missing, as of a second ago at most.
    pub fresh: u64,
    /// Partitions begun anew or given up, by the number of [`Over`].
    pub over: [u64; Over::ALL.len()],
    /// Stores dropped, by the number of [`Unfit`].
    pub unfit: [u64; Unfit::ALL.len()],
    /// The topics break their contract: nothing is appended.
    pub suspended: bool,
    /// Revocations read from the state topic.
    pub revocations: u64,
    /// Its records that say nothing here.
    pub states_passed: u64,
    /// Records of this node in it.
    pub states_written: u64,
    /// What went wrong with it, by the number of [`StateTrouble`].
    pub state_troubles: [u64; StateTrouble::ALL.len()],
    /// Readers that did not read what was there and were made anew: of the mailbox topic, of the state topic.
    pub readers_made_anew: [u64; 2],
    /// Why the state topic cannot be read or written, where that will not pass by itself.
    pub trouble: Option<Trouble>,
    /// The index takes nothing now.
    pub index_failed: bool,
    /// Times it took nothing.
    pub index_errors: u64,
    /// By partition that is served, offsets of it that are not read yet.
    pub lags: Vec<(u16, u64)>,
}

impl KafkaHealth {
    /// How it is now.
    pub fn read(&self) -> KafkaReading {
        let read = |number: &AtomicU64| number.load(Relaxed);
        KafkaReading {
            records: read(&self.records),
            duplicates: read(&self.duplicates),
            nobodys: read(&self.nobodys),
            damaged: read(&self.damaged),
            reread: self.reread.each_ref().map(read),
            rows: read(&self.rows),
            bytes: read(&self.bytes),
            memory: self.memory.read(),
            owned: read(&self.owned),
            served: read(&self.served),
            fresh: read(&self.fresh),
            over: self.over.each_ref().map(read),
            unfit: self.unfit.each_ref().map(read),
            suspended: self.suspended.load(Relaxed),
            revocations: read(&self.revocations),
            states_passed: read(&self.states_passed),
            states_written: read(&self.states_written),
            state_troubles: self.state_troubles.each_ref().map(read),
            readers_made_anew: self.readers_made_anew.each_ref().map(read),
            trouble: lock(&self.trouble).clone(),
            index_failed: self.index_failed.load(Relaxed),
            index_errors: read(&self.index_errors),
            lags: self.lags().clone(),
        }
    }

    pub(super) fn lags(&self) -> MutexGuard<'_, Vec<(u16, u64)>> {
        lock(&self.lags)
    }

    pub(super) fn troubled(&self, trouble: Option<Trouble>) {
        *lock(&self.trouble) = trouble;
    }

    pub(super) fn state_trouble(&self, what: StateTrouble) {
        self.state_troubles[what as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn reread(&self, why: Reread, records: u64) {
        self.reread[why as usize].fetch_add(records, Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
