//! Whom a token's holder may send to: IDs and prefixes, kept so that asking costs one binary search.
//!
//! A session keeps its permits for as long as it lives, so they are one packed block of bytes: how many there are,
//! where each ends, their text. They are sorted, and what a prefix covers is not kept beside it. That is why at most
//! one pattern can match an ID: the greatest that is not above it. Were a covering prefix `q` below that one, then
//! everything between `q` and the ID would begin with `q` and would not have been kept.

use crate::limits::{ID_BYTES, PERMITS};
use crate::model::{BadId, IdRef};
use std::fmt;

/// IDs and prefixes ending in `*`. An empty set permits nobody; a token without `send` has no `Permits` at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Permits(Box<[u8]>);

/// Why a list of patterns is not one of permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPermits {
    /// More than [`PERMITS`].
    TooMany,
    /// One is neither an ID nor a prefix of one with `*` at its end.
    Pattern(BadId),
    /// A packed form that [`Permits::as_bytes`] never gave.
    Damaged,
}

const COUNT: usize = size_of::<u16>();
// Every end is held in 16 bits.
const _: () = assert!(PERMITS * (ID_BYTES + 1) <= u16::MAX as usize);

impl Permits {
    /// Reads patterns as they stand in a token's `send` and on the command line.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, BadPermits> {
        let mut kept: Vec<&str> = Vec::new();
        for pattern in patterns {
            if kept.len() == PERMITS {
                return Err(BadPermits::TooMany);
            }
            let (text, prefix) = split(pattern);
            if !(prefix && text.is_empty()) {
                IdRef::new(text).map_err(BadPermits::Pattern)?;
            }
            kept.push(pattern);
        }
        // By text, a prefix before the ID of the same text, so that whatever covers comes before what it covers.
        kept.sort_by_key(|pattern| (split(pattern).0, !split(pattern).1));
        kept.dedup_by(|later, earlier| covers(earlier, split(later).0));
        Ok(Self::pack(&kept))
    }

    fn pack(patterns: &[&str]) -> Self {
        let text: usize = patterns.iter().map(|p| p.len()).sum();
        let mut bytes = Vec::with_capacity(COUNT * (1 + patterns.len()) + text);
        bytes.extend((patterns.len() as u16).to_le_bytes());
        let mut end = 0u16;
        for pattern in patterns {
            end += pattern.len() as u16;
            bytes.extend(end.to_le_bytes());
        }
        patterns.iter().for_each(|p| bytes.extend(p.as_bytes()));
        Self(bytes.into_boxed_slice())
    }

    /// Whether its holder may send to `to`.
    pub fn allows(&self, to: IdRef<'_>) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if split(self.get(middle)).0 <= to.as_str() { low = middle + 1 } else { high = middle }
        }
        low > 0 && covers(self.get(low - 1), to.as_str())
    }

    /// The patterns, without those that others cover.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|n| self.get(n))
    }

    /// One block, to be carried elsewhere with its session.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads back what [`as_bytes`](Self::as_bytes) gave, believing nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadPermits> {
        let patterns = unpack(bytes).ok_or(BadPermits::Damaged)?;
        let read = Self::new(patterns)?;
        if *read.0 == *bytes { Ok(read) } else { Err(BadPermits::Damaged) }
    }

    fn len(&self) -> usize {
        usize::from(number(&self.0, 0))
    }

    fn get(&self, n: usize) -> &str {
        let text = &self.0[COUNT * (1 + self.len())..];
        let start = if n == 0 { 0 } else { number(&self.0, n) };
        let pattern = &text[usize::from(start)..usize::from(number(&self.0, n + 1))];
        std::str::from_utf8(pattern).expect("a packed pattern is text between two of its ends")
    }
}

/// The `n`th of the numbers at the front: 0 is the count, then the ends.
fn number(bytes: &[u8], n: usize) -> u16 {
    u16::from_le_bytes([bytes[COUNT * n], bytes[COUNT * n + 1]])
}

