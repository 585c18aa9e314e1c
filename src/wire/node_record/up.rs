//! What a gateway says to a home.

use super::bytes::{Rest, put_id, put_position, put_session};
use super::hello::{
    hello_sessions, put_hello_sessions, put_question, put_start, put_token, question, start, token,
};
use super::{Unreadable, kind};
use crate::model::{ClientId, HelloSession, SessionRef, ToHome};

/// A value on a link, from its gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Up {
    /// A generation begins: forget all that you know of me. I have these sessions, and those that [`Up::More`] brings.
    Hello(Vec<HelloSession>),
    /// I have these as well.
    More(Vec<HelloSession>),
    /// A session speaks.
    Session {
        /// Whose home.
        client: ClientId,
        /// Which session of the gateway's node.
        session: SessionRef,
        /// What.
        say: ToHome,
    },
}

impl Up {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => kind::HELLO,
            Self::More(_) => kind::MORE,
            Self::Session { say, .. } => match say {
                ToHome::Attach { .. } => kind::ATTACH,
                ToHome::Resume { .. } => kind::RESUME,
                ToHome::Renew { .. } => kind::RENEW,
                ToHome::Detach => kind::DETACH,
            },
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(sessions) | Self::More(sessions) => put_hello_sessions(sessions, out),
            Self::Session { client, session, say } => {
                put_id(client.as_str().as_bytes(), out);
                put_session(*session, out);
                put_say(say, out);
            }
        }
    }

    pub(super) fn read(kind: u8, rest: &mut Rest<'_>) -> Result<Self, Unreadable> {
        match kind {
            kind::HELLO => Ok(Self::Hello(hello_sessions(rest)?)),
            kind::MORE => Ok(Self::More(hello_sessions(rest)?)),
            kind::ATTACH..=kind::DETACH => {
                Ok(Self::Session { client: rest.client()?, session: rest.session()?, say: say(kind, rest)? })
            }
            _ => Err(Unreadable::NewerVersion),
        }
    }
}

fn put_say(say: &ToHome, out: &mut Vec<u8>) {
    match *say {
        ToHome::Attach { ask, start, credit, issued_at, by_token, since_ms } => {
            put_question(ask, credit, out);
            put_token(by_token, issued_at, out);
            out.extend(since_ms.to_le_bytes());
            put_start(start, out);
        }
        ToHome::Resume { ask, position, credit } => {
            put_question(ask, credit, out);
            put_position(position, out);
        }
        // Who renews has a token.
        ToHome::Renew { issued_at } => put_token(true, issued_at, out),
        ToHome::Detach => {}
    }
}

fn say(kind: u8, rest: &mut Rest<'_>) -> Result<ToHome, Unreadable> {
    match kind {
        kind::ATTACH => {
            let (ask, credit) = question(rest)?;
            let (by_token, issued_at) = token(rest)?;
            let since_ms = rest.u64("time")?;
            Ok(ToHome::Attach { ask, start: start(rest)?, credit, issued_at, by_token, since_ms })
        }
        kind::RESUME => {
            let (ask, credit) = question(rest)?;
            Ok(ToHome::Resume { ask, position: rest.position()?, credit })
        }
        kind::RENEW => {
            let none = rest.damaged("token");
            let (by_token, issued_at) = token(rest)?;
            if by_token { Ok(ToHome::Renew { issued_at }) } else { Err(none) }
        }
        kind::DETACH => Ok(ToHome::Detach),
        _ => Err(Unreadable::NewerVersion),
    }
}
