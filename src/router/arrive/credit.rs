//! How much replay may be under way to all sessions of a core together.
//!
//! A session in replay holds a share; it gives it back when it becomes live, is stopped, falls behind or goes. Who
//! finds nothing left waits in line. So a storm of returning clients costs [`Bounds::replay_credit_bytes`] and no more,
//! and one with a hundred thousand missed takes its turn like everyone.

use crate::model::SessionRef;
use crate::router::settings::Bounds;
use std::collections::VecDeque;

/// The pool.
#[derive(Debug)]
pub struct CreditPool {
    left: u32,
    bounds: Bounds,
    /// In line; at most one entry per session, which knows that it waits.
    line: VecDeque<SessionRef>,
}

impl CreditPool {
    /// A full one.
    pub fn new(bounds: Bounds) -> Self {
        Self { left: bounds.replay_credit_bytes, bounds, line: VecDeque::new() }
    }

    /// Takes a share of at most `room` bytes. 0: nothing useful is left.
    pub fn take(&mut self, room: u32) -> u32 {
        let share = room.min(self.bounds.replay_share_bytes);
        if share > self.left {
            return 0;
        }
        self.left -= share;
        share
    }

    /// Gives a share back.
    pub fn give_back(&mut self, share: u32) {
        self.left += share;
        assert!(self.left <= self.bounds.replay_credit_bytes, "more credit was given back than taken");
    }

    /// Waits in line.
    pub fn wait(&mut self, session: SessionRef) {
        self.line.push_back(session);
    }

    /// The next in line, once there is a whole share for it.
    pub fn next(&mut self) -> Option<SessionRef> {
        if self.left < self.bounds.replay_share_bytes { None } else { self.line.pop_front() }
    }

    /// Bytes given out.
    pub fn out(&self) -> u32 {
        self.bounds.replay_credit_bytes - self.left
    }
}
