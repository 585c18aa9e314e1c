//! Record v1: one envelope as the log keeps it (DESIGN.md §9).
//!
//! A record is a key (the recipient), headers, and a value (the body, absent for an erase). Kafka stores these as
//! they are; the embedded log stores headers and value in one container. Any producer may write records, so
//! everything about one is judged when it is read; who reads counts and skips what is refused.

mod container;

pub use container::{decode, encode};

use super::json;
use crate::limits::MESSAGE_BYTES;
use crate::model::{BadId, Envelope, EnvelopeParts, IdRef, Kind, Texts};
use std::fmt;

/// The version we write.
pub const VERSION: &str = "1";

/// Headers of a record, at most five of them.
pub type Header<'a> = (&'static str, &'a [u8]);

/// Why a record is no envelope of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A later Corepost wrote it: to be obeyed, not skipped (DESIGN.md §6).
    NewerVersion,
    /// No key.
    NoKey,
    /// The key is no client ID.
    BadKey(BadId),
    /// A header of ours holds no ID.
    BadHeader {
        /// Which.
        name: &'static str,
    },
    /// A header of ours is there twice.
    Twice {
        /// Which.
        name: &'static str,
    },
    /// A message without a value, or an erase with one.
    BadValue,
    /// The value, or the header `to`, is no JSON that may be passed on to clients.
    NotJson,
    /// Value and headers have more than [`MESSAGE_BYTES`] bytes.
    TooLarge,
    /// The container's bytes are not what [`encode`] writes.
    Damaged,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerVersion => write!(f, "was written by a newer version; upgrade this node"),
            Self::NoKey => write!(f, "has no key; the producer must set it to the recipient's client ID"),
            Self::BadKey(why) => write!(f, "has a key that {why}"),
            Self::BadHeader { name } => write!(f, "has a header {name} that holds no ID"),
            Self::Twice { name } => write!(f, "has the header {name} twice"),
            Self::BadValue => write!(f, "is a message without value or an erase with one"),
            Self::NotJson => write!(f, "has a value or a header to that is no JSON"),
            Self::TooLarge => write!(f, "has more than {MESSAGE_BYTES} bytes"),
            Self::Damaged => write!(f, "is damaged"),
        }
    }
}

impl std::error::Error for RecordError {}

/// The headers and the value of an envelope's record; its key is [`Envelope::to`].
///
/// Panics for an ephemeral envelope, which never goes into a log.
pub fn parts_of(envelope: &Envelope) -> (impl Iterator<Item = Header<'_>>, Option<&[u8]>) {
    let kind: Option<&[u8]> = match envelope.kind() {
        Kind::Message => None,
        Kind::Erase => Some(b"erase"),
        Kind::Ephemeral => panic!("an ephemeral message was to be logged"),
    };
    let Texts { from, id, copied_to, body, .. } = envelope.texts();
    let headers = [
        ("v", VERSION.as_bytes()),
        ("from", from),
        ("id", id),
        ("to", copied_to),
        ("kind", kind.unwrap_or_default()),
    ];
    let value = kind.is_none().then_some(body);
    (headers.into_iter().filter(|(_, value)| !value.is_empty()), value)
}

/// Bytes of an envelope's record as quotas count them: key, headers with their names, and value.
pub fn size_of(envelope: &Envelope) -> usize {
    let (headers, value) = parts_of(envelope);
    let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
    envelope.to().as_str().len() + headers + value.map_or(0, <[u8]>::len)
}

/// The envelope of a record that anyone may have written.
///
/// A record without `v` is an outside producer's: it has no sender, whatever its other headers say.
pub fn envelope_of<'n, 'r>(
    key: Option<&'r [u8]>,
    headers: impl IntoIterator<Item = (&'n str, &'r [u8])>,
    value: Option<&'r [u8]>,
) -> Result<Envelope, RecordError> {
    let mut known = Known::default();
    for (name, value) in headers {
        known.header(name, value);
    }
    if !known.is_ours()? {
        known = known.of_outside();
    }
    let key = IdRef::from_bytes(key.ok_or(RecordError::NoKey)?).map_err(RecordError::BadKey)?;
    if known.to.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) > MESSAGE_BYTES {
        return Err(RecordError::TooLarge);
    }
    if !known.to.into_iter().chain(value).all(json::is_value) {
        return Err(RecordError::NotJson);
    }
    known.envelope(key, value)
}

/// The headers that mean something.
#[derive(Clone, Copy, Default)]
struct Known<'r> {
    v: Option<&'r [u8]>,
    from: Option<&'r [u8]>,
    id: Option<&'r [u8]>,
    to: Option<&'r [u8]>,
    kind: Option<&'r [u8]>,
    /// One of these that is there twice.
    twice: Option<&'static str>,
}

impl<'r> Known<'r> {
    fn header(&mut self, name: &str, value: &'r [u8]) {
        let (slot, name) = match name {
            "v" => (&mut self.v, "v"),
            "from" => (&mut self.from, "from"),
            "id" => (&mut self.id, "id"),
            "to" => (&mut self.to, "to"),
            "kind" => (&mut self.kind, "kind"),
            _ => return,
        };
        if slot.replace(value).is_some() {
            self.twice = Some(name);
        }
    }

    /// Whether a Corepost of this version wrote it, or anyone else.
    fn is_ours(&self) -> Result<bool, RecordError> {
        match self.v {
            None => Ok(false),
            Some(v) if v == VERSION.as_bytes() => Ok(true),
            Some(_) => Err(RecordError::NewerVersion),
        }
    }

    /// What counts of an outside producer's headers: a proper `id`. The others may mean anything there.
    fn of_outside(&self) -> Self {
        let id = self.id.filter(|id| self.twice.is_none() && IdRef::from_bytes(id).is_ok());
        Self { id, ..Self::default() }
    }

    fn envelope(&self, key: IdRef<'_>, value: Option<&[u8]>) -> Result<Envelope, RecordError> {
        if let Some(name) = self.twice {
            return Err(RecordError::Twice { name });
        }
        let kind = match self.kind {
            None => Kind::Message,
            Some(b"erase") => Kind::Erase,
            Some(_) => return Err(RecordError::NewerVersion),
        };
        if (kind == Kind::Message) != value.is_some() {
            return Err(RecordError::BadValue);
        }
        let id = |value: Option<&'r [u8]>, name| {
            value.map(IdRef::from_bytes).transpose().map_err(|_| RecordError::BadHeader { name })
        };
        Ok(Envelope::new(EnvelopeParts {
            kind,
            to: Some(key),
            from: id(self.from, "from")?,
            id: id(self.id, "id")?,
            copied_to: self.to.unwrap_or_default(),
            body: value.unwrap_or_default(),
        }))
    }
}

#[cfg(test)]
mod record_tests;
