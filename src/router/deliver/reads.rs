//! What this core has asked the log for and still waits for.
//!
//! At most [`READS_IN_FLIGHT`](crate::limits::READS_IN_FLIGHT) reads are with the log; further ones stand in line here, one per attached session or
//! pull, and are read only if somebody still wants them. Pages are small and the line is first come, first served:
//! who has missed a hundred thousand takes its turn after each page.

use super::begin::Beginning;
use crate::log::{Read, ReadFrom, ReadTicket};
use crate::model::{Ask, ClientId, SessionRef};
use crate::router::output::{Output, Request};
use crate::router::turn::Turn;
use std::collections::VecDeque;

/// What a page is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// Where a session starts, and its first envelopes.
    Attach {
        /// Which session.
        session: SessionRef,
        /// Its question.
        ask: Ask,
        /// How it begins.
        beginning: Beginning,
        /// Where the log was asked to begin, to ask again when it cannot read now.
        from: ReadFrom,
    },
    /// A session's next envelopes.
    Page {
        /// Which session.
        session: SessionRef,
        /// Its question.
        ask: Ask,
    },
    /// A pull.
    Pull {
        /// Whose answer.
        request: Request,
        /// How it begins.
        beginning: Beginning,
        /// Envelopes wanted.
        limit: u32,
    },
}

/// The reads of one core.
#[derive(Debug)]
pub struct Reads {
    asked: Vec<Option<(ClientId, Purpose)>>,
    free: Vec<u32>,
    line: VecDeque<(Read, Purpose)>,
    in_flight: usize,
    most: usize,
}

impl Reads {
    /// None yet, and at most so many at a time.
    pub fn new(most: usize) -> Self {
        Self { asked: Vec::new(), free: Vec::new(), line: VecDeque::new(), in_flight: 0, most }
    }

    /// Asks the log, now or when it is this read's turn. The ticket in `read` is set here.
    pub fn ask(&mut self, read: Read, purpose: Purpose, turn: &mut Turn<'_>) {
        if self.in_flight < self.most {
            self.begin(read, purpose, turn);
        } else {
            self.line.push_back((read, purpose));
        }
    }

    /// A read was answered: what it was for.
    ///
    /// Panics for a ticket that is not out: the log answers each read once.
    pub fn answered(&mut self, ticket: ReadTicket) -> (ClientId, Purpose) {
        let asked = self.asked.get_mut(ticket.read as usize).and_then(Option::take);
        self.free.push(ticket.read);
        self.in_flight -= 1;
        asked.expect("the log answers a read once")
    }

    /// Sends who is next in line, as far as there is room; `wanted` says whether anyone still waits for it.
    pub fn advance(&mut self, mut wanted: impl FnMut(&Read, &Purpose) -> bool, turn: &mut Turn<'_>) {
        while self.in_flight < self.most {
            let Some((read, purpose)) = self.line.pop_front() else { return };
            if wanted(&read, &purpose) {
                self.begin(read, purpose, turn);
            }
        }
    }

    fn begin(&mut self, mut read: Read, purpose: Purpose, turn: &mut Turn<'_>) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.asked.push(None);
            self.asked.len() as u32 - 1
        });
        self.asked[slot as usize] = Some((read.client.clone(), purpose));
        self.in_flight += 1;
        read.ticket = ReadTicket { core: turn.core, read: slot };
        turn.out.push(Output::Read(read));
    }
}
