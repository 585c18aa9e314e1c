//! What a server says, as our own clients understand it.
//!
//! Lenient where the protocol may grow: unknown members are ignored, a frame of an unknown type is
//! [`Heard::Unknown`].

use super::document::{Document, Reader, Value};
use crate::model::{Heard, HeardError, HeardFailed, HeardMessage, HeardWelcome};
use simd_json::{Node, StaticNode};

/// The frame is no JSON object with what its type needs: a server that does not speak this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHeard;

impl std::fmt::Display for NotHeard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server does not speak corepost.v1; is the URL right?")
    }
}

impl std::error::Error for NotHeard {}

/// Understands a server's frames, one after the other.
pub struct Hearing {
    document: Document,
}

impl Hearing {
    /// With empty buffers.
    pub fn new() -> Self {
        // Room for a body of the greatest nesting that a server of other limits may pass on.
        Self { document: Document::new(super::syntax::NESTING) }
    }

    /// Understands one text message.
    pub fn hear<'p>(&'p mut self, message: &'p [u8]) -> Result<Heard<'p>, NotHeard> {
        self.document.with(message, (), |reader, ()| read(reader)).ok().flatten().ok_or(NotHeard)
    }
}

impl Default for Hearing {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Default)]
struct Members<'p> {
    kind: Option<&'p str>,
    client: Option<&'p str>,
    session: Option<&'p str>,
    from: Option<&'p str>,
    id: Option<&'p str>,
    prev: Option<&'p str>,
    cursor: Option<&'p str>,
    reason: Option<&'p str>,
    code: Option<&'p str>,
    message: Option<&'p str>,
    node: Option<u64>,
    missed: Option<u64>,
    at_ms: Option<u64>,
    retry_after_ms: Option<u64>,
    reconnect_after_ms: Option<u64>,
    resumed: Option<bool>,
    more: Option<bool>,
    ephemeral: Option<bool>,
    message_bytes: Option<u64>,
    ping_interval_ms: Option<u64>,
    limits: Option<&'p [u8]>,
    to: Option<&'p [u8]>,
    body: Option<&'p [u8]>,
    failed: Vec<HeardFailed<'p>>,
}

fn read<'p>(reader: &Reader<'_, 'p>) -> Option<Heard<'p>> {
    let mut members = Members::default();
    if !reader.members(|key, value| members.member(key, value, reader)) {
        return None;
    }
    members.heard()
}

impl<'p> Members<'p> {
    fn member(&mut self, key: &str, value: Value<'_, 'p>, reader: &Reader<'_, 'p>) {
        match key {
            "type" => self.kind = text(value.node),
            "client" => self.client = text(value.node),
            "session" => self.session = text(value.node),
            "from" => self.from = text(value.node),
            "id" => self.id = text(value.node),
            "prev" => self.prev = text(value.node),
            "cursor" => self.cursor = text(value.node),
            "reason" => self.reason = text(value.node),
            "code" => self.code = text(value.node),
            "message" => self.message = text(value.node),
            "node" => self.node = number(value.node),
            "missed" => self.missed = number(value.node),
            "at" => self.at_ms = number(value.node),
            "retry_after_ms" => self.retry_after_ms = number(value.node),
            "reconnect_after_ms" => self.reconnect_after_ms = number(value.node),
            "resumed" => self.resumed = truth(value.node),
            "more" => self.more = truth(value.node),
            "ephemeral" => self.ephemeral = truth(value.node),
            "limits" => {
                self.limits = Some(reader.json(value));
                reader.members_of(value.at, |key, node| match key {
                    "message_bytes" => self.message_bytes = number(node),
                    "ping_interval_ms" => self.ping_interval_ms = number(node),
                    _ => {}
                });
            }
            "to" => self.to = Some(reader.json(value)),
            "body" => self.body = Some(reader.json(value)),
            "failed" => self.failed = failed(value, reader),
            _ => {}
        }
    }

    /// `None` when something is missing that its type always has.
    fn heard(self) -> Option<Heard<'p>> {
        Some(match self.kind? {
            "welcome" => Heard::Welcome(HeardWelcome {
                client: self.client?,
                session: self.session?,
                node: self.node.unwrap_or_default(),
                cursor: self.cursor?,
                resumed: self.resumed,
                reason: self.reason,
                missed: self.missed?,
                more: self.more.unwrap_or_default(),
                message_bytes: self.message_bytes,
                ping_interval_ms: self.ping_interval_ms,
                limits: self.limits.unwrap_or_default(),
            }),
            "message" if self.ephemeral == Some(true) => {
                Heard::Ephemeral { from: self.from, body: self.body? }
            }
            "message" => Heard::Message(HeardMessage {
                from: self.from,
                id: self.id,
                to: self.to,
                at_ms: self.at_ms?,
                prev: self.prev?,
                cursor: self.cursor?,
                body: self.body?,
            }),
            "live" => Heard::Live { cursor: self.cursor? },
            "cursor" => Heard::Cursor { cursor: self.cursor? },
            "pong" => Heard::Pong { cursor: self.cursor },
            "ack" => Heard::Ack { id: self.id?, at_ms: self.at_ms? },
            "error" => Heard::Error(HeardError {
                id: self.id,
                code: self.code?,
                message: self.message.unwrap_or_default(),
                retry_after_ms: self.retry_after_ms,
                failed: self.failed,
            }),
            "drain" => Heard::Drain { reconnect_after_ms: self.reconnect_after_ms?, cursor: self.cursor },
            kind => Heard::Unknown { kind },
        })
    }
}

fn failed<'p>(value: Value<'_, 'p>, reader: &Reader<'_, 'p>) -> Vec<HeardFailed<'p>> {
    let mut all = Vec::new();
    for (at, _) in reader.elements_of(value.at) {
        let (mut to, mut code) = (None, None);
        reader.members_of(at, |key, node| match key {
            "to" => to = text(node),
            "code" => code = text(node),
            _ => {}
        });
        if let (Some(to), Some(code)) = (to, code) {
            all.push(HeardFailed { to, code });
        }
    }
    all
}

fn text<'p>(node: &Node<'p>) -> Option<&'p str> {
    match *node {
        Node::String(text) => Some(text),
        _ => None,
    }
}

fn number(node: &Node<'_>) -> Option<u64> {
    match *node {
        Node::Static(StaticNode::U64(number)) => Some(number),
        Node::Static(StaticNode::I64(number)) => u64::try_from(number).ok(),
        _ => None,
    }
}

fn truth(node: &Node<'_>) -> Option<bool> {
    match *node {
        Node::Static(StaticNode::Bool(truth)) => Some(truth),
        _ => None,
    }
}
