//! Writing frames: unmasked ones as a server sends, so that one built frame serves every session of a recipient,
//! and masked ones for our own clients.
//!
//! Everything is appended to the caller's buffer, behind what is there already.

use super::mask;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message that was begun.
    Continuation = 0,
    /// A message of UTF-8, or its beginning.
    Text = 1,
    /// A message of bytes, or its beginning.
    Binary = 2,
    /// The last frame.
    Close = 8,
    /// To be answered.
    Ping = 9,
    /// The answer.
    Pong = 10,
}

impl Opcode {
    /// `None` for the reserved ones.
    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Control frames are short, whole, and may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// Bytes of the longest header of an unmasked frame.
pub const HEADER_MOST: usize = 10;

/// The header of a whole, unmasked frame: the first so many of these bytes.
#[inline]
pub fn header(op: Opcode, len: usize) -> ([u8; HEADER_MOST], usize) {
    let mut bytes = [0; HEADER_MOST];
    bytes[0] = 0x80 | op as u8;
    let size = header_size(len);
    match size {
        2 => bytes[1] = len as u8,
        4 => {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&(len as u64).to_be_bytes());
        }
    }
    (bytes, size)
}

/// Bytes of the header in front of so many bytes of payload.
#[inline]
fn header_size(len: usize) -> usize {
    match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => HEADER_MOST,
    }
}

/// Appends a whole frame.
#[inline]
pub fn write_frame(op: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    debug_assert!(!op.is_control() || payload.len() <= 125, "a control frame of {} bytes", payload.len());
    let (bytes, size) = header(op, payload.len());
    out.extend_from_slice(&bytes[..size]);
    out.extend_from_slice(payload);
}

/// Appends a close frame. A reason beyond 123 bytes is cut, at a character.
pub fn write_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let Some(code) = code else { return write_frame(Opcode::Close, &[], out) };
    let most = (0..=reason.len().min(123)).rev().find(|&end| reason.is_char_boundary(end));
    let reason = &reason.as_bytes()[..most.unwrap_or_default()];
    let (bytes, size) = header(Opcode::Close, 2 + reason.len());
    out.extend_from_slice(&bytes[..size]);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason);
}

/// A text frame whose payload is being written into its place; its header is put in front at the end.
#[must_use = "the header is written by `finish`"]
pub struct FrameStart {
    at: usize,
    room: usize,
}

/// Leaves room for the header of a text frame of about `expected` bytes. Write the payload behind, then
/// [`FrameStart::finish`]: if the payload needs another size of header it is moved, which `expected` avoids.
#[inline]
pub fn begin_text(expected: usize, out: &mut Vec<u8>) -> FrameStart {
    let start = FrameStart { at: out.len(), room: header_size(expected) };
    out.resize(start.at + start.room, 0);
    start
}

impl FrameStart {
    /// Writes the header in front of all that was appended since.
    #[inline]
    pub fn finish(self, out: &mut Vec<u8>) {
        let payload = self.at + self.room..out.len();
        let (bytes, size) = header(Opcode::Text, payload.len());
        if size != self.room {
            let len = payload.len();
            out.resize(out.len().max(self.at + size + len), 0);
            out.copy_within(payload, self.at + size);
            out.truncate(self.at + size + len);
        }
        out[self.at..self.at + size].copy_from_slice(&bytes[..size]);
    }
}

/// Appends a whole frame as a client sends it. `key` should be unpredictable where a proxy may read along.
pub fn write_masked(op: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    let (mut bytes, size) = header(op, payload.len());
    bytes[1] |= 0x80;
    out.extend_from_slice(&bytes[..size]);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], key, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_examples_of_the_rfc() {
        let mut out = vec![];
        write_frame(Opcode::Text, b"Hello", &mut out);
        assert_eq!(out, b"\x81\x05Hello");
        out.clear();
        write_masked(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut out);
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        out.clear();
        write_frame(Opcode::Binary, &[7; 256], &mut out);
        assert_eq!(out[..5], [0x82, 126, 1, 0, 7]);
        out.clear();
        write_frame(Opcode::Binary, &[7; 65_536], &mut out);
        assert_eq!(out[..11], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0, 7]);
    }

    #[test]
    fn a_frame_begun_is_the_frame_written_at_once_whatever_was_expected() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            for expected in [0, 125, 126, 65_535, 65_536] {
                let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
                let (mut begun, mut whole) = (b"before".to_vec(), b"before".to_vec());
                let start = begin_text(expected, &mut begun);
                begun.extend_from_slice(&payload);
                start.finish(&mut begun);
                write_frame(Opcode::Text, &payload, &mut whole);
                assert!(begun == whole, "{len} bytes, {expected} expected");
            }
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let mut out = vec![];
        write_close(Some(1008), &"é".repeat(100), &mut out);
        assert_eq!(out[..4], [0x88, 124, 0x03, 0xf0]);
        assert!(std::str::from_utf8(&out[4..]).is_ok());
        out.clear();
        write_close(None, "not said", &mut out);
        assert_eq!(out, [0x88, 0]);
    }
}
