//! Who speaks on a link between two nodes, and where on it (DESIGN.md §6).

/// One start of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Its ordinal.
    pub node: u16,
    /// Which start.
    pub incarnation: u64,
}

/// A link's life, from one hello to the next. A gateway's later hello has a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// Where a value stands on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The link's life.
    pub generation: Generation,
    /// One more than the value before it, each way; 0 is the hello.
    pub number: u64,
}
