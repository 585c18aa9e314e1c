//! How an HTTP/1.1 request becomes a WebSocket, on both sides.
//!
//! The head was split into method and headers elsewhere; here stands what RFC 6455 §4 asks of them, and which
//! subprotocols we speak. A refusal is an HTTP status.

mod request;
mod response;

pub use request::{ClientKey, Request, write_request};
pub use response::{BadResponse, Switched, check_response};

use std::fmt;

/// The subprotocol we speak, and the one chosen when none is offered.
pub const SUBPROTOCOL: &str = "corepost.v1";
/// A subprotocol with this prefix is a token: the one way of browsers to present it outside the URL.
const BEARER: &str = "bearer.";

/// A request that may become a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade<'h> {
    /// `Sec-WebSocket-Accept` of the answer.
    pub accept: String,
    /// [`SUBPROTOCOL`] was offered and is to be echoed. It is spoken in any case.
    pub offers_v1: bool,
    /// A token presented as subprotocol, not checked.
    pub bearer: Option<&'h str>,
}

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// Only GET may be upgraded.
    Method,
    /// It does not ask for an upgrade.
    NotAnUpgrade,
    /// It asks for another version of WebSocket.
    Version,
    /// This header is missing, there twice, or wrong.
    Header(&'static str),
}

impl HandshakeError {
    /// The status to answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::NotAnUpgrade | Self::Version => 426,
            Self::Header(_) => 400,
        }
    }

    /// Headers that belong to that status, each with its line end.
    pub fn headers(self) -> &'static str {
        match self {
            Self::Method => "Allow: GET\r\n",
            Self::NotAnUpgrade | Self::Version => {
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            }
            Self::Header(_) => "",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => write!(f, "a WebSocket is opened with GET"),
            Self::NotAnUpgrade => write!(f, "this is a WebSocket endpoint; send Upgrade: websocket"),
            Self::Version => write!(f, "only WebSocket version 13 is spoken; send Sec-WebSocket-Version: 13"),
            Self::Header(name) => {
                write!(f, "the header {name} of the upgrade is missing, there twice, or wrong")
            }
        }
    }
}

impl std::error::Error for HandshakeError {}

/// The headers of an upgrade, each seen once.
#[derive(Default)]
struct Seen<'h> {
    host: Option<&'h [u8]>,
    key: Option<&'h [u8]>,
    version: Option<&'h [u8]>,
    upgrade: bool,
    websocket: bool,
    connection: bool,
    offers_v1: bool,
    bearer: Option<&'h str>,
}

/// Judges an HTTP/1.1 request by its method and headers.
pub fn check_upgrade<'h>(
    method: &str,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) -> Result<Upgrade<'h>, HandshakeError> {
    if method != "GET" {
        return Err(HandshakeError::Method);
    }
    let mut seen = Seen::default();
    for (name, value) in headers {
        seen.header(name, value.trim_ascii())?;
    }
    if !seen.upgrade {
        return Err(HandshakeError::NotAnUpgrade);
    }
    for (right, name) in
        [(seen.websocket, "Upgrade"), (seen.connection, "Connection"), (seen.host.is_some(), "Host")]
    {
        if !right {
            return Err(HandshakeError::Header(name));
        }
    }
    if seen.version != Some(b"13") {
        return Err(HandshakeError::Version);
    }
    let key = seen.key.and_then(valid_key).ok_or(HandshakeError::Header("Sec-WebSocket-Key"))?;
    Ok(Upgrade { accept: accept_of(key), offers_v1: seen.offers_v1, bearer: seen.bearer })
}

impl<'h> Seen<'h> {
    fn header(&mut self, name: &str, value: &'h [u8]) -> Result<(), HandshakeError> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Upgrade") {
            self.upgrade = true;
            self.websocket |= list(value).any(|token| token.eq_ignore_ascii_case(b"websocket"));
        } else if is("Connection") {
            self.connection |= list(value).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
        } else if is("Host") {
            once(&mut self.host, value, "Host")?;
        } else if is("Sec-WebSocket-Key") {
            once(&mut self.key, value, "Sec-WebSocket-Key")?;
        } else if is("Sec-WebSocket-Version") {
            once(&mut self.version, value, "Sec-WebSocket-Version")?;
        } else if is("Sec-WebSocket-Protocol") {
            for token in list(value) {
                self.subprotocol(token)?;
            }
        }
        Ok(())
    }

    fn subprotocol(&mut self, token: &'h [u8]) -> Result<(), HandshakeError> {
        const WRONG: HandshakeError = HandshakeError::Header("Sec-WebSocket-Protocol");
        let token = std::str::from_utf8(token).map_err(|_| WRONG)?;
        self.offers_v1 |= token == SUBPROTOCOL;
        if let Some(bearer) = token.strip_prefix(BEARER)
            && self.bearer.replace(bearer).is_some()
        {
            return Err(WRONG);
        }
        Ok(())
    }
}

fn once<'h>(slot: &mut Option<&'h [u8]>, value: &'h [u8], name: &'static str) -> Result<(), HandshakeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(HandshakeError::Header(name)),
    }
}

/// The elements of a comma-separated header.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// A key is 16 bytes in base 64: 22 characters and two `=`, the last character with four bits unused.
fn valid_key(key: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(key).ok()?;
    let digits = text.strip_suffix("==")?;
    let right = digits.len() == 22
        && digits.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'+' || c == b'/')
        && digits.ends_with(['A', 'Q', 'g', 'w']);
    right.then_some(text)
}

/// Base 64 of SHA-1 of the key and the RFC's constant.
fn accept_of(key: &str) -> String {
    sockudo_ws::handshake::generate_accept_key(key)
}

/// Appends the answer that makes the connection a WebSocket.
pub fn write_switching(upgrade: &Upgrade<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(upgrade.accept.as_bytes());
    if upgrade.offers_v1 {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(SUBPROTOCOL.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod handshake_tests;
