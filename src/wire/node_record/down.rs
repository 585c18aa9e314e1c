//! What a home says to a gateway.

use super::bytes::{Rest, WHAT_FITS, put_id, put_list, put_position, put_session, put_sessions};
use super::envelope::{DELIVERED_LEAST, delivered, put_delivered};
use super::{Unreadable, kind};
use crate::limits::PARTITIONS_MOST;
use crate::model::{
    Ask, Attached, ClientId, Delivered, Dismissal, Head, Partition, SessionRef, ToSession, Unresumed,
};

/// A value on a link, from its home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// To one session.
    Session {
        /// Whose session it must be, or the value is dropped.
        client: ClientId,
        /// Which session of the gateway's node.
        session: SessionRef,
        /// The home's term of the client's partition: who becomes live by this is moved by marks of that term.
        term: u64,
        /// What.
        say: ToSession,
    },
    /// One new envelope to all live sessions of its recipient at this gateway.
    Deliver {
        /// The sessions, all of `envelope.to()`.
        sessions: Vec<SessionRef>,
        /// What.
        delivered: Delivered,
    },
    /// Each second: how far the home has come.
    Mark {
        /// Number of the last value that it has heard from the gateway.
        echo: u64,
        /// The partitions that it owns.
        heads: Vec<Head>,
    },
}

/// Bytes of a [`Head`]: partition, term, position.
const HEAD: usize = 2 + 8 + 12;

impl Down {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Session { say, .. } => match say {
                ToSession::Attached(_) => kind::ATTACHED,
                ToSession::Replay { .. } => kind::REPLAY,
                ToSession::Live { .. } => kind::LIVE,
                ToSession::Stop { .. } => kind::STOP,
                ToSession::Dismissed(_) => kind::DISMISSED,
            },
            Self::Deliver { .. } => kind::DELIVER,
            Self::Mark { .. } => kind::MARK,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Session { client, session, term, say } => {
                put_id(client.as_str().as_bytes(), out);
                put_session(*session, out);
                out.extend(term.to_le_bytes());
                put_say(say, out);
            }
            Self::Deliver { sessions, delivered } => {
                put_sessions(sessions, out);
                put_delivered(delivered, out);
            }
            Self::Mark { echo, heads } => {
                out.extend(echo.to_le_bytes());
                put_list(heads, out, |head, out| {
                    out.extend(head.partition.0.to_le_bytes());
                    out.extend(head.term.to_le_bytes());
                    put_position(head.position, out);
                });
            }
        }
    }

    pub(super) fn read(kind: u8, rest: &mut Rest<'_>) -> Result<Self, Unreadable> {
        match kind {
            kind::ATTACHED..=kind::DISMISSED => Ok(Self::Session {
                client: rest.client()?,
                session: rest.session()?,
                term: rest.u64("term")?,
                say: say(kind, rest)?,
            }),
            kind::DELIVER => Ok(Self::Deliver { sessions: rest.sessions()?, delivered: delivered(rest)? }),
            kind::MARK => Ok(Self::Mark {
                echo: rest.u64("echo")?,
                heads: rest.list("heads", (usize::from(PARTITIONS_MOST), HEAD), head)?,
            }),
            _ => Err(Unreadable::NewerVersion),
        }
    }
}

fn head(rest: &mut Rest<'_>) -> Result<Head, Unreadable> {
    Ok(Head {
        partition: Partition(rest.u16("partition")?),
        term: rest.u64("term")?,
        position: rest.position()?,
    })
}

fn put_say(say: &ToSession, out: &mut Vec<u8>) {
    match say {
        ToSession::Attached(attached) => put_attached(attached, out),
        ToSession::Replay { ask, envelopes, through } => {
            out.extend(ask.0.to_le_bytes());
            put_position(*through, out);
            put_list(envelopes, out, put_delivered);
        }
        ToSession::Live { ask, position } => {
            out.extend(ask.0.to_le_bytes());
            put_position(*position, out);
        }
        ToSession::Stop { ask } => out.extend(ask.0.to_le_bytes()),
        ToSession::Dismissed(dismissal) => out.push(number_of_dismissal(*dismissal)),
    }
}

fn say(kind: u8, rest: &mut Rest<'_>) -> Result<ToSession, Unreadable> {
    if kind == kind::DISMISSED {
        let dismissal = rest.one_of("dismissal", |number| {
            DISMISSALS.into_iter().find(|dismissal| number_of_dismissal(*dismissal) == number)
        });
        return dismissal.map(ToSession::Dismissed);
    }
    let ask = Ask(rest.u32("ask")?);
    match kind {
        kind::ATTACHED => attached(ask, rest).map(ToSession::Attached),
        kind::REPLAY => {
            let through = rest.position()?;
            Ok(ToSession::Replay {
                ask,
                envelopes: rest.list("envelopes", (WHAT_FITS, DELIVERED_LEAST), delivered)?,
                through,
            })
        }
        kind::LIVE => Ok(ToSession::Live { ask, position: rest.position()? }),
        kind::STOP => Ok(ToSession::Stop { ask }),
        _ => Err(Unreadable::NewerVersion),
    }
}

fn put_attached(attached: &Attached, out: &mut Vec<u8>) {
    let Attached { ask, position, resumed, missed, more, replay } = *attached;
    out.extend(ask.0.to_le_bytes());
    put_position(position, out);
    put_resumed(resumed, out);
    out.extend(missed.to_le_bytes());
    out.extend([u8::from(more), u8::from(replay)]);
}

fn attached(ask: Ask, rest: &mut Rest<'_>) -> Result<Attached, Unreadable> {
    Ok(Attached {
        ask,
        position: rest.position()?,
        resumed: resumed(rest)?,
        missed: rest.u32("missed")?,
        more: rest.flag("more")?,
        replay: rest.flag("replay")?,
    })
}

/// What became of a cursor, if one was presented.
pub fn put_resumed(resumed: Option<Result<(), Unresumed>>, out: &mut Vec<u8>) {
    out.push(match resumed {
        None => NO_CURSOR,
        Some(Ok(())) => RESUMED,
        Some(Err(unresumed)) => number_of_unresumed(unresumed),
    });
}

pub fn resumed(rest: &mut Rest<'_>) -> Result<Option<Result<(), Unresumed>>, Unreadable> {
    rest.one_of("resumed", |number| match number {
        NO_CURSOR => Some(None),
        RESUMED => Some(Some(Ok(()))),
        _ => {
            let unresumed = Unresumed::ALL.iter().find(|it| number_of_unresumed(**it) == number);
            unresumed.map(|unresumed| Some(Err(*unresumed)))
        }
    })
}

// The numbers of these words, for ever.
const NO_CURSOR: u8 = 0;
const RESUMED: u8 = 1;

fn number_of_unresumed(unresumed: Unresumed) -> u8 {
    match unresumed {
        Unresumed::Invalid => 2,
        Unresumed::Epoch => 3,
        Unresumed::Future => 4,
        Unresumed::Truncated => 5,
        Unresumed::Expired => 6,
        Unresumed::Erased => 7,
        Unresumed::Damaged => 8,
    }
}

const DISMISSALS: [Dismissal; 4] =
    [Dismissal::TooManySessions, Dismissal::Revoked, Dismissal::Disconnected, Dismissal::Discontinued];

fn number_of_dismissal(dismissal: Dismissal) -> u8 {
    match dismissal {
        Dismissal::TooManySessions => 0,
        Dismissal::Revoked => 1,
        Dismissal::Disconnected => 2,
        Dismissal::Discontinued => 3,
    }
}
