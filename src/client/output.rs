//! The values in which the machine speaks to its shell and its application.

use super::ending::{Ending, GaveUp, Parting};
use super::letter::{Frame, Letter};
use crate::model::HeardMessage;
use std::sync::Arc;

/// What the application wants.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `from=` of a connect: where to start without a cursor, or with one that cannot be used. `None` is `new`.
    pub from: Option<Box<str>>,
    /// A cursor from an earlier life of this client.
    pub cursor: Option<Box<str>>,
    /// The first token, if any. Later ones: [`super::Client::renew`].
    pub token: Option<Box<str>>,
    /// For the jitter of waits and for message IDs; different in every client.
    pub seed: u64,
}

/// What the shell, or the application, is to do or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection with [`super::Client::query`] and [`super::Client::token`]; answer with `opened`, `refused` or `closed`.
    Connect,
    /// Write this on the open connection.
    Transmit(Frame),
    /// Close the connection, or drop the attempt, now. Nothing more of it may be passed in, nor is `closed`.
    Disconnect(Parting),
    /// A connection ended; the next [`Output::Connect`] comes after this time.
    Waiting {
        /// How long.
        after_ms: u64,
        /// What ended it; `None` when the machine itself left it.
        ending: Option<Ending>,
    },
    /// Continuity is lost: messages may be missing between the last one delivered and the next.
    Lost {
        /// `reason` of the `welcome`.
        reason: Box<str>,
    },
    /// A message came that does not join what is held; the connection is left and resumed from `held`.
    Hole {
        /// What is held.
        held: Box<str>,
        /// What the message wanted to join.
        prev: Box<str>,
    },
    /// This letter is durable, for all its recipients.
    Acknowledged {
        /// The letter.
        letter: Arc<Letter>,
        /// Log append time, Unix milliseconds.
        at_ms: u64,
    },
    /// This letter was refused for good; recipients of a list that are not in `failed` have it.
    Failed {
        /// The letter.
        letter: Arc<Letter>,
        /// The server's code.
        code: Box<str>,
        /// The server's words.
        message: Box<str>,
        /// Recipients and why each failed, when it was sent to a list.
        failed: Vec<(Box<str>, Box<str>)>,
    },
    /// The server is displeased with something that is no letter.
    Complaint {
        /// The server's code.
        code: Box<str>,
        /// The server's words.
        message: Box<str>,
    },
    /// The token expired or was not accepted: [`super::Client::renew`] goes on.
    NeedToken,
    /// There will be no further attempt.
    GaveUp(GaveUp),
}

/// What the application is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// An envelope of its mailbox; each once, in order.
    Message(HeardMessage<'a>),
    /// A message beside the log.
    Ephemeral {
        /// The sender, if known.
        from: Option<&'a str>,
        /// One JSON value.
        body: &'a [u8],
    },
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Envelopes given to the application.
    pub delivered: u64,
    /// Envelopes dropped because it had them.
    pub duplicates: u64,
    /// Connections that came to a `welcome`.
    pub welcomes: u64,
    /// `welcome`s that said `resumed:false`.
    pub losses: u64,
    /// Messages that did not join what was held.
    pub holes: u64,
}
