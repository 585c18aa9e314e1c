//! A client's session: frames as JSON, and the client's rule checked on each of them.
//!
//! The rule (DESIGN.md §4): there is a hole if a message's `prev` is greater than the cursor held; nothing comes twice;
//! a cursor never goes back.

use super::{PATIENCE, Peer, frame};
use corepost::wire::websocket::Opcode;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A request for a session, not yet sent.
pub struct Knock {
    before: Vec<u8>,
    target: String,
    headers: String,
}

pub struct Session {
    pub peer: Peer,
    /// Its first frame.
    pub welcome: Value,
    /// What the client holds.
    pub cursor: String,
}

/// What comes to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Frame(Value),
    Close(Option<u16>),
    End,
}

impl Knock {
    /// With this query, as `client=bob&from=start`.
    pub fn new(query: &str) -> Self {
        Self { before: Vec::new(), target: format!("/v1/ws?{query}"), headers: String::new() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    /// With these bytes before it in the same packet.
    pub fn behind(mut self, bytes: &[u8]) -> Self {
        self.before.extend_from_slice(bytes);
        self
    }

    /// Sends it. An answer that is no upgrade comes back whole.
    pub fn send(&self, addr: SocketAddr) -> Result<(Peer, String), String> {
        let stream = TcpStream::connect(addr).map_err(|error| error.to_string())?;
        let mut peer = Peer::over(stream);
        peer.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = super::upgrade_request(&self.target);
        let request = request.replacen("\r\n\r\n", &format!("\r\n{}\r\n", self.headers), 1);
        let request = [&self.before, request.as_bytes()].concat();
        peer.stream.write_all(&request).map_err(|error| error.to_string())?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            peer.stream.read_exact(&mut byte).map_err(|error| error.to_string())?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 101 ") {
            return Ok((peer, head));
        }
        // Who keeps the connection says how long the answer is.
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
        let mut rest = String::new();
        let _ = peer.stream.take(length.unwrap_or(u64::MAX)).read_to_string(&mut rest);
        Err(head + &rest)
    }

    /// The status of a refusal.
    pub fn refused(&self, addr: SocketAddr) -> u16 {
        let Err(answer) = self.send(addr) else { panic!("{} was let in", self.target) };
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer: {answer}"))
    }

    /// The code of a close that comes instead of a `welcome`.
    pub fn closed(&self, addr: SocketAddr) -> u16 {
        match hear(&mut self.send(addr).unwrap().0) {
            Heard::Close(Some(code)) => code,
            other => panic!("no close: {other:?}"),
        }
    }

    /// Opens a session; an error says what came instead of a `welcome`.
    pub fn enter(&self, addr: SocketAddr) -> Result<Session, String> {
        let (mut peer, _) = self.send(addr)?;
        match hear(&mut peer) {
            Heard::Frame(welcome) if welcome["type"] == "welcome" => {
                let cursor = cursor_of(&welcome).expect("a welcome has a cursor");
                Ok(Session { peer, welcome, cursor })
            }
            other => Err(format!("{other:?}")),
        }
    }
}

impl Session {
    /// Opens a session with this query.
    pub fn open(addr: SocketAddr, query: &str) -> Self {
        Knock::new(query).enter(addr).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Says a frame. False: the server is gone.
    pub fn try_say(&mut self, what: &Value) -> bool {
        self.peer.stream.write_all(&frame(Opcode::Text, what.to_string().as_bytes())).is_ok()
    }

    /// Says a frame.
    pub fn say(&mut self, what: &Value) {
        assert!(self.try_say(what), "the server is gone");
    }

    /// The next that comes, judged by the client's rule.
    pub fn hear(&mut self) -> Heard {
        let heard = hear(&mut self.peer);
        if let Heard::Frame(frame) = &heard {
            self.judge(frame);
        }
        heard
    }

    /// The same; nothing if nothing comes within so long.
    pub fn hear_within(&mut self, patience: Duration) -> Option<Heard> {
        self.peer.stream.set_read_timeout(Some(patience)).unwrap();
        let heard = poll(&mut self.peer);
        if let Some(Heard::Frame(frame)) = &heard {
            self.judge(frame);
        }
        heard
    }

    fn judge(&mut self, frame: &Value) {
        assert_ne!(frame["type"], "welcome", "a second one");
        let Some(cursor) = cursor_of(frame) else { return };
        if frame["type"] == "message" {
            let prev = frame["prev"].as_str().unwrap();
            assert!(prev <= self.cursor.as_str(), "a hole before {frame}: {} is held", self.cursor);
            assert!(cursor > self.cursor, "twice, or back: {frame}, {} is held", self.cursor);
        } else {
            assert!(cursor >= self.cursor, "back: {frame}, {} is held", self.cursor);
        }
        self.cursor = cursor;
    }

    /// The next frame.
    pub fn frame(&mut self) -> Value {
        match self.hear() {
            Heard::Frame(frame) => frame,
            other => panic!("no frame but {other:?}"),
        }
    }

    /// The next frame of this type; others are passed over.
    pub fn frame_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame();
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Sends a durable message and waits for its ack.
    pub fn deliver(&mut self, to: &str, id: &str, body: impl Into<Value>) -> Value {
        self.say(&send(to, id, body));
        let answer = self.answer(id);
        assert_eq!(answer["type"], "ack", "{answer}");
        answer
    }

    /// The ack or error of this send; whatever comes before it is passed over.
    pub fn answer(&mut self, id: &str) -> Value {
        loop {
            let frame = self.frame();
            if frame["id"] == id && (frame["type"] == "ack" || frame["type"] == "error") {
                return frame;
            }
        }
    }

    /// Bodies of the next `count` messages.
    pub fn bodies(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.frame_of("message")["body"].take()).collect()
    }

