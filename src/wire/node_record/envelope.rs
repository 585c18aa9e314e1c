//! Envelopes as bytes: what a mailbox was told, and what goes to who is live now.
//!
//! Kind, recipient, sender, name, then `copied_to` and the body, each behind four bytes of length.

use super::Unreadable;
use super::bytes::{Rest, put_count, put_id, put_position};
use crate::model::{Delivered, Envelope, EnvelopeParts, Kind};

// The numbers of the kinds, for ever.
const MESSAGE: u8 = 0;
const EPHEMERAL: u8 = 1;

/// Bytes of the smallest [`Delivered`]: a message with a recipient of one byte and nothing else.
pub const DELIVERED_LEAST: usize = (1 + 2 + 1 + 1 + 4 + 4) + 8 + 12 + 12;

/// Panics for an erase: that is told to homes alone, and by their log.
pub fn put_envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    out.push(match envelope.kind() {
        Kind::Message => MESSAGE,
        Kind::Ephemeral => EPHEMERAL,
        Kind::Erase => panic!("an erase was to be told to sessions"),
    });
    let texts = envelope.texts();
    for id in [texts.to, texts.from, texts.id] {
        put_id(id, out);
    }
    for text in [texts.copied_to, texts.body] {
        put_count(text.len(), out);
        out.extend_from_slice(text);
    }
}

/// An envelope of that kind.
pub fn envelope(kind: Kind, rest: &mut Rest<'_>) -> Result<Envelope, Unreadable> {
    let number = if kind == Kind::Message { MESSAGE } else { EPHEMERAL };
    rest.one_of("kind of envelope", |byte| (byte == number).then_some(()))?;
    // Only what goes to who is live now may have its recipients beside it.
    let to = if kind == Kind::Message { Some(rest.id("recipient")?) } else { rest.maybe_id("recipient")? };
    Ok(Envelope::new(EnvelopeParts {
        kind,
        to,
        from: rest.maybe_id("sender")?,
        id: rest.maybe_id("name")?,
        copied_to: rest.text("copied_to")?,
        body: rest.text("body")?,
    }))
}

pub fn put_delivered(delivered: &Delivered, out: &mut Vec<u8>) {
    put_envelope(&delivered.envelope, out);
    out.extend(delivered.at_ms.to_le_bytes());
    put_position(delivered.prev, out);
    put_position(delivered.position, out);
}

pub fn delivered(rest: &mut Rest<'_>) -> Result<Delivered, Unreadable> {
    Ok(Delivered {
        envelope: envelope(Kind::Message, rest)?,
        at_ms: rest.u64("time")?,
        prev: rest.position()?,
        position: rest.position()?,
    })
}
