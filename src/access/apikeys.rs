//! Keys that open the HTTP API: all equal, compared so that the time it takes tells nothing about them.
//!
//! Only their SHA-256 is kept. So all have one length, the whole list is always walked, and neither a log, a core
//! dump nor a debugger shows a key.

use crate::limits::{API_KEY_BYTES, API_KEY_BYTES_LEAST, API_KEYS};
use aws_lc_rs::{constant_time, digest};
use std::fmt;

const DIGEST_BYTES: usize = 32;

/// The keys of one file.
#[derive(Clone)]
pub struct ApiKeys(Box<[[u8; DIGEST_BYTES]]>);

/// Why a file is not one of API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadApiKeys {
    /// It is not UTF-8.
    NotUtf8,
    /// It has no keys.
    Empty,
    /// More than [`API_KEYS`].
    TooMany,
    /// A key has not 16–256 bytes.
    Length {
        /// Line number from 1.
        line: usize,
        /// How many it has.
        bytes: usize,
    },
    /// A key has a character that is not printable ASCII, or a space.
    Character {
        /// Line number from 1.
        line: usize,
    },
    /// A key stands there twice.
    Twice {
        /// Line number from 1 of the second.
        line: usize,
    },
}

impl ApiKeys {
    /// One key a line; empty lines and lines that begin with `#` are skipped, space around a key is not part of it.
    pub fn parse(file: &[u8]) -> Result<Self, BadApiKeys> {
        let text = std::str::from_utf8(file).map_err(|_| BadApiKeys::NotUtf8)?;
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let (key, line) = (line.trim(), at + 1);
            if key.is_empty() || key.starts_with('#') {
                continue;
            }
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(BadApiKeys::Character { line });
            }
            if !(API_KEY_BYTES_LEAST..=API_KEY_BYTES).contains(&key.len()) {
                return Err(BadApiKeys::Length { line, bytes: key.len() });
            }
            let hashed = hash(key);
            if keys.contains(&hashed) {
                return Err(BadApiKeys::Twice { line });
            }
            if keys.len() == API_KEYS {
                return Err(BadApiKeys::TooMany);
            }
            keys.push(hashed);
        }
        if keys.is_empty() { Err(BadApiKeys::Empty) } else { Ok(Self(keys.into_boxed_slice())) }
    }

    /// Whether `key` is one of them.
    pub fn contains(&self, key: &str) -> bool {
        // A longer text is none of them, and its length is the asker's own.
        if key.len() > API_KEY_BYTES {
            return false;
        }
        let hashed = hash(key);
        self.0.iter().fold(false, |found, known| {
            found | constant_time::verify_slices_are_equal(known, &hashed).is_ok()
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn hash(key: &str) -> [u8; DIGEST_BYTES] {
    digest::digest(&digest::SHA256, key.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({} of them)", self.count())
    }
}

impl fmt::Display for BadApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => write!(f, "is not text; write one key a line"),
            Self::Empty => write!(f, "has no key; write one a line, `openssl rand -hex 32` makes one"),
            Self::TooMany => write!(f, "has more than {API_KEYS} keys"),
            Self::Length { line, bytes } => write!(
                f,
                "line {line}: the key has {bytes} characters; it needs {API_KEY_BYTES_LEAST} to {API_KEY_BYTES}"
            ),
            Self::Character { line } => {
                write!(
                    f,
                    "line {line}: a key is printable ASCII without spaces; comments start the line with `#`"
                )
            }
            Self::Twice { line } => write!(f, "line {line}: this key stands there twice; remove one"),
        }
    }
}

impl std::error::Error for BadApiKeys {}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";

    #[test]
    fn reads_keys_and_skips_comments() {
        let file = format!("# the shop\n{ONE}\n\n  {}\r\n#{}\n", "x".repeat(256), "y".repeat(20));
        let keys = ApiKeys::parse(file.as_bytes()).unwrap();
        assert_eq!(keys.count(), 2);
        assert!(keys.contains(ONE) && keys.contains(&"x".repeat(256)));
        for other in
            ["", "0123456789abcde", "0123456789abcdeF", &"x".repeat(255), &"x".repeat(257), "# the shop"]
        {
            assert!(!keys.contains(other), "{other}");
        }
        assert_eq!(format!("{keys:?}"), "ApiKeys(2 of them)");
    }

    #[test]
    fn says_which_line_is_wrong() {
        let line = |file: &str| ApiKeys::parse(file.as_bytes()).unwrap_err();
        assert_eq!(line("# only this\n"), BadApiKeys::Empty);
        assert_eq!(line("\nshort\n"), BadApiKeys::Length { line: 2, bytes: 5 });
        assert_eq!(line(&"x".repeat(257)), BadApiKeys::Length { line: 1, bytes: 257 });
        assert_eq!(line("0123456789 abcdef # mine"), BadApiKeys::Character { line: 1 });
        assert_eq!(line("0123456789abcdeé"), BadApiKeys::Character { line: 1 });
        assert_eq!(line(&format!("{ONE}\n{ONE}")), BadApiKeys::Twice { line: 2 });
        assert_eq!(ApiKeys::parse(b"\xff").unwrap_err(), BadApiKeys::NotUtf8);
        let many: String = (0..=API_KEYS).map(|n| format!("{n:016}\n")).collect();
        assert_eq!(line(&many), BadApiKeys::TooMany);
    }
}
