//! The simulated world: a cluster, its Kafka, its network, its clients, and the reference model beside them.
//!
//! One thread, one seed, one history: whatever happens is an event of the agenda, and every delay and fault is thrown
//! by the world's own dice.

use crate::agenda::Agenda;
use crate::clock::Clock;
use crate::conn::Conn;
use crate::costs::Costs;
use crate::device::Device;
use crate::kafka::Kafka;
use crate::plan::{Fault, Plan};
use crate::process::{Birth, Process};
use crate::producers::Line;
use crate::store::Disk;
use crate::truth::Truth;
use crate::upgrade::FIRST;
use crate::what::{Route, Thread, What};
use corepost::client::Dice;
use corepost::cluster::{Protocols, Refusal};
use corepost::limits::KAFKA_SAME_LOG_MS;
use corepost::model::{ClientId, Now, Partition, Topology};
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
    /// By number; whose number is not in it is dead.
    pub processes: BTreeMap<u32, Process>,
    pub started: u32,
    pub disks: Vec<Disk>,
    pub kafka: Kafka,
    pub truth: Truth,
    /// By epoch: of logs that are gone.
    pub former: BTreeMap<u64, Truth>,
    /// By log and partition: what [`World::settled_of`] was at its end.
    pub former_settled: BTreeMap<u64, Vec<u64>>,
    pub clients: Vec<ClientId>,
    pub devices: Vec<Device>,
    pub conns: Vec<Conn>,
    /// By connection: the process at its other end.
    pub hosts: Vec<u32>,
    /// By connection: the log that it is about.
    pub logs: Vec<u64>,
    /// By connection: the log of the cursor that its client presented.
    pub presented_logs: HashMap<u32, u64>,
    /// By sender and name: the recipients.
    pub letters: HashMap<(String, String), Vec<ClientId>>,
    /// By sender: records on their way to brokers.
    pub lines: HashMap<(u32, Route), Line>,
    /// Things go wrong.
    pub is_rough: bool,
    /// People talk until then.
    pub talk_until_ms: u64,
    /// Nobody says anything until then.
    pub hushed_until_ms: u64,
    /// Records to other nodes are lost until then.
    pub deaf_until_ms: u64,
    /// Nodes that an operator wants there, and the disk of each, on which it is started again and again.
    pub wanted: BTreeMap<u16, u32>,
    /// By ordinal: what its program speaks from its next start on. Who is not in it is of the first version.
    pub programs: BTreeMap<u16, Protocols>,
    /// Programs of several versions may be there.
    pub is_mixed: bool,
    /// Which processes ended themselves, and why.
    pub refusals: Vec<(u32, Refusal)>,
    pub limits_json: String,
    pub hearing: Hearing,
    pub steps: u64,
    pub is_traced: bool,
    pub trace: Vec<String>,
    pub stats: Tally,
    pub costs: Costs,
}

