//! What a client says: an application's message, and the few frames that the machine adds.
//!
//! Identifiers need no escaping and a body is JSON already, so that a frame is written by putting pieces together.

use crate::limits::RECIPIENTS;
use crate::model::{ClientId, IdRef};
use std::fmt;
use std::sync::Arc;

/// A message of the application that is to reach its recipients' mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    id: ClientId,
    to: Vec<ClientId>,
    copy: bool,
    body: Box<[u8]>,
}

/// Why something is no letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLetter {
    /// It names nobody.
    NoRecipient,
    /// It names more than [`RECIPIENTS`].
    TooManyRecipients,
}

/// One frame to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A letter, for the first time or again.
    Send(Arc<Letter>),
    /// A message beside the log.
    Ephemeral {
        /// To whom.
        to: Vec<ClientId>,
        /// One JSON value.
        body: Box<[u8]>,
    },
    /// A renewed token.
    Auth(Box<str>),
    /// Are you there, and where do I stand?
    Ping,
}

impl Letter {
    /// `body` must be one valid JSON value: the server says `bad_request` otherwise.
    pub fn new(id: IdRef<'_>, to: Vec<ClientId>, body: &[u8]) -> Result<Self, BadLetter> {
        match to.len() {
            0 => Err(BadLetter::NoRecipient),
            1..=RECIPIENTS => Ok(Self { id: id.to_client(), to, copy: false, body: body.into() }),
            _ => Err(BadLetter::TooManyRecipients),
        }
    }

    /// Also into the sender's own mailbox, so that all its devices show it.
    pub fn with_copy(self) -> Self {
        Self { copy: true, ..self }
    }

    /// The sender's name for it.
    pub fn id(&self) -> IdRef<'_> {
        self.id.as_ref()
    }

    /// To whom.
    pub fn to(&self) -> &[ClientId] {
        &self.to
    }

    /// Whether a copy is wanted.
    pub fn copy(&self) -> bool {
        self.copy
    }

    /// One JSON value.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// About the bytes it occupies, here and on the wire.
    pub fn size(&self) -> usize {
        let to: usize = self.to.iter().map(|to| to.as_ref().as_str().len() + 3).sum();
        self.id.as_ref().as_str().len() + to + self.body.len() + 64
    }
}

impl Frame {
    /// Appends the frame's JSON text.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Send(letter) => {
                out.extend_from_slice(br#"{"type":"send","id":""#);
                out.extend_from_slice(letter.id().as_str().as_bytes());
                out.extend_from_slice(br#"","to":"#);
                write_recipients(out, &letter.to);
                out.extend_from_slice(if letter.copy { br#","copy":true"# } else { b"" });
                write_body(out, &letter.body);
            }
            Self::Ephemeral { to, body } => {
                out.extend_from_slice(br#"{"type":"send","to":"#);
                write_recipients(out, to);
                out.extend_from_slice(br#","ephemeral":true"#);
                write_body(out, body);
            }
            Self::Auth(token) => {
                // A token is base64url and dots; whatever else somebody has configured must not break the frame.
                out.extend_from_slice(br#"{"type":"auth","token":""#);
                out.extend(token.bytes().filter(|c| c.is_ascii_graphic() && *c != b'"' && *c != b'\\'));
                out.extend_from_slice(br#""}"#);
            }
            Self::Ping => out.extend_from_slice(br#"{"type":"ping"}"#),
        }
    }
}

fn write_recipients(out: &mut Vec<u8>, to: &[ClientId]) {
    let list = to.len() != 1;
    out.extend_from_slice(if list { b"[" } else { b"" });
    for (n, id) in to.iter().enumerate() {
        out.extend_from_slice(if n > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(id.as_ref().as_str().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(if list { b"]" } else { b"" });
}

fn write_body(out: &mut Vec<u8>, body: &[u8]) {
    out.extend_from_slice(br#","body":"#);
    out.extend_from_slice(body);
    out.push(b'}');
}

impl fmt::Display for BadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecipient => f.write_str("a message needs at least one recipient"),
            Self::TooManyRecipients => {
                write!(f, "a message has at most {RECIPIENTS} recipients; send several")
            }
        }
    }
}

impl std::error::Error for BadLetter {}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ClientId {
        ClientId::new(text).unwrap()
    }

    fn json(frame: Frame) -> String {
        let mut out = Vec::new();
        frame.write_json(&mut out);
        let text = String::from_utf8(out).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        text
    }

    #[test]
    fn frames_are_those_of_the_protocol() {
        let letter = Letter::new(id("m-1").as_ref(), vec![id("bob")], br#"{"text":"hi"}"#).unwrap();
        assert!(letter.size() >= json(Frame::Send(Arc::new(letter.clone()))).len());
        assert_eq!(
            json(Frame::Send(Arc::new(letter.with_copy()))),
            r#"{"type":"send","id":"m-1","to":"bob","copy":true,"body":{"text":"hi"}}"#
        );
        let list = Letter::new(id("m-2").as_ref(), vec![id("bob"), id("eve")], b"1").unwrap();
        assert_eq!(
            json(Frame::Send(Arc::new(list))),
            r#"{"type":"send","id":"m-2","to":["bob","eve"],"body":1}"#
        );
        assert_eq!(
            json(Frame::Ephemeral { to: vec![id("bob")], body: (*b"null").into() }),
            r#"{"type":"send","to":"bob","ephemeral":true,"body":null}"#
        );
        assert_eq!(json(Frame::Auth("a.b\"\\\n".into())), r#"{"type":"auth","token":"a.b"}"#);
        assert_eq!(json(Frame::Ping), r#"{"type":"ping"}"#);
    }

    #[test]
    fn a_letter_has_somebody_to_go_to() {
        assert_eq!(Letter::new(id("m").as_ref(), vec![], b"1"), Err(BadLetter::NoRecipient));
        let crowd = vec![id("bob"); RECIPIENTS + 1];
        assert_eq!(Letter::new(id("m").as_ref(), crowd, b"1"), Err(BadLetter::TooManyRecipients));
    }
}
