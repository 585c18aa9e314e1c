//! A WebSocket client that blocks, and can also do everything wrong.

use corepost::wire::websocket::{Event, Opcode, PartialBudget, Receiver, Rules, write_masked};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The end of the stream, or a reset.
    End,
    /// Nothing in time.
    Silence,
}

pub struct Peer {
    pub stream: TcpStream,
    receiver: Receiver,
    budget: PartialBudget,
    got: VecDeque<Got>,
    /// Answer the server's pings, as a client should.
    pub polite: bool,
}

/// What a server may send here: anything.
const RULES: Rules =
    Rules { keep: 32 << 20, skim: 32 << 20, check_utf8: true, text_only: false, from_server: true };

/// A good request to upgrade, with more headers, each ended by CRLF.
pub fn upgrade(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Sends `request`, says that nothing follows if `end`, and reads the whole answer, or what came within 8 seconds.
/// A server that answers early and closes may reset what is still being sent: that is no fault of it.
pub fn ask(addr: SocketAddr, request: &[u8], end: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(8))).unwrap();
    let _ = stream.write_all(request);
    if end {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..n]);
    }
    answer
}

/// The status and the JSON body of the answer to a request that ends its connection.
pub fn http(addr: SocketAddr, method: &str, target: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let answer = ask(addr, &request, false);
    let text = String::from_utf8_lossy(&answer);
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

impl Peer {
    /// Connects and upgrades.
    pub fn connect(addr: SocketAddr, target: &str) -> Self {
        let mut peer = Self::new(addr);
        peer.raw(upgrade(target, "").as_bytes());
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer
    }

    /// A session that has had its `welcome`.
    pub fn session(addr: SocketAddr, client: &str) -> Self {
        let mut peer = Self::connect(addr, &format!("/v1/ws?client={client}"));
        assert_eq!(peer.hear()["type"], "welcome", "of {client}");
        peer
    }

    /// A bare connection.
    pub fn new(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let (receiver, budget, got) = (Receiver::default(), PartialBudget::default(), VecDeque::new());
        Self { stream, receiver, budget, got, polite: true }
    }

    /// Reads an answer's head, byte by byte so that nothing behind it is lost.
    pub fn head(&mut self) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1..) => head.push(byte[0]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Writes as much as the other side takes; false if it went away.
    pub fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn text(&mut self, payload: &[u8]) {
        self.raw(&frame(Opcode::Text, payload));
    }

    pub fn say(&mut self, value: &Value) {
        self.text(value.to_string().as_bytes());
    }

    /// The next thing the server sends, whole, within `wait`.
    pub fn next_within(&mut self, wait: Duration) -> Got {
        let mut buffer = vec![0; 64 << 10];
        let deadline = Instant::now() + wait;
        loop {
            match self.got.pop_front() {
                Some(Got::Ping) if self.polite => {
                    let _ = self.stream.write_all(&frame(Opcode::Pong, b""));
                    continue;
                }
                Some(got) => return got,
                None => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Got::Silence;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let read = match self.stream.read(&mut buffer) {
                Ok(0) => return Got::End,
                Ok(read) => read,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Got::Silence;
                }
                Err(_) => return Got::End,
            };
            self.digest(&mut buffer[..read]);
        }
    }

    fn digest(&mut self, bytes: &mut [u8]) {
        let mut input = bytes;
        while let Some(event) = self.receiver.next(&mut input, &RULES, &mut self.budget, 0).unwrap() {
            self.got.push_back(match event {
                Event::Message { text: true, data } => Got::Text(data.to_vec()),
                Event::Message { text: false, data } => Got::Binary(data.to_vec()),
                Event::Ping(_) => Got::Ping,
                Event::Pong(data) => Got::Pong(data.to_vec()),
                Event::Close(close) => Got::Close(close.code),
                other => panic!("{other:?}"),
            });
        }
    }

    pub fn next(&mut self) -> Got {
        self.next_within(Duration::from_secs(20))
    }

    /// The next frame, as JSON.
    pub fn hear(&mut self) -> Value {
        match self.next() {
            Got::Text(text) => serde_json::from_slice(&text).unwrap(),
            other => panic!("not a frame: {other:?}"),
        }
    }

    /// The next frame of that type; others are passed over.
    pub fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear();
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The code it is closed with, whatever comes before; `None` if the stream just ends.
    pub fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next() {
                Got::Close(code) => return code,
                Got::End | Got::Silence => return None,
                _ => {}
            }
        }
    }
}

/// A client's frame.
pub fn frame(op: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_masked(op, payload, [0x37, 0xfa, 0x21, 0x3d], &mut out);
    out
}

/// A frame from its raw first two bytes, masked with zeroes: anything may be claimed.
pub fn masked(first: u8, second: u8, more_header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first, second | 0x80];
    out.extend_from_slice(more_header);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}
