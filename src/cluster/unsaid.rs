//! What a node would say to others while it may not, in order.
//!
//! A node whose loop was late may have been replaced without knowing it. What it would have said waits here until it has
//! read the cluster log to its end; links number what they carry only when it leaves this line. At most [`UNSAID`] of
//! [`UNSAID_BYTES`] wait: beyond that the newcomer is handed back, and its link is broken as by any lost record.

use crate::limits::{UNSAID, UNSAID_BYTES};
use std::collections::VecDeque;

/// A bounded line of what waits.
#[derive(Debug)]
pub struct Unsaid<T> {
    /// Each with its bytes.
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    refused: u64,
}

impl<T> Default for Unsaid<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, refused: 0 }
    }
}

impl<T> Unsaid<T> {
    /// One more waits, of so many bytes; handed back where there is no room, and counted.
    pub fn wait(&mut self, saying: T, bytes: usize) -> Result<(), T> {
        if self.waiting.len() >= UNSAID || self.bytes.saturating_add(bytes) > UNSAID_BYTES {
            self.refused += 1;
            return Err(saying);
        }
        self.bytes += bytes;
        self.waiting.push_back((saying, bytes));
        Ok(())
    }

    /// The first, to be said now. Who has something new to say says all of these before.
    pub fn take(&mut self) -> Option<T> {
        let (saying, bytes) = self.waiting.pop_front()?;
        self.bytes -= bytes;
        Some(saying)
    }

    /// All that wait, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().map(|(saying, _)| saying)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of what waits.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many were handed back, so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        assert!(self.waiting.len() <= UNSAID && self.bytes <= UNSAID_BYTES, "what waits is bounded");
        assert_eq!(
            self.bytes,
            self.waiting.iter().map(|(_, bytes)| bytes).sum::<usize>(),
            "bytes are counted"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_said_in_order_and_what_does_not_fit_comes_back() {
        let mut unsaid = Unsaid::default();
        for n in 0..UNSAID {
            assert_eq!(unsaid.wait(n, 1), Ok(()));
        }
        assert_eq!((unsaid.wait(7, 1), unsaid.refused()), (Err(7), 1));
        unsaid.invariants();
        assert!((0..UNSAID).all(|n| unsaid.take() == Some(n)));
        assert!(unsaid.is_empty());
    }

    #[test]
    fn it_is_bounded_by_bytes_too_and_what_has_left_makes_room() {
        let mut unsaid = Unsaid::default();
        assert_eq!(
            (unsaid.wait(0, UNSAID_BYTES - 1), unsaid.wait(1, 1), unsaid.wait(2, 1)),
            (Ok(()), Ok(()), Err(2))
        );
        assert_eq!((unsaid.len(), unsaid.bytes()), (2, UNSAID_BYTES));
        assert_eq!((unsaid.take(), unsaid.wait(3, UNSAID_BYTES)), (Some(0), Err(3)), "one byte still waits");
        assert_eq!(unsaid.wait(4, UNSAID_BYTES - 1), Ok(()));
        unsaid.invariants();
    }
}
