//! What can happen in a world of several nodes.

use corepost::log::{Append, LogEvent, Read};
use corepost::model::{Dispatch, Parcel, Peer};
use corepost::post::Own;
use corepost::tail::{Bounds, Chunk, Fill, Ground, Witness};

/// One thing that happens at a moment: in one process, or whatever becomes of any.
#[derive(Debug)]
pub enum What {
    // In a process.
    /// Time passes on a core.
    Tick { core: u16 },
    /// A parcel arrives at a core: from another one, or behind them all from the post.
    Parcel { from: u16, to: u16, parcel: Parcel },
    /// The log's word reaches a core.
    Told { core: u16, event: LogEvent },
    /// A connect reaches the node.
    Upgrade { conn: u32 },
    /// The node's end of a connection writes.
    Write { conn: u32 },
    /// The node gives up a socket.
    Gone { conn: u32 },
    /// Time passes at the post.
    PostTick,
    /// What a core has for other nodes reaches the post.
    Dispatched { core: u16, dispatches: Vec<Dispatch> },
    /// The consumer of the cluster log gives what it has fetched.
    ClusterFetch,
    /// The broker is asked for the cluster log's end.
    EndAsked { request: u64 },
    /// And has answered.
    EndAnswered { request: u64, start: u64, end: u64 },
    /// The node's own partition is assigned at its end.
    NodeAssigned,
    /// The consumer of the node's partition gives what it has fetched.
    NodeFetch,
    /// The producer has given up a record of the cluster log.
    Unwritten,
    /// The producer has given up a record to another node.
    GivenUp { peer: Peer },
    /// Time passes where the mailbox log is read.
    TailTick,
    /// Which partitions are ours.
    Own(Own),
    /// Something that a partition's keeper waits for.
    Keeper { partition: u16, opening: u64, errand: Errand },
    /// A core wants a page.
    Page(Read),
    /// A core appends.
    Append(Append),
    /// The topics are looked at.
    Guard,
    /// A thread stands still.
    Stall { thread: Thread, ms: u64 },
    /// Are its sessions gone? Then it says that it leaves; at that time at the latest.
    Leave { until_ms: u64 },
    /// The process ends well.
    End,

    // Whatever becomes of a process.
    /// A record arrives at its broker.
    Arrive { from: u32, route: Route },
    /// Something arrives at the node's end of a connection.
    Up { conn: u32 },
    /// Something arrives at the client's end of a connection.
    Down { conn: u32 },
    /// A connect is answered.
    Opened { conn: u32, accepted: bool },
    /// A client's timer.
    Device { device: u32 },
    /// Somebody says something.
    Chat,
    /// Something goes wrong.
    Fault,
    /// What is old is deleted.
    Retain,
    /// A node is started.
    Start { ordinal: u16, disk: u32, is_supervised: bool },
    /// A node is stopped as an operator does.
    Stop { ordinal: u16 },
    /// It has had its time.
    Kill { process: u32 },
}

/// What a keeper waits for.
#[derive(Debug)]
pub enum Errand {
    /// The broker says where the partition begins.
    Ground,
    /// And where it ends.
    Bounds(Ground),
    /// And where the dedupe window begins.
    Window(Bounds),
    /// The consumer gives what it has fetched.
    Fetch,
    /// The broker is asked for the end.
    Ends { asked_ms: u64, read_then: u64 },
    /// The newest record read is looked for at a new leader.
    Witness(Witness),
    /// A chunk of history is to begin.
    Chunk(Chunk),
    /// Some of a chunk was read.
    History { fill: Fill, at: u64 },
}

/// A record on its way to its broker.
#[derive(Debug)]
pub enum Cargo {
    Mail { append: Append, version: u16 },
    Cluster(Vec<u8>),
    Node { peer: Peer, version: u16, value: Vec<u8> },
}

/// The way of a producer's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    Mail(u16),
    Node(u16),
    Cluster,
}

/// What stands still alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thread {
    Core(u16),
    Post,
    Tail,
    Reader,
    /// Of that partition.
    Appender(u16),
}

impl What {
    /// On which thread of its process it happens.
    pub fn thread(&self, core_of: impl Fn(u32) -> u16) -> Thread {
        match self {
            Self::Tick { core } | Self::Told { core, .. } | Self::Parcel { to: core, .. } => {
                Thread::Core(*core)
            }
            Self::Upgrade { conn } | Self::Write { conn } | Self::Gone { conn } => {
                Thread::Core(core_of(*conn))
            }
            Self::TailTick | Self::Own(_) | Self::Keeper { .. } => Thread::Tail,
            Self::Page(_) => Thread::Reader,
            Self::Append(append) => Thread::Appender(append.partition.0),
            _ => Thread::Post,
        }
    }
}
