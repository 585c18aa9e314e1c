//! What goes beside links: ephemeral messages, at most once (promise 8), and what the HTTP API of one node asks another.

use super::bytes::{ID_LEAST, Rest, put_id, put_list, put_sessions};
use super::envelope::{envelope, put_envelope};
use super::question::{findings, put_findings, put_question, question};
use super::{Unreadable, kind};
use crate::limits::RECIPIENTS;
use crate::model::{Asker, ClientId, Envelope, Findings, Kind, Question, SessionRef};

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
    /// A core of one node asks the home of a client.
    Question {
        /// Who asks.
        asker: Asker,
        /// About whom.
        client: ClientId,
        /// What.
        question: Question,
    },
    /// That home answers.
    Findings {
        /// Who asked.
        asker: Asker,
        /// What was found.
        findings: Findings,
    },
}

impl Beside {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Whisper { .. } => kind::WHISPER,
            Self::Ephemeral { .. } => kind::EPHEMERAL,
            Self::Question { .. } => kind::QUESTION,
            Self::Findings { .. } => kind::FINDINGS,
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
            Self::Question { asker, client, question } => {
                put_asker(*asker, out);
                put_id(client.as_str().as_bytes(), out);
                put_question(*question, out);
            }
            Self::Findings { asker, findings } => {
                put_asker(*asker, out);
                put_findings(findings, out);
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
            kind::QUESTION => {
                Ok(Self::Question { asker: asker(rest)?, client: rest.client()?, question: question(rest)? })
            }
            kind::FINDINGS => Ok(Self::Findings { asker: asker(rest)?, findings: findings(rest)? }),
            _ => Err(Unreadable::NewerVersion),
        }
    }
}

fn put_asker(asker: Asker, out: &mut Vec<u8>) {
    out.extend(asker.core.to_le_bytes());
    out.extend(asker.number.to_le_bytes());
}

fn asker(rest: &mut Rest<'_>) -> Result<Asker, Unreadable> {
    Ok(Asker { core: rest.u16("asker")?, number: rest.u64("asker")? })
}
