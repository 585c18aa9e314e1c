//! How long a client waits before it knocks again: exponential, with full jitter.
//!
//! Full jitter, because a million clients that lost the same node must not come back in the same second. The
//! randomness is a small generator with a seed, so that a simulated client does the same thing twice.

use crate::limits::{BACKOFF_FIRST_MS, BACKOFF_MOST_MS, RETRY_MOST_MS};

/// A small deterministic source of random numbers (SplitMix64); not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed, the same throws.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high word of the product: as good as even for bounds far below 2^64.
        ((u128::from(self.throw()) * u128::from(bound)) >> 64) as u64
    }
}

/// The failures in a row, and what they ask for.
#[derive(Clone, Debug)]
pub struct Backoff {
    dice: Dice,
    failures: u32,
}

impl Backoff {
    /// No failure yet.
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), failures: 0 }
    }

    /// One more failure: the time to wait. `at_least_ms` is what the server asked for; the jitter comes on top.
    pub fn wait_ms(&mut self, at_least_ms: u64) -> u64 {
        let ceiling = (BACKOFF_FIRST_MS << self.failures.min(16)).min(BACKOFF_MOST_MS);
        self.failures = self.failures.saturating_add(1);
        at_least_ms.min(RETRY_MOST_MS) + self.dice.below(ceiling + 1)
    }

    /// A wait that the server asked for and that is no failure of ours, spread by a quarter.
    pub fn spread_ms(&mut self, asked_ms: u64) -> u64 {
        let asked = asked_ms.min(RETRY_MOST_MS);
        asked + self.dice.below(asked / 4 + 1)
    }

    /// The server proved well.
    pub fn forgive(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Random bits for other needs of the same client.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_fill_the_whole_range() {
        let mut longest = [0; 12];
        let mut shortest = [u64::MAX; 12];
        for seed in 0..400 {
            let mut backoff = Backoff::new(seed);
            for attempt in 0..12 {
                let wait = backoff.wait_ms(0);
                longest[attempt] = longest[attempt].max(wait);
                shortest[attempt] = shortest[attempt].min(wait);
            }
        }
        for attempt in 0..12 {
            let ceiling = (BACKOFF_FIRST_MS << attempt).min(BACKOFF_MOST_MS);
            assert!(
                longest[attempt] <= ceiling && longest[attempt] > ceiling * 9 / 10,
                "{attempt}: {longest:?}"
            );
            assert!(shortest[attempt] < ceiling / 10, "full jitter reaches down to zero: {shortest:?}");
        }
    }

    #[test]
    fn what_the_server_asks_is_a_floor_within_reason() {
        let mut backoff = Backoff::new(7);
        assert!((2_000..=2_500).contains(&backoff.wait_ms(2_000)));
        assert!(backoff.wait_ms(u64::MAX) <= RETRY_MOST_MS + BACKOFF_MOST_MS);
        assert!((1_000..=1_250).contains(&backoff.spread_ms(1_000)));
        assert_eq!(backoff.failures(), 2, "a spread wait is no failure");
        backoff.forgive();
        assert!(backoff.wait_ms(0) <= BACKOFF_FIRST_MS);
    }

    #[test]
    fn the_same_seed_throws_the_same() {
        let throws = |seed| (0..5).map(|_| Dice::new(seed).throw()).collect::<Vec<_>>();
        assert_eq!(throws(3), throws(3));
        assert_ne!(throws(3), throws(4));
        assert_eq!(Dice::new(1).below(0), 0);
    }
}
