//! How a session is named: to its shard, to a home on another core, and in logs.

use std::fmt;

/// A session of this node: which core holds its socket, and where there.
///
/// A slot is used again, a generation is not: who holds an old name speaks to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionRef {
    /// The core that holds the socket.
    pub core: u16,
    /// Its place in that core's table.
    pub slot: u32,
    /// Which tenant of the slot.
    pub generation: u32,
}

/// A session among all nodes for all time. Printed as one opaque word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The node's ordinal.
    pub node: u16,
    /// Which start of that node: a greater number than any before it.
    pub incarnation: u64,
    /// The session there.
    pub session: SessionRef,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, incarnation, session: SessionRef { core, slot, generation } } = self;
        write!(f, "s{node:x}-{incarnation:x}-{core:x}-{slot:x}-{generation:x}")
    }
}
