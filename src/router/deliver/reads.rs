//! What this core has asked the log for and still waits for.
//!
//! At most [`READS_IN_FLIGHT`](crate::limits::READS_IN_FLIGHT) reads are with the log; further ones stand in line here, one per attached session or
//! pull, and are read only if somebody still wants them. Pages are small and the line is first come, first served:
//! who has missed a hundred thousand takes its turn after each page.

use super::begin::Beginning;
use crate::log::{Read, ReadTicket};
use crate::model::{Ask, ClientId, Reach};
use crate::router::inquiries::Inquirer;
use crate::router::output::Output;
use crate::router::turn::Turn;
use std::collections::VecDeque;

/// What a page is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// Where a session starts, and its first envelopes.
    Attach {
        /// Which session.
        reach: Reach,
        /// Its question.
        ask: Ask,
        /// How it begins.
        beginning: Beginning,
    },
    /// A session's next envelopes.
    Page {
        /// Which session.
        reach: Reach,
        /// Its question.
        ask: Ask,
    },
    /// A pull.
    Pull {
        /// Whose answer.
        inquirer: Inquirer,
        /// How it begins.
        beginning: Beginning,
        /// Envelopes wanted.
        limit: u32,
    },
}

/// A read that is out.
#[derive(Debug)]
pub struct Asked {
    /// Of whose mailbox.
    pub client: ClientId,
    /// In which term of its partition: in another one the answer is void.
    pub term: Option<u64>,
    /// What for.
    pub purpose: Purpose,
}

/// The reads of one core.
#[derive(Debug)]
pub struct Reads {
    asked: Vec<Option<Asked>>,
    free: Vec<u32>,
    line: VecDeque<(Read, Option<u64>, Purpose)>,
    in_flight: usize,
    most: usize,
}

impl Reads {
    /// None yet, and at most so many at a time.
    pub fn new(most: usize) -> Self {
        Self { asked: Vec::new(), free: Vec::new(), line: VecDeque::new(), in_flight: 0, most }
    }

    /// Asks the log, now or when it is this read's turn. The ticket in `read` is set here.
    pub fn ask(&mut self, read: Read, term: Option<u64>, purpose: Purpose, turn: &mut Turn<'_>) {
        if self.in_flight < self.most {
            self.begin(read, term, purpose, turn);
        } else {
            self.line.push_back((read, term, purpose));
        }
    }

    /// A read was answered: what it was for.
    ///
    /// Panics for a ticket that is not out: the log answers each read once.
    pub fn answered(&mut self, ticket: ReadTicket) -> Asked {
        let asked = self.asked.get_mut(ticket.read as usize).and_then(Option::take);
        self.free.push(ticket.read);
        self.in_flight -= 1;
        asked.expect("the log answers a read once")
    }

    /// Sends who is next in line, as far as there is room; `wanted` says whether anyone still waits for it.
    pub fn advance(&mut self, mut wanted: impl FnMut(&Read, &Purpose) -> bool, turn: &mut Turn<'_>) {
        while self.in_flight < self.most {
            let Some((read, term, purpose)) = self.line.pop_front() else { return };
            if wanted(&read, &purpose) {
                self.begin(read, term, purpose, turn);
            }
        }
    }

    fn begin(&mut self, mut read: Read, term: Option<u64>, purpose: Purpose, turn: &mut Turn<'_>) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.asked.push(None);
            self.asked.len() as u32 - 1
        });
        self.asked[slot as usize] = Some(Asked { client: read.client.clone(), term, purpose });
        self.in_flight += 1;
        read.ticket = ReadTicket { core: turn.core, read: slot };
        turn.out.push(Output::Read(read));
    }
}
