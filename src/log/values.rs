//! The values in which a core and the log speak.

use crate::model::{ClientId, Envelope, ErrorCode, Partition, Position, Unresumed};
use std::sync::Arc;

/// What an append is answered to: which core asked, and which of its waiting sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The core that asked.
    pub core: u16,
    /// Its waiting send.
    pub send: u32,
    /// Which recipient of that send.
    pub recipient: u16,
}

/// One record to append. Appends of one core to one partition are appended in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// To be handed back with the answer.
    pub ticket: Ticket,
    /// The partition of `envelope.to()`.
    pub partition: Partition,
    /// What.
    pub envelope: Envelope,
}

/// Tokens of this client issued at or before this moment are refused from now on. Kept for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose tokens.
    pub client: ClientId,
    /// Unix seconds.
    pub issued_until_s: u64,
}

/// An append is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Which.
    pub ticket: Ticket,
    /// Where in its partition.
    pub offset: u64,
    /// Log append time, Unix milliseconds; never decreasing in a partition.
    pub at_ms: u64,
}

/// An append was not taken; nothing of it is in the log, or nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub ticket: Ticket,
    /// Why: `mailbox_full` or `unavailable`.
    pub code: ErrorCode,
    /// When trying again makes sense.
    pub retry_after_ms: u32,
}

/// A durable record, as its home applies it. Duplicates never become one: they only move the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: Partition,
    /// Where in it.
    pub offset: u64,
    /// Which leader's time it was appended in.
    pub leader_epoch: u32,
    /// Log append time, Unix milliseconds.
    pub at_ms: u64,
    /// What.
    pub envelope: Envelope,
}

impl Record {
    /// The position of one who has been given this record.
    pub fn position(&self) -> Position {
        Position::after(self.leader_epoch, self.offset)
    }
}

/// What a log tells a core. To one core it keeps this order: the records of a batch, its answers, its heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// An append is durable.
    Appended(Appended),
    /// An append was not taken.
    Refused(Refused),
    /// A record of a client of this core.
    Record(Record),
    /// A revocation of a client of this core. Those of former lives are told before anything else.
    Revoked(Revocation),
    /// All records of this partition below this position that belong to this core have been told.
    Head(Partition, Position),
    /// This node serves a partition from here on: its records follow, from this position. What was told of it in another
    /// term is void. The core of a log that is this node's own begins with all of its partitions, and they never end.
    Begun {
        /// Which.
        partition: Partition,
        /// Never the same again in this life of the node.
        term: u64,
        /// Where the log stood.
        head: Position,
    },
    /// This node does not serve the partition any more.
    Ended(Partition),
    /// Revocations of these partitions' clients are told again before they begin again: those that are known may go.
    Unknown(Arc<[Partition]>),
    /// Nothing below these offsets, by partition number, is served any more.
    Floors(Arc<[u64]>),
    /// The log is alive and has told everything it had to: what the core knows is as young as this.
    Beat,
    /// The same of these partitions alone, as of that time. Not of an age: it would not grow while this waits for a process
    /// that stands still.
    Fresh {
        /// Which.
        partitions: Arc<[Partition]>,
        /// When the log was asked where it ends, by the clock of [`crate::model::Now::mono_ms`].
        asked_ms: u64,
    },
    /// A read is answered.
    Page(ReadTicket, Result<Page, Unreadable>),
}

/// What a read is answered to: the asking core keeps what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadTicket {
    /// The core that asked.
    pub core: u16,
    /// Its waiting read.
    pub read: u32,
}

/// A page of one mailbox, please.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// To be handed back with the answer.
    pub ticket: ReadTicket,
    /// Whose mailbox.
    pub client: ClientId,
    /// The client's partition.
    pub partition: Partition,
    /// Where to begin.
    pub from: ReadFrom,
    /// Only records below this offset: what the core knows to be durable.
    pub upto: Position,
    /// Stop before the page's envelopes are larger than this, but give at least one.
    pub page_bytes: u32,
    /// Stop at so many envelopes. 0: count only.
    pub page_envelopes: u32,
    /// Go on counting, without keeping, to at most so many envelopes; 0: do not count beyond the page.
    pub count_to: u32,
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// After this position, which its holder has: judged first (see [`Unreadable::Unresumed`]).
    After(Position),
    /// At the oldest envelope there is.
    Oldest,
    /// At the first envelope appended at or after this Unix millisecond.
    Since(u64),
    /// So many envelopes before `upto`.
    Last(u32),
}

/// A page of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The position the read began at: the one given, or that just before the first envelope it selects.
    pub start: Position,
    /// Unexpired, unerased, no duplicates, in order.
    pub records: Vec<Record>,
    /// Everything of this mailbox between `start` and this is in `records`: the last one's position, or `upto`.
    pub through: Position,
    /// Envelopes from `start` to `upto`, those of the page included, as far as counted.
    pub counted: u32,
    /// There are more than `counted`.
    pub more: bool,
}

/// A read failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// What the reader holds does not lead to the present: nothing after it may be called complete.
    Unresumed(Unresumed),
    /// The log cannot read now; ask again.
    Unavailable,
}