/// What happened in a world, to see that a seed is worth something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub steps: u64,
    pub simulated_s: u64,
    pub delivered: u64,
    pub acked: u64,
    pub records: u64,
    pub node_records: u64,
    pub connects: u64,
    pub starts: u64,
    pub handed_over: u64,
    pub exits: u64,
    pub faults: u64,
    pub terms: u64,
    pub warm: u64,
    pub over: u64,
    pub given_up: u64,
    pub chunks: u64,
    pub losses: u64,
    pub epochs: u64,
    pub catchups: u64,
    pub replayed: u64,
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
        Self {
            dice: Dice::new(plan.seed),
            topology: plan.topology(),
            now: Now { mono_ms: 1_000, unix_ms: 1_760_000_000_000 },
            agenda: Agenda::default(),
            processes: BTreeMap::new(),
            started: 0,
            disks: Vec::new(),
            kafka: Kafka::new(plan.partitions, 0x1000 + plan.seed, plan.retention_ms),
            truth: Truth::default(),
            former: BTreeMap::new(),
            former_settled: BTreeMap::new(),
            clients,
            devices: Vec::new(),
            conns: Vec::new(),
            hosts: Vec::new(),
            logs: Vec::new(),
            presented_logs: HashMap::new(),
            letters: HashMap::new(),
            lines: HashMap::new(),
            is_rough: true,
            talk_until_ms: 0,
            hushed_until_ms: 0,
            deaf_until_ms: 0,
            wanted: BTreeMap::new(),
            programs: BTreeMap::new(),
            is_mixed: plan.faults.contains(&Fault::Version),
            refusals: Vec::new(),
            limits_json: limits.json(),
            hearing: Hearing::new(),
            steps: 0,
            is_traced: std::env::var_os("COREPOST_TRACE").is_some(),
            trace: Vec::new(),
            stats: Tally::default(),
            costs: Costs::default(),
            plan,
        }
    }

    /// The whole life of a seed.
    pub fn run(mut self) -> Tally {
        self.populate();
        self.pass(self.plan.storm_ms);
        self.finale();
        self.tally()
    }

    /// One event happens. Panics when there is none: Kafka always has something to do.
    pub fn step(&mut self) {
        let (at_ms, order, life, what) = self.agenda.next().expect("somebody always has something to do");
        if life != 0 {
            let Some(process) = self.processes.get(&life) else { return };
            let thread = what.thread(|conn| self.conns[conn as usize].core);
            let paused_ms = process.paused_until_ms(thread);
            if paused_ms > at_ms {
                return self.agenda.put_off(paused_ms, order, life, what);
            }
        }
        self.let_pass(at_ms.saturating_sub(self.now.mono_ms));
        self.steps += 1;
        assert!(self.steps < 1_000_000, "the world does not come to rest");
        match life {
            0 => self.happen(what),
            life => self.happen_in(life, what),
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now.mono_ms + ms;
        while self.agenda.next_ms().is_some_and(|next| next <= until) {
            self.step();
        }
        self.let_pass(until.saturating_sub(self.now.mono_ms));
    }

    fn let_pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
    }

    fn happen_in(&mut self, life: u32, what: What) {
        match what {
            What::Tick { core } => self.core_ticks(life, core),
            What::Parcel { from, to, parcel } => self.parcel_arrives(life, from, to, parcel),
            What::Told { core, event } => self.told(life, core, event),
            What::Upgrade { conn } => self.upgrade_arrives(conn),
            What::Write { conn } => self.write_out(conn),
            What::Gone { conn } => self.socket_gone(conn),
            What::PostTick => self.post_ticks(life),
            What::Dispatched { core, dispatches } => {
                self.post(life, |post, now_ms, out| post.on_dispatches(core, dispatches, now_ms, out));
            }
            What::ClusterFetch => self.cluster_fetched(life),
            What::EndAsked { request } => self.end_asked(life, request),
            What::EndAnswered { request, start, end } => {
                self.post(life, |post, now_ms, out| post.on_end(request, start, end, now_ms, out));
            }
            What::NodeAssigned => self.node_assigned(life),
            What::NodeFetch => self.node_fetched(life),
            What::Unwritten => self.post(life, |post, now_ms, out| post.on_unwritten(now_ms, out)),
            What::GivenUp { peer } => {
                self.post(life, |post, now_ms, out| post.on_given_up(peer, now_ms, out));
            }
            What::TailTick => self.tails_tick(life),
            What::Own(own) => self.own(life, own),
            What::Keeper { partition, opening, errand } => self.run_errand(life, partition, opening, errand),
            What::Page(read) => self.read_page(life, read),
            What::Append(append) => self.append(life, append),
            What::Guard => self.guard(life),
            What::Stall { thread, ms } => self.stall(life, thread, ms),
            What::Leave { until_ms } => self.leave_cluster(life, until_ms),
            What::End => self.die(life, "left"),
            other => unreachable!("{other:?} happens to no process"),
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Arrive { from, route } => self.cargo_arrives(from, route),
            What::Up { conn } => self.up_arrives(conn),
            What::Down { conn } => self.down_arrives(conn),
            What::Opened { conn, accepted } => self.connect_answered(conn, accepted),
            What::Device { device } => self.device_wakes(device),
            What::Chat => self.chat(),
            What::Fault => self.fault(),
            What::Retain => {
                self.kafka.retain(self.now.unix_ms);
                self.arrange(5_000, What::Retain);
            }
            What::Start { ordinal, disk, is_supervised } => self.start(ordinal, disk, is_supervised),
            What::Stop { ordinal } => self.stop(ordinal),
            What::Kill { process } => self.die(process, "had its time"),
            other => unreachable!("{other:?} happens in a process"),
        }
    }

    /// Something that happens whatever becomes of anybody.
    pub fn arrange(&mut self, after_ms: u64, what: What) {
        self.agenda.arrange(self.now.mono_ms + after_ms, 0, what);
    }

    /// Something that happens only while this process lives.
    pub fn arrange_in(&mut self, life: u32, after_ms: u64, what: What) {
        self.agenda.arrange(self.now.mono_ms + after_ms, life, what);
    }

    /// A value of one thread of a process for another: they keep their order.
    pub fn hand(&mut self, life: u32, from: Thread, to: Thread, what: What) {
        let arrives_ms = self.now.mono_ms + self.delay(self.plan.mesh_ms);
        let Some(process) = self.processes.get_mut(&life) else { return };
        let arrives_ms = process.pipe(from, to, arrives_ms);
        self.agenda.arrange(arrives_ms, life, what);
    }

    /// Up to so many milliseconds; now and then ten times as many.
    pub fn delay(&mut self, most_ms: u64) -> u64 {
        let rare = if self.is_rough && self.dice.below(50) == 0 { 10 } else { 1 };
        self.dice.below(most_ms * rare + 1)
    }

    /// How long a broker takes.
    pub fn broker_ms(&mut self) -> u64 {
        let is_slow = self.is_rough && self.one_in(40);
        1 + if is_slow { 50 + self.dice.below(750) } else { self.dice.below(self.plan.kafka_ms) }
    }

    /// How long it is until a broker answers at all.
    pub fn outage_ms(&self) -> Option<u64> {
        self.kafka.out_until_ms.checked_sub(self.now.mono_ms).filter(|&ms| ms > 0)
    }

    /// One in so many.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.dice.below(many) == 0
    }

    pub fn place(&self, client: &ClientId) -> corepost::model::Place {
        self.topology.place(client.as_ref())
    }

    pub fn partition(&self, client: &ClientId) -> Partition {
        self.place(client).partition
    }

    /// A new disk for a node.
    pub fn new_disk(&mut self) -> u32 {
        self.disks.push(Disk::default());
        self.disks.len() as u32 - 1
    }

    /// A process of a node begins.
    pub fn start(&mut self, ordinal: u16, disk: u32, is_supervised: bool) {
        if self.disks[disk as usize].is_taken || (is_supervised && self.wanted.get(&ordinal) != Some(&disk)) {
            return;
        }
        self.disks[disk as usize].is_taken = true;
        self.started += 1;
        self.stats.starts += 1;
        let life = self.started;
        let clock = Clock {
            began_ms: self.now.mono_ms,
            base_ms: 1_000 + self.dice.below(1_000_000),
            drift_ppm: self.dice.below(4_001) as i64 - 2_000,
            ahead_ms: self.dice.below(4_001) as i64 - 2_000,
        };
        let random = self.dice.throw() as u32;
        let protocols = self.programs.get(&ordinal).copied().unwrap_or(FIRST);
        self.disks[disk as usize].open(protocols.max, self.kafka.log_epoch);
        let birth = Birth { ordinal, protocols, disk, is_supervised, clock, random };
        let mut said = Vec::new();
        let (log_epoch, start) = (self.kafka.log_epoch, self.kafka.cluster.start);
        let process = Process::new(&self.plan, birth, log_epoch, start, self.now, &mut said);
        self.processes.insert(life, process);
        note!(self, "#{life} starts as node {ordinal} on disk {disk}, speaks {protocols}");
        self.carry_out(life, said);
        for core in 0..self.plan.cores {
            let after_ms = self.dice.below(self.plan.tick_ms);
            self.arrange_in(life, after_ms, What::Tick { core });
        }
        self.arrange_in(life, 10, What::PostTick);
        self.arrange_in(life, 10, What::TailTick);
        self.arrange_in(life, KAFKA_SAME_LOG_MS, What::Guard);
        let after_ms = self.broker_ms();
        self.arrange_in(life, after_ms, What::NodeAssigned);
        self.wake_cluster(life);
    }

    /// A process is no more. What it has sent arrives or does not.
    pub fn die(&mut self, life: u32, why: &str) {
        let Some(mut process) = self.processes.remove(&life) else { return };
        note!(self, "#{life} of node {} dies: {why}", process.ordinal);
        self.stats.exits += 1;
        for core in &mut process.cores {
            self.stats.catchups += core.shard.counters().catchups;
            self.stats.replayed += core.shard.counters().replayed;
        }
        let disk = &mut self.disks[process.disk as usize];
        disk.is_taken = false;
        let dice = &mut self.dice;
        disk.crash(|| dice.below(2) == 0);
        self.lose_sockets(life);
        if process.is_supervised {
            let after_ms = 300 + self.dice.below(4_000);
            let (ordinal, disk) = (process.ordinal, process.disk);
            self.arrange(after_ms, What::Start { ordinal, disk, is_supervised: true });
        }
    }

    pub fn tally(&mut self) -> Tally {
        for life in self.processes.keys().copied().collect::<Vec<_>>() {
            self.processes.get_mut(&life).unwrap().is_supervised = false;
            self.die(life, "the end of the world");
        }
        let mut tally = self.stats;
        tally.steps = self.steps;
        tally.simulated_s = self.now.mono_ms / 1_000;
        tally.records = self.kafka.mail.iter().map(|lane| lane.end()).sum();
        tally.node_records = self.kafka.node.iter().map(|lane| lane.end()).sum();
        for device in &self.devices {
            tally.delivered += device.delivered;
            tally.losses += device.losses;
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.simulated_s += other.simulated_s;
        self.delivered += other.delivered;
        self.acked += other.acked;
        self.records += other.records;
        self.node_records += other.node_records;
        self.connects += other.connects;
        self.starts += other.starts;
        self.handed_over += other.handed_over;
        self.exits += other.exits;
        self.faults += other.faults;
        self.terms += other.terms;
        self.warm += other.warm;
        self.over += other.over;
        self.given_up += other.given_up;
        self.chunks += other.chunks;
        self.losses += other.losses;
        self.epochs += other.epochs;
        self.catchups += other.catchups;
        self.replayed += other.replayed;
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
