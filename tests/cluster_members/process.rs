//! One process of a node: its membership and the shell around it, with what the world must know to judge it.

use corepost::cluster::{Incarnation, Members};

pub struct Process {
    pub ordinal: u16,
    pub members: Members,
    /// What it was started as.
    pub given: Incarnation,
    /// The next offset its consumer gives it.
    pub at: u64,
    pub is_up: bool,
    pub ended_ms: u64,
    /// Somebody starts it again.
    pub is_supervised: bool,
    pub paused_until_ms: u64,
    pub is_fetching: bool,
    /// Its producer is idempotent: what it sends later arrives later.
    pub producer_free_ms: u64,
    /// How long its connections take after a stall.
    pub reconnect_ms: u64,
    /// What it has sent is lost with it.
    pub sent_is_lost: bool,
    pub last_tick_ms: u64,
    /// It may say nothing before it has read up to here.
    pub must_read: u64,
    /// Records it has said, and has not seen or been told of.
    pub under_way: u32,
    /// It believes that it holds its ordinal.
    pub believes: bool,
    /// The members of the newest view it told.
    pub sees: Vec<(u16, Incarnation, bool)>,
}

impl Process {
    pub fn incarnation(&self) -> Incarnation {
        self.members.incarnation()
    }

    /// It can act on what it believes.
    pub fn acts(&self, now_ms: u64) -> bool {
        self.is_up && self.believes && self.paused_until_ms <= now_ms
    }
}
