//! What a shard was configured with.

use crate::access::SendRates;
use crate::limits;
use crate::model::Topology;

/// Fixed for the life of a shard. The defaults are those of DESIGN.md §9.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This core.
    pub core: u16,
    /// Partitions of the log and cores of the node.
    pub topology: Topology,
    /// Time between server pings.
    pub ping_interval_ms: u64,
    /// Time after a ping within which a frame must come.
    pub pong_timeout_ms: u64,
    /// Time after which a quiet client is told its position.
    pub cursor_refresh_ms: u64,
    /// Sessions of one client.
    pub sessions_per_client: usize,
    /// Bytes handed to a session's socket and not yet written, before it falls behind.
    pub outbound_bytes: u32,
    /// Bytes of recent envelopes in memory.
    pub recent_bytes: usize,
    /// What a session may send.
    pub rates: SendRates,
    /// Whether there are other nodes, whose log is this one's too.
    pub is_clustered: bool,
    /// The bounds of queues and pools.
    pub bounds: Bounds,
}

/// Bounds that a server takes from [`limits`] and only tests make smaller, so that they are reached.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// [`limits::OUTBOUND_ANSWERS`]
    pub answer_bytes: u32,
    /// [`limits::REPLAY_CREDIT_BYTES`]
    pub replay_credit_bytes: u32,
    /// [`limits::REPLAY_SHARE_BYTES`]
    pub replay_share_bytes: u32,
    /// [`limits::PAGE_BYTES`]
    pub page_bytes: u32,
    /// [`limits::PAGE_ENVELOPES`]
    pub page_envelopes: u32,
    /// [`limits::MISSED_COUNTED`]
    pub missed_counted: u32,
    /// [`limits::READS_IN_FLIGHT`]
    pub reads_in_flight: usize,
    /// [`limits::APPENDS_IN_FLIGHT`]
    pub appends_in_flight: usize,
    /// [`limits::APPEND_BYTES_IN_FLIGHT`]
    pub append_bytes_in_flight: usize,
    /// [`limits::REVOCATIONS`], of all cores
    pub revocations: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            answer_bytes: limits::OUTBOUND_ANSWERS as u32,
            replay_credit_bytes: limits::REPLAY_CREDIT_BYTES,
            replay_share_bytes: limits::REPLAY_SHARE_BYTES,
            page_bytes: limits::PAGE_BYTES as u32,
            page_envelopes: limits::PAGE_ENVELOPES as u32,
            missed_counted: limits::MISSED_COUNTED as u32,
            reads_in_flight: limits::READS_IN_FLIGHT,
            appends_in_flight: limits::APPENDS_IN_FLIGHT,
            append_bytes_in_flight: limits::APPEND_BYTES_IN_FLIGHT,
            revocations: limits::REVOCATIONS,
        }
    }
}

impl Settings {
    /// The defaults, for this core of this topology.
    pub fn new(core: u16, topology: Topology) -> Self {
        assert!(core < topology.cores(), "core {core} is beyond the {} cores of the node", topology.cores());
        Self {
            core,
            topology,
            ping_interval_ms: limits::PING_INTERVAL_MS,
            pong_timeout_ms: limits::PONG_TIMEOUT_MS,
            cursor_refresh_ms: limits::CURSOR_REFRESH_MS,
            sessions_per_client: limits::SESSIONS_PER_CLIENT,
            outbound_bytes: limits::OUTBOUND_BYTES as u32,
            recent_bytes: limits::RECENT_BYTES,
            rates: SendRates::default(),
            is_clustered: false,
            bounds: Bounds::default(),
        }
    }
}
