//! What is going to happen, in order of time: the only source of events in a simulated world.
//!
//! Two events of one moment happen in the order they were arranged, so that a seed is one history.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One thing that happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A parcel arrives at a core.
    Mesh { from: u16, to: u16 },
    /// The log's next word reaches a core.
    Told { core: u16 },
    /// The log works on a partition.
    Lane { lane: u16 },
    /// A store reader reads, or its answer arrives.
    Page { page: u32 },
    /// A revocation becomes durable.
    Revoked,
    /// The log says that it lives.
    Beat,
    /// Time passes on a core.
    Tick { core: u16 },
    /// A connect reaches the node.
    Upgrade { conn: u32 },
    /// Something arrives at the node's end of a connection.
    Up { conn: u32 },
    /// Something arrives at the client's end of a connection.
    Down { conn: u32 },
    /// A connect is answered.
    Opened { conn: u32, accepted: bool },
    /// The node's end of a connection writes.
    Write { conn: u32 },
    /// The node gives up a socket.
    Gone { conn: u32 },
    /// A client's timer.
    Device { device: u32 },
    /// Somebody does something.
    Act,
    /// The node starts.
    Start,
}

/// The events to come.
#[derive(Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, u32, What)>>,
    arranged: u64,
}

impl Agenda {
    /// `life`: which start of the node it belongs to; what belongs to an earlier one never happens.
    pub fn arrange(&mut self, at_ms: u64, life: u32, what: What) {
        self.arranged += 1;
        self.heap.push(Reverse((at_ms, self.arranged, life, what)));
    }

    /// Puts off an event without changing its order among others that are put off to the same moment.
    pub fn put_off(&mut self, at_ms: u64, order: u64, life: u32, what: What) {
        self.heap.push(Reverse((at_ms, order, life, what)));
    }

    /// The next event: when, its order, its life, what.
    pub fn next(&mut self) -> Option<(u64, u64, u32, What)> {
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// When the next event is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.0)
    }
}
