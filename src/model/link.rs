//! Who speaks on a link between two nodes, where on it, and what only two nodes have to tell each other (DESIGN.md §6).

use super::{Ask, ClientId, Credit, Partition, Position, SessionRef, Start};

/// One start of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Its ordinal.
    pub node: u16,
    /// Which start.
    pub incarnation: u64,
}

/// A link's life, from one hello to the next. A gateway's later hello has a greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// Where a value stands on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The link's life.
    pub generation: Generation,
    /// One more than the value before it, each way; 0 is the hello.
    pub number: u64,
}

/// A session as its gateway presents it to a home: with a hello, which may find a home that knows nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloSession {
    /// Whose it is.
    pub client: ClientId,
    /// Which session of the gateway's node.
    pub session: SessionRef,
    /// Number of its newest question, which this asks again.
    pub ask: Ask,
    /// Where it stands.
    pub from: HelloFrom,
    /// What may be sent in replay. Welcomed and without any means: hold.
    pub credit: Credit,
    /// When its token was issued, Unix seconds; `None` without a token or without `iat`.
    pub issued_at: Option<u64>,
    /// Whether it came with a token at all: revocations judge only those.
    pub by_token: bool,
    /// When its socket was upgraded, Unix milliseconds.
    pub since_ms: u64,
}

/// Where a session stands when a home is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloFrom {
    /// No home has welcomed it yet: it is to be attached.
    Start(Start),
    /// It was welcomed and has been given everything up to here: it goes on.
    Position(Position),
}

/// How far a home has applied a partition that it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The partition.
    pub partition: Partition,
    /// Which of its home's times as the owner: it moves nobody who became live in another one.
    pub term: u64,
    /// Everything up to here was applied.
    pub position: Position,
}
