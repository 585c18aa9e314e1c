//! What a client asks, as the protocol's parser understood it.
//!
//! Everything is borrowed from the message it came in: a command lives for one call of the shard.

use super::{ErrorCode, IdRef};
use std::borrow::Cow;

/// One frame from a client.
#[derive(Clone, Copy, Debug)]
pub enum Command<'a> {
    /// Append to mailboxes, or pass on to who is live.
    Send(SendCommand<'a>),
    /// Go on with this token.
    Auth {
        /// A JWT, unchecked.
        token: &'a str,
    },
    /// Answer with a `pong`.
    Ping,
}

/// A message to one or many. Its syntax is already right: `id` is there unless `ephemeral`, no copy of an
/// ephemeral one, 1 to [`crate::limits::RECIPIENTS`] recipients.
#[derive(Clone, Copy, Debug)]
pub struct SendCommand<'a> {
    /// The sender's name for it; always there unless `ephemeral`.
    pub id: Option<IdRef<'a>>,
    /// To whom, each once.
    pub to: Recipients<'a>,
    /// `to` as JSON, byte for byte as sent.
    pub to_json: &'a [u8],
    /// Also into the sender's own mailbox.
    pub copy: bool,
    /// Not into the log: to who is live now.
    pub ephemeral: bool,
    /// One valid JSON value, byte for byte as sent.
    pub body: &'a [u8],
}

/// The recipients of a send, each once, in the order first named.
#[derive(Clone, Copy, Debug)]
pub enum Recipients<'a> {
    /// `"to":"bob"`
    One(IdRef<'a>),
    /// `"to":["bob","eve"]`
    Many {
        /// All IDs, one after the other.
        texts: &'a str,
        /// Where each ends in `texts`.
        ends: &'a [u32],
    },
}

impl<'a> Recipients<'a> {
    /// How many.
    pub fn len(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many { ends, .. } => ends.len(),
        }
    }

    /// Never, for an empty list is a mistake that the parser answers.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The recipient of that index. Panics beyond [`Recipients::len`].
    pub fn get(self, index: usize) -> IdRef<'a> {
        match self {
            Self::One(id) => {
                assert!(index == 0, "one recipient was asked for number {index}");
                id
            }
            Self::Many { texts, ends } => {
                let start = if index == 0 { 0 } else { ends[index - 1] as usize };
                IdRef::trusted(&texts.as_bytes()[start..ends[index] as usize])
            }
        }
    }

    /// Each once, in order.
    pub fn iter(self) -> impl Iterator<Item = IdRef<'a>> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

/// A frame that the client can mend: it is answered by an `error` and the session lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake<'a> {
    /// The frame's `id`, whenever it was JSON with a valid one.
    pub id: Option<IdRef<'a>>,
    /// What kind of mistake.
    pub code: ErrorCode,
    /// Which field, what is wrong with it, and what to do.
    pub message: Cow<'static, str>,
}
