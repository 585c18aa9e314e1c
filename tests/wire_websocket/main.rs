//! The WebSocket receiver against an independent codec, against itself at every cut, and against any bytes.

mod cuts;
mod lives;
mod oracle;
mod stories;
mod streams;

use corepost::model::CloseCode;
use corepost::wire::websocket::{Event, PartialBudget, Receiver, Rules};

/// An event, owned; the end of a stream is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Oversize(usize),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, Vec<u8>),
    Failed(CloseCode),
}

impl Seen {
    fn is_last(&self) -> bool {
        matches!(self, Self::Close(..) | Self::Failed(_))
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message { text: true, data } => Self::Text(data.to_vec()),
            Event::Message { text: false, data } => Self::Binary(data.to_vec()),
            Event::Oversize { bytes } => Self::Oversize(bytes),
            Event::Ping(data) => Self::Ping(data.to_vec()),
            Event::Pong(data) => Self::Pong(data.to_vec()),
            Event::Close(close) => Self::Close(close.code, close.reason.to_vec()),
        }
    }
}

/// Feeds one piece and collects its events.
fn feed(
    receiver: &mut Receiver,
    piece: &[u8],
    rules: &Rules,
    budget: &mut PartialBudget,
    seen: &mut Vec<Seen>,
) {
    let mut bytes = piece.to_vec();
    let mut input = &mut bytes[..];
    loop {
        match receiver.next(&mut input, rules, budget, 7) {
            Ok(Some(event)) => seen.push(event.into()),
            Ok(None) => break,
            Err(code) => seen.push(Seen::Failed(code)),
        }
        if seen.last().is_some_and(Seen::is_last) {
            assert!(input.is_empty(), "nothing counts after a close or an error");
            return;
        }
    }
    assert!(input.is_empty(), "no event means that all was used");
}

/// Feeds a stream in these pieces. Whatever happens, nothing is held in the end.
fn run(stream: &[u8], pieces: &[usize], rules: &Rules) -> Vec<Seen> {
    let (mut receiver, mut budget, mut seen) = (Receiver::default(), PartialBudget::default(), vec![]);
    let mut rest = stream;
    for &piece in pieces {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        rest = later;
        feed(&mut receiver, now, rules, &mut budget, &mut seen);
        if seen.last().is_some_and(Seen::is_last) {
            break;
        }
    }
    receiver.release(&mut budget);
    assert_eq!(budget.used(), 0, "all that was taken was given back");
    seen
}

/// A masked frame as clients send it; `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x12, 0x34, 0x56, 0x78];
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    out
}
