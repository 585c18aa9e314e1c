//! *Append*: a send waits here for the log's word on each of its recipients, then is answered once.
//!
//! What always holds: every append handed to the log belongs to exactly one send, which knows how many answers it
//! still waits for; a send is answered when none is missing, and then forgotten. What is in flight is bounded by
//! [`Bounds::appends_in_flight`] and [`Bounds::append_bytes_in_flight`]: whoever finds no room is parked, not queued.

mod need;
mod origin;

pub use need::{answer_cost, need, too_large};
pub use origin::Origin;

use super::output::Output;
use super::room::Room;
use super::settings::Bounds;
use super::turn::Turn;
use crate::counters::Refusal;
use crate::limits::{APPEND_BYTES_IN_FLIGHT, MESSAGE_BYTES, RECIPIENTS};
use crate::log::{Append, Ticket};
use crate::model::{Envelope, ErrorCode, ErrorPush, Failed, Partition, Push};

// Whatever list is sent or published within the default limit of a message fits, so that it is refused only where that
// limit was raised.
const _: () = assert!((RECIPIENTS + 1) * (MESSAGE_BYTES + Envelope::BESIDE) <= APPEND_BYTES_IN_FLIGHT);

/// The sends of one core that wait for the log.
#[derive(Debug)]
pub struct Sends {
    waiting: Vec<Option<Send>>,
    free: Vec<u32>,
    appends: usize,
    bytes: usize,
    bounds: Bounds,
}

/// One send, or one element of an HTTP publish.
#[derive(Debug)]
struct Send {
    origin: Origin,
    /// Answers that are still missing.
    missing: u16,
    /// Bytes of its envelopes, given back with the last answer.
    bytes: u32,
    /// Monotonic time at which it began.
    began_ms: u64,
    /// The greatest log append time so far.
    at_ms: u64,
    /// One of the envelopes, for its `id`.
    envelope: Envelope,
    /// Whether it went to a list, so that failures are told one by one.
    list: bool,
    /// Its envelopes in the order of their tickets; kept only for lists, to name the recipients that fail.
    listed: Box<[Envelope]>,
    failed: Vec<(u16, ErrorCode, u32)>,
}

/// A send that has had all its answers.
#[derive(Debug)]
pub struct Finished {
    /// Who waited.
    pub origin: Origin,
    /// Monotonic time at which it began.
    pub began_ms: u64,
    /// What it is told.
    pub answer: Push,
}

