//! State record v1: what is true of a client beyond its messages, as `corepost.state` keeps it (DESIGN.md §6).
//!
//! The topic is compacted, so a record's key says what it replaces: the client ID, a line feed, which no ID has, and the
//! kind of state. The one kind so far is `revoked`. A kind that is not known is a later version's and passed: what it
//! means for the client, only that version promises. Its partition is that of the client ID alone.
//! `kafka/state_records.json` has vectors.

use crate::model::{ClientId, IdRef};
use std::fmt;

/// The header `v` of the records that we write.
pub const VERSION: &str = "1";
/// The kind of a revocation.
const REVOKED: &[u8] = b"revoked";
/// Digits of the largest time.
const DIGITS: usize = 20;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateRecord {
    /// Tokens of this client issued at or before this Unix second are refused.
    Revoked {
        /// Whose.
        client: ClientId,
        /// Unix seconds.
        issued_until_s: u64,
    },
    /// Nothing of this kind is true of this client any more.
    Forgotten {
        /// Of whom.
        client: ClientId,
    },
    /// Of a kind that is not known here.
    Other,
}

/// Why a record says nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// A later Corepost wrote it in another form: to be obeyed, not skipped (DESIGN.md §6).
    NewerVersion,
    /// No key, or none that begins with a client ID.
    BadKey,
    /// The value is no time in Unix seconds, or nobody says in which version it is.
    BadValue,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewerVersion => "was written by a newer version; upgrade this node",
            Self::BadKey => {
                "has a key that is no client ID, line feed and kind; only nodes may write to its topic"
            }
            Self::BadValue => {
                "has a value that is no Unix time in seconds; only nodes may write to its topic"
            }
        })
    }
}

impl std::error::Error for StateError {}

/// The key and the value of a revocation; the header `v` is [`VERSION`].
pub fn revocation(client: IdRef<'_>, issued_until_s: u64) -> (Vec<u8>, Vec<u8>) {
    ([client.as_str().as_bytes(), b"\n", REVOKED].concat(), issued_until_s.to_string().into_bytes())
}

impl StateRecord {
    /// Reads a record's header `v`, if it has one, its key and its value.
    pub fn read(v: Option<&[u8]>, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, StateError> {
        let key = key.ok_or(StateError::BadKey)?;
        let at = key.iter().position(|byte| *byte == b'\n').ok_or(StateError::BadKey)?;
        let client = IdRef::from_bytes(&key[..at]).map_err(|_| StateError::BadKey)?.to_client();
        if &key[at + 1..] != REVOKED {
            return Ok(Self::Other);
        }
        match v {
            Some(v) if v != VERSION.as_bytes() => return Err(StateError::NewerVersion),
            None if value.is_some() => return Err(StateError::BadValue),
            _ => {}
        }
        let Some(digits) = value else { return Ok(Self::Forgotten { client }) };
        let is_number =
            digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
        let number = str::from_utf8(digits).ok().filter(|digits| is_number && digits.len() <= DIGITS);
        let issued_until_s = number.and_then(|digits| digits.parse().ok()).ok_or(StateError::BadValue)?;
        Ok(Self::Revoked { client, issued_until_s })
    }
}
