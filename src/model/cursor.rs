//! Positions in a mailbox, and the text in which clients carry them.
//!
//! A [`Position`] says: everything of this mailbox below this offset has been given to its holder. Positions and
//! the texts of one log compare alike: leader epoch before offset, never by offset alone (DESIGN.md §4).

use super::IdRef;
use super::partition::murmur2;
use std::fmt;

/// How far a holder has been given a mailbox: everything below `offset` of its partition.
///
/// The record *at* a position is the last one given, at `offset - 1`; its leader epoch is the position's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Leader epoch of the record at this position; 0 before the first.
    pub leader_epoch: u32,
    /// Offsets below this one have been given. 0 = nothing yet.
    pub offset: u64,
}

/// What a client holds: a position of its mailbox in one life of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which life of which log. A cursor of another one says nothing about this log.
    pub log_epoch: u64,
    /// The position.
    pub at: Position,
}

/// A cursor as text: 41 characters of `[0-9a-v]`, of one canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CursorText([u8; TEXT]);

/// The text is no cursor of this client: damaged, another client's, or not canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl Position {
    /// Before everything.
    pub const START: Self = Self { leader_epoch: 0, offset: 0 };

    /// The position of one who was given the record at `offset` and all before.
    pub fn after(leader_epoch: u32, offset: u64) -> Self {
        Self { leader_epoch, offset: offset + 1 }
    }
}

const VERSION: u8 = b'1';
// Base 32 without padding keeps the order of numbers; widths hold 64, 32, 64 and 32 bits.
const LOG: usize = 1;
const LEADER: usize = LOG + 13;
const OFFSET: usize = LEADER + 7;
const CHECK: usize = OFFSET + 13;
const TEXT: usize = CHECK + 7;

impl Cursor {
    /// The one text of this cursor in `client`'s hands.
    pub fn text(self, client: IdRef<'_>) -> CursorText {
        let mut text = [VERSION; TEXT];
        write_digits(&mut text[LOG..LEADER], self.log_epoch);
        write_digits(&mut text[LEADER..OFFSET], u64::from(self.at.leader_epoch));
        write_digits(&mut text[OFFSET..CHECK], self.at.offset);
        let check = self.check(client);
        write_digits(&mut text[CHECK..], u64::from(check));
        CursorText(text)
    }

    /// Reads what a client presents. Anything but [`Cursor::text`]'s own output for this client is refused.
    pub fn parse(text: &[u8], client: IdRef<'_>) -> Result<Self, BadCursor> {
        if text.len() != TEXT || text[0] != VERSION {
            return Err(BadCursor);
        }
        let cursor = Self {
            log_epoch: read_digits(&text[LOG..LEADER]).ok_or(BadCursor)?,
            at: Position {
                leader_epoch: u32::try_from(read_digits(&text[LEADER..OFFSET]).ok_or(BadCursor)?)
                    .map_err(|_| BadCursor)?,
                offset: read_digits(&text[OFFSET..CHECK]).ok_or(BadCursor)?,
            },
        };
        if read_digits(&text[CHECK..]) == Some(u64::from(cursor.check(client))) {
            Ok(cursor)
        } else {
            Err(BadCursor)
        }
    }

    /// Catches mistakes, not forgery: a forged cursor only moves within its client's own mailbox.
    fn check(self, client: IdRef<'_>) -> u32 {
        let mut fields = [0; 20];
        fields[..8].copy_from_slice(&self.log_epoch.to_be_bytes());
        fields[8..12].copy_from_slice(&self.at.leader_epoch.to_be_bytes());
        fields[12..].copy_from_slice(&self.at.offset.to_be_bytes());
        murmur2(&fields) ^ murmur2(client.as_str().as_bytes()).rotate_left(16)
    }
}

impl CursorText {
    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a cursor's text is ASCII")
    }

    /// The characters, as bytes.
    pub fn as_bytes(&self) -> &[u8; TEXT] {
        &self.0
    }
}

