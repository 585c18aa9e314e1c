//! A WebSocket client that blocks, and can also do everything wrong.

use corepost::wire::websocket::{Event, Opcode, PartialBudget, Receiver, Rules, write_masked};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The end of the stream.
    End,
}

pub struct Peer {
    pub stream: TcpStream,
    receiver: Receiver,
    budget: PartialBudget,
    got: VecDeque<Got>,
}

/// What a server may send here: anything.
const RULES: Rules =
    Rules { keep: 32 << 20, skim: 32 << 20, check_utf8: true, text_only: false, from_server: true };

pub fn upgrade_request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Sends `request` and reads the whole answer.
pub fn http(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

impl Peer {
    /// On a connection whose upgrade is still to come, or has come already.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream, receiver: Receiver::default(), budget: PartialBudget::default(), got: VecDeque::new() }
    }

    /// Connects, with `first` in the same packet as the request.
    pub fn connect_with(addr: SocketAddr, target: &str, first: &[u8]) -> Self {
        let mut peer = Self::over(TcpStream::connect(addr).unwrap());
        let mut request = upgrade_request(target).into_bytes();
        request.extend_from_slice(first);
        peer.raw(&request);
        peer.switched();
        peer
    }

    pub fn connect(addr: SocketAddr, target: &str) -> Self {
        Self::connect_with(addr, target, &[])
    }

    /// Reads the 101, byte by byte so that nothing behind it is lost.
    pub fn switched(&mut self) {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn text(&mut self, payload: &[u8]) {
        self.raw(&frame(Opcode::Text, payload));
    }

    pub fn binary(&mut self, payload: &[u8]) {
        self.raw(&frame(Opcode::Binary, payload));
    }

    pub fn ping(&mut self, payload: &[u8]) {
        self.raw(&frame(Opcode::Ping, payload));
    }

    pub fn close(&mut self, code: u16) {
        self.raw(&frame(Opcode::Close, &code.to_be_bytes()));
    }

    /// The next thing the server sends, whole.
    pub fn next(&mut self) -> Got {
        self.poll().unwrap_or_else(|| panic!("nothing came"))
    }

    /// The same; nothing if nothing comes within the stream's timeout.
    pub fn poll(&mut self) -> Option<Got> {
        let mut buffer = vec![0; 64 << 10];
        while self.got.is_empty() {
            let n = match self.stream.read(&mut buffer) {
                Ok(0) => return Some(Got::End),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Some(Got::End),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(error) => panic!("nothing came: {error}"),
            };
            let mut input = &mut buffer[..n];
            while let Some(event) = self.receiver.next(&mut input, &RULES, &mut self.budget, 0).unwrap() {
                self.got.push_back(match event {
                    Event::Message { text: true, data } => Got::Text(data.to_vec()),
                    Event::Message { text: false, data } => Got::Binary(data.to_vec()),
                    Event::Ping(data) => Got::Ping(data.to_vec()),
                    Event::Pong(data) => Got::Pong(data.to_vec()),
                    Event::Close(close) => Got::Close(close.code),
                    other => panic!("{other:?}"),
                });
            }
        }
        self.got.pop_front()
    }
}

/// A client's frame.
pub fn frame(op: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_masked(op, payload, [0x37, 0xfa, 0x21, 0x3d], &mut out);
    out
}
