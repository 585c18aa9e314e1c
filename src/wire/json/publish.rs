//! The JSON of the HTTP API: what an application publishes, and what it is answered.
//!
//! A publish is taken apart by the bare grammar first, so that memory does not grow with its nesting; each element
//! is then understood like a frame, and its mistakes are its own.

use super::command::{Members, Parser, Wrong, bad_request};
use super::syntax::{NotJson, Scanner};
use super::{digits, escape, push};
use crate::limits::{MESSAGE_BYTES, RECIPIENTS};
use crate::model::{
    Cursor, CursorText, Envelope, ErrorCode, IdRef, Mistake, Position, Recipients, Unresumed,
};
use std::borrow::Cow;
use std::fmt;

/// One element of a publish.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'p> {
    /// In whose name.
    pub from: IdRef<'p>,
    /// The sender's name for it.
    pub id: IdRef<'p>,
    /// To whom, each once.
    pub to: Recipients<'p>,
    /// `to` as JSON, byte for byte as sent.
    pub to_json: &'p [u8],
    /// One valid JSON value, byte for byte as sent.
    pub body: &'p [u8],
}

/// The elements of a publish, not yet understood; at least one.
#[derive(Debug, PartialEq, Eq)]
pub struct Elements<'m> {
    /// It was one object, not an array: its mistake is the request's, status 400.
    pub single: bool,
    /// Each one's JSON, at most [`RECIPIENTS`].
    pub texts: Vec<&'m [u8]>,
}

/// Why a request is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPublish {
    /// Not JSON, or no object and no array.
    NotJson,
    /// An array of nothing.
    Empty,
    /// More than [`RECIPIENTS`] elements, or recipients of all of them together.
    TooMany,
}

impl BadPublish {
    /// `code` of the answer, whose status is 400.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NotJson | Self::Empty => ErrorCode::BadRequest,
            Self::TooMany => ErrorCode::TooManyRecipients,
        }
    }
}

impl fmt::Display for BadPublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => write!(f, "send a JSON object {{from,to,id,body}} or an array of such"),
            Self::Empty => write!(f, "the array is empty; send at least one message"),
            Self::TooMany => {
                write!(f, "one request may name {RECIPIENTS} recipients in all; send several requests")
            }
        }
    }
}

impl std::error::Error for BadPublish {}

impl<'m> Elements<'m> {
    /// Takes a request's body apart and counts its recipients.
    pub fn read(body: &'m [u8], parser: &mut Parser) -> Result<Self, BadPublish> {
        simdutf8::basic::from_utf8(body).map_err(|_| BadPublish::NotJson)?;
        let elements = Self::split(body).map_err(|NotJson| BadPublish::NotJson)??;
        let mut recipients = 0;
        for text in &elements.texts {
            // An element with a mistake reaches nobody.
            recipients += parser.publication(text).map_or(0, |publication| publication.to.len());
        }
        if recipients > RECIPIENTS { Err(BadPublish::TooMany) } else { Ok(elements) }
    }

    fn split(body: &'m [u8]) -> Result<Result<Self, BadPublish>, NotJson> {
        let mut scanner = Scanner::new(body);
        let single = match scanner.peek() {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return Err(NotJson),
        };
        if single {
            let texts = vec![scanner.value()?];
            return if scanner.at_end() { Ok(Ok(Self { single, texts })) } else { Err(NotJson) };
        }
        let (mut texts, mut count) = (Vec::new(), 0);
        scanner.eat(b'[');
        if !scanner.eat(b']') {
            loop {
                let text = scanner.value()?;
                count += 1;
                if count <= RECIPIENTS {
                    texts.push(text);
                }
                if scanner.eat(b']') {
                    break;
                }
                if !scanner.eat(b',') {
                    return Err(NotJson);
                }
            }
        }
        // Broken JSON is told before what is wrong with its content.
        Ok(match count {
            _ if !scanner.at_end() => return Err(NotJson),
            0 => Err(BadPublish::Empty),
            1..=RECIPIENTS => Ok(Self { single, texts }),
            _ => Err(BadPublish::TooMany),
        })
    }
}

impl Parser {
    /// Understands one element of a publish.
    pub fn publication<'p>(&'p mut self, element: &'p [u8]) -> Result<Publication<'p>, Mistake<'p>> {
        if element.len() > MESSAGE_BYTES {
            let message = format!("this element has {} bytes; it may have {MESSAGE_BYTES}", element.len());
            return Err(super::salvage::refuse(element, ErrorCode::TooLarge, message.into(), &mut self.many));
        }
        let Self { document, many } = self;
        let Ok(members) = document.with(element, |reader| Members::read(reader, many)) else {
            return Err(super::salvage::explain(element, many).unwrap_or(Mistake {
                id: None,
                code: ErrorCode::BadRequest,
                message: Cow::Borrowed("this element is not UTF-8"),
            }));
        };
        let (id, publication) = match members {
            Some(members) => (members.any_id(), members.publication(many)),
            None => (None, Err(bad_request("an element must be a JSON object"))),
        };
        publication.map_err(|Wrong { code, message }| Mistake { id, code, message })
    }
}

