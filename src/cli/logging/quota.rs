//! How much of one kind of line the log takes: some at once, then so many a second. What is left out is counted and told by
//! the next line of its kind, so that a log is never silent about its own gaps.

use crate::access::{Bucket, Rate};
use crate::limits::{LOG_BURST, LOG_LINES_PER_SECOND};

/// What one kind of line has left.
#[derive(Debug, Default)]
pub(super) struct Quota {
    bucket: Bucket,
    left_out: u64,
}

impl Quota {
    /// Whether a line may be written now, and how many were left out before it.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<u64> {
        let rate = Rate::with_burst(LOG_LINES_PER_SECOND, LOG_BURST);
        if self.bucket.take(rate, now_ms, 1).is_err() {
            self.left_out += 1;
            return None;
        }
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_written_and_then_so_many_a_second_which_tell_of_the_rest() {
        let mut quota = Quota::default();
        let mut written =
            |now_ms, lines: u32| (0..lines).filter_map(|_| quota.take(now_ms)).collect::<Vec<_>>();
        assert_eq!(written(1_000, LOG_BURST + 7), vec![0; LOG_BURST as usize]);
        let one_ms = 1_000 / u64::from(LOG_LINES_PER_SECOND);
        assert_eq!(written(1_000 + one_ms, 3), [7]);
        assert_eq!(written(1_000 + 3 * one_ms, 3), [2, 0]);
        assert_eq!(written(600_000, 1), [1]);
    }
}
