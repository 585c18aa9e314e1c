//! How often something was how much: counts in fixed buckets, so that observing is a few comparisons and no
//! allocation, and copying is copying plain numbers.

/// Buckets of a histogram at most, the last one without an upper bound.
const BUCKETS: usize = 16;

/// Lengths of a turn, and of other things that should take no time, in microseconds.
pub const TURN_US: &[u64] = &[20, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 250_000];
/// Durations of a commit, and of other things a disk or a network takes part in, in microseconds.
pub const COMMIT_US: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];
/// How many there were at once.
pub const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// Counts by bucket, and the sum of what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Upper bounds, growing, each part of its bucket.
    bounds: &'static [u64],
    /// By bucket, not added up; those after the one beyond the last bound stay 0.
    counts: [u64; BUCKETS],
    sum: u64,
}

impl Histogram {
    /// Nothing yet, in buckets up to these bounds: at most 15, growing.
    pub const fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() < BUCKETS, "a histogram has at most 15 bounds");
        let mut at = 1;
        while at < bounds.len() {
            assert!(bounds[at - 1] < bounds[at], "bounds grow");
            at += 1;
        }
        Self { bounds, counts: [0; BUCKETS], sum: 0 }
    }

    /// What somebody else counted in buckets of these bounds: a count for each and one for all beyond.
    pub fn of(bounds: &'static [u64], counts: &[u64], sum: u64) -> Self {
        let mut histogram = Self::new(bounds);
        histogram.counts[..=bounds.len()].copy_from_slice(counts);
        histogram.sum = sum;
        histogram
    }

    /// It was so much, once.
    pub fn observe(&mut self, value: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        self.counts[bucket] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Each upper bound with the number of observations at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        self.bounds.iter().zip(self.counts).map(move |(&bound, count)| {
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

    #[test]
    fn a_bound_is_part_of_its_bucket_and_what_lies_beyond_is_counted() {
        let mut histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.observe(value);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(10, 2), (20, 4)]);
        assert_eq!((histogram.count(), histogram.sum()), (6, u64::MAX));
        assert_eq!(Histogram::of(&[10, 20], &[2, 2, 2], u64::MAX), histogram);
    }
}
