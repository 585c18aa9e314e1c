//! What a client is told, as the exact frames of DESIGN.md §4: compact, `type` first, `body` last.
//!
//! What is written raw was checked before: identifiers and cursors by their types, bodies and `to` by the parser
//! they came through. Everything else is escaped.

use super::{digits, escape};
use crate::model::{Cursor, Envelope, ErrorPush, IdRef, Position, Push, SessionId, Texts, Welcome};

/// What the frames to one session say beside the push itself.
#[derive(Clone, Copy, Debug)]
pub struct Face<'a> {
    /// The log whose positions its cursors are.
    pub log_epoch: u64,
    /// Whose session it is; cursors are checked against it.
    pub client: IdRef<'a>,
    /// This node.
    pub node: u16,
    /// This start of it.
    pub incarnation: u64,
    /// `limits` of a `welcome`, from [`Limits::json`].
    pub limits_json: &'a str,
}

/// `limits` of a `welcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message.
    pub message_bytes: usize,
    /// Most recipients of one send.
    pub recipients: usize,
    /// Longest ID.
    pub id_bytes: usize,
    /// Deepest nesting.
    pub json_depth: usize,
    /// Time between our pings.
    pub ping_interval_ms: u64,
    /// Time a message is kept.
    pub retention_ms: u64,
    /// Time a message's `id` is remembered.
    pub dedupe_ms: u64,
    /// `fsync` or `process`: what an ack survives.
    pub durability: &'static str,
}

impl Limits {
    /// As it stands in `welcome`. Made once at start.
    pub fn json(&self) -> String {
        let Self { message_bytes, recipients, id_bytes, json_depth, .. } = self;
        let Self { ping_interval_ms, retention_ms, dedupe_ms, durability, .. } = self;
        format!(
            r#"{{"message_bytes":{message_bytes},"recipients":{recipients},"id_bytes":{id_bytes},"json_depth":{json_depth},"ping_interval_ms":{ping_interval_ms},"retention_ms":{retention_ms},"dedupe_ms":{dedupe_ms},"durability":"{durability}"}}"#
        )
    }
}

/// About how many bytes the frame will have: right for messages, where a move of the payload would cost most.
pub fn size_hint(push: &Push) -> usize {
    match push {
        Push::Message { envelope, .. } => message_size(envelope) + 126,
        Push::Ephemeral { envelope } => message_size(envelope),
        Push::Welcome(_) | Push::Error(_) => 400,
        Push::Live { .. } | Push::Cursor { .. } | Push::Pong { .. } => 80,
        Push::Ack { .. } | Push::Drain { .. } => 100,
    }
}

/// What is not a cursor: `{"type":"message","from":"","id":"","body":}` and what stands in it.
fn message_size(envelope: &Envelope) -> usize {
    let Texts { from, id, copied_to, body, .. } = envelope.texts();
    48 + from.len() + id.len() + (copied_to.len() + 6) * usize::from(!copied_to.is_empty()) + body.len()
}

