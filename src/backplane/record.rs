//! Record v1 until `wire::record` is here: the same two functions, the same meaning.

use crate::model::{Envelope, EnvelopeParts, IdRef, Kind};

/// The bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord;

/// Appends the record of an envelope, without its key.
pub fn encode(envelope: &Envelope, out: &mut Vec<u8>) {
    let text = |id: Option<IdRef<'_>>| id.map_or("", |id| id.as_str()).to_owned();
    let copied_to = envelope.copied_to().unwrap_or_default();
    out.push(envelope.kind() as u8);
    for id in [text(envelope.from()), text(envelope.id())] {
        out.push(id.len() as u8);
        out.extend_from_slice(id.as_bytes());
    }
    out.extend_from_slice(&(copied_to.len() as u32).to_le_bytes());
    out.extend_from_slice(copied_to);
    out.extend_from_slice(envelope.body());
}

/// The envelope of a record with this key.
pub fn decode(key: &[u8], record: &[u8]) -> Result<Envelope, BadRecord> {
    let (&kind, mut rest) = record.split_first().ok_or(BadRecord)?;
    let mut ids = [None, None];
    for id in &mut ids {
        let (&len, after) = rest.split_first().ok_or(BadRecord)?;
        let (text, after) = after.split_at_checked(usize::from(len)).ok_or(BadRecord)?;
        *id = if text.is_empty() { None } else { Some(IdRef::from_bytes(text).map_err(|_| BadRecord)?) };
        rest = after;
    }
    let (len, rest) = rest.split_first_chunk::<4>().ok_or(BadRecord)?;
    let (copied_to, body) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(BadRecord)?;
    let kind = match kind {
        0 => Kind::Message,
        2 => Kind::Erase,
        _ => return Err(BadRecord),
    };
    let to = Some(IdRef::from_bytes(key).map_err(|_| BadRecord)?);
    Ok(Envelope::new(EnvelopeParts { kind, to, from: ids[0], id: ids[1], copied_to, body }))
}
