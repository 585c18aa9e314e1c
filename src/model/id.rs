//! Identifiers: who is addressed, and what names a message.
//!
//! An identifier is 1–128 bytes of UTF-8 without control characters, quotes and backslashes (DESIGN.md §2), so
//! that it can be written into JSON, logs and URLs as it is. Whoever holds one of these types holds a valid one.

use crate::limits::ID_BYTES;
use std::borrow::Borrow;
use std::fmt;

/// A valid identifier, borrowed: of a client or of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRef<'a>(&'a str);

/// The identifier of a client: a user, a bot, a service. Owned, 16 bytes beside its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Box<str>);

/// Why a text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadId {
    /// It has no characters.
    Empty,
    /// It has more than [`ID_BYTES`] bytes.
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It holds a control character, a quote or a backslash.
    Character {
        /// The byte at which it stands.
        at: usize,
    },
    /// Its bytes are not UTF-8.
    NotUtf8,
}

/// The bytes after which an identifier is looked at once more, by characters: what of ASCII it may not hold, and the lead
/// byte of the control characters beyond (U+0080–U+009F). Every message has two identifiers: a table settles them in
/// a third of the instructions that comparing takes.
static SUSPICIOUS: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        bytes[control] = true;
        control += 1;
    }
    bytes[0x7f] = true;
    bytes[0xc2] = true;
    bytes[b'"' as usize] = true;
    bytes[b'\\' as usize] = true;
    bytes
};

impl<'a> IdRef<'a> {
    /// Checks `text` once, for ever.
    pub fn new(text: &'a str) -> Result<Self, BadId> {
        if text.is_empty() {
            return Err(BadId::Empty);
        }
        if text.len() > ID_BYTES {
            return Err(BadId::TooLong { bytes: text.len() });
        }
        let is_suspicious = text.bytes().fold(false, |found, byte| found | SUSPICIOUS[usize::from(byte)]);
        if is_suspicious && let Some(at) = text.find(|c: char| c.is_control() || c == '"' || c == '\\') {
            return Err(BadId::Character { at });
        }
        Ok(Self(text))
    }

    /// The same for bytes that are not yet known to be text.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, BadId> {
        Self::new(std::str::from_utf8(bytes).map_err(|_| BadId::NotUtf8)?)
    }

    /// Bytes that were checked before and have not left our hands since.
    ///
    /// Panics if they are not UTF-8, for then somebody wrote over them.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("a checked identifier stays UTF-8");
        debug_assert!(Self::new(text).is_ok(), "{text:?} was trusted without a check");
        Self(text)
    }

    /// The text, which needs no escaping in JSON.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// An owned copy.
    pub fn to_client(self) -> ClientId {
        ClientId(self.0.into())
    }
}

impl ClientId {
    /// Checks `text` once, for ever.
    pub fn new(text: &str) -> Result<Self, BadId> {
        IdRef::new(text).map(IdRef::to_client)
    }

    /// Borrowed, as most functions take it.
    pub fn as_ref(&self) -> IdRef<'_> {
        IdRef(&self.0)
    }

    /// The text, which needs no escaping in JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Maps keyed by [`ClientId`] are asked with `&str`: both hash and compare as their text does.
impl Borrow<str> for ClientId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "is empty; it needs 1 to {ID_BYTES} bytes"),
            Self::TooLong { bytes } => write!(f, "has {bytes} bytes; it may have {ID_BYTES}"),
            Self::Character { at } => {
                write!(f, "has a control character, quote or backslash at byte {at}; leave it out")
            }
            Self::NotUtf8 => write!(f, "is not UTF-8"),
        }
    }
}

impl std::error::Error for BadId {}

macro_rules! shows_as_its_text {
    ($($id:ty),*) => {$(
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&self.0, f) }
        }
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
    )*};
}
shows_as_its_text!(IdRef<'_>, ClientId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_use_and_the_bounds() {
        let longest = "x".repeat(ID_BYTES);
        for good in ["a", "alice@example.org", "Zoë 🦀", "team/ops:1", longest.as_str()] {
            assert_eq!(IdRef::new(good).map(IdRef::as_str), Ok(good));
        }
    }

    #[test]
    fn refuses_what_would_need_escaping_and_says_where() {
        assert_eq!(IdRef::new(""), Err(BadId::Empty));
        assert_eq!(IdRef::new(&"x".repeat(129)), Err(BadId::TooLong { bytes: 129 }));
        for bad in ["ab\u{0}", "ab\n", "ab\"", "ab\\", "ab\u{7f}", "ab\u{85}", "ab\u{9f}x"] {
            assert_eq!(IdRef::new(bad), Err(BadId::Character { at: 2 }), "{bad:?}");
        }
        assert_eq!(IdRef::new("ab\u{a0}").map(IdRef::as_str), Ok("ab\u{a0}"));
        assert_eq!(IdRef::from_bytes(b"\xff"), Err(BadId::NotUtf8));
    }
}
