//! A request head, bounded before it is decoded.
//!
//! [`Incoming`] collects at most [`HEAD_BYTES`] up to the empty line, and only then lets monoio-http's
//! `RequestHeadDecoder` see them: on a buffer in memory that holds exactly one head it neither waits nor reads on.
//! Its traps cannot be reached from there: a header name of 64 kB (panic) does not fit, more than 96 headers are an
//! error that becomes 431 here, and an incomplete head is not given to it. Lines that end in a bare LF, which it
//! would read differently than we do, are refused. The time is the caller's affair.

use crate::limits::HEAD_BYTES;
use crate::wire::proxy::{self, BadHeader, Look, SIGNATURE};
use bytes::BytesMut;
use monoio_codec::{Decoded, Decoder};
use monoio_http::h1::codec::decoder::{DecodeError, RequestHeadDecoder};

/// A decoded request head: method, uri, version, headers.
pub type Head = monoio_http::common::request::RequestHead;

/// What has come of a connection's first request, and what came behind its head.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// No head ends before this byte.
    searched: usize,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// More than [`HEAD_BYTES`], or more headers than can be decoded: 431.
    TooLarge,
    /// Not HTTP/1.1: 400.
    Malformed,
    /// A PROXY header, where none is taken: 400.
    Proxied,
}

/// What who sends a PROXY header where none is taken is told.
pub const PROXIED: &str =
    "a PROXY header is taken once, before everything else, and only from addresses in --proxy-from";

/// How a PROXY header's signature goes on behind the line ends with which it begins.
const BEHIND_LINE_ENDS: &[u8] = SIGNATURE.split_at(4).1;

