//! What this core has asked homes on other nodes, for requests of the HTTP API, and was not told yet.
//!
//! Always holds: a question is asked once and answered once: by the home that was asked, or by the end of its time. All have
//! the same time, so they end in the order in which they were asked.

use super::output::Request;
use crate::limits::{QUESTION_MS, QUESTIONS, QUESTIONS_OF_HOME};
use crate::model::Peer;
use std::collections::BTreeMap;

/// One core's questions. At most [`QUESTIONS`], of which at most [`QUESTIONS_OF_HOME`] wait for one home.
#[derive(Debug, Default)]
pub struct Questions {
    asked: BTreeMap<u64, Asked>,
    last: u64,
}

#[derive(Debug)]
struct Asked {
    request: Request,
    home: Peer,
    until_ms: u64,
}

impl Questions {
    /// A question to that home: its number. `None` where too many wait.
    pub fn ask(&mut self, request: Request, home: Peer, now_ms: u64) -> Option<u64> {
        if self.asked.len() >= QUESTIONS || self.waiting_for(home) >= QUESTIONS_OF_HOME {
            return None;
        }
        self.last += 1;
        self.asked.insert(self.last, Asked { request, home, until_ms: now_ms + QUESTION_MS });
        Some(self.last)
    }

    /// A home answers: whose question that was. `None` where it is over, or was not asked of that home.
    pub fn told(&mut self, home: Peer, number: u64) -> Option<Request> {
        if self.asked.get(&number)?.home != home {
            return None;
        }
        self.asked.remove(&number).map(|asked| asked.request)
    }

    /// A question whose time is over, if there is one; it is over then.
    pub fn overdue(&mut self, now_ms: u64) -> Option<Request> {
        let oldest = self.asked.first_entry().filter(|oldest| oldest.get().until_ms <= now_ms)?;
        Some(oldest.remove().request)
    }

    fn waiting_for(&self, home: Peer) -> usize {
        self.asked.values().filter(|asked| asked.home == home).count()
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        assert!(self.asked.len() <= QUESTIONS, "questions are bounded");
        let is_shared = |asked: &Asked| self.waiting_for(asked.home) <= QUESTIONS_OF_HOME;
        assert!(self.asked.values().all(is_shared), "no home has all of them");
        assert!(self.asked.values().is_sorted_by_key(|asked| asked.until_ms), "they end as they were asked");
        assert!(self.asked.keys().all(|number| *number <= self.last), "numbers are given once");
    }
}