impl fmt::Debug for CursorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no cursor of this client; present it exactly as it was given, or connect with from=")
    }
}

impl std::error::Error for BadCursor {}

/// Fills a field of at most sixteen digits.
#[inline]
fn write_digits(text: &mut [u8], number: u64) {
    debug_assert!(
        text.len() >= 13 || number >> (5 * text.len()) == 0,
        "a field is wide enough for its number"
    );
    let (high, low) = text.split_at_mut(text.len().saturating_sub(8));
    low.copy_from_slice(&eight_digits(number)[8 - low.len()..]);
    high.copy_from_slice(&eight_digits(number >> 40)[8 - high.len()..]);
}

/// The lowest eight digits, all at once in one word: each message has ten such words in its cursors.
#[inline]
fn eight_digits(number: u64) -> [u8; 8] {
    // 40 bits are pulled apart into halves, quarters and eighths of the word: five bits in each byte.
    let halves = number & 0xf_ffff | (number & 0xff_fff0_0000) << 12;
    let quarters = halves & 0x0000_03ff_0000_03ff | (halves & 0x000f_fc00_000f_fc00) << 6;
    let digits = quarters & 0x001f_001f_001f_001f | (quarters & 0x03e0_03e0_03e0_03e0) << 3;
    // From ten on a digit's byte overflows into its top bit; letters lie 39 behind where digits would go on.
    let letters = (digits + 0x7676_7676_7676_7676) >> 7 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// `None` for other characters and for numbers above 64 bits.
fn read_digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |number, &c| {
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'v' => c - b'a' + 10,
            _ => return None,
        };
        Some(number.checked_mul(32)? | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

    fn bob() -> IdRef<'static> {
        IdRef::new("bob").unwrap()
    }

    fn cursors() -> impl Strategy<Value = Cursor> {
        (any::<u64>(), any::<u32>(), any::<u64>()).prop_map(|(log_epoch, leader_epoch, offset)| Cursor {
            log_epoch,
            at: Position { leader_epoch, offset },
        })
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(cursor in cursors()) {
            let text = cursor.text(bob());
            prop_assert_eq!(Cursor::parse(text.as_bytes(), bob()), Ok(cursor));
            prop_assert!(text.as_str().bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase()));
        }

        #[test]
        fn digits_are_those_of_the_alphabet(number: u64) {
            let mut text = [0; 13];
            write_digits(&mut text, number);
            for (place, digit) in text.iter().rev().enumerate() {
                prop_assert_eq!(*digit, DIGITS[(number >> (5 * place) & 31) as usize]);
            }
        }

        #[test]
        fn texts_of_one_log_compare_as_positions(a in cursors(), b in cursors()) {
            let b = Cursor { log_epoch: a.log_epoch, ..b };
            let by_text = a.text(bob()).as_str().cmp(b.text(bob()).as_str());
            // Equal positions have equal texts, so the check never decides.
            prop_assert_eq!(by_text, a.at.cmp(&b.at));
        }

        #[test]
        fn one_changed_character_is_noticed(cursor in cursors(), at in 0..TEXT, to in 0..32usize) {
            let mut text = *cursor.text(bob()).as_bytes();
            prop_assume!(text[at] != DIGITS[to]);
            text[at] = DIGITS[to];
            prop_assert_eq!(Cursor::parse(&text, bob()), Err(BadCursor));
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(cursor) = Cursor::parse(&bytes, bob()) {
                let text = cursor.text(bob());
                prop_assert_eq!(&text.as_bytes()[..], &bytes[..]);
            }
        }
    }

    #[test]
    fn another_clients_cursor_is_refused() {
        let text = Cursor { log_epoch: 7, at: Position { leader_epoch: 1, offset: 9 } }.text(bob());
        assert_eq!(Cursor::parse(text.as_bytes(), IdRef::new("alice").unwrap()), Err(BadCursor));
    }
}
