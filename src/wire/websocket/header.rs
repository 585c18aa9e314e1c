//! The 2 to 14 bytes in front of a frame, judged byte by byte.
//!
//! A header is refused as soon as the byte that makes it wrong is there, in the order of the bytes: so the verdict
//! does not depend on how the stream was cut.

use super::Rules;
use super::frame::Opcode;
use crate::model::CloseCode;

/// Bytes of the longest header: two, a 64-bit length, a mask.
pub(super) const LONGEST: usize = 14;

/// A valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub fin: bool,
    pub op: Opcode,
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub len: usize,
    /// Bytes of this header.
    pub size: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` while it is incomplete.
    ///
    /// `open` says whether a fragmented message has begun, for then data must continue it.
    #[inline(always)]
    pub fn parse(bytes: &[u8], rules: &Rules, open: bool) -> Result<Option<Self>, CloseCode> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (fin, op) = first_byte(first, rules, open)?;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if (second & 0x80 != 0) == rules.from_server {
            return Err(CloseCode::Protocol);
        }
        let (len, after_length) = match second & 0x7f {
            126 => match bytes.get(2..4) {
                Some(wide) => (u64::from(u16::from_be_bytes([wide[0], wide[1]])), 4),
                None if op.is_control() => return Err(CloseCode::Protocol),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10).and_then(|wide| wide.try_into().ok()) {
                Some(wide) => (u64::from_be_bytes(wide), 10),
                None if op.is_control() => return Err(CloseCode::Protocol),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        if op.is_control() && after_length > 2 || !is_minimal(len, after_length) {
            return Err(CloseCode::Protocol);
        }
        if len > rules.skim as u64 && !op.is_control() {
            return Err(CloseCode::TooBig);
        }
        if rules.from_server {
            return Ok(Some(Self { fin, op, mask: None, len: len as usize, size: after_length }));
        }
        let Some(mask) = bytes.get(after_length..after_length + 4) else { return Ok(None) };
        let mask = Some([mask[0], mask[1], mask[2], mask[3]]);
        Ok(Some(Self { fin, op, mask, len: len as usize, size: after_length + 4 }))
    }
}

/// The final bit and the opcode, if they are right here.
#[inline(always)]
fn first_byte(byte: u8, rules: &Rules, open: bool) -> Result<(bool, Opcode), CloseCode> {
    let fin = byte & 0x80 != 0;
    if byte & 0x70 != 0 {
        return Err(CloseCode::Protocol);
    }
    let op = Opcode::from_bits(byte & 15).ok_or(CloseCode::Protocol)?;
    let in_place = match op {
        Opcode::Continuation => open,
        Opcode::Text | Opcode::Binary => !open,
        Opcode::Close | Opcode::Ping | Opcode::Pong => fin,
    };
    match op {
        _ if !in_place => Err(CloseCode::Protocol),
        Opcode::Binary if rules.text_only => Err(CloseCode::Unsupported),
        _ => Ok((fin, op)),
    }
}

/// The RFC allows one way only to write a length, and no 64th bit.
fn is_minimal(len: u64, after_length: usize) -> bool {
    match after_length {
        2 => true,
        4 => len > 125,
        _ => len > 0xffff && len >> 63 == 0,
    }
}