impl Incoming {
    /// More bytes of the connection. Ask [`Incoming::head`] after each, or memory is not bounded.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What came first, if anything did.
    pub fn first(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// Nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Nothing has come of a head: line ends before it are none of it.
    pub fn has_no_head(&self) -> bool {
        self.bytes.iter().all(is_line_end)
    }

    /// The PROXY header, once it is whole, of a connection that must begin with one. What came behind it stays.
    pub fn proxy_header(&mut self) -> Result<Option<proxy::Header>, BadHeader> {
        match proxy::Header::look(&self.bytes)? {
            Look::Missing(_) => Ok(None),
            Look::Whole(header) => {
                self.bytes.drain(..header.size);
                Ok(Some(header))
            }
        }
    }

    /// The head, once its empty line is there. What came behind it stays in [`Incoming::rest`].
    pub fn head(&mut self) -> Result<Option<Head>, HeadError> {
        // A browser may put an empty line between requests (RFC 9112 §2.2).
        let leading = self.bytes.iter().take_while(|byte| is_line_end(byte)).count();
        if leading > 0 {
            self.bytes.drain(..leading);
            self.searched = 0;
        }
        if self.bytes.starts_with(BEHIND_LINE_ENDS) {
            return Err(HeadError::Proxied);
        }
        let Some(end) = self.end() else {
            return if self.bytes.len() >= HEAD_BYTES { Err(HeadError::TooLarge) } else { Ok(None) };
        };
        if end > HEAD_BYTES {
            return Err(HeadError::TooLarge);
        }
        let head = decode(&self.bytes[..end])?;
        self.bytes.drain(..end);
        self.searched = 0;
        Ok(Some(head))
    }

    /// All that is held, to be opened first.
    pub fn take(&mut self) -> Vec<u8> {
        self.searched = 0;
        std::mem::take(&mut self.bytes)
    }

    /// The bytes behind the head.
    pub fn rest(self) -> Vec<u8> {
        self.bytes
    }

    /// Where the first head ends, looking at each byte once however slowly they come.
    fn end(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(3);
        let found = self.bytes[from..].windows(4).position(|window| window == b"\r\n\r\n");
        self.searched = self.bytes.len();
        Some(from + found? + 4)
    }
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Decodes exactly one whole head.
fn decode(bytes: &[u8]) -> Result<Head, HeadError> {
    let bare_lf =
        bytes.iter().enumerate().any(|(at, &byte)| byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r'));
    if bare_lf {
        return Err(HeadError::Malformed);
    }
    match RequestHeadDecoder.decode(&mut BytesMut::from(bytes)) {
        Ok(Decoded::Some(head)) => Ok(head),
        Ok(_) => Err(HeadError::Malformed),
        Err(DecodeError::Parse(httparse::Error::TooManyHeaders)) => Err(HeadError::TooLarge),
        Err(_) => Err(HeadError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The path of the head in `bytes`, if it is whole.
    fn head_of(bytes: &[u8]) -> Result<Option<String>, HeadError> {
        Ok(whole(bytes)?.map(|head| head.uri.path().to_owned()))
    }

    fn whole(bytes: &[u8]) -> Result<Option<Head>, HeadError> {
        let mut incoming = Incoming::default();
        incoming.push(bytes);
        incoming.head()
    }

    #[test]
    fn a_head_is_found_however_it_is_cut_and_what_follows_stays() {
        let request = b"\r\nGET /v1/ws?client=a HTTP/1.1\r\nHost: x\r\nA: \xc3\xa9\r\n\r\n\x81\x80rest";
        for step in 1..=request.len() {
            let mut incoming = Incoming::default();
            let mut found = None;
            for piece in request.chunks(step) {
                incoming.push(piece);
                if found.is_none() {
                    found = incoming.head().unwrap();
                }
            }
            let head = found.unwrap();
            assert_eq!((head.uri.path(), head.uri.query()), ("/v1/ws", Some("client=a")));
            assert_eq!(head.headers["a"].as_bytes(), b"\xc3\xa9");
            assert_eq!(incoming.rest(), b"\x81\x80rest");
        }
    }

    #[test]
    fn a_proxy_header_is_taken_where_it_is_asked_for_and_nowhere_else() {
        let header = [&SIGNATURE[..], b"\x21\x11\0\x0c\x0a\0\0\x07\x7f\0\0\x01\0\x50\x1f\x90"].concat();
        let bytes = [&header, &b"GET /v1/ws HTTP/1.1\r\n\r\nrest"[..]].concat();
        for step in 1..=bytes.len() {
            let mut incoming = Incoming::default();
            let (mut header, mut head) = (None, None);
            for piece in bytes.chunks(step) {
                incoming.push(piece);
                if header.is_none() {
                    header = incoming.proxy_header().unwrap();
                }
                if header.is_some() && head.is_none() {
                    head = incoming.head().unwrap();
                }
            }
            assert_eq!(header.unwrap().client, Some(([10, 0, 0, 7], 80).into()));
            assert_eq!((head.unwrap().uri.path(), incoming.rest()), ("/v1/ws", b"rest".to_vec()));

            let mut incoming = Incoming::default();
            let verdict = bytes.chunks(step).find_map(|piece| {
                incoming.push(piece);
                incoming.head().err()
            });
            assert_eq!(verdict, Some(HeadError::Proxied), "in steps of {step}");
        }
    }

    #[test]
    fn size_is_judged_before_anything_is_decoded() {
        let line = b"GET / HTTP/1.1\r\n";
        let mut exact = line.to_vec();
        exact.extend_from_slice(b"A: ");
        exact.resize(HEAD_BYTES - 4, b'x');
        exact.extend_from_slice(b"\r\n\r\n");
        assert!(head_of(&exact).unwrap().is_some());
        exact.insert(line.len() + 3, b'x');
        assert_eq!(head_of(&exact), Err(HeadError::TooLarge));
        assert_eq!(head_of(&[b'A'; HEAD_BYTES]), Err(HeadError::TooLarge));
        assert_eq!(head_of(&[b'A'; HEAD_BYTES - 1]), Ok(None));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(97));
        assert_eq!(head_of(many.as_bytes()), Err(HeadError::TooLarge));
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        for bad in [
            "hello\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "GET / HTTP/1.1\r\nA b: x\r\n\r\n",
            "GET /\u{7f} HTTP/1.1\r\n\r\n",
            "\x16\x03\x01\x02\r\n\r\n",
            "GET / HTTP/1.1\r\nA: x\r\n folded\r\n\r\n",
        ] {
            assert_eq!(head_of(bad.as_bytes()), Err(HeadError::Malformed), "{bad:?}");
        }
    }

    /// monoio-http unwraps what the http crate says about a name that httparse let pass, and makes a value without
    /// asking: both must agree on every byte.
    #[test]
    fn no_byte_in_a_name_or_value_panics() {
        for byte in 0..=255_u8 {
            for (before, after) in [("x", ": y"), ("x: y", "")] {
                let mut request = format!("GET / HTTP/1.1\r\n{before}").into_bytes();
                request.push(byte);
                request.extend_from_slice(after.as_bytes());
                request.extend_from_slice(b"\r\n\r\n");
                if let Ok(Some(head)) = whole(&request) {
                    for value in head.headers.values() {
                        assert!(http::HeaderValue::from_bytes(value.as_bytes()).is_ok(), "byte {byte}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(
            line in "[A-Z]{0,4} ?[!-~]{0,20} ?(HTTP/1.1)?",
            middle in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut request = line.into_bytes();
            request.extend_from_slice(b"\r\n");
            request.extend_from_slice(&middle);
            request.extend_from_slice(b"\r\n\r\n");
            let _ = head_of(&request);
        }
    }
}
