//! What home and session say to each other, and everything else that crosses cores.
//!
//! The home of a client and each of its sessions talk only by these values, also on one core: which way a value
//! takes — a call, the mesh, later Kafka — is the shell's affair (DESIGN.md §5). A value names its client, and a
//! session by slot and generation; who it does not fit drops it.

use super::{
    Asker, BadCursor, ClientId, CloseCode, Cursor, Envelope, Findings, Head, HelloSession, Peer, Position,
    Question, Route, SessionRef, Via,
};
use crate::words::words;
use std::sync::Arc;

/// The number of a session's question. Answers count only for the newest one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u32);

/// Bytes that a home may still send to a session in replay. A resume without any means: hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credit(pub u32);

/// Where a session wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What it presented as cursor, if anything.
    pub cursor: Option<Result<Cursor, BadCursor>>,
    /// Where to start without a cursor, or with one that cannot be used.
    pub from: StartFrom,
}

/// `from=` of a connect or pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// At the present.
    #[default]
    New,
    /// At the oldest envelope there is.
    Start,
    /// At the first envelope appended at or after this Unix millisecond.
    Since(u64),
    /// So many envelopes back, at most [`crate::limits::FROM_LAST`].
    Last(u32),
}

words! {
    /// `reason` of a `welcome` that says `resumed:false`.
    Unresumed {
        /// No cursor of this client.
        Invalid = "invalid",
        /// Of another log.
        Epoch = "epoch",
        /// Beyond the end.
        Future = "future",
        /// Of a part of the log that was lost.
        Truncated = "truncated",
        /// Below the floor of retention.
        Expired = "expired",
        /// Before an erase.
        Erased = "erased",
        /// A hole in the store after it.
        Damaged = "damaged",
    }
}

/// A session to the home of its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToHome {
    /// Here I am.
    Attach {
        /// Number of the question.
        ask: Ask,
        /// Where to start.
        start: Start,
        /// What may be sent in replay.
        credit: Credit,
        /// When the session's token was issued, Unix seconds; `None` without a token or without `iat`.
        issued_at: Option<u64>,
        /// Whether a token was presented at all: revocations judge only those.
        by_token: bool,
        /// When the socket was upgraded, Unix milliseconds.
        since_ms: u64,
    },
    /// I stand here: go on, or with no credit, hold.
    Resume {
        /// Number of the question.
        ask: Ask,
        /// What has been taken.
        position: Position,
        /// What may be sent in replay.
        credit: Credit,
    },
    /// I go on with another token.
    Renew {
        /// When that was issued, Unix seconds; `None` without `iat`.
        issued_at: Option<u64>,
    },
    /// I am gone.
    Detach,
}

/// The home of a client to one of its sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToSession {
    /// The answer to an attach.
    Attached(Attached),
    /// Envelopes of a replay, in order.
    Replay {
        /// The question it belongs to.
        ask: Ask,
        /// What was missed.
        envelopes: Vec<Delivered>,
        /// Everything up to here is in them.
        through: Position,
    },
    /// You have everything up to here; from now on envelopes come as they are appended.
    Live {
        /// The question it answers.
        ask: Ask,
        /// Everything up to here was given.
        position: Position,
    },
    /// Your credit is used up: resume when there is room.
    Stop {
        /// The question it answers.
        ask: Ask,
    },
    /// You must go.
    Dismissed(Dismissal),
}

/// Where a session starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The question it answers.
    pub ask: Ask,
    /// The position it starts at.
    pub position: Position,
    /// There when a cursor was presented.
    pub resumed: Option<Result<(), Unresumed>>,
    /// Envelopes after `position`, exact up to [`crate::limits::MISSED_COUNTED`].
    pub missed: u32,
    /// There are more than `missed`.
    pub more: bool,
    /// A replay and its `live` follow; otherwise the session is live with this.
    pub replay: bool,
}

/// An envelope on its way to sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The envelope.
    pub envelope: Envelope,
    /// Log append time, Unix milliseconds.
    pub at_ms: u64,
    /// Nothing of this mailbox lies between this position and the envelope.
    pub prev: Position,
    /// The envelope's own position.
    pub position: Position,
}

