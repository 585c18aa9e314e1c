//! Time as links know it: that in which this node was there to listen.
//!
//! A link is broken by three seconds of silence. Where our own loop stood still, the marks of that time lie in our
//! partition and are read after it, so a silence that is ours must not be taken for theirs. So time goes on by each
//! input's step, at most [`STEP_MS`] a step: however long the loop stood still, there is patience left to hear what waits.
//! A loop that is always late still judges, only later.

use crate::links::PATIENCE_MS;

/// The longest step. Ticks come every 100 ms.
pub(super) const STEP_MS: u64 = 500;

// A link whose last mark is a second old has time to hear another one, also after a stall.
const _: () = assert!(1_000 + STEP_MS + 1_000 < PATIENCE_MS);

/// A clock of attentive milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attention {
    passed_ms: u64,
    last_ms: u64,
}

impl Attention {
    /// From now on.
    pub fn new(now_ms: u64) -> Self {
        Self { passed_ms: 0, last_ms: now_ms }
    }

    /// An input comes.
    pub fn pass(&mut self, now_ms: u64) {
        self.passed_ms += now_ms.saturating_sub(self.last_ms).min(STEP_MS);
        self.last_ms = self.last_ms.max(now_ms);
    }

    /// Milliseconds listened so far.
    pub fn ms(self) -> u64 {
        self.passed_ms
    }
}

/// Something that is to be done once in a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Every {
    ms: u64,
    due_ms: u64,
}

impl Every {
    /// First when `ms` have passed.
    pub fn new(ms: u64, now_ms: u64) -> Self {
        Self { ms, due_ms: now_ms + ms }
    }

    /// Whether it is time. What was missed is not made up for.
    pub fn is_due(&mut self, now_ms: u64) -> bool {
        if now_ms < self.due_ms {
            return false;
        }
        // A tick that is a little late does not make all later ones late.
        self.due_ms += self.ms;
        if self.due_ms <= now_ms {
            self.due_ms = now_ms + self.ms;
        }
        true
    }
}
