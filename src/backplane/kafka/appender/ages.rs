//! How old the oldest record under way is, of one producer: counts by time sent, in steps.

use std::collections::VecDeque;

/// Steps in the time after which everything is given up.
pub const STEPS: u64 = 32;

/// Records under way by the step in which they were sent. Bounded by [`STEPS`] and one more while whoever holds it gives up
/// what is overdue.
#[derive(Debug, Default)]
pub struct Ages {
    /// Each step with what was sent in it and not answered, oldest first.
    sent: VecDeque<(u64, usize)>,
}

impl Ages {
    /// One was sent in this step, which is not before the last one.
    pub fn send(&mut self, step: u64) {
        match self.sent.back_mut() {
            Some((last, count)) if *last == step => *count += 1,
            _ => self.sent.push_back((step, 1)),
        }
    }

    /// One that was sent in this step was answered.
    pub fn answer(&mut self, step: u64) {
        let at = self.sent.partition_point(|(sent, _)| *sent < step);
        let known = self.sent.get_mut(at).filter(|(sent, count)| *sent == step && *count > 0);
        known.expect("what is answered was sent").1 -= 1;
        while self.sent.front().is_some_and(|(_, count)| *count == 0) {
            self.sent.pop_front();
        }
    }

    /// Whether the oldest has waited for [`STEPS`] steps, in this one.
    pub fn is_overdue(&self, step: u64) -> bool {
        self.sent.front().is_some_and(|(sent, _)| sent + STEPS < step)
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_is_not_answered_counts() {
        let mut ages = Ages::default();
        for step in [1, 1, 3, 9] {
            ages.send(step);
        }
        ages.answer(3);
        assert!(!ages.is_overdue(1 + STEPS) && ages.is_overdue(2 + STEPS));
        ages.answer(1);
        assert!(ages.is_overdue(2 + STEPS));
        ages.answer(1);
        assert!(!ages.is_overdue(9 + STEPS) && ages.is_overdue(10 + STEPS));
        ages.answer(9);
        assert!(ages.is_idle() && !ages.is_overdue(u64::MAX));
    }
}
