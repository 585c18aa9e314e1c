//! Thousands of connections on one thread: one epoll, one receive buffer, one write per connection and turn.
//!
//! A mode says what to do with what comes; the fleet does everything else: connecting with a bounded number of
//! handshakes under way, frames cut by the end of a read, answers to pings.

use crate::secure::Secure;
use crate::sys::{self, Epoll, Ready};
use crate::target::{Heard, RECORD, Target, control_or_text, server_frame};
use rustls::ClientConfig;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const READ_BYTES: usize = 1 << 18;
/// Connections from one loopback address before the next one is taken.
const PER_ADDRESS: usize = 8_000;

/// How to connect one client.
pub struct Dial {
    pub server: SocketAddrV4,
    pub id: String,
    /// Its number, for a relay.
    pub number: u32,
    pub token: Option<String>,
    /// What is added to the URL.
    pub query: String,
    /// `SO_RCVBUF`, where a small one matters.
    pub receive_bytes: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Handshake,
    Open,
    Closed,
}

impl Stage {
    /// What follows the connect: a relay shakes no hands.
    fn connected(target: Target) -> Self {
        if target == Target::Relay { Self::Open } else { Self::Handshake }
    }
}

/// A connection that ended.
pub struct End {
    pub connection: usize,
    pub why: String,
}

struct Connection {
    /// There until it is closed.
    stream: Option<TcpStream>,
    stage: Stage,
    up: bool,
    /// `None`: it is plain.
    secure: Option<Box<Secure>>,
    /// Sealed and not written.
    sealed: Vec<u8>,
    /// An incomplete frame.
    part: Vec<u8>,
    /// Watched for room to write; true from the start, for a connect ends with it.
    awaits_room: bool,
}

/// What is to be written, per connection; written out at the end of the turn.
pub struct Outs {
    buffers: Vec<Vec<u8>>,
    is_dirty: Vec<bool>,
    dirty: Vec<usize>,
}

impl Outs {
    /// The buffer of one connection, to be appended to.
    pub fn of(&mut self, connection: usize) -> &mut Vec<u8> {
        if !self.is_dirty[connection] {
            self.is_dirty[connection] = true;
            self.dirty.push(connection);
        }
        &mut self.buffers[connection]
    }
}

/// All connections of a run.
pub struct Fleet {
    target: Target,
    body_bytes: usize,
    tls: Option<Arc<ClientConfig>>,
    epoll: Epoll,
    connections: Vec<Connection>,
    outs: Outs,
    ready: Vec<Ready>,
    input: Vec<u8>,
    up: usize,
    closed: usize,
    /// Those that ended since [`Fleet::take_ended`].
    ended: Vec<End>,
    /// Reads that brought something: how many messages each brought tells how much the server coalesced.
    pub reads: u64,
    /// The last reason why a connection ended.
    pub last_end: String,
}

impl Fleet {
    pub fn new(target: Target, body_bytes: usize, tls: Option<Arc<ClientConfig>>) -> io::Result<Self> {
        Ok(Self {
            target,
            body_bytes,
            tls,
            epoll: Epoll::new()?,
            connections: Vec::new(),
            outs: Outs { buffers: Vec::new(), is_dirty: Vec::new(), dirty: Vec::new() },
            ready: Vec::new(),
            input: vec![0; READ_BYTES],
            up: 0,
            closed: 0,
            ended: Vec::new(),
            reads: 0,
            last_end: String::new(),
        })
    }

    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Connections that ended.
    pub fn closed(&self) -> usize {
        self.closed
    }

    /// Which they are, since this was last asked.
    pub fn take_ended(&mut self) -> Vec<End> {
        std::mem::take(&mut self.ended)
    }

    pub fn outs(&mut self) -> &mut Outs {
        &mut self.outs
    }

