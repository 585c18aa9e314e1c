//! Some nodes, each a post with toy cores, around one cluster log and one node topic that loses, doubles and reorders;
//! nodes are paused, killed and started again. When the faults have ended, everybody knows what is so.

use super::toy_core::{In, ToyCore, Truth};
use super::*;
use crate::client::Dice;
use crate::cluster::{Constants, Incarnation, NodePartition, Protocols, Raw};
use crate::links::Break;
use crate::model::*;
use crate::wire::node_record::{NodeRecord, VERSION};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const STEP_MS: u64 = 50;
const ROUGH_MS: u64 = 60_000;
const QUIET_MS: u64 = 45_000;
const PARTITIONS: u16 = 8;
const CLIENTS: u64 = 24;

struct Process {
    ordinal: u16,
    post: Post,
    is_over: bool,
    paused_until_ms: u64,
    /// It drains, and stops then.
    stops_ms: u64,
    /// What it says in the cluster log is lost.
    mute_until_ms: u64,
    /// Next offsets that it reads.
    cluster_at: usize,
    node_at: usize,
    cores: Vec<ToyCore>,
    inboxes: Vec<VecDeque<In>>,
    own: BTreeMap<Partition, u64>,
    term: u64,
    ticked_ms: u64,
    told_ms: u64,
}

/// A record of the node topic on its way.
struct OnItsWay {
    arrives_ms: u64,
    ordinal: u16,
    value: Vec<u8>,
}

struct Storm {
    now_ms: u64,
    dice: Dice,
    is_rough: bool,
    /// When each was appended, and what.
    cluster: Vec<(u64, Vec<u8>)>,
    topic: BTreeMap<u16, Vec<Vec<u8>>>,
    on_its_way: Vec<OnItsWay>,
    given_up: Vec<(u64, u16, u64, Peer)>,
    processes: Vec<Option<Process>>,
    back_ms: Vec<u64>,
    truth: Truth,
    starts: u64,
    seen: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    broken: [u64; Break::ALL.len()],
    dropped: [u64; Drop::ALL.len()],
    late: u64,
    messages: u64,
    most_waiting: usize,
    handed_over: u64,
}

