//! The time of the cluster log, in which lives are measured.
//!
//! It advances by the step from each record to the next, never backwards and by at most [`LOG_STEP_MS`] a record. A step
//! is a function of two neighbours alone: wherever a reader began, it counts the same steps as everybody. And while
//! Kafka is away nothing is appended, so no time passes, and nobody dies of it.

use crate::limits::LOG_STEP_MS;

/// Log time since some record; only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTime {
    passed_ms: u64,
    last_append_ms: Option<u64>,
}

impl LogTime {
    /// The next record, with the time of its append as its broker wrote it. `None` is a record without such a time:
    /// neither the step to it nor the one from it is known, and both are 0.
    pub fn step(&mut self, append_ms: Option<u64>) {
        let step = self.last_append_ms.zip(append_ms).map_or(0, |(last, this)| this.saturating_sub(last));
        self.passed_ms += step.min(LOG_STEP_MS);
        self.last_append_ms = append_ms;
    }

    /// The next record is no neighbour of the last one: the step to it is not known.
    pub fn lose_place(&mut self) {
        self.last_append_ms = None;
    }

    /// Milliseconds passed.
    pub fn passed_ms(self) -> u64 {
        self.passed_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(appends: &[u64]) -> u64 {
        let mut time = LogTime::default();
        appends.iter().for_each(|append| time.step(Some(*append)));
        time.passed_ms()
    }

    #[test]
    fn a_silence_counts_two_seconds_however_long_it_was() {
        assert_eq!(passed(&[1_000, 1_700, 2_700]), 1_700);
        assert_eq!(passed(&[1_000, 3_600_000]), 2_000);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_turn_log_time_back() {
        assert_eq!(passed(&[9_000, 5_000, 5_500]), 500, "the step after it is between these two alone");
    }

    #[test]
    fn a_record_without_an_append_time_has_no_steps_at_it() {
        let mut time = LogTime::default();
        [Some(1_000), Some(1_500), None, Some(2_500), Some(2_600)].into_iter().for_each(|at| time.step(at));
        assert_eq!(time.passed_ms(), 600);
    }
}