    /// Begins one more connection; its number is the count of those before.
    pub fn dial(&mut self, dial: &Dial) -> io::Result<usize> {
        let number = self.connections.len();
        let from = Ipv4Addr::new(127, 0, 0, 2 + (number / PER_ADDRESS) as u8);
        let stream = sys::connect(dial.server, Some(from), dial.receive_bytes)?;
        let mut hello = Vec::new();
        self.target.hello(&dial.id, dial.number, dial.token.as_deref(), &dial.query, &mut hello);
        let secure = self.tls.as_ref().map(Secure::new).transpose().map_err(io::Error::other)?;
        let (mut secure, mut sealed) = (secure.map(Box::new), Vec::new());
        if let Some(secure) = &mut secure {
            secure.seal(&mut hello, &mut sealed);
        }
        let first = if secure.is_some() { &mut sealed } else { &mut hello };
        // Over loopback a connection is mostly there when `connect` returns, whatever that says: then the request leaves
        // at once, and nobody need be woken for it. In a storm this generator is what saturates.
        let sent = (&stream).write(first).unwrap_or(0);
        first.drain(..sent);
        let is_sent = first.is_empty();
        let stage = if is_sent { Stage::connected(self.target) } else { Stage::Connecting };
        self.epoll.watch(&stream, number, !is_sent, true)?;
        self.connections.push(Connection {
            stream: Some(stream),
            stage,
            up: false,
            secure,
            sealed,
            part: Vec::new(),
            awaits_room: !is_sent,
        });
        self.outs.buffers.push(hello);
        self.outs.is_dirty.push(false);
        Ok(number)
    }

    /// Connects all, at most `at_once` under way at a time, and waits until all are ready.
    pub fn dial_all(&mut self, dials: &[Dial], at_once: usize) -> Result<Duration, String> {
        self.dial_all_hearing(dials, at_once, |_, _, _| {})
    }

    /// The same, for who wants to know what comes meanwhile.
    pub fn dial_all_hearing(
        &mut self,
        dials: &[Dial],
        at_once: usize,
        mut on: impl FnMut(usize, Heard<'_>, &mut Outs),
    ) -> Result<Duration, String> {
        let began = Instant::now();
        let (first, up_before) = (self.len(), self.up);
        let mut next = 0;
        while self.up - up_before < dials.len() {
            while next < dials.len() && self.len() - first - (self.up - up_before) < at_once {
                self.dial(&dials[next]).map_err(|error| format!("cannot connect: {error}"))?;
                next += 1;
            }
            self.turn(10, &mut on).map_err(|error| error.to_string())?;
            if self.closed > 0 {
                return Err(format!("a connection ended while connecting: {}", self.last_end));
            }
            if began.elapsed() > Duration::from_secs(60) {
                let up = self.up - up_before;
                return Err(format!("only {up} of {} connections came up within a minute", dials.len()));
            }
        }
        Ok(began.elapsed())
    }

    /// Ends a connection without ceremony.
    pub fn hang_up(&mut self, number: usize) {
        self.end(number, "hung up");
        self.closed -= 1;
    }

    /// Stops reading from a connection.
    pub fn stop_reading(&mut self, number: usize) -> io::Result<()> {
        self.connections[number].stream.as_ref().map_or(Ok(()), |stream| self.epoll.ignore(stream, number))
    }

    /// Reads from it again.
    pub fn read_again(&mut self, number: usize) -> io::Result<()> {
        let Connection { stream, awaits_room, .. } = &self.connections[number];
        stream.as_ref().map_or(Ok(()), |stream| self.epoll.watch(stream, number, *awaits_room, false))
    }

    /// One turn: waits at most so long, gives everything that came to `on`, writes everything that is to be written.
    pub fn turn(
        &mut self,
        timeout_ms: i32,
        mut on: impl FnMut(usize, Heard<'_>, &mut Outs),
    ) -> io::Result<()> {
        let mut ready = std::mem::take(&mut self.ready);
        self.flush();
        self.epoll.wait(timeout_ms, &mut ready)?;
        for event in ready.drain(..) {
            if event.writable {
                self.writable(event.token);
            }
            if event.readable {
                self.readable(event.token, &mut on);
            }
        }
        self.ready = ready;
        self.flush();
        Ok(())
    }

    fn writable(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if connection.stage == Stage::Connecting {
            connection.stage = Stage::connected(self.target);
        }
        if connection.stage != Stage::Closed {
            self.write_out(number);
        }
    }

    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.outs.dirty);
        for number in dirty.drain(..) {
            self.outs.is_dirty[number] = false;
            let connection = &self.connections[number];
            if !connection.awaits_room && connection.stage != Stage::Closed {
                self.write_out(number);
            }
        }
        self.outs.dirty = dirty;
    }

