//! What a node of a cluster asks the home of a client on another node, for a request of its HTTP API, and what it is told.
//!
//! Questions and answers go beside links: they may be lost, and then who asked has waited long enough. So a question
//! changes nothing that may not be done twice, or not at all.

use super::{Envelope, Peer, Position, SessionRef, Start, Unresumed};

/// Whose question it is, for the answer to find its way: which core of the asking node, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asker {
    /// The core.
    pub core: u16,
    /// Never the same again in the life of that node.
    pub number: u64,
}

/// A question to the home of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which sessions has it?
    Sessions,
    /// What is in its mailbox?
    Pull {
        /// From where on.
        start: Start,
        /// At most so many envelopes, [`crate::limits::PULL_MOST`] at most.
        limit: u32,
    },
    /// Send all its sessions away.
    Disconnect,
}

/// What a home says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Findings {
    /// Nothing: it is not the client's home, does not serve its partition yet, or has too many questions.
    Unavailable,
    /// The sessions of the client.
    Sessions(Vec<SessionInfo>),
    /// A page of its mailbox.
    Pulled(Pulled),
    /// Its sessions were told to go.
    Disconnected,
}

/// One session, for who asks about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// The node that holds its socket; `None`: the one that says so.
    pub gateway: Option<Peer>,
    /// Which session of that node.
    pub session: SessionRef,
    /// Whether it gets envelopes as they are appended.
    pub live: bool,
    /// Offsets of its partition it lies behind.
    pub cursor_lag: u64,
    /// When it was upgraded, Unix milliseconds.
    pub since_ms: u64,
}

/// A page of a mailbox for an app that holds no socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// There when a cursor was presented.
    pub resumed: Option<Result<(), Unresumed>>,
    /// The envelopes, in order.
    pub envelopes: Vec<PulledEnvelope>,
    /// Everything up to here is in them.
    pub cursor: Position,
    /// There are more.
    pub more: bool,
}

/// An envelope of such a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledEnvelope {
    /// What.
    pub envelope: Envelope,
    /// Log append time, Unix milliseconds.
    pub at_ms: u64,
    /// Its position.
    pub position: Position,
}
