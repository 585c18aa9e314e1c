//! Who speaks on a link between two nodes, where on it, and what only two nodes have to tell each other (DESIGN.md §6).

use super::{
    Ask, Asker, ClientId, Credit, Delivered, Envelope, Findings, Partition, Position, Question, SessionRef,
    Start, ToHome, ToSession,
};

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

/// By which way a session speaks to a home of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Via(pub u32);

impl Via {
    /// Its socket is on this node. Every other way is one life of a link from another node's gateway, numbered by the
    /// post and never used again, so that what is said to an earlier life reaches nobody.
    pub const HERE: Self = Self(0);
}

/// A session as a home of this node reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reach {
    /// By which way.
    pub via: Via,
    /// Which session of the node at the other end.
    pub session: SessionRef,
}

impl Reach {
    /// A session whose socket is on this node.
    pub fn here(session: SessionRef) -> Self {
        Self { via: Via::HERE, session }
    }

    /// Whether its socket is on this core of this node.
    pub fn is_on(self, core: u16) -> bool {
        self.via == Via::HERE && self.session.core == core
    }
}

/// Where the home of a partition's clients is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// On this node, whether or not it serves the partition yet.
    Here,
    /// On that one.
    Away(Peer),
    /// Nobody owns it, as far as is known.
    Nowhere,
}

/// What a core has for another node: the post gives it a number on its link, and sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// A session speaks to its home.
    ToHome {
        /// Whose home, by the route of its partition.
        home: Peer,
        /// Whose.
        client: ClientId,
        /// Which session of this node.
        session: SessionRef,
        /// What.
        say: ToHome,
    },
    /// A session comes to a home: its partition has moved there, or a hello is said.
    Join {
        /// To which.
        home: Peer,
        /// Who.
        session: HelloSession,
    },
    /// A home speaks to one session.
    ToSession {
        /// By the way on which the session spoke.
        via: Via,
        /// Whose session it must be.
        client: ClientId,
        /// Which session of the gateway's node.
        session: SessionRef,
        /// The home's term of the client's partition.
        term: u64,
        /// What.
        say: ToSession,
    },
    /// A home delivers one new envelope to all live sessions of its client at that gateway.
    Deliver {
        /// By that way.
        via: Via,
        /// The sessions.
        sessions: Vec<SessionRef>,
        /// What.
        delivered: Delivered,
    },
    /// A home passes an ephemeral message to all live sessions of a client at that gateway.
    Ephemeral {
        /// By that way.
        via: Via,
        /// Whose sessions they must be.
        client: ClientId,
        /// The sessions.
        sessions: Vec<SessionRef>,
        /// What.
        envelope: Envelope,
    },
    /// A sender's core passes an ephemeral message to the recipients' home.
    Whisper {
        /// To which.
        home: Peer,
        /// Clients at home there.
        to: Vec<ClientId>,
        /// What.
        envelope: Envelope,
    },
    /// A core asks a home, for a request of the HTTP API.
    Ask {
        /// Which.
        home: Peer,
        /// The question's number at this core.
        number: u64,
        /// About whom.
        client: ClientId,
        /// What.
        question: Question,
    },
    /// A home answers another node's question.
    Tell {
        /// To which node.
        to: Peer,
        /// Whose question it was there.
        asker: Asker,
        /// What it found.
        findings: Findings,
    },
    /// Each second: how far this core has applied the partitions that this node serves. All that it had to say before is
    /// said; a mark may say what all cores have reached.
    Heads {
        /// One for each.
        heads: Vec<Head>,
    },
}
