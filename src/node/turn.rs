//! The end of a turn, which monoio has no hook for.
//!
//! The first thing that happens in a turn wakes the core's flusher; the run queue is first-in first-out, so it runs
//! after all that was ready, and only then does anything leave the core: one send per socket, one batch per other
//! core. A turn that has produced much is ended before (`flush`). Between two flushes is what we call a turn.

use crate::host::since_boot;
use crate::model::Now;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whether a turn is open, since when, and who closes it.
#[derive(Debug)]
pub struct Turn {
    open: bool,
    /// Since the host's boot, which is the clock of all threads: what one tells another of a time is the same to both.
    began: Duration,
    flusher: Option<Waker>,
}

impl Turn {
    /// None yet.
    pub fn new() -> Self {
        Self { open: false, began: since_boot(), flusher: None }
    }

    /// Something happens. True if it is the first of its turn: the clock is read then, and not again in it.
    pub fn enter(&mut self) -> bool {
        if self.open {
            return false;
        }
        self.open = true;
        self.began = since_boot();
        if let Some(flusher) = &self.flusher {
            flusher.wake_by_ref();
        }
        true
    }

    /// Both clocks, as the shard is told them: read at the turn's beginning.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono_ms: self.began.as_millis() as u64, unix_ms: unix.as_millis() as u64 }
    }

    /// The flusher asks whether there is something to flush, and is woken when there will be.
    pub fn poll_open(&mut self, waker: &Waker) -> Poll<()> {
        if self.open {
            return Poll::Ready(());
        }
        if self.flusher.as_ref().is_none_or(|known| known.data() != waker.data()) {
            self.flusher = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The flusher has done its work. How long the turn took.
    pub fn close(&mut self) -> Duration {
        self.open = false;
        since_boot().saturating_sub(self.began)
    }
}
