//! One start of one node: the pure machines that ship, and what a shell would keep around them.

use crate::clock::Clock;
use crate::keeper::Keeper;
use crate::plan::Plan;
use crate::what::Thread;
use corepost::cluster::{self, Constants, Incarnation, Protocols};
use corepost::model::{Now, Partition, Peer, Topology};
use corepost::post::{Output, Own, Post};
use corepost::router::{self, Outbox, Shard};
use corepost::wire::json::Parser;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A running process.
pub struct Process {
    pub ordinal: u16,
    /// Which log the mailbox topic was when it began.
    pub log_epoch: u64,
    /// What its program can speak.
    pub protocols: Protocols,
    /// In which version it writes records.
    pub speaks: u16,
    /// Whose index it has.
    pub disk: u32,
    /// Somebody starts it again.
    pub is_supervised: bool,
    pub clock: Clock,
    pub cores: Vec<Core>,
    pub parser: Option<Parser>,
    pub post: Post,
    pub cluster: Consumer,
    /// Of its own partition of the node topic, once assigned.
    pub node: Option<Consumer>,
    /// By partition.
    pub keepers: BTreeMap<u16, Keeper>,
    pub own: Own,
    /// Partitions in which it has met what it cannot read.
    pub given_up: BTreeSet<u16>,
    /// Terms and openings so far.
    pub terms: u64,
    /// When the newest value of one thread for another arrives: they keep their order.
    pipes: HashMap<(Thread, Thread), u64>,
    /// Who stands still, until when.
    paused: HashMap<Thread, u64>,
    /// When it last said that it lives.
    pub alive_ms: u64,
    /// No socket is accepted any more.
    pub is_draining: bool,
    /// What was its own when it began to drain.
    pub hands_over: Vec<Partition>,
}

/// One core of it.
pub struct Core {
    pub shard: Shard,
    pub out: Outbox,
    /// Whose connection a slot is.
    pub slots: BTreeMap<u32, u32>,
    /// By receiver: commands on their way.
    pub commands: Vec<usize>,
}

/// A consumer of a small topic.
#[derive(Clone, Copy, Debug)]
pub struct Consumer {
    /// The offset it gives next.
    pub at: u64,
    pub is_fetching: bool,
}

/// Time after a ping within which a frame must come.
pub const PONG_TIMEOUT_MS: u64 = 4_000;

impl Process {
    /// Whether this is the home of a partition that it cannot read.
    pub fn owns_in_vain(&self, partition: u16) -> bool {
        let is_owned = self.keepers.get(&partition).is_some_and(|keeper| keeper.is_owned);
        is_owned && self.given_up.contains(&partition)
    }

    pub fn new(
        plan: &Plan,
        birth: Birth,
        log_epoch: u64,
        cluster_start: u64,
        now: Now,
        said: &mut Vec<Output>,
    ) -> Self {
        let topology = plan.topology();
        let Birth { ordinal, protocols, disk, is_supervised, clock, random } = birth;
        let here = clock.now(now);
        let member = cluster::Settings {
            ordinal,
            incarnation: Incarnation::new(here.unix_ms, random),
            protocols,
            constants: Constants {
                partitions: plan.partitions,
                node_timeout_ms: plan.node_timeout_ms,
                log_epoch,
            },
        };
        let post = Post::new(corepost::post::Settings { member, topology }, here.mono_ms, said);
        let core = |core| Core {
            shard: Shard::new(settings(plan, topology, core), log_epoch, &[], here),
            out: Outbox::default(),
            slots: BTreeMap::new(),
            commands: vec![0; usize::from(plan.cores)],
        };
        Self {
            ordinal,
            log_epoch,
            protocols,
            speaks: protocols.min,
            disk,
            is_supervised,
            clock,
            cores: (0..plan.cores).map(core).collect(),
            parser: None,
            post,
            cluster: Consumer { at: cluster_start, is_fetching: false },
            node: None,
            keepers: BTreeMap::new(),
            own: Own::default(),
            given_up: BTreeSet::new(),
            terms: 0,
            pipes: HashMap::new(),
            paused: HashMap::new(),
            alive_ms: 0,
            is_draining: false,
            hands_over: Vec::new(),
        }
    }

    pub fn me(&self) -> Peer {
        self.post.me()
    }

    /// The newest view has it.
    pub fn is_member(&self) -> bool {
        let me = self.me();
        let members = self.post.view().members();
        members.iter().any(|member| (member.ordinal, member.incarnation.0) == (me.node, me.incarnation))
    }

    /// When a value that leaves now and takes so long arrives: never before one that left earlier.
    pub fn pipe(&mut self, from: Thread, to: Thread, arrives_ms: u64) -> u64 {
        let last = self.pipes.entry((from, to)).or_insert(0);
        *last = arrives_ms.max(*last);
        *last
    }

    pub fn next_number(&mut self) -> u64 {
        self.terms += 1;
        self.terms
    }

    /// A thread stands still.
    pub fn pause(&mut self, thread: Thread, until_ms: u64) {
        let paused = self.paused.entry(thread).or_insert(0);
        *paused = until_ms.max(*paused);
    }

    pub fn paused_until_ms(&self, thread: Thread) -> u64 {
        self.paused.get(&thread).copied().unwrap_or(0)
    }

    /// All its threads.
    pub fn threads(&self, partitions: u16) -> Vec<Thread> {
        let cores = (0..self.cores.len() as u16).map(Thread::Core);
        let appenders = (0..partitions).map(Thread::Appender);
        cores.chain(appenders).chain([Thread::Post, Thread::Tail, Thread::Reader]).collect()
    }

    /// Says to a core's outbox which inboxes are full.
    pub fn mind_the_mesh(&mut self, core: u16, most: usize) {
        let Core { out, commands, .. } = &mut self.cores[usize::from(core)];
        for (to, &commands) in commands.iter().enumerate() {
            out.set_room(to as u16, most.saturating_sub(commands));
        }
    }
}

/// What a process is born as.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    pub ordinal: u16,
    pub protocols: Protocols,
    pub disk: u32,
    pub is_supervised: bool,
    pub clock: Clock,
    pub random: u32,
}

fn settings(plan: &Plan, topology: Topology, core: u16) -> router::Settings {
    let mut settings = router::Settings::new(core, topology);
    settings.is_clustered = true;
    settings.ping_interval_ms = plan.ping_interval_ms;
    settings.pong_timeout_ms = PONG_TIMEOUT_MS;
    settings.cursor_refresh_ms = plan.cursor_refresh_ms;
    settings.outbound_bytes = plan.outbound_bytes;
    settings.recent_bytes = plan.recent_bytes;
    settings.bounds = plan.bounds;
    settings
}
