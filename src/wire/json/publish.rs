//! The JSON of the HTTP API: what an application publishes, and what it is answered.
//!
//! A publish is taken apart by the bare grammar first, so that memory does not grow with its nesting; each element
//! is then understood like a frame, and its mistakes are its own.

use super::command::{Members, Parser, Wrong, bad_request};
use super::syntax::{NESTING, NotJson, Partial, Scanner};
use super::{digits, escape, push};
use crate::limits::{MESSAGE_BYTES, RECIPIENTS, SALVAGED_BYTES};
use crate::model::{
    Cursor, CursorText, Envelope, ErrorCode, IdRef, Mistake, Position, Recipients, Unresumed,
};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

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
    /// Takes a request's body apart and counts its recipients, all at once.
    pub fn read(body: &'m [u8], parser: &mut Parser) -> Result<Self, BadPublish> {
        let mut apart = Apart::default();
        while !apart.step(body, parser, &mut { usize::MAX })? {}
        let texts = apart.elements().map(|range| &body[range]).collect();
        Ok(Self { single: apart.is_single(), texts })
    }
}

/// A request's body on its way to be taken apart, as much at a time as there is time for.
#[derive(Debug, Default)]
pub struct Apart {
    phase: Phase,
    /// How far the grammar was followed.
    at: usize,
    single: bool,
    /// The first [`RECIPIENTS`] elements.
    elements: Vec<Range<usize>>,
    /// All of them.
    count: usize,
    /// Of those that were understood.
    recipients: usize,
}

#[derive(Debug, Default)]
enum Phase {
    /// Nobody has looked at it.
    #[default]
    Untouched,
    /// In the middle of an element.
    Element(Partial),
    /// It is JSON; so many elements were understood.
    Counting(usize),
}

impl Apart {
    /// Goes on for about so many bytes, which are taken from `bytes`: one string, or one element that is not too large,
    /// may go beyond. True when it is done. Each byte is looked at twice.
    pub fn step(&mut self, body: &[u8], parser: &mut Parser, bytes: &mut usize) -> Result<bool, BadPublish> {
        loop {
            match &mut self.phase {
                Phase::Untouched => self.begin(body)?,
                Phase::Element(partial) => {
                    let mut scanner = Scanner::at(body, self.at);
                    let text = scanner.go_on(partial, NESTING, self.at.saturating_add(*bytes));
                    let text = text.map_err(|NotJson| BadPublish::NotJson)?;
                    *bytes = bytes.saturating_sub(scanner.place() - self.at);
                    self.at = scanner.place();
                    match text {
                        None => return Ok(false),
                        Some(text) => self.element(body, text.len())?,
                    }
                }
                Phase::Counting(from) if *from == self.elements.len() => {
                    return if self.recipients > RECIPIENTS { Err(BadPublish::TooMany) } else { Ok(true) };
                }
                Phase::Counting(_) if *bytes == 0 => return Ok(false),
                Phase::Counting(next) => {
                    let text = &body[self.elements[*next].clone()];
                    *next += 1;
                    // An element with a mistake reaches nobody.
                    if text.len() <= MESSAGE_BYTES {
                        *bytes = bytes.saturating_sub(text.len());
                        self.recipients += parser.publication(text).map_or(0, |found| found.to.len());
                    }
                }
            }
        }
    }

    /// Whether it was one object, not an array.
    pub fn is_single(&self) -> bool {
        self.single
    }

    /// Where in the body the elements stand, once it is done.
    pub fn elements(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.elements.iter().cloned()
    }

    fn begin(&mut self, body: &[u8]) -> Result<(), BadPublish> {
        simdutf8::basic::from_utf8(body).map_err(|_| BadPublish::NotJson)?;
        let mut scanner = Scanner::new(body);
        self.single = match scanner.peek() {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return Err(BadPublish::NotJson),
        };
        let is_empty = !self.single && scanner.eat(b'[') && scanner.eat(b']');
        self.phase = Phase::Element(scanner.begin());
        self.at = scanner.place();
        if is_empty { self.end(scanner) } else { Ok(()) }
    }

