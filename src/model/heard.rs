//! What a client hears: the frames of DESIGN.md §4 as they arrive at the other end.
//!
//! The counterpart of [`super::Push`], and on purpose not the same type: a client holds cursors as opaque texts and
//! may meet a newer server, so codes and reasons are texts here and an unknown frame is a value, not an error.
//! Everything is borrowed from the message it came in or from its decoder's scratch.

/// One frame from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Always the first frame of a connection (pongs, errors and acks may overtake it).
    Welcome(HeardWelcome<'a>),
    /// An envelope of this client's mailbox.
    Message(HeardMessage<'a>),
    /// A message beside the log: no cursor, no replay.
    Ephemeral {
        /// The sender, if known.
        from: Option<&'a str>,
        /// One JSON value, byte for byte.
        body: &'a [u8],
    },
    /// Replay has reached the present.
    Live {
        /// Where the session stands.
        cursor: &'a str,
    },
    /// Nothing for this client up to here.
    Cursor {
        /// Where the session stands.
        cursor: &'a str,
    },
    /// The answer to `ping`.
    Pong {
        /// Where the session stands; `None` before its `welcome`.
        cursor: Option<&'a str>,
    },
    /// Durable, for all recipients.
    Ack {
        /// The send's `id`.
        id: &'a str,
        /// The greatest log append time, Unix milliseconds.
        at_ms: u64,
    },
    /// Something was refused.
    Error(HeardError<'a>),
    /// The node is leaving.
    Drain {
        /// When this session is to reconnect.
        reconnect_after_ms: u64,
        /// Where the session stands; `None` before its `welcome`.
        cursor: Option<&'a str>,
    },
    /// A frame of a newer server; to be ignored.
    Unknown {
        /// Its `type`.
        kind: &'a str,
    },
}

/// `welcome`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardWelcome<'a> {
    /// Who this session is.
    pub client: &'a str,
    /// The session's name among all nodes for all time.
    pub session: &'a str,
    /// The node's ordinal.
    pub node: u64,
    /// Where this session starts.
    pub cursor: &'a str,
    /// There when a cursor was presented.
    pub resumed: Option<bool>,
    /// Why `resumed` is false.
    pub reason: Option<&'a str>,
    /// Envelopes after `cursor`.
    pub missed: u64,
    /// There are more than `missed`.
    pub more: bool,
    /// `limits.message_bytes`, if said.
    pub message_bytes: Option<u64>,
    /// `limits.ping_interval_ms`, if said.
    pub ping_interval_ms: Option<u64>,
    /// `limits`, one JSON object, byte for byte; empty if absent.
    pub limits: &'a [u8],
}

/// `message` of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardMessage<'a> {
    /// The sender, if known.
    pub from: Option<&'a str>,
    /// The sender's name for it, if it has one.
    pub id: Option<&'a str>,
    /// `to` as sent, JSON, when this is the sender's own copy.
    pub to: Option<&'a [u8]>,
    /// Log append time, Unix milliseconds.
    pub at_ms: u64,
    /// Nothing of this mailbox lies between this position and the message.
    pub prev: &'a str,
    /// The message's own position.
    pub cursor: &'a str,
    /// One JSON value, byte for byte.
    pub body: &'a [u8],
}

/// `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardError<'a> {
    /// The frame's `id`, if it had a valid one.
    pub id: Option<&'a str>,
    /// What kind of refusal ([`super::ErrorCode`] has those of this version).
    pub code: &'a str,
    /// For the developer of the client.
    pub message: &'a str,
    /// When trying again makes sense.
    pub retry_after_ms: Option<u64>,
    /// The recipients for which it failed, when it was sent to a list; the rest stand.
    pub failed: Vec<HeardFailed<'a>>,
}

/// One recipient that could not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardFailed<'a> {
    /// Who.
    pub to: &'a str,
    /// Why.
    pub code: &'a str,
}
