//! How young a home's knowledge of a partition is: as young as the newest question for the log's end whose answer it
//! has reached. A consumer that is silent may have read everything, or have lost its broker.
//!
//! An answer counts only once its leader is *vouched for*: known to have what was read. A new leader may have lost the last
//! records and taken as many others, and its log then ends where the old one did.

use super::{END_QUESTIONS, End};
use std::collections::VecDeque;

/// Questions for the log's end, and how far they were reached.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// In the order of the questions; at most [`END_QUESTIONS`].
    open: VecDeque<Asked>,
    fresh_ms: Option<u64>,
    /// The newest end that was told.
    end: u64,
}

/// A question and its answer.
#[derive(Debug)]
struct Asked {
    end: End,
    asked_ms: u64,
}

impl Freshness {
    /// A question was answered. Whether that counts already is [`Freshness::reach`]'s to say, which follows.
    pub fn ask(&mut self, end: End, asked_ms: u64) {
        self.end = end.offset;
        self.open.push_back(Asked { end, asked_ms });
    }

    /// Everything below `next` was read. `vouched`: whether a leader of that epoch has it. When too many are still open the
    /// newest is let go: an older one is reached sooner.
    pub fn reach(&mut self, next: u64, vouched: impl Fn(u32) -> bool) {
        let Self { open, fresh_ms, .. } = self;
        open.retain(|&Asked { end, asked_ms }| {
            let counts = next >= end.offset && end.leader_epoch.is_none_or(&vouched);
            if counts {
                *fresh_ms = (*fresh_ms).max(Some(asked_ms));
            }
            !counts
        });
        open.truncate(END_QUESTIONS);
    }

    /// The newest leader that is still to be vouched for, for its answer to count.
    pub fn doubted(&self, next: u64) -> Option<u32> {
        let reached = self.open.iter().filter(|asked| asked.end.offset <= next);
        reached.filter_map(|asked| asked.end.leader_epoch).max()
    }

    /// Where the log ended when it was asked last.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// When the newest question was asked whose answer was reached.
    pub fn fresh_ms(&self) -> Option<u64> {
        self.fresh_ms
    }
}
