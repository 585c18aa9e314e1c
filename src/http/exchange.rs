//! A connection to the HTTP API: bytes in, requests out, one at a time, in order.
//!
//! It holds no more than a head, a bounded body and what one read brought behind them, because it asks for bytes
//! ([`Step::More`]) only when it has none to go on with. The loop around it moves bytes and watches the time:
//! the handshake's time for a head that has begun, BODY_MS for its body, KEEP_ALIVE_MS while [`Exchange::is_idle`].
//! It is plain data: with the socket and a request that belongs to another core, it moves there.

use super::body::Body;
use super::head::PROXIED;
use super::upgrade::Door;
use super::{ApiRequest, Head, HeadError, Incoming, Manner, Reply};
use crate::access::Access;
use http::{Method, StatusCode, Version, header};

/// One connection's requests.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Of the next head; empty while a body comes in.
    incoming: Incoming,
    /// What came behind the head whose body comes in.
    unread: Vec<u8>,
    stage: Stage,
    /// Nothing that follows is a request: the bytes cannot be told apart any more, or the peer wants to end.
    over: bool,
}

/// How far the current request is.
#[derive(Debug, Default)]
enum Stage {
    /// Its head is not complete.
    #[default]
    Head,
    /// Its head is complete, and nobody has looked at it.
    Read(Box<Head>),
    /// It is judged and waits for its body.
    Body { request: ApiRequest, body: Body, manner: Manner, awaited: bool },
}

/// What comes next on the connection.
#[derive(Debug)]
pub enum Step {
    /// Bytes: push what is read and ask again.
    More,
    /// The client waits to be told that it may send the body: write [`CONTINUE`] and ask again.
    Continue,
    /// Serve this and write its reply in this manner; then ask again, or close unless it is kept alive.
    Serve(ApiRequest, Manner),
    /// Write this reply in this manner; then as above.
    Reply(Reply, Manner),
    /// The next request wants to become a WebSocket; [`Exchange::into_unread`] came behind its head.
    Upgrade(Box<Head>),
    /// There is nothing more to do: close, after reading what the peer still sends, for a moment, so that it sees the
    /// last reply.
    Over,
}

