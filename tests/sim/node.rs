//! The node: a shard per core, the mesh between them, and what a shell would keep.

use corepost::model::{Now, Parcel, Position, Topology};
use corepost::router::arrive::Session;
use corepost::router::{Outbox, Settings, Shard};
use corepost::wire::json::Parser;
use std::collections::{HashMap, VecDeque};

use crate::log::SimLog;
use crate::plan::Plan;

/// A running node.
pub struct Node {
    pub shards: Vec<Shard>,
    pub out: Vec<Outbox>,
    pub parser: Option<Parser>,
    /// By sender and receiver, in order.
    pub mesh: Vec<Vec<VecDeque<Parcel>>>,
    pub mesh_ms: Vec<Vec<u64>>,
    /// The log's words to each core, in order.
    pub told: Vec<VecDeque<corepost::log::LogEvent>>,
    pub told_ms: Vec<u64>,
    /// By core and partition: the offset below which the core has been told all.
    pub told_heads: Vec<Vec<u64>>,
    /// By core: whose connection a slot is.
    pub slots: Vec<HashMap<u32, u32>>,
    /// By core: it does nothing until then.
    pub paused_until_ms: Vec<u64>,
    /// No socket is accepted any more.
    pub is_draining: bool,
}

impl Node {
    pub fn new(plan: &Plan, topology: Topology, log: &SimLog, heads: &[Position], now: Now) -> Self {
        let cores = usize::from(plan.cores);
        let told_heads: Vec<u64> = heads.iter().map(|head| head.offset).collect();
        let shard = |core| Shard::new(settings(plan, topology, core), log.log_epoch, heads, now);
        Self {
            shards: (0..plan.cores).map(shard).collect(),
            out: (0..cores).map(|_| Outbox::default()).collect(),
            parser: None,
            mesh: (0..cores).map(|_| vec![VecDeque::new(); cores]).collect(),
            mesh_ms: vec![vec![0; cores]; cores],
            told: vec![VecDeque::new(); cores],
            told_ms: vec![0; cores],
            told_heads: vec![told_heads; cores],
            slots: vec![HashMap::new(); cores],
            paused_until_ms: vec![0; cores],
            is_draining: false,
        }
    }

    /// Every session of a core survives its byte form, in whatever state it is.
    pub fn check_byte_forms(&self, core: u16) {
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        for &slot in self.slots[usize::from(core)].keys() {
            bytes.clear();
            again.clear();
            self.shards[usize::from(core)].export(slot, &mut bytes);
            let session = Session::import(&bytes).expect("what was exported is a session");
            session.invariants();
            session.export(&mut again);
            assert_eq!(bytes, again, "a session survives its bytes");
        }
    }

    /// Says to a core's outbox which inboxes are full.
    pub fn mind_the_mesh(&mut self, core: u16, most: usize) {
        for to in 0..self.shards.len() {
            let commands =
                self.mesh[usize::from(core)][to].iter().filter(|parcel| parcel.is_command()).count();
            self.out[usize::from(core)].set_room(to as u16, most.saturating_sub(commands));
        }
    }
}

/// Time after a ping within which a frame must come.
pub const PONG_TIMEOUT_MS: u64 = 4_000;

/// What a shard of this world is configured with.
pub fn settings(plan: &Plan, topology: Topology, core: u16) -> Settings {
    let mut settings = Settings::new(core, topology);
    settings.ping_interval_ms = plan.ping_interval_ms;
    settings.pong_timeout_ms = PONG_TIMEOUT_MS;
    settings.cursor_refresh_ms = plan.cursor_refresh_ms;
    settings.sessions_per_client = plan.sessions_per_client;
    settings.outbound_bytes = plan.outbound_bytes;
    settings.recent_bytes = plan.recent_bytes;
    settings.bounds = plan.bounds;
    settings.rates.messages = plan.messages_per_second.map(corepost::access::Rate::per_second);
    settings
}
