//! What a node would say to others while it may not, in order.
//!
//! A node whose loop was late may have been replaced without knowing it. What it would have said waits here until it has
//! read the cluster log to its end; links number what they carry only when it leaves this line. At most [`UNSAID`] wait:
//! beyond that the newcomer is handed back, and its link is broken as by any lost record.

use crate::limits::UNSAID;
use std::collections::VecDeque;

/// A bounded line of what waits.
#[derive(Debug)]
pub struct Unsaid<T> {
    waiting: VecDeque<T>,
    refused: u64,
}

impl<T> Default for Unsaid<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), refused: 0 }
    }
}

impl<T> Unsaid<T> {
    /// One more waits; handed back where there is no room, and counted.
    pub fn wait(&mut self, saying: T) -> Result<(), T> {
        if self.waiting.len() >= UNSAID {
            self.refused += 1;
            return Err(saying);
        }
        self.waiting.push_back(saying);
        Ok(())
    }

    /// The first, to be said now. Who has something new to say says all of these before.
    pub fn take(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many were handed back, so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_said_in_order_and_what_does_not_fit_comes_back() {
        let mut unsaid = Unsaid::default();
        for n in 0..UNSAID {
            assert_eq!(unsaid.wait(n), Ok(()));
        }
        assert_eq!((unsaid.wait(7), unsaid.refused()), (Err(7), 1));
        assert!((0..UNSAID).all(|n| unsaid.take() == Some(n)));
        assert!(unsaid.is_empty());
    }
}
