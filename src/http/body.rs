//! The body of a request: how long it is, and its bytes as they come in.
//!
//! A length is one thing said once, or the request is refused: two of them, or a length beside a coding, are how one
//! request is smuggled inside another. A declared length is never reserved. The chunk reader is our own: that of
//! monoio-http takes a line without digits for the last chunk, which another reader in front of us may not, refuses
//! extensions and trailers that RFC 9112 says to skip, and holds a whole chunk before it gives any of it.

use super::{Head, Reply};
use crate::limits::{CHUNK_EXTRAS_BYTES, CHUNK_LINE_BYTES};
use http::{StatusCode, Version, header};

/// A body on its way in.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    most: usize,
    left: Left,
}

/// What is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing.
    Nothing,
    /// So many bytes.
    Fixed(usize),
    /// Chunks; `extras`: bytes of extensions and trailers that have been skipped.
    Chunks { at: At, extras: usize },
}

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the line that says how long the chunk is.
    Size,
    /// So many bytes before the end of a chunk.
    Data(usize),
    /// Behind a chunk, before its line end.
    End,
    /// In the lines behind the last chunk.
    Trailer,
}

impl Body {
    /// By what the head says of it.
    pub fn of(head: &Head) -> Result<Self, Reply> {
        let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
        let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
        let (coding, length) = (codings.next(), lengths.next());
        let left = match (coding, length) {
            (Some(_), Some(_)) => {
                return Err(Reply::bad("Content-Length and Transfer-Encoding exclude each other; send one"));
            }
            (Some(coding), None) => {
                let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
                if !chunked || head.version != Version::HTTP_11 {
                    return Err(Reply::bad("the only Transfer-Encoding understood is chunked, of HTTP/1.1"));
                }
                Left::Chunks { at: At::Size, extras: 0 }
            }
            (None, Some(length)) => {
                let number = digits(length.as_bytes()).filter(|_| lengths.next().is_none());
                match number.ok_or_else(|| Reply::bad("Content-Length must be one number"))? {
                    0 => Left::Nothing,
                    bytes => Left::Fixed(bytes),
                }
            }
            (None, None) => Left::Nothing,
        };
        Ok(Self { bytes: Vec::new(), most: 0, left })
    }

    /// No more than so many bytes of it.
    pub fn bound(&mut self, most: usize) -> Result<(), Reply> {
        self.most = most;
        match self.left {
            Left::Fixed(bytes) if bytes > most => Err(too_large(most)),
            _ => Ok(()),
        }
    }

    /// All of it is here.
    pub fn is_complete(&self) -> bool {
        self.left == Left::Nothing
    }

    /// Bytes of it that are here.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The body itself.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes what belongs to it from the front of what has come, and leaves the rest.
    pub fn take(&mut self, unread: &mut Vec<u8>) -> Result<(), Reply> {
        let used = match self.left {
            Left::Nothing => 0,
            Left::Fixed(left) => {
                let used = left.min(unread.len());
                self.left = if used == left { Left::Nothing } else { Left::Fixed(left - used) };
                if used == unread.len() && self.bytes.is_empty() {
                    self.bytes = std::mem::take(unread);
                    return Ok(());
                }
                self.bytes.extend_from_slice(&unread[..used]);
                used
            }
            Left::Chunks { .. } => self.chunks(unread)?,
        };
        unread.drain(..used);
        Ok(())
    }

    /// Reads chunks as far as they have come, and says how many bytes that were.
    fn chunks(&mut self, unread: &[u8]) -> Result<usize, Reply> {
        let mut used = 0;
        while let Left::Chunks { at, extras } = &mut self.left {
            let rest = &unread[used..];
            match at {
                At::Size => {
                    let Some(line) = line(rest)? else { break };
                    let (bytes, extension) = chunk_size(line).ok_or_else(bad_chunk)?;
                    skip(extras, extension)?;
                    if bytes > self.most - self.bytes.len() {
                        return Err(too_large(self.most));
                    }
                    *at = if bytes == 0 { At::Trailer } else { At::Data(bytes) };
                    used += line.len() + 2;
                }
                At::Data(left) => {
                    let now = rest.len().min(*left);
                    self.bytes.extend_from_slice(&rest[..now]);
                    used += now;
                    *left -= now;
                    if *left > 0 {
                        break;
                    }
                    *at = At::End;
                }
                At::End => match rest {
                    [b'\r', b'\n', ..] => {
                        used += 2;
                        *at = At::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => return Err(bad_chunk()),
                },
                At::Trailer => {
                    let Some(line) = line(rest)? else { break };
                    skip(extras, line.len())?;
                    used += line.len() + 2;
                    if line.is_empty() {
                        self.left = Left::Nothing;
                    }
                }
            }
        }
        Ok(used)
    }
}

fn bad_chunk() -> Reply {
    Reply::bad("the chunked body is broken; send it with Content-Length")
}

fn too_large(most: usize) -> Reply {
    let message = format!("the body may have {most} bytes; send several requests");
    Reply::refuse(StatusCode::PAYLOAD_TOO_LARGE, &message)
}

/// Counts bytes that nobody reads.
fn skip(extras: &mut usize, bytes: usize) -> Result<(), Reply> {
    *extras += bytes;
    if *extras > CHUNK_EXTRAS_BYTES { Err(bad_chunk()) } else { Ok(()) }
}

/// The first line, if its end has come. A line ends in CRLF and has neither of the two inside.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Reply> {
    let within = &bytes[..bytes.len().min(CHUNK_LINE_BYTES + 2)];
    match within.iter().position(|&byte| byte == b'\r' || byte == b'\n') {
        None if within.len() < CHUNK_LINE_BYTES + 2 => Ok(None),
        None => Err(bad_chunk()),
        Some(end) => match within[end..] {
            [b'\r', b'\n', ..] => Ok(Some(&within[..end])),
            [b'\r'] if end <= CHUNK_LINE_BYTES => Ok(None),
            _ => Err(bad_chunk()),
        },
    }
}

/// A chunk's bytes and those of its extension: hexadecimal digits, then nothing or what begins with `;`.
fn chunk_size(line: &[u8]) -> Option<(usize, usize)> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extension) = line.split_at(end);
    // Eight digits are 4 GiB, more than any bound; a ninth can only be there to overflow somebody's number.
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let named = extension.iter().find(|&&byte| byte != b' ' && byte != b'\t');
    if !extension.is_empty() && named != Some(&b';') {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    Some((usize::from_str_radix(text, 16).ok()?, extension.len()))
}

/// A number of digits only: no sign, no list.
fn digits(text: &[u8]) -> Option<usize> {
    let plain = !text.is_empty() && text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
