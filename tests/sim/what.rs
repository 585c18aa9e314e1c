//! What can happen in the world of one node.

/// One thing that happens at a moment.
#[derive(Clone, Copy, Debug)]
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
