//! The sends that nobody has answered yet, in the order sent.
//!
//! A letter leaves only by its ack or its final refusal. When a connection ends, everything that was under way
//! goes again, with the same id: the server takes the second one for what it is (DESIGN.md §3.4). A server that is
//! at its limits holds the whole outbox back, so that the order of letters survives; a full mailbox holds back its
//! own letters only.

use super::backoff::Backoff;
use super::letter::Letter;
use crate::limits::{OUTBOX_BYTES, OUTBOX_LETTERS, SEND_TRIES};
use crate::model::{ErrorCode, HeardError};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Letters, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    letters: VecDeque<Waiting>,
    bytes: usize,
    /// Nothing is transmitted before this.
    held_until_ms: u64,
    /// Letters that are not in flight; the scan for due ones is skipped when there are none.
    ashore: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    letter: Arc<Letter>,
    state: State,
    refusals: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be transmitted, not before.
    Ashore { not_before_ms: u64 },
    /// Transmitted on this connection.
    InFlight,
}

/// Why a send was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The outbox is full: wait for acks.
    Full,
    /// A letter of this id is still waiting for its ack.
    SameId,
    /// Ephemeral messages need a connection that is open now.
    Away,
    /// The client has given up or was stopped.
    Over,
}

/// What a refusal means for its letter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It will go again.
    Again,
    /// It has left the outbox.
    Failed(Arc<Letter>),
    /// No letter of that id waits.
    Unknown,
}

impl Outbox {
    pub(super) fn push(&mut self, letter: Letter) -> Result<(), Unsent> {
        if self.letters.len() >= OUTBOX_LETTERS || self.bytes + letter.size() > OUTBOX_BYTES {
            return Err(Unsent::Full);
        }
        if self.find(letter.id().as_str()).is_some() {
            return Err(Unsent::SameId);
        }
        self.bytes += letter.size();
        self.ashore += 1;
        let state = State::Ashore { not_before_ms: 0 };
        self.letters.push_back(Waiting { letter: Arc::new(letter), state, refusals: 0 });
        Ok(())
    }

    /// Takes the letters that may go now, oldest first, and counts them as in flight.
    pub(super) fn depart(&mut self, now_ms: u64, mut transmit: impl FnMut(Arc<Letter>)) {
        if self.ashore == 0 || now_ms < self.held_until_ms {
            return;
        }
        for waiting in &mut self.letters {
            if matches!(waiting.state, State::Ashore { not_before_ms } if not_before_ms <= now_ms) {
                waiting.state = State::InFlight;
                self.ashore -= 1;
                transmit(waiting.letter.clone());
            }
        }
    }

    /// When [`Outbox::depart`] will next find something, while connected.
    pub(super) fn next_ms(&self) -> Option<u64> {
        if self.ashore == 0 {
            return None;
        }
        let due = self.letters.iter().filter_map(|waiting| match waiting.state {
            State::Ashore { not_before_ms } => Some(not_before_ms.max(self.held_until_ms)),
            State::InFlight => None,
        });
        due.min()
    }

    /// The connection is gone: what was under way may or may not have arrived.
    pub(super) fn strand(&mut self) {
        for waiting in &mut self.letters {
            if waiting.state == State::InFlight {
                waiting.state = State::Ashore { not_before_ms: 0 };
            }
        }
        self.ashore = self.letters.len();
    }

    pub(super) fn acknowledged(&mut self, id: &str) -> Option<Arc<Letter>> {
        let at = self.find(id)?;
        Some(self.remove(at))
    }

    pub(super) fn refused(&mut self, error: &HeardError<'_>, backoff: &mut Backoff, now_ms: u64) -> Refused {
        let Some(at) = error.id.and_then(|id| self.find(id)) else {
            return Refused::Unknown;
        };
        let hopeful = may_pass(error.code) && error.failed.iter().all(|failed| may_pass(failed.code));
        self.letters[at].refusals += 1;
        if !hopeful || self.letters[at].refusals >= SEND_TRIES {
            return Refused::Failed(self.remove(at));
        }
        let until_ms = now_ms + backoff.spread_ms(error.retry_after_ms.unwrap_or(1_000));
        if error.code != ErrorCode::MailboxFull.as_str() {
            self.held_until_ms = self.held_until_ms.max(until_ms);
        }
        if self.letters[at].state == State::InFlight {
            self.ashore += 1;
        }
        self.letters[at].state = State::Ashore { not_before_ms: until_ms };
        Refused::Again
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.letters.len() < OUTBOX_LETTERS && self.bytes < OUTBOX_BYTES / 2
    }

    /// Answers come in the order of the sends but for lists and retries, so the search ends at once.
    fn find(&self, id: &str) -> Option<usize> {
        self.letters.iter().position(|waiting| waiting.letter.id().as_str() == id)
    }

    fn remove(&mut self, at: usize) -> Arc<Letter> {
        let gone = self.letters.remove(at).expect("the index was found a moment ago");
        self.bytes -= gone.letter.size();
        if gone.state != State::InFlight {
            self.ashore -= 1;
        }
        gone.letter
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.letters.len() - self.ashore
    }

    /// What always holds; for tests.
    #[cfg(test)]
    pub(super) fn invariants(&self) {
        let bytes: usize = self.letters.iter().map(|waiting| waiting.letter.size()).sum();
        assert_eq!(self.bytes, bytes, "bytes are those of the letters");
        let ashore = self.letters.iter().filter(|waiting| waiting.state != State::InFlight).count();
        assert_eq!(self.ashore, ashore, "letters ashore are counted");
        assert!(self.letters.len() <= OUTBOX_LETTERS && self.bytes <= OUTBOX_BYTES, "within bounds");
        assert!(
            self.letters.iter().all(|waiting| waiting.refusals < SEND_TRIES),
            "who was refused for good left"
        );
    }
}

/// Whether a refusal of this kind may be over when the same is sent again.
fn may_pass(code: &str) -> bool {
    [ErrorCode::RateLimited, ErrorCode::MailboxFull, ErrorCode::Unavailable]
        .iter()
        .any(|c| c.as_str() == code)
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many messages wait for their acks; wait for some",
            Self::SameId => "a message of this id waits for its ack; use another id",
            Self::Away => "an ephemeral message needs an open connection",
            Self::Over => "the client has given up its connection",
        })
    }
}

impl std::error::Error for Unsent {}
