//! Times in buckets of 0.4 % width over the whole range, so that recording costs a few instructions and no memory.

use std::time::Duration;

const SUB_BITS: u32 = 8;
const SUB: usize = 1 << SUB_BITS;

/// Counts of durations, in nanoseconds.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    greatest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; SUB * (64 - SUB_BITS as usize + 1)], total: 0, greatest: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.greatest = self.greatest.max(ns);
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn greatest(&self) -> Duration {
        Duration::from_nanos(self.greatest)
    }

    /// The duration that this share of all (0.99 for p99) does not exceed; zero when nothing was recorded.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && count > 0 {
                return Duration::from_nanos(upper_edge(index).min(self.greatest));
            }
        }
        Duration::ZERO
    }
}

/// Below `SUB` a bucket holds one value; above, the leading eight bits of a value and their place name it, so that
/// finding it is a shift and an addition.
fn bucket(ns: u64) -> usize {
    let shift = (64 - ns.leading_zeros()).saturating_sub(SUB_BITS);
    (shift as usize) * SUB + (ns >> shift) as usize
}

fn upper_edge(index: usize) -> u64 {
    let (shift, part) = (index / SUB, (index % SUB) as u64);
    ((part + 1) << shift).wrapping_sub(1)
}
