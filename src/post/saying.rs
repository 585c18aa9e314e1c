//! What waits until it may be said, and how much room it takes.

use crate::model::{ClientId, Delivered, HelloSession, Peer, SessionRef, ToSession, Via};
use crate::wire::node_record::{Down, Up};

/// A value for a link, before it has a number.
#[derive(Debug)]
pub(super) enum Saying {
    /// To a home.
    Up { home: Peer, value: Up },
    /// A session comes to a home; those that follow each other go in one record.
    Join { home: Peer, session: HelloSession },
    /// To a gateway.
    Down { via: Via, value: Down },
}

impl Saying {
    /// Bytes that it holds while it waits, about.
    pub fn bytes(&self) -> usize {
        let beside = match self {
            Self::Up { value: Up::Session { client, .. }, .. } => name(client),
            Self::Up { value: Up::Hello(sessions) | Up::More(sessions), .. } => {
                sessions.iter().map(|session| size_of::<HelloSession>() + name(&session.client)).sum()
            }
            Self::Join { session, .. } => name(&session.client),
            Self::Down { value: Down::Session { client, say, .. }, .. } => {
                let envelopes = match say {
                    ToSession::Replay { envelopes, .. } => envelopes.as_slice(),
                    _ => &[],
                };
                name(client) + envelopes.iter().map(delivered).sum::<usize>()
            }
            Self::Down { value: Down::Deliver { sessions, delivered: it }, .. } => {
                sessions.len() * size_of::<SessionRef>() + delivered(it)
            }
            Self::Down { value: Down::Mark { heads, .. }, .. } => size_of_val(heads.as_slice()),
        };
        size_of::<Self>() + beside
    }

    /// The session, if it is one that comes to this home.
    pub fn joining(&self, to: Peer) -> Option<&HelloSession> {
        match self {
            Self::Join { home, session } if *home == to => Some(session),
            _ => None,
        }
    }
}

fn name(client: &ClientId) -> usize {
    client.as_str().len()
}

fn delivered(it: &Delivered) -> usize {
    size_of::<Delivered>() + it.envelope.size()
}