fn unpack(bytes: &[u8]) -> Option<Vec<&str>> {
    let count = usize::from(bytes.first_chunk().map(|b| u16::from_le_bytes(*b))?);
    let text = bytes.get(COUNT * (1 + count)..)?;
    let mut start = 0;
    (1..=count)
        .map(|n| {
            let end = usize::from(number(bytes, n));
            let pattern = text.get(std::mem::replace(&mut start, end)..end)?;
            std::str::from_utf8(pattern).ok()
        })
        .collect()
}

/// A pattern's text, and whether it is a prefix.
fn split(pattern: &str) -> (&str, bool) {
    pattern.strip_suffix('*').map_or((pattern, false), |text| (text, true))
}

fn covers(pattern: &str, text: &str) -> bool {
    match split(pattern) {
        (prefix, true) => text.starts_with(prefix),
        (id, false) => text == id,
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for BadPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "has more than {PERMITS} patterns; use prefixes ending in `*`"),
            Self::Pattern(bad) => write!(f, "has a pattern that {bad}"),
            Self::Damaged => write!(f, "is no packed form of permits"),
        }
    }
}

impl std::error::Error for BadPermits {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allows(patterns: &[&str], to: &str) -> bool {
        Permits::new(patterns.iter().copied()).unwrap().allows(IdRef::new(to).unwrap())
    }

    #[test]
    fn an_id_permits_itself_and_a_prefix_what_begins_with_it() {
        assert!(allows(&["bob", "team/*"], "bob"));
        assert!(allows(&["bob", "team/*"], "team/ops"));
        assert!(allows(&["bob", "team/*"], "team/"));
        assert!(!allows(&["bob", "team/*"], "bobby"));
        assert!(!allows(&["bob", "team/*"], "team"));
        assert!(allows(&["*"], "anyone"));
        assert!(!allows(&[], "anyone"));
    }

    #[test]
    fn what_a_prefix_covers_is_not_kept_beside_it() {
        let permits = Permits::new(["ab", "a*", "abc*", "b", "b", "a"]).unwrap();
        assert_eq!(permits.iter().collect::<Vec<_>>(), ["a*", "b"]);
        assert_eq!(size_of::<Permits>(), 16);
    }

    #[test]
    fn refuses_what_is_no_pattern_and_too_many() {
        assert_eq!(Permits::new([""]), Err(BadPermits::Pattern(BadId::Empty)));
        assert_eq!(Permits::new(["a\n*"]), Err(BadPermits::Pattern(BadId::Character { at: 1 })));
        let many: Vec<String> = (0..=PERMITS).map(|n| format!("{n:0128}")).collect();
        let strs: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(Permits::new(strs.iter().copied()), Err(BadPermits::TooMany));
        assert_eq!(Permits::new(strs[1..].iter().copied()).unwrap().iter().count(), PERMITS);
    }

    fn pattern() -> impl Strategy<Value = String> {
        prop_oneof!["[ab/é]{1,4}", "[ab/é]{0,3}\\*"]
    }

    proptest! {
        /// The packed set answers as the list it was made from does when each pattern is tried in turn.
        #[test]
        fn agrees_with_the_plain_list(
            patterns in proptest::collection::vec(pattern(), 0..12),
            ids in proptest::collection::vec("[ab/é]{1,5}", 1..20),
        ) {
            let permits = Permits::new(patterns.iter().map(String::as_str)).unwrap();
            for id in &ids {
                let plain = patterns.iter().any(|p| covers(p, id));
                prop_assert_eq!(permits.allows(IdRef::new(id).unwrap()), plain, "{:?} {}", patterns, id);
            }
            prop_assert_eq!(Permits::from_bytes(permits.as_bytes()), Ok(permits));
        }

        #[test]
        fn a_damaged_block_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(read) = Permits::from_bytes(&bytes) {
                prop_assert_eq!(read.as_bytes(), &bytes[..]);
            }
        }
    }
}