    /// Bodies of what is replayed, up to its `live`.
    pub fn replay(&mut self) -> Vec<Value> {
        let mut bodies = Vec::new();
        loop {
            let mut frame = self.frame();
            match frame["type"].as_str() {
                Some("message") => bodies.push(frame["body"].take()),
                Some("live") => return bodies,
                _ => {}
            }
        }
    }

    /// Whether everything that was on its way has come: before the answer to a ping there are positions at most.
    pub fn is_quiet(&mut self) -> bool {
        self.say(&json!({"type": "ping"}));
        loop {
            match self.frame()["type"].as_str() {
                Some("pong") => return true,
                Some("live" | "cursor") => {}
                _ => return false,
            }
        }
    }

    /// How it ends: the code of the close.
    pub fn close_code(&mut self) -> u16 {
        loop {
            match self.hear() {
                Heard::Frame(_) => {}
                Heard::Close(Some(code)) => return code,
                other => panic!("no close but {other:?}"),
            }
        }
    }
}

/// A durable message.
pub fn send(to: &str, id: &str, body: impl Into<Value>) -> Value {
    json!({"type": "send", "id": id, "to": to, "body": body.into()})
}

fn hear(peer: &mut Peer) -> Heard {
    poll(peer).expect("something should have come")
}

fn poll(peer: &mut Peer) -> Option<Heard> {
    Some(match peer.poll()? {
        super::Got::Text(text) => Heard::Frame(serde_json::from_slice(&text).unwrap()),
        super::Got::Close(code) => Heard::Close(code),
        super::Got::End => Heard::End,
        // Not answered: what a story says by itself is life enough.
        super::Got::Ping(data) => {
            // A server that has ended needs none.
            let _ = peer.stream.write_all(&frame(Opcode::Pong, &data));
            return poll(peer);
        }
        super::Got::Pong(_) => return poll(peer),
        super::Got::Binary(bytes) => panic!("binary: {bytes:?}"),
    })
}

fn cursor_of(frame: &Value) -> Option<String> {
    frame["cursor"].as_str().map(str::to_owned)
}
