//! The servers that this tool can load, and the bytes each of them wants to see.
//!
//! Frames are written once, masked; only an ID and a time are patched into a copy of them. What comes back is told
//! apart by the byte after `{"type":"`, and everything else in it by its distance from an end.

use clap::ValueEnum;

/// Bytes of a relay's record.
pub const RECORD: usize = 160;
const HELLO: u32 = 1 << 31;
/// Our masking key; not zero, so that a server's unmasking is not spared.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x88];
/// Digits of a patched number.
pub const DIGITS: usize = 16;

/// Whom to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Corepost: WebSocket and its JSON.
    Corepost,
    /// `benches/baselines/tokio-router`: WebSocket and its JSON.
    TokioRouter,
    /// `benches/baselines/relay`: TCP records of 160 bytes.
    Relay,
    /// `benches/baselines/broadcast`: the same frames as Corepost's, durable ones only.
    Broadcast,
}

/// What came from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The connection is ready: `welcome`, the 101 of a server without one, or a relay's echo of hello.
    Up(&'a [u8]),
    /// A message of another client; the number that its sender wrote into the body.
    Message { number: u64, payload: &'a [u8] },
    /// The number that stood in the `id` of a send that is durable now.
    Ack { number: u64 },
    /// A refusal.
    Error(&'a [u8]),
    /// Replay has reached the present.
    Live,
    /// Something else that needs no answer.
    Other,
}

/// A frame to be sent again and again.
#[derive(Clone, Default)]
pub struct Template {
    bytes: Vec<u8>,
    masked: bool,
    payload_at: usize,
    id_at: Option<usize>,
    to_at: usize,
    body_at: usize,
}

impl Target {
    /// The name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Corepost => "corepost",
            Self::TokioRouter => "tokio-router",
            Self::Relay => "relay",
            Self::Broadcast => "broadcast",
        }
    }

    /// Whether the 101 already means that the connection is ready.
    pub fn up_at_switch(self) -> bool {
        matches!(self, Self::TokioRouter | Self::Broadcast)
    }

    /// Whether it acknowledges what is in a log.
    pub fn is_durable(self) -> bool {
        matches!(self, Self::Corepost | Self::Broadcast)
    }

    /// The first bytes of a connection. `query` is what a mode adds for Corepost (`&from=start`).
    pub fn hello(self, id: &str, number: u32, token: Option<&str>, query: &str, out: &mut Vec<u8>) {
        let target = match self {
            Self::Relay => {
                let mut record = [0; RECORD];
                record[..4].copy_from_slice(&(HELLO | number).to_le_bytes());
                return out.extend_from_slice(&record);
            }
            Self::TokioRouter | Self::Broadcast => format!("/?id={id}{query}"),
            Self::Corepost if token.is_some() => format!("/v1/ws?v=1{query}"),
            Self::Corepost => format!("/v1/ws?client={id}{query}"),
        };
        let protocol = match self {
            Self::Corepost => "Sec-WebSocket-Protocol: corepost.v1\r\n",
            _ => "",
        };
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        out.extend_from_slice(
            format!(
                "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}{bearer}\r\n"
            )
            .as_bytes(),
        );
    }

    /// A message to `to` (IDs and, for a relay, the first one's number) of `body_bytes` of JSON body.
    pub fn message(self, to: &[&str], number: u32, body_bytes: usize, durable: bool) -> Template {
        let filler = "x".repeat(body_bytes.saturating_sub(2 + DIGITS));
        let body = format!("\"{}{filler}\"", "0".repeat(DIGITS));
        let to_json = match to {
            [one] => format!("\"{one}\""),
            many => format!("[\"{}\"]", many.join("\",\"")),
        };
        let zeros = "0".repeat(DIGITS);
        let json = match self {
            Self::Relay => {
                let mut record = vec![b'x'; RECORD];
                record[..4].copy_from_slice(&number.to_le_bytes());
                return Template {
                    bytes: record,
                    masked: false,
                    payload_at: 0,
                    id_at: None,
                    to_at: 0,
                    body_at: 4,
                };
            }
            Self::TokioRouter if to.len() > 1 => format!(r#"{{"to":"*","body":{body}}}"#),
            Self::TokioRouter => format!(r#"{{"to":{to_json},"body":{body}}}"#),
            Self::Corepost | Self::Broadcast if durable => {
                format!(r#"{{"type":"send","id":"{zeros}","to":{to_json},"body":{body}}}"#)
            }
            Self::Corepost | Self::Broadcast => {
                format!(r#"{{"type":"send","to":{to_json},"ephemeral":true,"body":{body}}}"#)
            }
        };
        let id_at = (durable && self.is_durable()).then_some(br#"{"type":"send","id":""#.len());
        let body_at = json.len() - 1 - body.len() + 1;
        let to_at = json.find(&to_json).map_or(0, |at| at + 1);
        Template::masked(json.as_bytes(), id_at, to_at, body_at)
    }

    /// What a whole text payload means. `body_bytes` is the size of every body in this run.
    pub fn heard(self, payload: &[u8], body_bytes: usize) -> Heard<'_> {
        if self == Self::TokioRouter {
            return message(payload, body_bytes);
        }
        match payload.get(9) {
            Some(b'm') => message(payload, body_bytes),
            Some(b'a') => Heard::Ack { number: digits(payload, br#"{"type":"ack","id":""#.len()) },
            Some(b'w') => Heard::Up(payload),
            Some(b'e') => Heard::Error(payload),
            Some(b'l') => Heard::Live,
            _ => Heard::Other,
        }
    }

    /// What a relay's record means.
    pub fn heard_record(record: &[u8]) -> Heard<'_> {
        if record[3] & 0x80 != 0 {
            return Heard::Up(record);
        }
        Heard::Message { number: digits(record, 4), payload: record }
    }
}

fn message(payload: &[u8], body_bytes: usize) -> Heard<'_> {
    // The body is a string of `body_bytes` and ends before the last brace; its number stands behind the quote.
    let number = payload.len().checked_sub(body_bytes).map_or(0, |at| digits(payload, at));
    Heard::Message { number, payload }
}

impl Template {
    fn masked(payload: &[u8], id_at: Option<usize>, to_at: usize, body_at: usize) -> Self {
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        control_or_text(0x81, payload, &mut bytes);
        let payload_at = bytes.len() - payload.len();
        Self { bytes, masked: true, payload_at, id_at, to_at, body_at }
    }

    /// Appends the frame as it is.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    /// Appends the frame with a number in its body and, if it has one, in its ID.
    pub fn write_numbered(&self, number: u64, id: u64, out: &mut Vec<u8>) {
        let start = out.len() + self.payload_at;
        out.extend_from_slice(&self.bytes);
        self.patch(&mut out[start..], self.body_at, number);
        if let Some(at) = self.id_at {
            self.patch(&mut out[start..], at, id);
        }
    }

    /// The same to another recipient, of an ID of [`DIGITS`] digits.
    pub fn write_to(&self, to: u64, number: u64, id: u64, out: &mut Vec<u8>) {
        let start = out.len() + self.payload_at;
        self.write_numbered(number, id, out);
        self.patch(&mut out[start..], self.to_at, to);
    }

    fn patch(&self, payload: &mut [u8], at: usize, number: u64) {
        for (n, byte) in payload[at..at + DIGITS].iter_mut().enumerate() {
            let digit = (number >> (4 * (DIGITS - 1 - n))) as usize & 15;
            *byte = b"0123456789abcdef"[digit] ^ if self.masked { MASK[(at + n) & 3] } else { 0 };
        }
    }
}

/// A whole masked frame: text, or a control frame of under 126 bytes.
pub fn control_or_text(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ MASK[n & 3]));
}

/// The hexadecimal number of [`DIGITS`] digits at `at`; 0 for what is none.
fn digits(text: &[u8], at: usize) -> u64 {
    let Some(digits) = text.get(at..at + DIGITS) else { return 0 };
    digits.iter().fold(0, |number, &c| {
        let digit = if c.is_ascii_digit() { c - b'0' } else { c.wrapping_sub(b'a').wrapping_add(10) & 15 };
        number << 4 | u64::from(digit)
    })
}

/// The end of the frame at the start of `bytes`, where its payload begins, and its first byte. Unmasked, unfragmented.
pub fn server_frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (payload_at, len) = match second {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        n => (2, usize::from(n)),
    };
    (bytes.len() >= payload_at + len).then_some((first, payload_at, payload_at + len))
}

/// The text of a field in a JSON text, up to the next quote: for cursors, which need no unescaping.
pub fn field<'a>(payload: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(payload).ok()?;
    let at = text.find(&format!("\"{name}\":\""))? + name.len() + 4;
    text[at..].split('"').next()
}
