//! One live WebSocket of one client: a cursor over the client's mailbox.
//!
//! What always holds: `position` never goes back, and everything of the mailbox up to it was handed to the socket, in
//! order, once; `told ≤ position`, for a client is told of nothing it was not given; `outbound` and `reserved` count
//! exactly what the shell still has to report as written and what answers may still come.

use super::marks::Tide;
use crate::access::{Claims, Permits, SendBuckets};
use crate::model::{Ask, ClientId, Position, Start};

/// A socket was upgraded for this client.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Who.
    pub client: ClientId,
    /// Where it wants to start.
    pub start: Start,
    /// What its token says, if it came with one.
    pub token: Option<Claims>,
}

/// Where a session is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionPhase {
    /// Its home has not answered yet.
    Resuming,
    /// It lies behind the present and gets what it missed.
    CatchUp {
        /// It waits until its socket has taken what was written, or for credit: nothing is under way to it.
        held: bool,
    },
    /// It gets envelopes as they are appended.
    Live,
    /// It is being closed; its home has forgotten it.
    Closing,
}

/// Whether a session's socket is read, and if not, what its next command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// It is read.
    No,
    /// Its `welcome`, or room in its own budget.
    Itself,
    /// The log or the mesh. It stands in the gateway's line of those, once.
    Crowd,
}

/// One session, as its gateway keeps it. Its byte form is in `session_bytes`.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub client: ClientId,
    /// Which tenant of its slot.
    pub generation: u32,
    /// Where it is on its way.
    pub phase: SessionPhase,
    /// Whether its socket is read.
    pub parked: Parked,
    /// It waits in line for replay credit.
    pub in_line: bool,
    /// A ping is out since the last sign of life.
    pub pinged: bool,
    /// The number of its newest question.
    pub ask: Ask,
    /// Everything up to here was handed to the socket.
    pub position: Position,
    /// What the client knows of that.
    pub told: Position,
    /// Bytes handed to the socket and not yet written.
    pub outbound: u32,
    /// Bytes that the answers to commands in flight may need.
    pub reserved: u32,
    /// Bytes of replay credit it holds.
    pub credit: u32,
    /// Monotonic time at which anything was heard of the peer.
    pub heard_ms: u64,
    /// Monotonic time at which the client was told its position.
    pub told_ms: u64,
    /// Monotonic time since which it has been behind the present: of its upgrade, or of when it fell behind.
    pub behind_ms: u64,
    /// Monotonic time of its timer that counts.
    pub timer_ms: u64,
    /// Unix seconds at which its token expires, of which 32 bits last until 2106; the greatest without one.
    pub expires_s: u32,
    /// When its token was issued.
    pub issued: Issued,
    /// When its socket was upgraded, Unix seconds.
    pub since_s: u32,
    /// The marks that move it while it is live.
    pub tide: Tide,
    /// What only some sessions have.
    pub extras: Option<Box<Extras>>,
}

/// The token that does not expire: there is none, or it outlives this format.
pub const NEVER: u32 = u32::MAX;

/// When a token expires, as a session keeps it.
pub fn expiry(claims: &Claims) -> u32 {
    u32::try_from(claims.exp_s).unwrap_or(NEVER)
}

/// When a token was issued, Unix seconds, as a session keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued(pub u32);

impl Issued {
    /// There is no token.
    pub const NO_TOKEN: Self = Self(u32::MAX);

    /// Of a token that says so, or not: that one is older than any other.
    pub fn of(issued_at: Option<u64>) -> Self {
        Self(u32::try_from(issued_at.unwrap_or(0)).unwrap_or(u32::MAX - 1).min(u32::MAX - 1))
    }

    /// When, if there is a token that says so.
    pub fn at(self) -> Option<u64> {
        (self != Self::NO_TOKEN && self.0 > 0).then_some(u64::from(self.0))
    }
}

/// What only some sessions have, so that the others do not pay for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// To whom its token lets it send; `None` for everyone.
    pub permits: Option<Permits>,
    /// What it has left of its rates.
    pub rates: Option<SendBuckets>,
}

// A node holds millions of these idle, and the allocator's next size is 160.
const _: () = assert!(size_of::<Session>() <= 128);

impl Session {
    /// Whether envelopes may be handed to it as they are appended.
    pub fn is_live(&self) -> bool {
        self.phase == SessionPhase::Live
    }

    /// Bytes of replay that fit into its budget now.
    pub fn room(&self, budget: u32) -> u32 {
        budget.saturating_sub(self.outbound)
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        assert!(
            self.told <= self.position,
            "{} was told {:?} but given {:?}",
            self.client,
            self.told,
            self.position
        );
        if matches!(self.phase, SessionPhase::Live | SessionPhase::Closing) {
            assert_eq!(self.credit, 0, "{} holds replay credit while {:?}", self.client, self.phase);
        }
    }
}
