//! Requests to the admin address and their answers, as bytes.
//!
//! monoio-http decodes a head only once it is whole and at most [`HEAD_BYTES`] long: a header name of 64 kB, which
//! would panic in it, does not fit, and its own reading from sockets, which knows no bound, is not used.

use crate::limits::HEAD_BYTES;
use bytes::BytesMut;
use http::header::ORIGIN;
use http::{Method, StatusCode};
use monoio_codec::{Decoded, Decoder};
use monoio_http::h1::codec::decoder::RequestHeadDecoder;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// `/livez`
    Live,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/drain`: how far is it?
    Progress,
    /// `POST /drain`: begin.
    Drain,
}

/// A request that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub ask: Ask,
    /// HEAD: all but the body.
    pub head_only: bool,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// What may be done here, where something else was tried.
    pub allow: Option<&'static str>,
}

pub(super) const PLAIN: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";

impl Answer {
    pub fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, body, allow: None }
    }

    /// `message`: what is wrong and what to do.
    pub fn refuse(status: StatusCode, message: &str) -> Self {
        Self::new(status, PLAIN, format!("{message}\n").into_bytes())
    }

    /// As it goes out; the connection is closed behind it.
    pub fn bytes(&self, head_only: bool) -> Vec<u8> {
        let Self { status, content_type, body, allow } = self;
        let allow = allow.map_or(String::new(), |allow| format!("Allow: {allow}\r\n"));
        let head = format!(
            "HTTP/1.1 {} {}\r\nConnection: close\r\nCache-Control: no-store\r\n{allow}Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            status.as_str(),
            status.canonical_reason().unwrap_or("Answer"),
            body.len(),
        );
        let mut out = head.into_bytes();
        if !head_only {
            out.extend_from_slice(body);
        }
        out
    }
}

/// Reads the request that begins `bytes`; `None`: its head is not whole.
pub(super) fn read(bytes: &[u8]) -> Option<Result<Asked, Answer>> {
    let bounded = &bytes[..bytes.len().min(HEAD_BYTES)];
    let Some(end) = bounded.windows(4).position(|window| window == b"\r\n\r\n") else {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return (bounded.len() == HEAD_BYTES)
            .then(|| Err(Answer::refuse(status, "the request is too large")));
    };
    Some(decode(&bounded[..end + 4]))
}

fn decode(head: &[u8]) -> Result<Asked, Answer> {
    let Ok(Decoded::Some(head)) = RequestHeadDecoder.decode(&mut BytesMut::from(head)) else {
        return Err(Answer::refuse(StatusCode::BAD_REQUEST, "this is no HTTP/1.1 request"));
    };
    let (ask, allow) = match head.uri.path() {
        "/livez" => (Ask::Live, "GET, HEAD"),
        "/readyz" => (Ask::Ready, "GET, HEAD"),
        "/metrics" => (Ask::Metrics, "GET, HEAD"),
        "/drain" => (Ask::Progress, "GET, HEAD, POST"),
        _ => {
            let here = "here are /livez, /readyz, /metrics and /drain";
            return Err(Answer::refuse(StatusCode::NOT_FOUND, here));
        }
    };
    let head_only = head.method == Method::HEAD;
    match (ask, &head.method) {
        // A page that an operator looks at may not end a node: browsers say where a POST comes from.
        (Ask::Progress, &Method::POST) if head.headers.contains_key(ORIGIN) => {
            Err(Answer::refuse(StatusCode::FORBIDDEN, "no web page may drain a node"))
        }
        (Ask::Progress, &Method::POST) => Ok(Asked { ask: Ask::Drain, head_only }),
        (_, &Method::GET | &Method::HEAD) => Ok(Asked { ask, head_only }),
        _ => {
            let refusal = Answer::refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("use one of {allow}"));
            Err(Answer { allow: Some(allow), ..refusal })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn understands_what_it_knows_and_refuses_the_rest() {
        let ask = |line: &str| read(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\nrest").as_bytes()).unwrap();
        for (line, what, head_only) in [
            ("GET /livez", Ask::Live, false),
            ("HEAD /readyz?x", Ask::Ready, true),
            ("GET /metrics", Ask::Metrics, false),
            ("GET /drain", Ask::Progress, false),
            ("POST /drain", Ask::Drain, false),
        ] {
            assert_eq!(ask(line), Ok(Asked { ask: what, head_only }), "{line}");
        }
        let status = |line: &str| ask(line).unwrap_err().status.as_u16();
        assert_eq!((status("GET /"), status("POST /metrics"), status("G[T /")), (404, 405, 400));
        let allowed = |line: &str| ask(line).unwrap_err().allow;
        assert_eq!(
            (allowed("POST /livez"), allowed("PUT /drain")),
            (Some("GET, HEAD"), Some("GET, HEAD, POST"))
        );
        let by_a_page = read(b"POST /drain HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n");
        assert_eq!(by_a_page.unwrap().unwrap_err().status, 403);
        assert_eq!(read(b"GET /livez HTTP/1.1\r\nHost: x\r\n"), None);
        let flood = [b"GET /livez HTTP/1.1\r\n", &[b'a'; HEAD_BYTES][..]].concat();
        assert_eq!(read(&flood).unwrap().unwrap_err().status, 431);
        let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
        assert_eq!(read(many.as_bytes()).unwrap().unwrap_err().status, 400);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            bytes.splice(..0, *b"GET /livez HTTP/1.1\r\n");
            bytes.extend_from_slice(b"\r\n\r\n");
            prop_assert!(read(&bytes).is_some());
        }
    }
}
