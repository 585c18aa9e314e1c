//! The cursor a client holds, kept in place: a session that is told its position ten thousand times allocates never.

use crate::limits::CURSOR_TEXT;
use std::fmt;

/// A cursor as text, opaque but ordered (DESIGN.md §4): 1–64 characters of `[0-9a-z]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    text: [u8; CURSOR_TEXT],
    len: u8,
}

impl Held {
    /// `None` for what no server of ours says.
    pub(super) fn new(cursor: &str) -> Option<Self> {
        let fits = (1..=CURSOR_TEXT).contains(&cursor.len());
        if !fits || !cursor.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase()) {
            return None;
        }
        let mut text = [0; CURSOR_TEXT];
        text[..cursor.len()].copy_from_slice(cursor.as_bytes());
        Some(Self { text, len: cursor.len() as u8 })
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).expect("a held cursor was checked as ASCII")
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_is_a_cursor_and_nothing_else() {
        assert_eq!(Held::new("1abc0").map(|held| held.as_str().to_owned()).as_deref(), Some("1abc0"));
        let long = "z".repeat(65);
        for bad in ["", "A", "a b", "a&from=start", "é", long.as_str()] {
            assert_eq!(Held::new(bad), None, "{bad:?}");
        }
    }
}
