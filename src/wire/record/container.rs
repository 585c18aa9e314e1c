//! Headers and value of a record in one piece, as a row of the embedded log holds them.
//!
//! `version, number of headers, (name, length, bytes)…, length of the value + 1 or 0 for none, value`: all numbers
//! are varints (seven bits a byte, lowest first). Names are numbers; a name without a number here is a later
//! version's header and ignored, as in Kafka.

use super::{Known, RecordError};
use crate::model::{Envelope, IdRef};

const VERSION: u64 = 1;

// The numbers of the names, for ever.
const FROM: u64 = 1;
const ID: u64 = 2;
const TO: u64 = 3;
const KIND: u64 = 4;

/// Appends the envelope's headers and value; its key is kept beside.
pub fn encode(envelope: &Envelope, out: &mut Vec<u8>) {
    let (headers, value) = super::parts_of(envelope);
    write(VERSION, out);
    let count = out.len();
    out.push(0);
    for (name, value) in headers {
        let Some(name) = number_of(name) else { continue };
        out[count] += 1;
        write(name, out);
        write(value.len() as u64, out);
        out.extend_from_slice(value);
    }
    write(value.map_or(0, |value| value.len() as u64 + 1), out);
    out.extend_from_slice(value.unwrap_or_default());
}

/// The envelope of a row: its key, and all the bytes that [`encode`] wrote for it.
///
/// What stands in the log was judged when it was appended: body and `to` are not checked to be JSON again.
pub fn decode(key: &str, mut bytes: &[u8]) -> Result<Envelope, RecordError> {
    let key = IdRef::new(key).map_err(RecordError::BadKey)?;
    let bytes = &mut bytes;
    match read(bytes).ok_or(RecordError::Damaged)? {
        VERSION => {}
        0 => return Err(RecordError::Damaged),
        _ => return Err(RecordError::NewerVersion),
    }
    let mut known = Known::default();
    let headers = read(bytes).ok_or(RecordError::Damaged)?;
    // Each header takes at least two bytes, so damage cannot make this long.
    for _ in 0..headers {
        let name = read(bytes).ok_or(RecordError::Damaged)?;
        let value = piece(bytes).ok_or(RecordError::Damaged)?;
        if let Some(name) = name_of(name) {
            known.header(name, value);
        }
    }
    let value = match read(bytes).ok_or(RecordError::Damaged)? {
        0 => None,
        more => Some(split(bytes, more - 1).ok_or(RecordError::Damaged)?),
    };
    if !bytes.is_empty() {
        return Err(RecordError::Damaged);
    }
    known.envelope(key, value)
}

/// The version is in front, not among the headers.
fn number_of(name: &str) -> Option<u64> {
    Some(match name {
        "from" => FROM,
        "id" => ID,
        "to" => TO,
        "kind" => KIND,
        _ => return None,
    })
}

fn name_of(number: u64) -> Option<&'static str> {
    Some(match number {
        FROM => "from",
        ID => "id",
        TO => "to",
        KIND => "kind",
        _ => return None,
    })
}

fn write(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// `None` for what `write` never writes: cut off, above 64 bits, or with empty high digits.
fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        let digit = u64::from(byte & 0x7f);
        if digit << shift >> shift != digit {
            return None;
        }
        number |= digit << shift;
        if byte < 0x80 {
            return (digit > 0 || shift == 0).then_some(number);
        }
    }
    None
}

fn piece<'r>(bytes: &mut &'r [u8]) -> Option<&'r [u8]> {
    let len = read(bytes)?;
    split(bytes, len)
}

fn split<'r>(bytes: &mut &'r [u8], len: u64) -> Option<&'r [u8]> {
    bytes.split_off(..usize::try_from(len).ok()?)
}
