//! What is going to happen, in order of time: the only source of events in a simulated world.
//!
//! Two events of one moment happen in the order they were arranged, so that a seed is one history.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The events to come.
pub struct Agenda<What> {
    heap: BinaryHeap<Reverse<Entry<What>>>,
    arranged: u64,
}

/// One thing that happens at a moment.
struct Entry<What> {
    at_ms: u64,
    order: u64,
    life: u32,
    what: What,
}

impl<What> Default for Agenda<What> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), arranged: 0 }
    }
}

impl<What> Agenda<What> {
    /// `life`: which start of the node it belongs to; what belongs to an earlier one never happens.
    pub fn arrange(&mut self, at_ms: u64, life: u32, what: What) {
        self.arranged += 1;
        self.put_off(at_ms, self.arranged, life, what);
    }

    /// Puts off an event without changing its order among others that are put off to the same moment.
    pub fn put_off(&mut self, at_ms: u64, order: u64, life: u32, what: What) {
        self.heap.push(Reverse(Entry { at_ms, order, life, what }));
    }

    /// The next event: when, its order, its life, what.
    pub fn next(&mut self) -> Option<(u64, u64, u32, What)> {
        self.heap.pop().map(|Reverse(Entry { at_ms, order, life, what })| (at_ms, order, life, what))
    }

    /// When the next event is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at_ms)
    }
}

impl<What> Entry<What> {
    fn rank(&self) -> (u64, u64) {
        (self.at_ms, self.order)
    }
}

impl<What> PartialEq for Entry<What> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<What> Eq for Entry<What> {}

impl<What> PartialOrd for Entry<What> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<What> Ord for Entry<What> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}
