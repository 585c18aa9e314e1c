//! What a proxy says of a connection before its first byte: the header of the PROXY protocol, version 2
//! (HAProxy's `doc/proxy-protocol.txt`, §2.2).
//!
//! The verdict depends on the bytes alone, never on how they were cut, and nothing is kept between two looks at them.
//! Of all that a header may say only the client's address is read; the rest, its TLVs included, is skipped. No header
//! is longer than [`PROXY_HEADER_BYTES`]. Version 1, a line of text, is not taken.

use crate::limits::PROXY_HEADER_BYTES;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// What every header begins with: chosen so that no server of another protocol takes it for a request.
pub const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its bytes; what comes behind them is the client's.
    pub size: usize,
    /// For whom the proxy connects. `None`: for itself, as for its health checks, or for somebody without an IP
    /// address; then the proxy's own address counts.
    pub client: Option<SocketAddr>,
}

/// What is known of a header from the bytes that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is whole.
    Whole(Header),
    /// So far it is good, and at least so many bytes are missing.
    Missing(usize),
}

/// Why what has come is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// Something else came in its place.
    Absent,
    /// It is of version 1.
    Version1,
    /// A version or a command that the specification does not have.
    Command,
    /// A family or a protocol that it does not have.
    Family,
    /// Its length does not hold the addresses of its family.
    TooShort,
    /// More than [`PROXY_HEADER_BYTES`].
    TooLong,
}

/// Signature, version and command, family and protocol, length.
const FIXED: usize = SIGNATURE.len() + 4;
/// What a header of version 1 begins with.
const VERSION_1: &[u8] = b"PROXY ";

impl Header {
    /// Looks at what has come of a connection so far. An error is final.
    pub fn look(bytes: &[u8]) -> Result<Look, BadHeader> {
        judge_beginning(bytes)?;
        let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else {
            return Ok(Look::Missing(FIXED - bytes.len()));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let source = Source::of(command, family)?;
        let size = FIXED + length;
        if size > PROXY_HEADER_BYTES {
            return Err(BadHeader::TooLong);
        }
        if length < source.addresses() {
            return Err(BadHeader::TooShort);
        }
        match bytes.get(FIXED..size) {
            Some(block) => Ok(Look::Whole(Self { size, client: source.read(block) })),
            None => Ok(Look::Missing(size - bytes.len())),
        }
    }
}

/// The signature, or as much of it as is there.
fn judge_beginning(bytes: &[u8]) -> Result<(), BadHeader> {
    let begins = |whole: &[u8]| {
        let most = bytes.len().min(whole.len());
        bytes[..most] == whole[..most]
    };
    if begins(SIGNATURE) {
        return Ok(());
    }
    if !begins(VERSION_1) {
        return Err(BadHeader::Absent);
    }
    // Less than this may still become something else.
    if bytes.len() < VERSION_1.len() { Ok(()) } else { Err(BadHeader::Version1) }
}

/// How the block of addresses is to be read.
#[derive(Clone, Copy)]
enum Source {
    /// TCP over IPv4: two addresses, then two ports, the client's first.
    V4,
    /// TCP over IPv6, likewise.
    V6,
    /// Not at all.
    Skipped,
}

impl Source {
    fn of(command: u8, family: u8) -> Result<Self, BadHeader> {
        match (command, family) {
            // LOCAL: the family is ignored, whatever it is.
            (0x20, _) => Ok(Self::Skipped),
            (0x21, 0x11) => Ok(Self::V4),
            (0x21, 0x21) => Ok(Self::V6),
            // Unspecified, UDP and UNIX sockets are valid, and what a receiver has no use for counts as unspecified.
            (0x21, other) if other >> 4 <= 3 && other & 15 <= 2 => Ok(Self::Skipped),
            (0x21, _) => Err(BadHeader::Family),
            _ => Err(BadHeader::Command),
        }
    }

    /// Bytes of the addresses, at least.
    fn addresses(self) -> usize {
        match self {
            Self::V4 => 12,
            Self::V6 => 36,
            Self::Skipped => 0,
        }
    }

    fn read(self, block: &[u8]) -> Option<SocketAddr> {
        let port = |at: usize| Some(u16::from_be_bytes(*block.get(at..)?.first_chunk()?));
        match self {
            Self::V4 => Some(SocketAddr::from((Ipv4Addr::from(*block.first_chunk::<4>()?), port(8)?))),
            Self::V6 => Some(SocketAddr::from((Ipv6Addr::from(*block.first_chunk::<16>()?), port(32)?))),
            Self::Skipped => None,
        }
    }
}

/// To who set the proxy up.
impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => {
                "a connection from an address in --proxy-from begins with a PROXY protocol v2 header, and this one \
                 does not; let the proxy send one (HAProxy: send-proxy-v2), or take the address off the list"
            }
            Self::Version1 => {
                "this PROXY header is of version 1, and only version 2 is taken; in HAProxy write send-proxy-v2 \
                 instead of send-proxy"
            }
            Self::Command => "the PROXY header has an unknown version or command",
            Self::Family => "the PROXY header has an unknown address family or protocol",
            Self::TooShort => "the PROXY header is too short for the addresses that it announces",
            Self::TooLong => {
                return write!(
                    f,
                    "the PROXY header has more than {PROXY_HEADER_BYTES} bytes; let the proxy send fewer TLVs \
                     (HAProxy: proxy-v2-options)"
                );
            }
        })
    }
}

impl std::error::Error for BadHeader {}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
