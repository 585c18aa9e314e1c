//! The simulated world: one node, its log, its network, its clients, and the reference model beside them.
//!
//! One thread, one seed, one history: whatever happens is an event of the agenda, and every delay and fault is thrown
//! by the world's own dice.

use crate::agenda::Agenda;
use crate::conn::Conn;
use crate::device::Device;
use crate::log::SimLog;
use crate::node::Node;
use crate::plan::{Plan, Weather};
use crate::truth::Truth;
use crate::what::What;
use corepost::client::Dice;
use corepost::log::{LogEvent, Page, Read, Unreadable};
use corepost::model::{ClientId, Kind, Now, Topology};
use corepost::router::{Outbox, Shard};
use corepost::wire::json::{Hearing, Limits};
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

/// Everything there is.
pub struct World {
    pub plan: Plan,
    pub topology: Topology,
    pub dice: Dice,
    pub now: Now,
    pub agenda: Agenda<What>,
    /// Which start of the node this is.
    pub life: u32,
    pub node: Option<Node>,
    pub log: SimLog,
    pub truth: Truth,
    pub clients: Vec<ClientId>,
    pub devices: Vec<Device>,
    pub conns: Vec<Conn>,
    pub pages: BTreeMap<u32, Reading>,
    pub page_count: u32,
    pub letters: HashMap<(String, String), Sent>,
    pub requests: BTreeMap<u32, Asked>,
    pub request_count: u32,
    pub acts_left: u32,
    /// The log writes nothing until then.
    pub stalled_until_ms: u64,
    /// Clients that an operator has disconnected.
    pub disconnected: Vec<ClientId>,
    /// Nothing much happens: time passes in steps of so much.
    pub silence_ms: Option<u64>,
    /// Devices write down what they hear.
    pub keeps_diaries: bool,
    pub limits_json: String,
    pub hearing: Hearing,
    pub steps: u64,
    pub is_traced: bool,
    pub trace: Vec<String>,
    pub stats: Tally,
}

/// What happened in a world, to see that a seed is worth something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub steps: u64,
    pub delivered: u64,
    pub acked: u64,
    pub records: u64,
    pub connects: u64,
    pub crashes: u64,
    pub losses: u64,
    pub catchups: u64,
    pub replayed: u64,
    pub ephemerals: u64,
    pub pulls: u64,
}

/// A read on its way.
pub enum Reading {
    Asked(Read),
    Done(u16, corepost::log::ReadTicket, Result<Page, Unreadable>),
}

/// A message as its sender knows it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub to: Vec<ClientId>,
    pub copy: bool,
}

/// A request of the HTTP API that waits.
#[derive(Clone, Debug)]
pub enum Asked {
    Publish { from: String, id: String },
    Erase { client: ClientId, before: usize },
    Revoke { client: ClientId, until_s: u64 },
    Pull { client: ClientId, held: Option<corepost::model::Position>, pages: u32 },
    Disconnect,
}

/// Says what happens, when somebody wants to read it.
macro_rules! note {
    ($world:expr, $($word:tt)*) => {
        if $world.is_traced {
            let line = format!("{:>8} {}", $world.now.mono_ms, format_args!($($word)*));
            $world.trace.push(line);
        }
    };
}
pub(crate) use note;

impl World {
    pub fn new(plan: Plan) -> Self {
        let topology = Topology::new(plan.partitions, plan.cores);
        let limits = Limits {
            message_bytes: corepost::limits::MESSAGE_BYTES,
            recipients: corepost::limits::RECIPIENTS,
            id_bytes: corepost::limits::ID_BYTES,
            json_depth: corepost::limits::JSON_DEPTH,
            ping_interval_ms: plan.ping_interval_ms,
            retention_ms: 7 * 86_400_000,
            dedupe_ms: corepost::limits::DEDUPE_MS,
            durability: "fsync",
        };
        let clients = (0..plan.clients).map(|n| ClientId::new(&format!("c{n}")).unwrap()).collect();
        let mut world = Self {
            dice: Dice::new(plan.seed),
            topology,
            now: Now { mono_ms: 1_000, unix_ms: 1_760_000_000_000 },
            agenda: Agenda::default(),
            life: 0,
            node: None,
            log: SimLog::new(topology, 0x1000 + plan.seed, plan.quota),
            truth: Truth::default(),
            clients,
            devices: Vec::new(),
            conns: Vec::new(),
            pages: BTreeMap::new(),
            page_count: 0,
            letters: HashMap::new(),
            requests: BTreeMap::new(),
            request_count: 0,
            acts_left: 0,
            stalled_until_ms: 0,
            disconnected: Vec::new(),
            silence_ms: None,
            keeps_diaries: false,
            limits_json: limits.json(),
            hearing: Hearing::new(),
            steps: 0,
            is_traced: std::env::var_os("COREPOST_TRACE").is_some(),
            trace: Vec::new(),
            stats: Tally::default(),
            plan,
        };
        world.start_node();
        world
    }