impl<'p> Members<'p> {
    fn publication(self, many: &'p super::recipients::Many) -> Result<Publication<'p>, Wrong> {
        self.refuse_twice()?;
        let from = match self.from {
            Some(simd_json::Node::String(from)) => IdRef::new(from).map_err(|why| Wrong {
                code: ErrorCode::BadClientId,
                message: Cow::Owned(format!("the client ID in `from` {why}")),
            })?,
            _ => return Err(bad_request("a message needs `from`, a client ID")),
        };
        let id = self.required_id()?;
        let (to, to_json) = self.recipients(many)?;
        Ok(Publication { from, id, to, to_json, body: self.required_body()? })
    }
}

/// Writes `{"results":[…]}`, one result per element in order.
pub struct PublishResults<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl<'o> PublishResults<'o> {
    /// Begins.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(br#"{"results":["#);
        Self { out, any: false }
    }

    /// The element is durable for all its recipients.
    pub fn durable(&mut self, id: IdRef<'_>, at_ms: u64) {
        self.begin(Some(id));
        self.out.extend_from_slice(br#""at":"#);
        digits::write(at_ms, self.out);
        self.out.push(b'}');
    }

    /// It is not.
    pub fn refused(
        &mut self,
        id: Option<IdRef<'_>>,
        code: ErrorCode,
        message: &str,
        retry_after_ms: Option<u32>,
    ) {
        self.begin(id);
        write_error(code, message, retry_after_ms, self.out);
        self.out.push(b'}');
    }

    /// Ends.
    pub fn finish(self) {
        self.out.extend_from_slice(b"]}");
    }

    fn begin(&mut self, id: Option<IdRef<'_>>) {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(b',');
        }
        self.out.push(b'{');
        if let Some(id) = id {
            self.out.extend_from_slice(br#""id":""#);
            self.out.extend_from_slice(id.as_str().as_bytes());
            self.out.extend_from_slice(br#"","#);
        }
    }
}

/// Appends `{"error":{"code":…,"message":…}}`, the body of every refusal over HTTP.
pub fn write_http_error(code: ErrorCode, message: &str, retry_after_ms: Option<u32>, out: &mut Vec<u8>) {
    out.push(b'{');
    write_error(code, message, retry_after_ms, out);
    out.push(b'}');
}

fn write_error(code: ErrorCode, message: &str, retry_after_ms: Option<u32>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#""error":{"code":""#);
    out.extend_from_slice(code.as_str().as_bytes());
    out.extend_from_slice(br#"","message":"#);
    escape::write(message, out);
    if let Some(retry_after_ms) = retry_after_ms {
        out.extend_from_slice(br#","retry_after_ms":"#);
        digits::write(u64::from(retry_after_ms), out);
    }
    out.push(b'}');
}

/// Writes the answer of an HTTP pull.
pub struct PullAnswer<'o> {
    out: &'o mut Vec<u8>,
    log_epoch: u64,
    any: bool,
}

impl<'o> PullAnswer<'o> {
    /// Begins; `resumed` is there when a cursor was presented.
    pub fn new(resumed: Option<Result<(), Unresumed>>, log_epoch: u64, out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        let start = out.len();
        push::resumed(resumed, out);
        if out.len() > start {
            // Here it comes first: its comma moves behind it.
            out.remove(start);
            out.push(b',');
        }
        out.extend_from_slice(br#""messages":["#);
        Self { out, log_epoch, any: false }
    }

    /// The next message.
    pub fn message(&mut self, envelope: &Envelope, at_ms: u64, cursor: Position) {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(b',');
        }
        push::message_object(envelope, at_ms, cursor, self.log_epoch, self.out);
    }

    /// Ends with the cursor to ask on from, and whether there is more already.
    pub fn finish(self, client: IdRef<'_>, cursor: Position, more: bool) {
        let cursor: CursorText = Cursor { log_epoch: self.log_epoch, at: cursor }.text(client);
        self.out.extend_from_slice(br#"],"cursor":""#);
        self.out.extend_from_slice(cursor.as_bytes());
        self.out.extend_from_slice(if more { br#"","more":true}"# } else { br#"","more":false}"# });
    }
}
