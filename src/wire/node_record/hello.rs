//! Sessions as a gateway presents them, and how many of them one record takes.

use super::Unreadable;
use super::bytes::{ID_LEAST, Rest, SESSION, WHAT_FITS, put_id, put_list, put_position, put_session};
use crate::limits::{FROM_LAST, ID_BYTES};
use crate::model::{Ask, BadCursor, Credit, Cursor, HelloFrom, HelloSession, Start, StartFrom};

/// Bytes of a hello's record, and of each that goes on with it. The sessions beyond are told in further records, so
/// that nobody's turn is spent on one hello, and no broker refuses it.
pub const HELLO_BYTES: usize = 64 << 10;

/// Bytes of a record before its first session: sender, addressee, kind, stamp, count.
const BEFORE: usize = 2 + 8 + 8 + 1 + 8 + 8 + 4;
/// A bound on the bytes of a session beside its client's name: session, ask, credit, token, time, and where it starts.
const BESIDE: usize = 1 + SESSION + 4 + 4 + (1 + 8) + 8 + 1 + (1 + 20) + (1 + 8);
/// Bytes of the smallest session.
const LEAST: usize = ID_LEAST + SESSION + 4 + 4 + 1 + 8 + 1 + (1 + 1);

// A hello gets on, whoever's turn it is.
const _: () = assert!(BEFORE + BESIDE + ID_BYTES <= HELLO_BYTES);

/// How many of these sessions, from the first on, are sure to fit in one record: at least one, if there is one.
pub fn fitting<'s>(sessions: impl IntoIterator<Item = &'s HelloSession>) -> usize {
    let mut bytes = BEFORE;
    let fits = |session: &&HelloSession| {
        bytes += BESIDE + session.client.as_str().len();
        bytes <= HELLO_BYTES
    };
    sessions.into_iter().take_while(fits).count()
}

pub fn put_hello_sessions(sessions: &[HelloSession], out: &mut Vec<u8>) {
    put_list(sessions, out, |it, out| {
        put_id(it.client.as_str().as_bytes(), out);
        put_session(it.session, out);
        put_question(it.ask, it.credit, out);
        put_token(it.by_token, it.issued_at, out);
        out.extend(it.since_ms.to_le_bytes());
        match it.from {
            HelloFrom::Start(start) => {
                out.push(0);
                put_start(start, out);
            }
            HelloFrom::Position(position) => {
                out.push(1);
                put_position(position, out);
            }
        }
    });
}

pub fn hello_sessions(rest: &mut Rest<'_>) -> Result<Vec<HelloSession>, Unreadable> {
    rest.list("sessions", (WHAT_FITS, LEAST), |rest| {
        let (client, session) = (rest.client()?, rest.session()?);
        let (ask, credit) = question(rest)?;
        let (by_token, issued_at) = token(rest)?;
        let since_ms = rest.u64("time")?;
        let from = match rest.flag("standing")? {
            false => HelloFrom::Start(start(rest)?),
            true => HelloFrom::Position(rest.position()?),
        };
        Ok(HelloSession { client, session, ask, from, credit, issued_at, by_token, since_ms })
    })
}

pub fn put_question(ask: Ask, credit: Credit, out: &mut Vec<u8>) {
    out.extend(ask.0.to_le_bytes());
    out.extend(credit.0.to_le_bytes());
}

pub fn question(rest: &mut Rest<'_>) -> Result<(Ask, Credit), Unreadable> {
    Ok((Ask(rest.u32("ask")?), Credit(rest.u32("credit")?)))
}

/// No token, one without `iat`, or one with it. Without a token nothing was issued.
pub fn put_token(by_token: bool, issued_at: Option<u64>, out: &mut Vec<u8>) {
    match (by_token, issued_at) {
        (false, _) => out.push(0),
        (true, None) => out.push(1),
        (true, Some(issued_at)) => {
            out.push(2);
            out.extend(issued_at.to_le_bytes());
        }
    }
}

/// Whether there was one, and when it was issued.
pub fn token(rest: &mut Rest<'_>) -> Result<(bool, Option<u64>), Unreadable> {
    Ok(match rest.one_of("token", |byte| (byte < 3).then_some(byte))? {
        0 => (false, None),
        1 => (true, None),
        _ => (true, Some(rest.u64("token")?)),
    })
}

/// What was presented as cursor (nothing, something else, or one), then `from=`.
pub fn put_start(start: Start, out: &mut Vec<u8>) {
    match start.cursor {
        None => out.push(0),
        Some(Err(BadCursor)) => out.push(1),
        Some(Ok(Cursor { log_epoch, at })) => {
            out.push(2);
            out.extend(log_epoch.to_le_bytes());
            put_position(at, out);
        }
    }
    match start.from {
        StartFrom::New => out.push(0),
        StartFrom::Start => out.push(1),
        StartFrom::Since(unix_ms) => {
            out.push(2);
            out.extend(unix_ms.to_le_bytes());
        }
        StartFrom::Last(many) => {
            out.push(3);
            out.extend(many.to_le_bytes());
        }
    }
}

pub fn start(rest: &mut Rest<'_>) -> Result<Start, Unreadable> {
    let cursor = match rest.one_of("cursor", |byte| (byte < 3).then_some(byte))? {
        0 => None,
        1 => Some(Err(BadCursor)),
        _ => Some(Ok(Cursor { log_epoch: rest.u64("cursor")?, at: rest.position()? })),
    };
    let from = match rest.one_of("from", |byte| (byte < 4).then_some(byte))? {
        0 => StartFrom::New,
        1 => StartFrom::Start,
        2 => StartFrom::Since(rest.u64("from")?),
        _ => {
            let too_many = rest.damaged("from");
            let many = rest.u32("from")?;
            if u64::from(many) > FROM_LAST {
                return Err(too_many);
            }
            StartFrom::Last(many)
        }
    };
    Ok(Start { cursor, from })
}
