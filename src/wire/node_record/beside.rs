//! What goes beside links: ephemeral messages, at most once (promise 8).

use super::bytes::{ID_LEAST, Rest, put_id, put_list, put_sessions};
use super::envelope::{envelope, put_envelope};
use super::{Unreadable, kind};
use crate::limits::RECIPIENTS;
use crate::model::{ClientId, Envelope, Kind, SessionRef};

/// A value beside links: nobody minds its loss, and nobody waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// A sender's node passes an ephemeral message to the recipients' home.
    Whisper {
        /// Clients at home there.
        to: Vec<ClientId>,
        /// What.
        envelope: Envelope,
    },
    /// A home passes it to all live sessions of a client at this gateway.
    Ephemeral {
        /// Whose sessions they must be.
        client: ClientId,
        /// The sessions, of the gateway's node.
        sessions: Vec<SessionRef>,
        /// What.
        envelope: Envelope,
    },
}

impl Beside {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Whisper { .. } => kind::WHISPER,
            Self::Ephemeral { .. } => kind::EPHEMERAL,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Whisper { to, envelope } => {
                put_list(to, out, |client, out| put_id(client.as_str().as_bytes(), out));
                put_envelope(envelope, out);
            }
            Self::Ephemeral { client, sessions, envelope } => {
                put_id(client.as_str().as_bytes(), out);
                put_sessions(sessions, out);
                put_envelope(envelope, out);
            }
        }
    }

    pub(super) fn read(kind: u8, rest: &mut Rest<'_>) -> Result<Self, Unreadable> {
        match kind {
            kind::WHISPER => Ok(Self::Whisper {
                to: rest.list("recipients", (RECIPIENTS, ID_LEAST), Rest::client)?,
                envelope: envelope(Kind::Ephemeral, rest)?,
            }),
            kind::EPHEMERAL => Ok(Self::Ephemeral {
                client: rest.client()?,
                sessions: rest.sessions()?,
                envelope: envelope(Kind::Ephemeral, rest)?,
            }),
            _ => Err(Unreadable::NewerVersion),
        }
    }
}
