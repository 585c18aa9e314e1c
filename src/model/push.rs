//! What a client is told: the frames of DESIGN.md §4, and the codes in them, which are fixed for ever (§9).

use super::{ClientId, Envelope, Position, SessionRef, Unresumed};
use crate::words::words;
use std::borrow::Cow;

/// One frame to a client. Positions become cursors when it is written, for they are read by their client alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// Always the first.
    Welcome(Box<Welcome>),
    /// An envelope of the client's mailbox.
    Message {
        /// The envelope itself.
        envelope: Envelope,
        /// Log append time, Unix milliseconds.
        at_ms: u64,
        /// Nothing of this mailbox lies between this position and the envelope.
        prev: Position,
        /// The envelope's own position.
        cursor: Position,
    },
    /// A message beside the log, to who is live now.
    Ephemeral {
        /// The message; its `to` is not looked at.
        envelope: Envelope,
    },
    /// Replay has reached the present.
    Live {
        /// Where the session stands.
        cursor: Position,
    },
    /// Nothing for this client up to here.
    Cursor {
        /// Where the session stands.
        cursor: Position,
    },
    /// The answer to `ping`.
    Pong {
        /// Where the session stands; `None` before its `welcome`.
        cursor: Option<Position>,
    },
    /// Durable, for all recipients.
    Ack {
        /// One of the envelopes of the send, for its `id`.
        of: Envelope,
        /// The greatest log append time of them.
        at_ms: u64,
    },
    /// Something was refused.
    Error(Box<ErrorPush>),
    /// This node is leaving.
    Drain {
        /// When this session will be closed.
        reconnect_after_ms: u64,
        /// Where the session stands; `None` before its `welcome`.
        cursor: Option<Position>,
    },
}

impl Push {
    /// What the frame costs its session's budget: a bound on its bytes on the wire, known before it is written.
    pub fn cost(&self) -> u32 {
        match self {
            Self::Message { envelope, .. } | Self::Ephemeral { envelope } => Self::message_cost(envelope),
            Self::Welcome(_) => 640,
            Self::Live { .. } | Self::Cursor { .. } | Self::Pong { .. } => 96,
            Self::Ack { of, .. } => 64 + of.id().map_or(0, |id| id.as_str().len() as u32),
            Self::Error(error) => error.cost(),
            Self::Drain { .. } => 128,
        }
    }

    /// The cost of a frame that delivers this envelope.
    pub fn message_cost(envelope: &Envelope) -> u32 {
        // Names, two cursors, the time and the frame's header beside the envelope's own bytes.
        envelope.size() as u32 + 192
    }
}

impl ErrorPush {
    /// A refusal of one frame.
    pub fn new(id: Option<ClientId>, code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { id, code, message: message.into(), retry_after_ms: None, failed: Vec::new() }
    }

    fn cost(&self) -> u32 {
        let id = self.id.as_ref().map_or(0, |id| id.as_str().len());
        // A character of the message may become six when it is escaped.
        let failed: usize = self.failed.iter().map(|failed| failed.to.as_str().len() + 48).sum();
        (128 + id + 6 * self.message.len() + failed) as u32
    }
}

/// What a session learns first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The session's slot on this node.
    pub session: SessionRef,
    /// Where it starts.
    pub cursor: Position,
    /// There when a cursor was presented; an error says why it could not be used.
    pub resumed: Option<Result<(), Unresumed>>,
    /// Envelopes after `cursor`, exact up to [`crate::limits::MISSED_COUNTED`].
    pub missed: u32,
    /// There are more than `missed`.
    pub more: bool,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPush {
    /// The frame's `id`, if it had a valid one.
    pub id: Option<ClientId>,
    /// What kind of refusal; of several recipients' the first one's.
    pub code: ErrorCode,
    /// For the developer of the client: which field, what is wrong, what to do.
    pub message: Cow<'static, str>,
    /// When trying again makes sense.
    pub retry_after_ms: Option<u32>,
    /// The recipients for which it failed, when it was sent to a list; the rest stand.
    pub failed: Vec<Failed>,
}

/// One recipient that could not be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Who.
    pub to: ClientId,
    /// Why.
    pub code: ErrorCode,
}

words! {
    /// `code` of an `error` frame and of an HTTP result.
    ErrorCode {
        /// Not JSON, a field missing or of the wrong kind.
        BadRequest = "bad_request",
        /// No such `type`.
        UnknownType = "unknown_type",
        /// The message is larger than `limits.message_bytes`.
        TooLarge = "too_large",
        /// More than `limits.recipients`.
        TooManyRecipients = "too_many_recipients",
        /// A recipient that is no client ID.
        BadClientId = "bad_client_id",
        /// No valid credential.
        Unauthorized = "unauthorized",
        /// The credential does not permit it.
        Forbidden = "forbidden",
        /// Too many in too short a time.
        RateLimited = "rate_limited",
        /// The recipient's mailbox has reached its quota.
        MailboxFull = "mailbox_full",
        /// The log cannot take it now.
        Unavailable = "unavailable",
        /// Our mistake.
        Internal = "internal",
    }
}

/// Why we close a WebSocket (RFC 6455 §7.4 and DESIGN.md §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The peer asked for it.
    Normal = 1000,
    /// Broken framing.
    Protocol = 1002,
    /// A binary message.
    Unsupported = 1003,
    /// Text that is not UTF-8.
    BadUtf8 = 1007,
    /// A message that was never finished.
    Policy = 1008,
    /// A message beyond what is even skimmed.
    TooBig = 1009,
    /// Drain, or continuity ended: reconnect.
    Restart = 1012,
    /// Overload: reconnect later.
    TryLater = 1013,
    /// The token expired: new token, reconnect.
    Expired = 4001,
    /// The token is bad.
    BadToken = 4401,
    /// Disconnected by the operator or forbidden.
    Forbidden = 4403,
    /// This client has too many sessions.
    TooManySessions = 4409,
}

impl CloseCode {
    /// What stands in the close frame beside the code: at most 123 bytes.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::Protocol => "WebSocket protocol violated",
            Self::Unsupported => "send text messages",
            Self::BadUtf8 => "text is not UTF-8",
            Self::Policy => "message not finished in time",
            Self::TooBig => "message over 16 MiB",
            Self::Restart => "reconnect with your cursor",
            Self::TryLater => "overloaded, reconnect later",
            Self::Expired => "token expired",
            Self::BadToken => "token refused",
            Self::Forbidden => "disconnected",
            Self::TooManySessions => "too many sessions of this client",
        }
    }
}
