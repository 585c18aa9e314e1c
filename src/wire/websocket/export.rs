//! The byte form of a receiver in the middle of something, so that another process can go on where this one stood.
//!
//! Nothing for an idle receiver; otherwise version, times, the header's bytes (a header is parsed again rather than
//! described), the message in progress, and last the bytes kept of it.

use super::header::{Header, LONGEST};
use super::partial::{CONTROL_MOST, FIXED, Message, Partial};
use super::utf8::Utf8;
use super::{Opcode, PartialBudget, Receiver, Rules};

const VERSION: u8 = 1;
const MESSAGE: u8 = 1;
const TEXT: u8 = 2;
const SKIMMED: u8 = 4;

/// Why exported bytes were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadExport {
    /// They are no state that one with these rules can be in.
    Malformed,
    /// The budget has no room for them.
    NoRoom,
}

impl std::fmt::Display for BadExport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "are no state of a connection of this version; its client must come again",
            Self::NoRoom => "are more than this process has room for; the client must come again",
        })
    }
}

impl std::error::Error for BadExport {}

impl Receiver {
    /// Appends the state. The reader must be told where it ends.
    pub fn export(&self, out: &mut Vec<u8>) {
        let Some(partial) = self.partial.as_ref().filter(|partial| !partial.finished) else { return };
        let mut flags = 0;
        if let Some(message) = partial.message {
            flags = MESSAGE | if message.text { TEXT } else { 0 } | if message.skimmed { SKIMMED } else { 0 };
        }
        let total = partial.message.map_or(0, |message| message.total as u64);
        let pending = partial.message.as_ref().map_or(&[][..], |message| message.utf8.pending());
        let control = match partial.frame {
            Some(frame) if frame.op.is_control() => &partial.control[..usize::from(partial.control_len)],
            _ => &[],
        };
        out.push(VERSION);
        out.extend_from_slice(&partial.since_ms.to_le_bytes());
        out.push(flags);
        out.extend_from_slice(&total.to_le_bytes());
        out.extend_from_slice(&(partial.got as u64).to_le_bytes());
        for piece in [&partial.raw[..usize::from(partial.raw_len)], control, pending] {
            out.push(piece.len() as u8);
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(&partial.data);
    }

    /// Takes up an exported state under the same rules.
    pub fn import(bytes: &[u8], rules: &Rules, budget: &mut PartialBudget) -> Result<Self, BadExport> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let partial = read(bytes, rules).ok_or(BadExport::Malformed)?;
        budget.take(FIXED + partial.data.capacity()).map_err(|_| BadExport::NoRoom)?;
        Ok(Self { partial: Some(Box::new(partial)) })
    }
}

/// A partial that some input could have led to; `None` for anything else.
fn read(mut bytes: &[u8], rules: &Rules) -> Option<Partial> {
    let bytes = &mut bytes;
    if number::<1>(bytes)? != u64::from(VERSION) {
        return None;
    }
    let mut partial = Partial::new(number::<8>(bytes)?);
    let flags = number::<1>(bytes)? as u8;
    let total = usize::try_from(number::<8>(bytes)?).ok()?;
    partial.got = usize::try_from(number::<8>(bytes)?).ok()?;
    let raw = short(bytes, LONGEST)?;
    let control = short(bytes, CONTROL_MOST)?;
    let pending = short(bytes, 3)?;
    partial.raw[..raw.len()].copy_from_slice(raw);
    partial.raw_len = raw.len() as u8;
    partial.control[..control.len()].copy_from_slice(control);
    partial.control_len = control.len() as u8;
    partial.message = match flags {
        0 if total == 0 && pending.is_empty() => None,
        0 => return None,
        _ => Some(read_message(flags, total, pending)?),
    };
    if bytes.len() > rules.keep {
        return None;
    }
    partial.data = bytes.to_vec();
    partial.frame = read_frame(&partial, raw, rules)?;
    is_reachable(&partial, rules).then_some(partial)
}

fn read_message(flags: u8, total: usize, pending: &[u8]) -> Option<Message> {
    let mut utf8 = Utf8::default();
    let fits = flags & MESSAGE != 0 && flags <= (MESSAGE | TEXT | SKIMMED);
    (fits && utf8.push(pending) && utf8.pending() == pending).then_some(Message {
        text: flags & TEXT != 0,
        skimmed: flags & SKIMMED != 0,
        total,
        utf8,
    })
}

/// The frame in progress, if its header is whole. The frame that began the message was right before it did.
fn read_frame(partial: &Partial, raw: &[u8], rules: &Rules) -> Option<Option<Header>> {
    let open = partial.message.is_some();
    if let Ok(header) = Header::parse(raw, rules, open) {
        return Some(header);
    }
    match Header::parse(raw, rules, false) {
        Ok(Some(first)) if open => Some(Some(first)),
        _ => None,
    }
}

/// Whether lengths, sums and flags agree.
fn is_reachable(partial: &Partial, rules: &Rules) -> bool {
    let unfinished = match partial.frame {
        Some(frame) if frame.size != usize::from(partial.raw_len) || partial.got >= frame.len => {
            return false;
        }
        Some(frame) => frame.len - partial.got,
        None if partial.got > 0 => return false,
        None => 0,
    };
    let (control, in_message) = match partial.frame {
        Some(frame) if frame.op.is_control() => (partial.got, 0),
        Some(_) if partial.message.is_none() => return false,
        _ => (0, unfinished),
    };
    if usize::from(partial.control_len) != control {
        return false;
    }
    // The frame that begins a message says what the message is.
    if let (Some(frame), Some(message)) = (partial.frame, partial.message)
        && matches!(frame.op, Opcode::Text | Opcode::Binary)
        && (message.total != frame.len || message.text != (frame.op == Opcode::Text))
    {
        return false;
    }
    match partial.message {
        None => partial.raw_len > 0 && partial.data.is_empty(),
        Some(message) => {
            let received = message.total.checked_sub(in_message);
            let kept = if message.skimmed { Some(0) } else { received };
            message.total <= rules.skim
                && message.skimmed == (message.total > rules.keep)
                && received.is_some()
                && kept == Some(partial.data.len())
                && (message.text || message.utf8.is_whole())
                && (message.text || !rules.text_only)
        }
    }
}

fn number<const BYTES: usize>(bytes: &mut &[u8]) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..BYTES].copy_from_slice(bytes.split_off(..BYTES)?);
    Some(u64::from_le_bytes(wide))
}

fn short<'a>(bytes: &mut &'a [u8], most: usize) -> Option<&'a [u8]> {
    let len = number::<1>(bytes)? as usize;
    if len > most { None } else { bytes.split_off(..len) }
}
