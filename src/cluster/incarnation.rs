//! One start of a node: the number that tells it from all others of its ordinal.
//!
//! Milliseconds since the Unix epoch in the high 42 bits (until 2109), random bits in the 22 below: later starts have
//! greater numbers, and two in one millisecond are told apart. Where a clock lies, the log corrects it: a starter raises
//! its number above every one of its ordinal that it has read, and keeps its random bits, so that two starters which
//! raise themselves above the same number still differ.

use std::fmt;

/// A start of a node. Of several live ones of an ordinal the greatest holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

const RANDOM_BITS: u32 = 22;

impl Incarnation {
    /// Of a start at this moment; the low 22 bits of `random` count.
    pub fn new(unix_ms: u64, random: u32) -> Self {
        Self(unix_ms << RANDOM_BITS | u64::from(random & ((1 << RANDOM_BITS) - 1)))
    }

    /// Itself, or the first greater number with its random bits; `None` where no greater one is left.
    pub fn above(self, other: Self) -> Option<Self> {
        if self > other {
            return Some(self);
        }
        let random = self.0 & ((1 << RANDOM_BITS) - 1);
        let ms = (other.0 >> RANDOM_BITS) + 1;
        (ms >> (u64::BITS - RANDOM_BITS) == 0).then_some(Self(ms << RANDOM_BITS | random))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_raised_number_is_greater_and_keeps_its_random_bits(mine: u64, other in 0..u64::MAX - (1 << 22)) {
            let raised = Incarnation(mine).above(Incarnation(other)).unwrap();
            prop_assert!(raised > Incarnation(other));
            prop_assert_eq!(raised.0 & 0x3f_ffff, mine & 0x3f_ffff);
            prop_assert!(mine <= other || raised.0 == mine, "it is raised only where it must be");
        }
    }

    #[test]
    fn later_starts_are_greater_and_starts_of_one_moment_differ() {
        let unix_ms = 1_760_000_000_000;
        assert!(Incarnation::new(unix_ms + 1, 0) > Incarnation::new(unix_ms, u32::MAX));
        assert_ne!(Incarnation::new(unix_ms, 1), Incarnation::new(unix_ms, 2));
        assert_eq!(Incarnation::new(unix_ms, u32::MAX).0 >> 22, unix_ms);
    }

    #[test]
    fn above_the_last_number_there_is_none() {
        assert_eq!(Incarnation(7).above(Incarnation(u64::MAX)), None);
    }
}