    /// The whole life of a seed.
    pub fn run(mut self) -> Tally {
        self.populate();
        self.acts_left = self.plan.acts;
        self.arrange(1, What::Act);
        while self.acts_left > 0 {
            self.step();
        }
        self.finale();
        self.tally()
    }

    /// One event happens. Panics when there is none: a node always ticks.
    pub fn step(&mut self) {
        let (at_ms, order, life, what) = self.agenda.next().expect("somebody always has something to do");
        if life != 0 && (life != self.life || self.node.is_none()) {
            return;
        }
        if let Some(paused) = self.paused(what).filter(|&paused| paused > at_ms) {
            return self.agenda.put_off(paused, order, life, what);
        }
        let passed = at_ms.saturating_sub(self.now.mono_ms);
        self.now.mono_ms += passed;
        self.now.unix_ms += passed;
        self.steps += 1;
        assert!(self.steps < 3_000_000, "the world does not come to rest");
        self.happen(what);
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now.mono_ms + ms;
        while self.agenda.next_ms().is_some_and(|next| next <= until) {
            self.step();
        }
        let left = until.saturating_sub(self.now.mono_ms);
        self.now.mono_ms += left;
        self.now.unix_ms += left;
    }

    fn paused(&self, what: What) -> Option<u64> {
        let core = match what {
            What::Mesh { to: core, .. } | What::Told { core } | What::Tick { core } => core,
            What::Up { conn } | What::Write { conn } => self.conns[conn as usize].core,
            _ => return None,
        };
        self.node.as_ref().map(|node| node.paused_until_ms[usize::from(core)])
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Mesh { from, to } => self.mesh_arrives(from, to),
            What::Told { core } => self.told_arrives(core),
            What::Lane { lane } => self.lane_works(lane),
            What::Page { page } => self.page_goes_on(page),
            What::Revoked => self.revocation_is_durable(),
            What::Beat => self.beat(),
            What::Tick { core } => {
                self.enter(core, |shard, now, out| shard.on_tick(now, out));
                let ms = self.silence_ms.unwrap_or(self.plan.tick_ms);
                self.arrange_here(ms, What::Tick { core });
            }
            What::Upgrade { conn } => self.upgrade_arrives(conn),
            What::Opened { conn, accepted } => self.connect_answered(conn, accepted),
            What::Up { conn } => self.up_arrives(conn),
            What::Down { conn } => self.down_arrives(conn),
            What::Write { conn } => self.write_out(conn),
            What::Device { device } => self.device_wakes(device),
            What::Gone { conn } => self.socket_gone(conn),
            What::Act => self.act(),
            What::Start => self.start_node(),
        }
    }

    /// Something that happens whatever becomes of the node.
    pub fn arrange(&mut self, after_ms: u64, what: What) {
        self.agenda.arrange(self.now.mono_ms + after_ms, 0, what);
    }

    /// Something that happens only in this life of the node.
    pub fn arrange_here(&mut self, after_ms: u64, what: What) {
        self.agenda.arrange(self.now.mono_ms + after_ms, self.life, what);
    }

    /// Up to so many milliseconds; now and then ten times as many.
    pub fn delay(&mut self, most_ms: u64) -> u64 {
        let rare = if self.dice.below(50) == 0 { 10 } else { 1 };
        self.dice.below(most_ms * rare + 1)
    }

    /// One in so many.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.dice.below(many) == 0
    }

    pub fn is_stormy(&self) -> bool {
        self.plan.weather == Weather::Storm
    }

    /// The node begins a life on what the log holds.
    pub fn start_node(&mut self) {
        if self.node.is_some() {
            return;
        }
        self.life += 1;
        let heads = self.log.recover();
        self.truth.follow(&self.log);
        self.node = Some(Node::new(&self.plan, self.topology, &self.log, &heads, self.now));
        note!(self, "the node starts for the {}th time", self.life);
        for revocation in self.log.former_revocations() {
            let core = self.topology.place(revocation.client.as_ref()).core;
            self.tell(core, LogEvent::Revoked(revocation));
        }
        for core in 0..self.plan.cores {
            let after_ms = self.dice.below(self.plan.tick_ms);
            self.arrange_here(after_ms, What::Tick { core });
        }
        let after_ms = self.delay(200);
        self.arrange_here(after_ms, What::Beat);
    }

    /// The process dies: everything but the log is lost.
    pub fn crash_node(&mut self) {
        let Some(_) = self.node.take() else { return };
        note!(self, "the node dies");
        self.stats.crashes += 1;
        self.log.crash(&mut self.dice);
        (self.pages, self.requests) = (BTreeMap::new(), BTreeMap::new());
        for conn in 0..self.conns.len() as u32 {
            self.lose_socket(conn);
        }
        let down_ms = self.dice.below(3_000);
        self.arrange(down_ms, What::Start);
    }

    /// An input to a core's shard; then its invariants, then what it wants done.
    pub fn enter<T>(&mut self, core: u16, input: impl FnOnce(&mut Shard, Now, &mut Outbox) -> T) -> T {
        self.enter_then(core, input, |_, _| {})
    }

    /// The same with a look at the result before anything is done.
    pub fn enter_then<T>(
        &mut self,
        core: u16,
        input: impl FnOnce(&mut Shard, Now, &mut Outbox) -> T,
        then: impl FnOnce(&mut Self, &T),
    ) -> T {
        let node = self.node.as_mut().expect("inputs are for a living node");
        node.mind_the_mesh(core, self.plan.commands);
        let at = usize::from(core);
        let mut out = std::mem::take(&mut node.out[at]);
        let result = input(&mut node.shards[at], self.now, &mut out);
        node.shards[at].invariants();
        then(self, &result);
        if self.steps.is_multiple_of(32)
            && let Some(node) = &self.node
        {
            node.check_byte_forms(core);
        }
        let mut unparked = Vec::new();
        for output in out.drain() {
            self.execute(core, output, &mut unparked);
        }
        if let Some(node) = &mut self.node {
            node.out[at] = out;
        }
        for conn in unparked {
            self.conns[conn as usize].is_parked = false;
            self.feed(conn);
        }
        result
    }

    /// The log says something to a core; its words keep their order.
    pub fn tell(&mut self, core: u16, event: LogEvent) {
        let delay = self.delay(self.plan.log_ms / 2);
        let (now_ms, life) = (self.now.mono_ms, self.life);
        let Some(node) = &mut self.node else { return };
        let at = usize::from(core);
        node.told[at].push_back(event);
        node.told_ms[at] = node.told_ms[at].max(now_ms + delay);
        self.agenda.arrange(node.told_ms[at], life, What::Told { core });
    }

    pub fn tell_all(&mut self, events: Vec<(u16, LogEvent)>) {
        self.truth.follow(&self.log);
        for (core, event) in events {
            if let LogEvent::Record(record) = &event
                && record.envelope.kind() == Kind::Erase
            {
                self.disturb(record.partition.0);
            }
            self.tell(core, event);
        }
    }

    fn tally(&mut self) -> Tally {
        let mut tally = self.stats;
        tally.steps = self.steps;
        tally.records = self.log.lanes.iter().map(|lane| lane.durable).sum();
        for device in &self.devices {
            tally.delivered += device.delivered;
            tally.losses += device.losses;
            tally.ephemerals += device.ephemerals;
        }
        for shard in self.node.iter_mut().flat_map(|node| &mut node.shards) {
            tally.catchups += shard.counters().catchups;
            tally.replayed += shard.counters().replayed;
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.delivered += other.delivered;
        self.acked += other.acked;
        self.records += other.records;
        self.connects += other.connects;
        self.crashes += other.crashes;
        self.losses += other.losses;
        self.catchups += other.catchups;
        self.replayed += other.replayed;
        self.ephemerals += other.ephemerals;
        self.pulls += other.pulls;
    }
}

/// A world that fails tells its story, if somebody wanted to hear it.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.trace.iter().for_each(|line| println!("{line}"));
        }
    }
}