/// Why a session is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// The client has as many sessions as it may.
    TooManySessions,
    /// The token was revoked.
    Revoked,
    /// An operator disconnected the client.
    Disconnected,
    /// Continuity ended under the session: it must reconnect and be told.
    Discontinued,
}

impl Dismissal {
    /// The code its socket is closed with.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::TooManySessions => CloseCode::TooManySessions,
            Self::Revoked => CloseCode::BadToken,
            Self::Disconnected => CloseCode::Forbidden,
            Self::Discontinued => CloseCode::Restart,
        }
    }
}

/// What crosses from one core's shard to another's. Between two cores parcels keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// A session speaks to its home.
    ToHome {
        /// Where it is.
        via: Via,
        /// Whose home.
        client: ClientId,
        /// Which session.
        session: SessionRef,
        /// What.
        say: ToHome,
    },
    /// A home speaks to one session.
    ToSession {
        /// Whose session it must be, or the value is dropped.
        client: ClientId,
        /// Which session.
        session: SessionRef,
        /// The home's term of the client's partition.
        term: u64,
        /// What.
        say: ToSession,
    },
    /// A home delivers one new envelope to all live sessions of its client on that core.
    Deliver {
        /// The sessions, all of `envelope.to()`.
        sessions: Vec<SessionRef>,
        /// What.
        delivered: Delivered,
    },
    /// A home passes an ephemeral message to all live sessions of a client on that core.
    Ephemeral {
        /// Whose sessions they must be.
        client: ClientId,
        /// The sessions.
        sessions: Vec<SessionRef>,
        /// What.
        envelope: Envelope,
    },
    /// A sender's core passes an ephemeral message to the recipients' home.
    Whisper {
        /// Clients at home there.
        to: Vec<ClientId>,
        /// What.
        envelope: Envelope,
    },
    /// A home's applied heads: the position of each session that is live there in that term.
    Mark {
        /// Of the partitions that it serves.
        heads: Arc<[Head]>,
    },
    /// A session comes to its home: it was welcomed by another one, or its gateway says hello.
    Join {
        /// Where it is.
        via: Via,
        /// Who.
        session: Box<HelloSession>,
    },
    /// The post to every core: where the homes of all clients are, by partition number. The sessions of a partition whose
    /// route differs from the one before join their new home at once.
    Routes {
        /// One for each partition.
        routes: Arc<[Route]>,
    },
    /// The post to every core: a life of the link to that home begins. All sessions here whose clients are at home there
    /// join it again.
    Greet {
        /// Whose home.
        home: Peer,
    },
    /// The post to every core: a life of the link from that gateway begins, and what comes by this way comes from there.
    Meet {
        /// Which way.
        via: Via,
        /// From which node.
        gateway: Peer,
    },
    /// The post to every core: this life of a link from a gateway is over, and the sessions that came by it are gone.
    Forget {
        /// Which life.
        via: Via,
    },
    /// Another node asks the home of a client.
    Ask {
        /// Which node.
        from: Peer,
        /// Whose question it is there.
        asker: Asker,
        /// About whom.
        client: ClientId,
        /// What.
        question: Question,
    },
    /// A home on another node answers this core's question.
    Told {
        /// Which home.
        home: Peer,
        /// The question's number.
        number: u64,
        /// What it found.
        findings: Box<Findings>,
    },
}

impl Parcel {
    /// Whether it is a client's command, which may be made to wait; everything else answers one and may not.
    pub fn is_command(&self) -> bool {
        matches!(self, Self::Whisper { .. })
    }

    /// How many small commands' room it takes where it waits: one for each KiB of it.
    pub fn room(&self) -> usize {
        match self {
            Self::Whisper { to, envelope } => {
                let names: usize =
                    to.iter().map(|client| client.as_str().len() + size_of::<ClientId>()).sum();
                1 + (names + envelope.size()) / 1_024
            }
            _ => 1,
        }
    }
}