impl Sends {
    /// None yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { waiting: Vec::new(), free: Vec::new(), appends: 0, bytes: 0, bounds }
    }

    /// How much more may be handed to the log now.
    pub fn free(&self) -> Room {
        let most = self.most();
        most.less(Room { records: self.appends, bytes: self.bytes })
    }

    /// How much may be with the log at all.
    pub fn most(&self) -> Room {
        Room { records: self.bounds.appends_in_flight, bytes: self.bounds.append_bytes_in_flight }
    }

    /// Records in flight.
    pub fn in_flight(&self) -> usize {
        self.appends
    }

    /// Bytes of them.
    pub fn bytes_in_flight(&self) -> usize {
        self.bytes
    }

    /// Hands one record per envelope to the log and waits for all of them. `list`: the sender named several.
    ///
    /// Panics beyond the room that [`Sends::free`] has promised.
    pub fn begin(
        &mut self,
        origin: Origin,
        list: bool,
        envelopes: Vec<(Partition, Envelope)>,
        turn: &mut Turn<'_>,
    ) {
        let bytes: usize = envelopes.iter().map(|(_, envelope)| envelope.size()).sum();
        assert!(
            self.free().holds(Room { records: envelopes.len(), bytes }),
            "a send began without room for it"
        );
        assert!((1..=RECIPIENTS + 1).contains(&envelopes.len()), "{} records of one send", envelopes.len());
        let listed = match list {
            true => envelopes.iter().map(|(_, envelope)| envelope.clone()).collect(),
            false => Box::default(),
        };
        self.appends += envelopes.len();
        self.bytes += bytes;
        let send = self.keep(Send {
            origin,
            missing: envelopes.len() as u16,
            bytes: bytes as u32,
            began_ms: turn.now.mono_ms,
            at_ms: 0,
            envelope: envelopes[0].1.clone(),
            list,
            listed,
            failed: Vec::new(),
        });
        for (recipient, (partition, envelope)) in envelopes.into_iter().enumerate() {
            let ticket = Ticket { core: turn.core, send, recipient: recipient as u16 };
            turn.out.push(Output::Append(Append { ticket, partition, envelope }));
        }
    }

    /// The hot path of [`Sends::begin`]: one recipient, no list, no allocation.
    pub fn begin_one(
        &mut self,
        origin: Origin,
        partition: Partition,
        envelope: Envelope,
        turn: &mut Turn<'_>,
    ) {
        let bytes = envelope.size();
        assert!(self.free().holds(Room { records: 1, bytes }), "a send began without room for it");
        self.appends += 1;
        self.bytes += bytes;
        let send = self.keep(Send {
            origin,
            missing: 1,
            bytes: bytes as u32,
            began_ms: turn.now.mono_ms,
            at_ms: 0,
            envelope: envelope.clone(),
            list: false,
            listed: Box::default(),
            failed: Vec::new(),
        });
        turn.out.push(Output::Append(Append {
            ticket: Ticket { core: turn.core, send, recipient: 0 },
            partition,
            envelope,
        }));
    }

    /// A revocation takes a ticket like any record and is answered like one.
    pub fn ticket(&mut self, origin: Origin, envelope: Envelope, turn: &Turn<'_>) -> Ticket {
        self.appends += 1;
        let send = self.keep(Send {
            origin,
            missing: 1,
            bytes: 0,
            began_ms: turn.now.mono_ms,
            at_ms: 0,
            envelope,
            list: false,
            listed: Box::default(),
            failed: Vec::new(),
        });
        Ticket { core: turn.core, send, recipient: 0 }
    }

    /// The log has spoken about one append. Returns the send's answer when it was the last one.
    ///
    /// Panics for a ticket that waits for nothing: the log answers each append once.
    pub fn answered(&mut self, ticket: Ticket, outcome: Result<u64, (ErrorCode, u32)>) -> Option<Finished> {
        let slot = self.waiting.get_mut(ticket.send as usize).expect("the log answers what was appended");
        let send = slot.as_mut().expect("the log answers an append once");
        match outcome {
            Ok(at_ms) => send.at_ms = send.at_ms.max(at_ms),
            Err((code, retry_after_ms)) => send.failed.push((ticket.recipient, code, retry_after_ms)),
        }
        send.missing -= 1;
        self.appends -= 1;
        if send.missing > 0 {
            return None;
        }
        let send = slot.take().expect("it was there a line above");
        self.free.push(ticket.send);
        self.bytes -= send.bytes as usize;
        Some(Finished { origin: send.origin, began_ms: send.began_ms, answer: send.answer() })
    }

    fn keep(&mut self, send: Send) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.waiting[slot as usize] = Some(send);
            return slot;
        }
        self.waiting.push(Some(send));
        self.waiting.len() as u32 - 1
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        let sends = self.waiting.iter().flatten();
        let missing: usize = sends.clone().map(|send| usize::from(send.missing)).sum();
        assert_eq!(missing, self.appends, "every append in flight belongs to one send");
        assert!(sends.clone().all(|send| send.missing > 0), "a send without missing answers was kept");
        assert_eq!(sends.map(|send| send.bytes as usize).sum::<usize>(), self.bytes);
    }
}

impl Send {
    fn answer(mut self) -> Push {
        if self.failed.is_empty() {
            return Push::Ack { of: self.envelope, at_ms: self.at_ms };
        }
        // Answers of different partitions come in any order; the client reads them in the order it sent.
        self.failed.sort_unstable_by_key(|&(recipient, ..)| recipient);
        let (_, code, _) = self.failed[0];
        let retry_after_ms = self.failed.iter().map(|&(.., retry)| retry).max();
        let failed = match self.list {
            true => self
                .failed
                .iter()
                .map(|&(recipient, code, _)| Failed {
                    to: self.listed[usize::from(recipient)].to().to_client(),
                    code,
                })
                .collect(),
            false => Vec::new(),
        };
        let message = match code {
            ErrorCode::MailboxFull => {
                "a recipient's mailbox has reached its quota; try again when some of it has expired"
            }
            _ => "the log cannot take it now; send it again with the same id",
        };
        Push::Error(Box::new(ErrorPush {
            id: self.envelope.id().map(|id| id.to_client()),
            code,
            message: message.into(),
            retry_after_ms,
            failed,
        }))
    }
}

/// The counter of an error code.
pub fn refusal(code: ErrorCode) -> Refusal {
    match code {
        ErrorCode::BadRequest => Refusal::BadRequest,
        ErrorCode::UnknownType => Refusal::UnknownType,
        ErrorCode::TooLarge => Refusal::TooLarge,
        ErrorCode::TooManyRecipients => Refusal::TooManyRecipients,
        ErrorCode::BadClientId => Refusal::BadClientId,
        ErrorCode::Unauthorized => Refusal::Unauthorized,
        ErrorCode::Forbidden => Refusal::Forbidden,
        ErrorCode::RateLimited => Refusal::RateLimited,
        ErrorCode::MailboxFull => Refusal::MailboxFull,
        ErrorCode::Unavailable => Refusal::Unavailable,
        ErrorCode::Internal => Refusal::Internal,
    }
}