/// What [`Step::Continue`] asks to be written.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Exchange {
    /// Of a connection whose first head was read already, with what came behind it.
    pub fn begin(head: Head, rest: Vec<u8>) -> Self {
        Self { unread: rest, stage: Stage::Read(Box::new(head)), ..Self::default() }
    }

    /// More bytes of the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.stage {
            Stage::Head => self.incoming.push(bytes),
            _ => self.unread.extend_from_slice(bytes),
        }
    }

    /// Bytes held: of them [`crate::limits::BODY_BYTES`] are allowed to all exchanges of a core.
    pub fn held(&self) -> usize {
        let body = if let Stage::Body { body, .. } = &self.stage { body.len() } else { 0 };
        self.incoming.len() + self.unread.len() + body
    }

    /// Nothing of a further request has come: the connection may be closed without a word.
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Head) && self.incoming.has_no_head()
    }

    /// A head is complete and its body is not.
    pub fn is_in_body(&self) -> bool {
        !matches!(self.stage, Stage::Head)
    }

    /// What came behind the head of a [`Step::Upgrade`].
    pub fn into_unread(self) -> Vec<u8> {
        self.unread
    }

    /// Goes on with what there is. To be asked after each push, and again after each reply.
    pub fn step(&mut self, access: &Access) -> Step {
        if self.over {
            return Step::Over;
        }
        if matches!(self.stage, Stage::Head) {
            match self.incoming.head() {
                Ok(None) => return Step::More,
                Ok(Some(head)) => {
                    self.unread = std::mem::take(&mut self.incoming).rest();
                    self.stage = Stage::Read(Box::new(head));
                }
                Err(error) => return self.end(refuse_head(error), false),
            }
        }
        if let Stage::Read(head) = &self.stage {
            if Door::of(head.uri.path()) != Door::Other {
                let Stage::Read(head) = std::mem::take(&mut self.stage) else {
                    unreachable!("it was looked at")
                };
                self.over = true;
                return Step::Upgrade(head);
            }
            match judge(head, access) {
                Ok(stage) => self.stage = stage,
                Err(refused) => return self.refuse(refused),
            }
        }
        self.body()
    }

    /// Goes on with the body of a request that is judged.
    fn body(&mut self) -> Step {
        let Stage::Body { body, manner, awaited, .. } = &mut self.stage else {
            unreachable!("a head that was judged is followed by its body")
        };
        if let Err(reply) = body.take(&mut self.unread) {
            let head_only = manner.head_only;
            return self.end(reply, head_only);
        }
        if !body.is_complete() {
            // Told once, and not to one that sends without waiting.
            let silent = body.len() == 0 && self.unread.is_empty();
            return if std::mem::take(awaited) && silent { Step::Continue } else { Step::More };
        }
        let Stage::Body { request, body, manner, .. } = std::mem::take(&mut self.stage) else {
            unreachable!("it was looked at")
        };
        self.next_request(manner);
        Step::Serve(request.with_body(body.into_bytes()), manner)
    }

    /// A head is refused. What follows it can be read as a request only if no body does.
    fn refuse(&mut self, refused: Refused) -> Step {
        self.stage = Stage::Head;
        self.next_request(refused.manner);
        Step::Reply(refused.reply, refused.manner)
    }

    /// What follows cannot be told apart.
    fn end(&mut self, reply: Reply, head_only: bool) -> Step {
        self.refuse(Refused { reply, manner: Manner { keep_alive: false, head_only } })
    }

    /// What came behind a request belongs to the next one, if there is one.
    fn next_request(&mut self, manner: Manner) {
        let unread = std::mem::take(&mut self.unread);
        self.over = !manner.keep_alive;
        if manner.keep_alive {
            self.incoming.push(&unread);
        }
    }
}

/// A head that leads to nothing but a reply.
struct Refused {
    reply: Reply,
    manner: Manner,
}

/// What a head asks for, and what will follow it.
fn judge(head: &Head, access: &Access) -> Result<Stage, Refused> {
    let head_only = head.method == Method::HEAD;
    let closing = |reply| Refused { reply, manner: Manner { keep_alive: false, head_only } };
    let mut body = Body::of(head).map_err(closing)?;
    let manner = Manner { keep_alive: stays(head), head_only };
    let bodyless = body.is_complete();
    // The reply goes out before the body has come; it is not worth reading to the end.
    let refused =
        |reply| Refused { reply, manner: Manner { keep_alive: manner.keep_alive && bodyless, head_only } };
    let request = ApiRequest::of(head, access).map_err(refused)?;
    let awaited = awaits_word(head).map_err(refused)?;
    body.bound(request.body_most()).map_err(closing)?;
    Ok(Stage::Body { request, body, manner, awaited })
}

/// Whether the connection takes another request. HTTP/1.0 is answered and closed.
fn stays(head: &Head) -> bool {
    let closes = |value: &http::HeaderValue| {
        value
            .as_bytes()
            .split(|&byte| byte == b',')
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    head.version == Version::HTTP_11 && !head.headers.get_all(header::CONNECTION).iter().any(closes)
}

/// Whether the client sends its body only after [`CONTINUE`].
fn awaits_word(head: &Head) -> Result<bool, Reply> {
    match head.headers.get(header::EXPECT) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Ok(head.version == Version::HTTP_11)
        }
        Some(_) => {
            Err(Reply::refuse(StatusCode::EXPECTATION_FAILED, "the only expectation met is 100-continue"))
        }
    }
}

fn refuse_head(error: HeadError) -> Reply {
    match error {
        HeadError::TooLarge => Reply::refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the head is too large or has too many headers; leave some out",
        ),
        HeadError::Malformed => Reply::bad("this is no HTTP/1.1 request"),
        HeadError::Proxied => Reply::bad(PROXIED),
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
