//! Questions to the home of a client, and what it found, as bytes.

use super::Unreadable;
use super::bytes::{Rest, SESSION, put_list, put_position, put_session};
use super::down::{put_resumed, resumed};
use super::envelope::{envelope, put_envelope};
use super::hello::{put_start, start};
use crate::limits::{PULL_MOST, SESSIONS_MOST};
use crate::model::{Findings, Kind, Peer, Pulled, PulledEnvelope, Question, SessionInfo};

// The numbers of the questions, and of what is found, for ever.
const SESSIONS: u8 = 0;
const PULL: u8 = 1;
const DISCONNECT: u8 = 2;
const UNAVAILABLE: u8 = 3;

/// Bytes of the smallest session: one of the node that answers.
const SESSION_LEAST: usize = 1 + SESSION + 1 + 8 + 8;
/// Bytes of the smallest envelope of a page: a message with a recipient of one byte and nothing else.
const PULLED_LEAST: usize = (1 + 2 + 1 + 1 + 4 + 4) + 8 + 12;

pub fn put_question(question: Question, out: &mut Vec<u8>) {
    match question {
        Question::Sessions => out.push(SESSIONS),
        Question::Pull { start, limit } => {
            out.push(PULL);
            put_start(start, out);
            out.extend(limit.to_le_bytes());
        }
        Question::Disconnect => out.push(DISCONNECT),
    }
}

pub fn question(rest: &mut Rest<'_>) -> Result<Question, Unreadable> {
    match rest.one_of("question", |byte| (byte <= DISCONNECT).then_some(byte))? {
        SESSIONS => Ok(Question::Sessions),
        PULL => {
            let start = start(rest)?;
            let too_many = rest.damaged("limit");
            let limit = rest.u32("limit")?;
            if limit as usize > PULL_MOST { Err(too_many) } else { Ok(Question::Pull { start, limit }) }
        }
        _ => Ok(Question::Disconnect),
    }
}

pub fn put_findings(findings: &Findings, out: &mut Vec<u8>) {
    match findings {
        Findings::Sessions(sessions) => {
            out.push(SESSIONS);
            put_list(sessions, out, put_info);
        }
        Findings::Pulled(pulled) => {
            out.push(PULL);
            put_resumed(pulled.resumed, out);
            put_position(pulled.cursor, out);
            out.push(u8::from(pulled.more));
            put_list(&pulled.envelopes, out, |it, out| {
                put_envelope(&it.envelope, out);
                out.extend(it.at_ms.to_le_bytes());
                put_position(it.position, out);
            });
        }
        Findings::Disconnected => out.push(DISCONNECT),
        Findings::Unavailable => out.push(UNAVAILABLE),
    }
}

pub fn findings(rest: &mut Rest<'_>) -> Result<Findings, Unreadable> {
    Ok(match rest.one_of("findings", |byte| (byte <= UNAVAILABLE).then_some(byte))? {
        SESSIONS => {
            Findings::Sessions(rest.list("sessions", (SESSIONS_MOST as usize, SESSION_LEAST), info)?)
        }
        PULL => Findings::Pulled(Pulled {
            resumed: resumed(rest)?,
            cursor: rest.position()?,
            more: rest.flag("more")?,
            envelopes: rest.list("envelopes", (PULL_MOST, PULLED_LEAST), |rest| {
                Ok(PulledEnvelope {
                    envelope: envelope(Kind::Message, rest)?,
                    at_ms: rest.u64("time")?,
                    position: rest.position()?,
                })
            })?,
        }),
        DISCONNECT => Findings::Disconnected,
        _ => Findings::Unavailable,
    })
}

/// The node of its gateway, 0 where that is the one that answers, else 1 and which; the session; whether it is live.
fn put_info(info: &SessionInfo, out: &mut Vec<u8>) {
    match info.gateway {
        None => out.push(0),
        Some(Peer { node, incarnation }) => {
            out.push(1);
            out.extend(node.to_le_bytes());
            out.extend(incarnation.to_le_bytes());
        }
    }
    put_session(info.session, out);
    out.push(u8::from(info.live));
    out.extend(info.cursor_lag.to_le_bytes());
    out.extend(info.since_ms.to_le_bytes());
}

fn info(rest: &mut Rest<'_>) -> Result<SessionInfo, Unreadable> {
    let gateway = match rest.flag("gateway")? {
        false => None,
        true => Some(Peer { node: rest.u16("gateway")?, incarnation: rest.u64("gateway")? }),
    };
    Ok(SessionInfo {
        gateway,
        session: rest.session()?,
        live: rest.flag("live")?,
        cursor_lag: rest.u64("cursor_lag")?,
        since_ms: rest.u64("time")?,
    })
}