    fn write_out(&mut self, number: usize) {
        let (connection, plain) = (&mut self.connections[number], &mut self.outs.buffers[number]);
        let Some(stream) = &mut connection.stream else { return };
        let out = match &mut connection.secure {
            Some(secure) => {
                secure.seal(plain, &mut connection.sealed);
                &mut connection.sealed
            }
            None => plain,
        };
        let mut written = 0;
        let mut end = None;
        while written < out.len() {
            match stream.write(&out[written..]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    end = Some(error.to_string());
                    break;
                }
            }
        }
        let wants_room = written < out.len();
        if wants_room {
            out.drain(..written);
        } else {
            out.clear();
        }
        if wants_room != connection.awaits_room {
            connection.awaits_room = wants_room;
            end = end.or(self.epoll.watch(stream, number, wants_room, false).err().map(|e| e.to_string()));
        }
        if let Some(end) = end {
            self.end(number, &end);
        }
    }

    fn readable(&mut self, number: usize, on: &mut impl FnMut(usize, Heard<'_>, &mut Outs)) {
        let connection = &mut self.connections[number];
        let Some(stream) = &mut connection.stream else { return };
        let got = match stream.read(&mut self.input) {
            Ok(0) => return self.end(number, "the server closed it"),
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => return self.end(number, &error.to_string()),
        };
        self.reads += 1;
        if connection.secure.is_some() {
            return self.unseal(number, got, on);
        }
        let mut part = std::mem::take(&mut connection.part);
        let used = if part.is_empty() {
            let input = std::mem::take(&mut self.input);
            let used = self.take_in(number, &input[..got], on);
            if used < got {
                part.extend_from_slice(&input[used..got]);
            }
            self.input = input;
            0
        } else {
            part.extend_from_slice(&self.input[..got]);
            self.take_in(number, &part, on)
        };
        part.drain(..used);
        if part.is_empty() {
            part = Vec::new();
        }
        self.connections[number].part = part;
    }

    /// The same of a connection with TLS, of which so many bytes are in the buffer.
    fn unseal(&mut self, number: usize, got: usize, on: &mut impl FnMut(usize, Heard<'_>, &mut Outs)) {
        let connection = &mut self.connections[number];
        let mut part = std::mem::take(&mut connection.part);
        let secure = connection.secure.as_mut().expect("the caller has looked");
        if let Err(error) = secure.open(&self.input[..got], &mut part) {
            return self.end(number, &error);
        }
        // The rest of a handshake, behind which the request waits.
        if secure.wants_to_speak() {
            self.outs.of(number);
        }
        let used = self.take_in(number, &part, on);
        part.drain(..used);
        if part.is_empty() {
            part = Vec::new();
        }
        self.connections[number].part = part;
    }

    /// Everything whole in `bytes`; says how many bytes that was.
    fn take_in(
        &mut self,
        number: usize,
        bytes: &[u8],
        on: &mut impl FnMut(usize, Heard<'_>, &mut Outs),
    ) -> usize {
        let mut used = 0;
        if self.connections[number].stage == Stage::Handshake {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return 0 };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                let status = String::from_utf8_lossy(&bytes[..end.min(200)]).replace("\r\n", " | ");
                self.end(number, &status);
                return bytes.len();
            }
            used = end + 4;
            self.connections[number].stage = Stage::Open;
            if self.target.up_at_switch() {
                self.hear(number, Heard::Up(&[]), on);
            }
        }
        if self.target == Target::Relay {
            for record in bytes.chunks_exact(RECORD) {
                self.hear(number, Target::heard_record(record), on);
            }
            return bytes.len() / RECORD * RECORD;
        }
        while let Some((first, payload_at, end)) = server_frame(&bytes[used..]) {
            let payload = &bytes[used + payload_at..used + end];
            used += end;
            match first & 15 {
                1 => self.hear(number, self.target.heard(payload, self.body_bytes), on),
                9 => control_or_text(0x8a, payload, self.outs.of(number)),
                8 => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.end(number, &format!("closed by the server with code {code:?}"));
                    return bytes.len();
                }
                _ => {}
            }
        }
        used
    }

    fn hear(&mut self, number: usize, heard: Heard<'_>, on: &mut impl FnMut(usize, Heard<'_>, &mut Outs)) {
        if matches!(heard, Heard::Up(_)) && !std::mem::replace(&mut self.connections[number].up, true) {
            self.up += 1;
        }
        on(number, heard, &mut self.outs);
    }

    fn end(&mut self, number: usize, why: &str) {
        let connection = &mut self.connections[number];
        if connection.stage == Stage::Closed {
            return;
        }
        connection.stage = Stage::Closed;
        self.closed += 1;
        self.up -= usize::from(std::mem::take(&mut connection.up));
        self.last_end = format!("connection {number}: {why}");
        if let Some(stream) = connection.stream.take() {
            let _ = self.epoll.forget(&stream, number);
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        (connection.part, connection.secure) = (Vec::new(), None);
        self.outs.buffers[number] = Vec::new();
        self.ended.push(End { connection: number, why: why.to_owned() });
    }
}
