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
        }
    }
}