/// Appends the frame's JSON.
#[inline]
pub fn encode(push: &Push, face: &Face<'_>, out: &mut Vec<u8>) {
    match push {
        Push::Message { envelope, at_ms, prev, cursor } => {
            let texts = envelope.texts();
            out.extend_from_slice(br#"{"type":"message","#);
            origin(&texts, *at_ms, out);
            member_cursor(br#","prev":""#, *prev, face, out);
            member_cursor(br#","cursor":""#, *cursor, face, out);
            content(&texts, out);
        }
        Push::Ephemeral { envelope } => {
            let texts = envelope.texts();
            out.extend_from_slice(br#"{"type":"message","#);
            from(&texts, out);
            out.extend_from_slice(br#","ephemeral":true"#);
            content(&texts, out);
        }
        Push::Ack { of, at_ms } => {
            out.extend_from_slice(br#"{"type":"ack""#);
            member_id(of.id(), out);
            out.extend_from_slice(br#","at":"#);
            digits::write(*at_ms, out);
            out.push(b'}');
        }
        Push::Live { cursor } => position(br#"{"type":"live""#, Some(*cursor), face, out),
        Push::Cursor { cursor } => position(br#"{"type":"cursor""#, Some(*cursor), face, out),
        Push::Pong { cursor } => position(br#"{"type":"pong""#, *cursor, face, out),
        Push::Drain { reconnect_after_ms, cursor } => {
            out.extend_from_slice(br#"{"type":"drain","reconnect_after_ms":"#);
            digits::write(*reconnect_after_ms, out);
            position(b"", *cursor, face, out);
        }
        Push::Welcome(it) => welcome(it, face, out),
        Push::Error(it) => error(it, out),
    }
}

/// Appends a message without `type` and `prev`, as the HTTP pull gives it.
pub fn message_object(envelope: &Envelope, at_ms: u64, cursor: Position, log_epoch: u64, out: &mut Vec<u8>) {
    let face = Face { log_epoch, client: envelope.to(), node: 0, incarnation: 0, limits_json: "" };
    let texts = envelope.texts();
    out.push(b'{');
    origin(&texts, at_ms, out);
    member_cursor(br#","cursor":""#, cursor, &face, out);
    content(&texts, out);
}

/// `"from":…,"id":…,"at":…`
#[inline]
fn origin(texts: &Texts<'_>, at_ms: u64, out: &mut Vec<u8>) {
    from(texts, out);
    if !texts.id.is_empty() {
        member(br#","id":""#, texts.id, out);
    }
    out.extend_from_slice(br#","at":"#);
    digits::write(at_ms, out);
}

#[inline]
fn from(texts: &Texts<'_>, out: &mut Vec<u8>) {
    if texts.from.is_empty() {
        return out.extend_from_slice(br#""from":null"#);
    }
    member(br#""from":""#, texts.from, out);
}

/// `,"to":…,"body":…}`
#[inline]
fn content(texts: &Texts<'_>, out: &mut Vec<u8>) {
    if !texts.copied_to.is_empty() {
        out.extend_from_slice(br#","to":"#);
        out.extend_from_slice(texts.copied_to);
    }
    out.extend_from_slice(br#","body":"#);
    out.extend_from_slice(texts.body);
    out.push(b'}');
}

/// A name with its opening quote, then a text that needs no escaping.
#[inline]
fn member(name: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(text);
    out.push(b'"');
}

/// A name with its opening quote, then the cursor.
#[inline]
fn member_cursor(name: &[u8], at: Position, face: &Face<'_>, out: &mut Vec<u8>) {
    member(name, Cursor { log_epoch: face.log_epoch, at }.text(face.client).as_bytes(), out);
}

#[inline]
fn member_id(id: Option<IdRef<'_>>, out: &mut Vec<u8>) {
    if let Some(id) = id {
        member(br#","id":""#, id.as_str().as_bytes(), out);
    }
}

/// The frames that end with where the session stands.
fn position(begun: &[u8], cursor: Option<Position>, face: &Face<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(begun);
    if let Some(cursor) = cursor {
        member_cursor(br#","cursor":""#, cursor, face, out);
    }
    out.push(b'}');
}

fn welcome(it: &Welcome, face: &Face<'_>, out: &mut Vec<u8>) {
    let session = SessionId { node: face.node, incarnation: face.incarnation, session: it.session };
    out.extend_from_slice(br#"{"type":"welcome","client":""#);
    out.extend_from_slice(face.client.as_str().as_bytes());
    out.extend_from_slice(format!(r#"","session":"{session}","node":{}"#, face.node).as_bytes());
    member_cursor(br#","cursor":""#, it.cursor, face, out);
    resumed(it.resumed, out);
    out.extend_from_slice(br#","missed":"#);
    digits::write(u64::from(it.missed), out);
    if it.more {
        out.extend_from_slice(br#","more":true"#);
    }
    out.extend_from_slice(br#","limits":"#);
    out.extend_from_slice(face.limits_json.as_bytes());
    out.push(b'}');
}

/// `,"resumed":…` and the reason, if a cursor was presented.
pub(super) fn resumed(resumed: Option<Result<(), crate::model::Unresumed>>, out: &mut Vec<u8>) {
    match resumed {
        None => {}
        Some(Ok(())) => out.extend_from_slice(br#","resumed":true"#),
        Some(Err(why)) => {
            out.extend_from_slice(br#","resumed":false,"reason":""#);
            out.extend_from_slice(why.as_str().as_bytes());
            out.push(b'"');
        }
    }
}

fn error(it: &ErrorPush, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"error""#);
    member_id(it.id.as_ref().map(|id| id.as_ref()), out);
    out.extend_from_slice(br#","code":""#);
    out.extend_from_slice(it.code.as_str().as_bytes());
    out.extend_from_slice(br#"","message":"#);
    escape::write(&it.message, out);
    if let Some(retry_after_ms) = it.retry_after_ms {
        out.extend_from_slice(br#","retry_after_ms":"#);
        digits::write(u64::from(retry_after_ms), out);
    }
    for (index, failed) in it.failed.iter().enumerate() {
        out.extend_from_slice(if index == 0 { br#","failed":[{"to":""# } else { br#",{"to":""# });
        out.extend_from_slice(failed.to.as_str().as_bytes());
        out.extend_from_slice(br#"","code":""#);
        out.extend_from_slice(failed.code.as_str().as_bytes());
        out.extend_from_slice(br#""}"#);
    }
    out.extend_from_slice(if it.failed.is_empty() { b"}" } else { b"]}" });
}