    /// An element has ended at this place, and has so many bytes.
    fn element(&mut self, body: &[u8], len: usize) -> Result<(), BadPublish> {
        self.count += 1;
        if self.count <= RECIPIENTS {
            self.elements.push(self.at - len..self.at);
        }
        let mut scanner = Scanner::at(body, self.at);
        if self.single || scanner.eat(b']') {
            return self.end(scanner);
        }
        if !scanner.eat(b',') {
            return Err(BadPublish::NotJson);
        }
        self.phase = Phase::Element(scanner.begin());
        self.at = scanner.place();
        Ok(())
    }

    /// The grammar was followed to the end. Broken JSON is told before what is wrong with its content.
    fn end(&mut self, mut scanner: Scanner<'_>) -> Result<(), BadPublish> {
        self.phase = Phase::Counting(0);
        match self.count {
            _ if !scanner.at_end() => Err(BadPublish::NotJson),
            0 => Err(BadPublish::Empty),
            1..=RECIPIENTS => Ok(()),
            _ => Err(BadPublish::TooMany),
        }
    }
}

impl Parser {
    /// Understands one element of a publish.
    pub fn publication<'p>(&'p mut self, element: &'p [u8]) -> Result<Publication<'p>, Mistake<'p>> {
        if element.len() > MESSAGE_BYTES {
            let message = format!("this element has {} bytes; it may have {MESSAGE_BYTES}", element.len());
            // Its name is looked for byte by byte; of one that is far too large nobody waits for that.
            if element.len() > SALVAGED_BYTES {
                return Err(Mistake { id: None, code: ErrorCode::TooLarge, message: message.into() });
            }
            return Err(super::salvage::refuse(element, ErrorCode::TooLarge, message.into(), &mut self.many));
        }
        let not_utf8 = || bad_request("this element is not UTF-8").of(None);
        self.understand(element, "an element must be a JSON object", |members, many| {
            members.publication(many)
        })
        .map_err(|mistake| mistake.unwrap_or_else(not_utf8))
    }
}

impl<'p> Members<'_, 'p> {
    fn publication(&self, many: &'p super::recipients::Many) -> Result<Publication<'p>, Wrong> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_steps(body: &[u8], bytes: usize) -> Result<(bool, Vec<Range<usize>>), BadPublish> {
        let (mut apart, mut parser) = (Apart::default(), Parser::new());
        // It comes to an end: each step uses up what it may, in two passes.
        for _ in 0..=2 * body.len() / bytes + 2 {
            let mut left = bytes;
            if apart.step(body, &mut parser, &mut left)? {
                return Ok((apart.is_single(), apart.elements().collect()));
            }
            assert_eq!(left, 0, "a step that is not the last one does what it may");
        }
        panic!("it never ends")
    }

    #[test]
    fn a_list_in_one_element_is_not_taken_apart_in_one_step() {
        let numbers = format!("[{}1]", "1,".repeat(30_000));
        let body = format!(r#"[{{"from":"a","to":"b","id":"1","body":{numbers}}}]"#);
        let (mut apart, mut parser, mut steps) = (Apart::default(), Parser::new(), 0);
        while !apart.step(body.as_bytes(), &mut parser, &mut { 1_000 }).unwrap() {
            steps += 1;
        }
        assert!(steps >= 60, "{steps}");
    }

    proptest! {
        #[test]
        fn steps_of_any_length_come_to_the_same(
            values in prop::collection::vec("[0-9]{1,3}|\"[a-z]{0,5}\"|\\[1,\\[2\\],3\\]|\\{\"a\":\\{\"b\":1\\}\\}|\\{\"from\":\"a\",\"to\":\"b\",\"id\":\"1\",\"body\":1\\}", 0..6),
            frame in prop_oneof![Just(("[", "]")), Just((" [ ", " ] ")), Just(("", "")), Just(("[", "")), Just(("[", "]x"))],
            between in prop_oneof![Just(","), Just(" , "), Just("")],
            bytes in 1..40usize,
        ) {
            let body = format!("{}{}{}", frame.0, values.join(between), frame.1);
            let whole = Elements::read(body.as_bytes(), &mut Parser::new());
            let parts = in_steps(body.as_bytes(), bytes);
            let texts = |(single, ranges): (bool, Vec<Range<usize>>)| Elements {
                single,
                texts: ranges.into_iter().map(|range| &body.as_bytes()[range]).collect(),
            };
            prop_assert_eq!(parts.map(texts), whole);
        }
    }
}