impl Tally {
    fn add(&mut self, counts: PostCounts) {
        self.broken.iter_mut().zip(counts.broken).for_each(|(sum, more)| *sum += more);
        self.dropped.iter_mut().zip(counts.dropped).for_each(|(sum, more)| *sum += more);
        self.late += counts.members.late;
    }
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x0b5e_55ed);
        let nodes = 2 + dice.below(3) as usize;
        Self {
            now_ms: 1_000_000,
            dice,
            is_rough: true,
            cluster: Vec::new(),
            topic: BTreeMap::new(),
            on_its_way: Vec::new(),
            given_up: Vec::new(),
            processes: (0..nodes).map(|_| None).collect(),
            back_ms: vec![0; nodes],
            truth: (0..PARTITIONS).map(|it| (Partition(it), Vec::new())).collect(),
            starts: 0,
            seen: Tally::default(),
        }
    }

    fn run(mut self) -> Tally {
        let end_ms = self.now_ms + ROUGH_MS;
        while self.now_ms < end_ms {
            self.act();
            self.step();
        }
        self.is_rough = false;
        let end_ms = self.now_ms + QUIET_MS;
        while self.now_ms < end_ms {
            if self.dice.below(10) == 0 {
                self.append();
            }
            self.step();
        }
        // One mark more, after which nothing comes.
        let end_ms = self.now_ms + 3_000;
        while self.now_ms < end_ms {
            self.step();
        }
        self.check_rest();
        for process in self.processes.iter().flatten() {
            self.seen.add(process.post.counts());
        }
        self.seen
    }

    fn start(&mut self, at: usize) {
        self.starts += 1;
        let cores = 1 + self.dice.below(3) as u16;
        let topology = Topology::new(PARTITIONS, cores);
        let settings = Settings {
            member: crate::cluster::Settings {
                ordinal: at as u16,
                incarnation: Incarnation::new(self.now_ms, self.starts as u32),
                protocols: Protocols { min: 1, max: 1 },
                constants: Constants { partitions: PARTITIONS, node_timeout_ms: 5_000, log_epoch: 7 },
            },
            topology,
        };
        let mut out = Vec::new();
        let mut post = Post::new(settings, self.now_ms, &mut out);
        post.on_node_partition(NodePartition::Assigned, self.now_ms, &mut out);
        self.processes[at] = Some(Process {
            ordinal: at as u16,
            post,
            is_over: false,
            paused_until_ms: 0,
            stops_ms: u64::MAX,
            mute_until_ms: 0,
            cluster_at: 0,
            node_at: self.topic.entry(at as u16).or_default().len(),
            cores: (0..cores).map(|core| ToyCore::new(core, topology)).collect(),
            inboxes: (0..cores).map(|_| VecDeque::new()).collect(),
            own: BTreeMap::new(),
            term: 0,
            ticked_ms: self.now_ms,
            told_ms: self.now_ms,
        });
        self.carry_out(at, out);
    }

    fn act(&mut self) {
        let at = self.dice.below(self.processes.len() as u64) as usize;
        match self.dice.below(100) {
            0..=7 => self.open(at),
            8..=10 => self.close(at),
            11..=30 => self.append(),
            31 if self.dice.below(4) == 0 => {
                let pause_ms = [300, 1_500, 3_500, 9_000, 14_000][self.dice.below(5) as usize];
                if let Some(process) = &mut self.processes[at] {
                    process.paused_until_ms = self.now_ms + pause_ms;
                }
            }
            32 if self.dice.below(8) == 0 => self.kill(at),
            33 if self.dice.below(8) == 0 => {
                let len = self.topic.entry(at as u16).or_default().len();
                self.input(at, |process, now_ms, out| {
                    process.node_at = len;
                    process.post.on_node_records_lost(now_ms, out);
                });
            }
            34 if self.dice.below(4) == 0 => {
                let mute_ms = [3_000, 7_000, 12_000][self.dice.below(3) as usize];
                if let Some(process) = &mut self.processes[at] {
                    process.mute_until_ms = self.now_ms + mute_ms;
                }
            }
            35 => {
                let garbage = (0..self.dice.below(60)).map(|_| self.dice.below(256) as u8).collect();
                self.topic.entry(at as u16).or_default().push(garbage);
            }
            36 if self.dice.below(6) == 0 => {
                let after_ms = self.dice.below(12_000);
                if let Some(process) = &mut self.processes[at] {
                    process.stops_ms = process.stops_ms.min(self.now_ms + after_ms);
                }
                self.input(at, |process, now_ms, out| process.post.on_drain(now_ms, out));
            }
            _ => {}
        }
    }

    fn client(&mut self) -> ClientId {
        ClientId::new(&format!("client-{}", self.dice.below(CLIENTS))).unwrap()
    }

    fn open(&mut self, at: usize) {
        let client = self.client();
        let Some(process) = &mut self.processes[at] else { return };
        if process.cores.iter().any(|core| core.routes.is_empty()) || process.paused_until_ms > self.now_ms {
            return;
        }
        let core = process.cores[0].topology.core(client.as_ref());
        process.cores[usize::from(core)].open(client);
    }

    fn close(&mut self, at: usize) {
        let which = self.dice.throw();
        let Some(process) = &mut self.processes[at] else { return };
        if process.paused_until_ms > self.now_ms {
            return;
        }
        let core = which as usize % process.cores.len();
        let core = &mut process.cores[core];
        if !core.sessions.is_empty() {
            let session = *core.sessions.keys().nth(which as usize % core.sessions.len()).unwrap();
            core.close(session);
        }
    }

    fn append(&mut self) {
        let client = self.client();
        let partition = Topology::new(PARTITIONS, 1).place(client.as_ref()).partition;
        self.truth.get_mut(&partition).unwrap().push(client);
        self.seen.messages += 1;
    }

    fn kill(&mut self, at: usize) {
        if let Some(process) = self.processes[at].take() {
            self.seen.add(process.post.counts());
            self.back_ms[at] = self.now_ms + self.dice.below(12_000);
        }
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        let arrived: Vec<_> = {
            let now_ms = self.now_ms;
            self.on_its_way.extract_if(.., |it| it.arrives_ms <= now_ms).collect()
        };
        for OnItsWay { ordinal, value, .. } in arrived {
            self.topic.entry(ordinal).or_default().push(value);
        }
        for at in 0..self.processes.len() {
            let is_over = self.processes[at].as_ref().is_some_and(|it| it.is_over);
            if is_over {
                self.kill(at);
            }
            match &self.processes[at] {
                None if self.now_ms >= self.back_ms[at] => self.start(at),
                Some(process) if self.now_ms >= process.paused_until_ms => self.turn(at),
                _ => {}
            }
        }
    }

    /// A turn of a process: its loops in an order that is never the same.
    fn turn(&mut self, at: usize) {
        let now_ms = self.now_ms;
        if let Some(process) = self.processes[at].as_mut().filter(|process| now_ms >= process.stops_ms) {
            process.stops_ms = u64::MAX;
            self.seen.handed_over += u64::from(process.post.handing_over() == Some(vec![]));
            self.input(at, |process, now_ms, out| process.post.on_stop(now_ms, out));
        }
        let first = self.dice.below(5);
        for n in 0..5 {
            match (first + n) % 5 {
                0 => self.read_cluster(at),
                1 => self.read_node(at),
                2 => self.run_cores(at),
                3 => self.give_up(at),
                _ => self.tick(at),
            }
        }
    }

    fn tick(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let Some(process) = &mut self.processes[at] else { return };
        if now_ms >= process.told_ms + 1_000 {
            process.told_ms = now_ms;
            process.cores.iter_mut().for_each(ToyCore::heads);
        }
        if now_ms >= process.ticked_ms + 100 {
            process.ticked_ms = now_ms;
            self.input(at, |process, now_ms, out| process.post.on_tick(now_ms, out));
        }
    }

    fn read_cluster(&mut self, at: usize) {
        while let Some(process) = &self.processes[at]
            && !process.is_over
            && let Some((append_ms, value)) = self.cluster.get(process.cluster_at).cloned()
        {
            self.input(at, |process, now_ms, out| {
                let offset = process.cluster_at as u64;
                process.cluster_at += 1;
                let raw = Raw { offset, append_ms: Some(append_ms), version: Some(b"1"), value: &value };
                process.post.on_record(raw, now_ms, out);
            });
        }
    }

    fn read_node(&mut self, at: usize) {
        let many = 1 + self.dice.below(200);
        for _ in 0..many {
            let Some(process) = &self.processes[at] else { return };
            let Some(value) = self.topic[&process.ordinal].get(process.node_at).cloned() else { return };
            let version = if value.len() % 7 == 6 && value.len() < 60 { "9" } else { VERSION };
            self.input(at, |process, now_ms, out| {
                process.node_at += 1;
                let read = NodeRecord::read(Some(version.as_bytes()), &value);
                process.post.on_node_record(read, now_ms, out);
            });
        }
    }

    fn run_cores(&mut self, at: usize) {
        let Some(process) = &mut self.processes[at] else { return };
        for which in 0..process.cores.len() {
            let Some(process) = &mut self.processes[at] else { return };
            let many = if self.is_rough { self.dice.below(40) } else { u64::MAX };
            let (core, inbox) = (&mut process.cores[which], &mut process.inboxes[which]);
            for _ in 0..many {
                let Some(input) = inbox.pop_front() else { break };
                core.take(input, &self.truth);
            }
            for partition in 0..PARTITIONS {
                core.apply(Partition(partition), &self.truth);
            }
            let dispatches = std::mem::take(&mut core.out);
            if !dispatches.is_empty() {
                self.input(at, |process, now_ms, out| {
                    process.post.on_dispatches(which as u16, dispatches, now_ms, out);
                });
            }
        }
    }

    fn give_up(&mut self, at: usize) {
        let Some(process) = &self.processes[at] else { return };
        let (now_ms, me) = (self.now_ms, process.post.me());
        let of_me =
            |it: &mut (u64, u16, u64, Peer)| it.0 <= now_ms && (it.1, it.2) == (me.node, me.incarnation);
        let peers: Vec<_> = self.given_up.extract_if(.., of_me).map(|(.., peer)| peer).collect();
        for peer in peers {
            self.input(at, |process, now_ms, out| process.post.on_given_up(peer, now_ms, out));
        }
    }

    fn input(&mut self, at: usize, give: impl FnOnce(&mut Process, u64, &mut Vec<Output>)) {
        let Some(process) = &mut self.processes[at] else { return };
        if process.is_over {
            return;
        }
        let mut out = Vec::new();
        give(process, self.now_ms, &mut out);
        process.post.invariants();
        self.seen.most_waiting = self.seen.most_waiting.max(process.post.counts().waiting);
        self.carry_out(at, out);
    }

    fn carry_out(&mut self, at: usize, out: Vec<Output>) {
        for output in out {
            let process = self.processes[at].as_mut().unwrap();
            match output {
                Output::Append(_) if self.now_ms < process.mute_until_ms => {
                    self.input(at, |process, now_ms, out| process.post.on_unwritten(now_ms, out));
                }
                Output::Append(record) => self.cluster.push((self.now_ms, record.value())),
                Output::ReadToEnd { request } => {
                    let end = self.cluster.len() as u64;
                    self.input(at, |process, now_ms, out| process.post.on_end(request, 0, end, now_ms, out));
                }
                Output::Exit(_) | Output::Left => process.is_over = true,
                Output::Own(Own { owned, .. }) => {
                    let owned = BTreeSet::from_iter(owned);
                    let ended: Vec<_> =
                        process.own.keys().copied().filter(|it| !owned.contains(it)).collect();
                    for partition in ended {
                        process.own.remove(&partition);
                        process.inboxes.iter_mut().for_each(|it| it.push_back(In::Ended { partition }));
                    }
                    for partition in owned {
                        if !process.own.contains_key(&partition) {
                            process.term += 1;
                            let term = process.term;
                            process.own.insert(partition, term);
                            let begun = || In::Begun { partition, term };
                            process.inboxes.iter_mut().for_each(|it| it.push_back(begun()));
                        }
                    }
                }
                Output::ToCore { core, parcel } => {
                    process.inboxes[usize::from(core)].push_back(In::Parcel(parcel));
                }
                Output::ToCores(parcel) => {
                    process.inboxes.iter_mut().for_each(|it| it.push_back(In::Parcel(parcel.clone())));
                }
                Output::ToNode { ordinal, record } => self.send(ordinal, record),
                Output::Unreadable(_) | Output::Speak { .. } => {}
            }
        }
    }

    fn send(&mut self, ordinal: u16, record: NodeRecord) {
        let mut value = Vec::new();
        record.write(&mut value);
        let copies = match self.dice.below(100) {
            _ if !self.is_rough => 1,
            0 => 0,
            1 => {
                let when_ms = self.now_ms + self.dice.below(3_000);
                let peer = Peer { node: ordinal, incarnation: record.to };
                self.given_up.push((when_ms, record.from.node, record.from.incarnation, peer));
                0
            }
            2 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let slow = self.is_rough && self.dice.below(40) == 0;
            let delay_ms = if slow { self.dice.below(2_500) } else { 0 };
            let value = value.clone();
            self.on_its_way.push(OnItsWay { arrives_ms: self.now_ms + delay_ms, ordinal, value });
        }
    }

    fn check_rest(&self) {
        let up: Vec<&Process> = self.processes.iter().flatten().collect();
        assert_eq!(up.len(), self.processes.len());
        let members = |it: &Process| it.post.view().members().iter().map(|it| it.ordinal).collect::<Vec<_>>();
        let everybody: Vec<u16> = (0..up.len() as u16).collect();
        let mut wanted: BTreeMap<u16, BTreeSet<(Peer, SessionRef, ClientId)>> = BTreeMap::new();
        for process in &up {
            assert_eq!(members(process), everybody, "somebody is not in the view");
            assert_eq!(process.post.counts().waiting, 0, "something was never said");
            self.check_sessions(process, &up, &mut wanted);
        }
        let owned: Vec<_> = up.iter().flat_map(|it| it.own.keys()).collect();
        assert_eq!((owned.len(), BTreeSet::from_iter(&owned).len()), (PARTITIONS.into(), PARTITIONS.into()));
        for home in &up {
            let mut known = BTreeMap::new();
            for core in &home.cores {
                let rows =
                    core.tables.values().flatten().map(|(session, (client, _))| (*session, client.clone()));
                rows.for_each(|row| *known.entry(row).or_insert(0) += 1);
            }
            let mut expected = BTreeMap::new();
            for (_, session, client) in wanted.remove(&home.ordinal).unwrap_or_default() {
                *expected.entry((session, client)).or_insert(0) += 1;
            }
            assert_eq!(known, expected, "node {}'s tables", home.ordinal);
        }
    }

    fn check_sessions(
        &self,
        process: &Process,
        up: &[&Process],
        wanted: &mut BTreeMap<u16, BTreeSet<(Peer, SessionRef, ClientId)>>,
    ) {
        for core in &process.cores {
            for (session, it) in &core.sessions {
                let partition = core.topology.place(it.client.as_ref()).partition;
                match core.routes[usize::from(partition.0)] {
                    Route::Here => assert!(process.own.contains_key(&partition)),
                    Route::Nowhere => panic!("{partition:?} has no home"),
                    Route::Away(home) => {
                        let owner =
                            up.iter().find(|it| it.post.me() == home).expect("a route to who is there");
                        assert!(owner.own.contains_key(&partition), "routes and ownership agree");
                        assert_eq!(it.live, Some(owner.own[&partition]), "{session:?} of {process:?}");
                        assert_eq!(
                            it.at,
                            self.truth[&partition].len() as u64,
                            "a mark brings everybody to the head"
                        );
                        wanted.entry(home.node).or_default().insert((
                            process.post.me(),
                            *session,
                            it.client.clone(),
                        ));
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {} {:?}", self.ordinal, self.post.counts())
    }
}

struct Told(u64);

impl std::ops::Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}", self.0);
        }
    }
}

/// `COREPOST_POST_SEEDS=from..to` runs others.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("COREPOST_POST_SEEDS") else { return 0..60 };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn when_the_faults_have_ended_homes_know_exactly_the_sessions_that_are_theirs() {
    let mut seen = Tally::default();
    for seed in seeds() {
        let told = Told(seed);
        let Tally { broken, dropped, late, messages, most_waiting, handed_over } = Storm::new(seed).run();
        seen.broken.iter_mut().zip(broken).for_each(|(sum, more)| *sum += more);
        seen.dropped.iter_mut().zip(dropped).for_each(|(sum, more)| *sum += more);
        (seen.late, seen.messages) = (seen.late + late, seen.messages + messages);
        seen.handed_over += handed_over;
        seen.most_waiting = seen.most_waiting.max(most_waiting);
        drop(told);
    }
    println!("{seen:?}");
    // A storm in which nothing of this ever happens proves nothing.
    assert!(!seen.broken.contains(&0) && seen.late > 0 && seen.most_waiting > 0, "{seen:?}");
    assert!(seen.handed_over > 0, "{seen:?}");
}
