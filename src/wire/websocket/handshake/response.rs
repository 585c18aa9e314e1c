//! The client's half of the handshake: what it is answered.

use super::{ClientKey, SUBPROTOCOL, accept_of, list};
use crate::limits::HEAD_BYTES;
use std::fmt;

/// The connection is a WebSocket now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switched {
    /// Bytes of the answer's head; frames begin behind them.
    pub head_bytes: usize,
    /// The server chose [`SUBPROTOCOL`].
    pub v1: bool,
}

/// Why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadResponse {
    /// It is no HTTP/1.1.
    NotHttp,
    /// Its head is longer than [`HEAD_BYTES`].
    TooLong,
    /// The server refused.
    Status {
        /// With what.
        status: u16,
        /// `Retry-After` in seconds, if it said.
        retry_after_s: Option<u32>,
    },
    /// It says 101, but this header is missing or wrong.
    Header(&'static str),
}

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp => write!(f, "the answer is no HTTP/1.1; is the URL right?"),
            Self::TooLong => write!(f, "the answer's head has more than {HEAD_BYTES} bytes"),
            Self::Status { status, .. } => write!(f, "the server refused with status {status}"),
            Self::Header(name) => write!(f, "the server switches protocols with a wrong {name}"),
        }
    }
}

impl std::error::Error for BadResponse {}

/// Judges what has come of the server's answer; `None` while its head is incomplete.
pub fn check_response(bytes: &[u8], key: &ClientKey) -> Result<Option<Switched>, BadResponse> {
    let searched = &bytes[..bytes.len().min(HEAD_BYTES)];
    let Some(end) = searched.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() >= HEAD_BYTES { Err(BadResponse::TooLong) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| BadResponse::NotHttp)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(status_of).ok_or(BadResponse::NotHttp)?;
    let mut found = Found::default();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(BadResponse::NotHttp)?;
        found.header(name, value.trim_ascii());
    }
    if status != 101 {
        return Err(BadResponse::Status { status, retry_after_s: found.retry_after_s });
    }
    let accepted = found.accept.is_some_and(|accept| accept == accept_of(key.as_str()));
    for (right, name) in [
        (found.upgrade, "Upgrade"),
        (found.connection, "Connection"),
        (accepted, "Sec-WebSocket-Accept"),
        (!found.extensions, "Sec-WebSocket-Extensions"),
        (found.protocol.is_none_or(|chosen| chosen == SUBPROTOCOL), "Sec-WebSocket-Protocol"),
    ] {
        if !right {
            return Err(BadResponse::Header(name));
        }
    }
    Ok(Some(Switched { head_bytes: end + 4, v1: found.protocol.is_some() }))
}

/// `HTTP/1.1 101 Whatever`
fn status_of(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.1 ")?;
    let digits = rest.get(..3)?;
    let ends = matches!(rest.as_bytes().get(3), None | Some(b' '));
    (ends && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

#[derive(Default)]
struct Found<'h> {
    upgrade: bool,
    connection: bool,
    extensions: bool,
    accept: Option<&'h str>,
    protocol: Option<&'h str>,
    retry_after_s: Option<u32>,
}

impl<'h> Found<'h> {
    fn header(&mut self, name: &str, value: &'h str) {
        let has = |word: &[u8]| list(value.as_bytes()).any(|token| token.eq_ignore_ascii_case(word));
        match name.to_ascii_lowercase().as_str() {
            "upgrade" => self.upgrade |= has(b"websocket"),
            "connection" => self.connection |= has(b"upgrade"),
            "sec-websocket-extensions" => self.extensions = true,
            "sec-websocket-accept" => self.accept = Some(value),
            "sec-websocket-protocol" => self.protocol = Some(value),
            "retry-after" => self.retry_after_s = value.parse().ok(),
            _ => {}
        }
    }
}
