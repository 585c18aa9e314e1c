//! The only door out of a shard: a dozen verbs, which `node/execute` carries out in one match.

use crate::log::{Append, Read, Revocation, Ticket};
use crate::model::{CloseCode, Dispatch, ErrorCode, Parcel, Peer, Pulled, Push, SessionInfo};

/// A request of the HTTP API that waits for its answer: the shell's own number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// Which request.
    pub number: u32,
    /// Which element of it.
    pub element: u32,
}

/// One thing for the shell to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write this frame to the session's socket; report its [`Push::cost`] once written.
    Push {
        /// The session's slot.
        slot: u32,
        /// The frame.
        push: Push,
    },
    /// Write a WebSocket ping.
    Ping {
        /// The session's slot.
        slot: u32,
    },
    /// Close the WebSocket after what was pushed; report when the socket is gone.
    Close {
        /// The session's slot.
        slot: u32,
        /// With this code.
        code: CloseCode,
    },
    /// Drop the socket at once: nobody is there.
    Cut {
        /// The session's slot.
        slot: u32,
    },
    /// Say that this session's socket takes less than there is: it is served from the log until it has caught up.
    Behind {
        /// The session's slot.
        slot: u32,
    },
    /// Feed the session's waiting command again.
    Unpark {
        /// The session's slot.
        slot: u32,
    },
    /// Hand this to the log.
    Append(Append),
    /// Hand this to the log.
    Revoke(Ticket, Revocation),
    /// Hand this to the log.
    Read(Read),
    /// Hand this to another core.
    Parcel {
        /// Which.
        core: u16,
        /// What.
        parcel: Box<Parcel>,
    },
    /// Hand this to the post: it is for another node.
    Dispatch(Box<Dispatch>),
    /// Answer a request of the HTTP API.
    Answer(Request, Answer),
}

// Every message passes as one of these, and a move copies as many bytes as the largest has: beyond 128 by a call.
const _: () = assert!(size_of::<Output>() <= 80);

impl Output {
    /// A value for another core.
    pub fn parcel(core: u16, parcel: Parcel) -> Self {
        Self::Parcel { core, parcel: Box::new(parcel) }
    }

    /// A value for another node.
    pub fn dispatch(dispatch: Dispatch) -> Self {
        Self::Dispatch(Box::new(dispatch))
    }
}

/// What an element of the HTTP API's request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Durable since this Unix millisecond.
    Done {
        /// The greatest log append time.
        at_ms: u64,
    },
    /// Not done, or not wholly.
    Refused {
        /// Why.
        code: ErrorCode,
        /// When trying again makes sense.
        retry_after_ms: u32,
    },
    /// A page of a mailbox.
    Pulled(Pulled),
    /// The sessions of a client.
    Sessions {
        /// The node that is its home; `None`: this one.
        home: Option<Peer>,
        /// As that one names them: those without a gateway are its own.
        sessions: Vec<SessionInfo>,
    },
    /// The client's home could not be asked, or did not answer.
    NoHome(NoHome),
}

/// Why there is no word of a client's home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHome {
    /// No node is its home, as far as this one knows.
    Nowhere,
    /// Too many questions to other nodes wait for their answers.
    Crowded,
    /// It is on another node, which did not answer in time.
    Silent,
    /// It is on another node, which cannot answer now.
    Unavailable,
}

/// What a finished send tells a session, told to a request.
impl From<Push> for Answer {
    fn from(push: Push) -> Self {
        match push {
            Push::Ack { at_ms, .. } => Self::Done { at_ms },
            Push::Error(error) => {
                Self::Refused { code: error.code, retry_after_ms: error.retry_after_ms.unwrap_or(0) }
            }
            other => unreachable!("a send was answered by {other:?}"),
        }
    }
}

/// The outputs of one turn, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    outputs: Vec<Output>,
    /// By core: commands that its inbox takes. Set by the shell before each turn.
    room: Vec<usize>,
    /// Of these, how many take none.
    full: usize,
}

impl Outbox {
    /// Adds one.
    pub fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// What is there, in order; the outbox is empty afterwards.
    pub fn drain(&mut self) -> impl Iterator<Item = Output> + '_ {
        self.outputs.drain(..)
    }

    /// How many things are to be done.
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// The shell says how many commands a core's inbox takes.
    pub fn set_room(&mut self, core: u16, room: usize) {
        let core = usize::from(core);
        if self.room.len() <= core {
            self.room.resize(core + 1, usize::MAX);
        }
        let before = std::mem::replace(&mut self.room[core], room);
        self.full = self.full - usize::from(before == 0) + usize::from(room == 0);
    }

    /// Whether any core's inbox takes no command this turn.
    pub fn has_full_inbox(&self) -> bool {
        self.full > 0
    }

    /// How many commands a core's inbox takes this turn.
    pub fn room(&self, core: u16) -> usize {
        self.room.get(usize::from(core)).copied().unwrap_or(usize::MAX)
    }
}
