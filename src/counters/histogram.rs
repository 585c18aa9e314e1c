//! How often something was how much: counts in fixed buckets, so that observing is a few comparisons and no
//! allocation, and copying is copying plain numbers.

/// Buckets of a histogram at most, the last one without an upper bound.
const BUCKETS: usize = 16;

/// Lengths of a turn, and of other things that should take no time, in microseconds.
pub const TURN_US: &Bounds =
    &Bounds::new(&[20, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 250_000]);
/// Durations of a commit, and of other things a disk or a network takes part in, in microseconds.
pub const COMMIT_US: &Bounds = &Bounds::new(&[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
]);
/// How many there were at once.
pub const SIZES: &Bounds = &Bounds::new(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096]);

/// Where buckets end, each bound part of its bucket. Between a power of two and the next there is one bound at most, so that
/// the length of a number and one comparison say which bucket it belongs to: this is done for each message.
#[derive(Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Those behind the last one are never exceeded.
    ends: [u64; BUCKETS],
    count: usize,
    /// By the length of a number in bits: the bucket of the least number that is so long.
    first: [u8; 65],
}

impl Bounds {
    /// Buckets up to these bounds: at most 15, growing, no two of them with the same number of bits.
    pub const fn new(bounds: &[u64]) -> Self {
        assert!(bounds.len() < BUCKETS, "a histogram has at most 15 bounds");
        let (mut ends, mut first) = ([u64::MAX; BUCKETS], [0; 65]);
        let (mut bits, mut at) = (0, 0);
        while bits <= 64 {
            let least: u64 = if bits == 0 { 0 } else { 1 << (bits - 1) };
            while at < bounds.len() && bounds[at] < least {
                let is_longer = at == 0 || bounds[at - 1].leading_zeros() > bounds[at].leading_zeros();
                assert!(is_longer, "bounds grow in bits");
                ends[at] = bounds[at];
                at += 1;
            }
            first[bits] = at as u8;
            bits += 1;
        }
        assert!(at == bounds.len(), "the last bound has less than 64 bits");
        Self { ends, count: bounds.len(), first }
    }

    /// How many bounds there are; there is one bucket more.
    #[allow(clippy::len_without_is_empty, reason = "there are always some")]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// The bucket that a number belongs to.
    #[inline]
    pub fn bucket(&self, number: u64) -> usize {
        let first = usize::from(self.first[(u64::BITS - number.leading_zeros()) as usize]);
        first + usize::from(self.ends[first % BUCKETS] < number)
    }

    fn bounds(&self) -> &[u64] {
        &self.ends[..self.count]
    }
}

/// Counts by bucket, and the sum of what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static Bounds,
    /// By bucket, not added up; those after the one beyond the last bound stay 0.
    counts: [u64; BUCKETS],
    sum: u64,
}

impl Histogram {
    /// Nothing yet, in these buckets.
    pub const fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, counts: [0; BUCKETS], sum: 0 }
    }

    /// What somebody else counted in these buckets: a count for each and one for all beyond.
    pub fn of(bounds: &'static Bounds, counts: &[u64], sum: u64) -> Self {
        let mut histogram = Self::new(bounds);
        histogram.counts[..=bounds.len()].copy_from_slice(counts);
        histogram.sum = sum;
        histogram
    }

    /// It was so much, once.
    #[inline]
    pub fn observe(&mut self, value: u64) {
        self.counts[self.bounds.bucket(value) % BUCKETS] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Each upper bound with the number of observations at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        self.bounds.bounds().iter().zip(self.counts).map(move |(&bound, count)| {
            below += count;
            (bound, below)
        })
    }

    /// How often anything was observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All that was observed, added up.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENS: &Bounds = &Bounds::new(&[10, 20]);

    #[test]
    fn a_bound_is_part_of_its_bucket_and_what_lies_beyond_is_counted() {
        let mut histogram = Histogram::new(TENS);
        for value in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.observe(value);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(10, 2), (20, 4)]);
        assert_eq!((histogram.count(), histogram.sum()), (6, u64::MAX));
        assert_eq!(Histogram::of(TENS, &[2, 2, 2], u64::MAX), histogram);
    }

    #[test]
    fn every_number_is_in_the_first_bucket_that_does_not_end_before_it() {
        for all in [TENS, TURN_US, COMMIT_US, SIZES] {
            let around = |n: u64| [n.saturating_sub(1), n, n.saturating_add(1)];
            let powers = (0..64).map(|bits| 1 << bits);
            for number in all.bounds().iter().copied().chain(powers).chain([0, u64::MAX]).flat_map(around) {
                let expected = all.bounds().iter().filter(|bound| **bound < number).count();
                assert_eq!(all.bucket(number), expected, "{number} in {:?}", all.bounds());
            }
        }
    }
}
