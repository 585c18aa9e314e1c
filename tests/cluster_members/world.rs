//! A world of nodes around one log: what happens in it, and what must hold after each step.

use crate::log::Log;
use crate::process::Process;
use corepost::client::Dice;
use corepost::cluster::View;
use corepost::cluster::{
    Assignment, Constants, Incarnation, Members, NodePartition, Output, Protocols, Record, Refusal, Say,
    Settings,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

const CONSTANTS: Constants = Constants { partitions: 16, node_timeout_ms: 5_000, log_epoch: 7 };
const NODE_TIMEOUT_MS: u64 = 5_000;
/// The longest that an append, or a fetch of what is there, takes.
const HOP_MS: u64 = 800;
/// Two may believe the same from when one has read its claim to when the other has: one fetch.
const SHARED_MS: u64 = HOP_MS;
const FAULTS_UNTIL_MS: u64 = 120_000;
const QUIET_MS: u64 = 45_000;
const RETENTION_MS: u64 = 40_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Leaders change.
    Fair,
    /// And Kafka stands still at times.
    Stalls,
    /// Everything.
    Storm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Tick,
    Append { record: usize, is_acked: bool },
    Fetched,
    End { request: u64, start: u64, end: u64 },
    Assigned,
    Unwritten,
    Start { ordinal: u16 },
    Act,
    Retain,
}

#[derive(Clone, Debug, Default)]
pub struct Tally {
    steps: u64,
    records: u64,
    claims: u64,
    late: u64,
    views: u64,
    begun_anew: u64,
    replaced: u64,
    in_use: u64,
    left: u64,
    drained: u64,
    zombies: u64,
    raised: u64,
    shared: u64,
    shared_ms: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.records += other.records;
        self.claims += other.claims;
        self.late += other.late;
        self.views += other.views;
        self.begun_anew += other.begun_anew;
        self.replaced += other.replaced;
        self.in_use += other.in_use;
        self.left += other.left;
        self.drained += other.drained;
        self.zombies += other.zombies;
        self.raised += other.raised;
        self.shared += other.shared;
        self.shared_ms = self.shared_ms.max(other.shared_ms);
    }

    /// A world in which nothing of this ever happens proves nothing.
    pub fn must_have_seen(&self, weather: Weather) {
        if weather == Weather::Storm {
            let seen = [
                self.late,
                self.begun_anew,
                self.replaced,
                self.in_use,
                self.left,
                self.drained,
                self.zombies,
                self.raised,
            ];
            assert!(!seen.contains(&0) && self.shared > 0, "something never happened: {self:?}");
        }
    }
}

macro_rules! note {
    ($world:expr, $($what:tt)*) => {
        if $world.is_traced { println!("{:>7} {}", $world.now_ms, format_args!($($what)*)); }
    };
}

pub struct World {
    now_ms: u64,
    dice: Dice,
    weather: Weather,
    /// Faults still happen.
    is_rough: bool,
    agenda: BinaryHeap<Reverse<(u64, u64, usize, What)>>,
    arranged: u64,
    log: Log,
    processes: Vec<Process>,
    sent: Vec<Record>,
    /// Since when two act on the same ordinal.
    shared_since: BTreeMap<u16, u64>,
    /// How many hops there are to a slow one.
    one_slow_in: u64,
    tally: Tally,
    is_traced: bool,
}

impl World {
    pub fn new(seed: u64, weather: Weather) -> Self {
        let mut world = Self {
            now_ms: 0,
            dice: Dice::new(seed ^ 0xc105_7e12),
            weather,
            is_rough: true,
            agenda: BinaryHeap::new(),
            arranged: 0,
            log: Log::new(CONSTANTS.node_timeout_ms),
            processes: Vec::new(),
            sent: Vec::new(),
            shared_since: BTreeMap::new(),
            one_slow_in: if weather == Weather::Storm { [3, 30, 100][seed as usize % 3] } else { 30 },
            tally: Tally::default(),
            is_traced: std::env::var_os("COREPOST_TRACE").is_some(),
        };
        for ordinal in 0..2 + world.dice.below(4) as u16 {
            let at_ms = world.dice.below(3_000);
            world.arrange(at_ms, 0, What::Start { ordinal });
        }
        world.arrange(15_000, 0, What::Act);
        world.arrange(1_000, 0, What::Retain);
        world
    }

    pub fn run(mut self) -> Tally {
        self.pass(FAULTS_UNTIL_MS);
        note!(self, "the faults stop");
        self.is_rough = false;
        self.pass(FAULTS_UNTIL_MS + QUIET_MS);
        self.check_rest();
        self.tally.records = self.log.end();
        self.tally
    }

    fn arrange(&mut self, after_ms: u64, process: usize, what: What) {
        self.arranged += 1;
        self.agenda.push(Reverse((self.now_ms + after_ms, self.arranged, process, what)));
    }

    fn pass(&mut self, until_ms: u64) {
        while let Some(Reverse((at_ms, order, process, what))) = self.agenda.pop() {
            if at_ms > until_ms {
                self.agenda.push(Reverse((at_ms, order, process, what)));
                break;
            }
            self.now_ms = at_ms;
            if let Some(later_ms) = self.is_put_off(process, what) {
                self.agenda.push(Reverse((later_ms, order, process, what)));
                continue;
            }
            self.tally.steps += 1;
            self.happen(process, what);
            self.check_step();
        }
        self.now_ms = until_ms;
    }

    /// What a paused process, or a log that stands still, does later, in the same order.
    fn is_put_off(&self, at: usize, what: What) -> Option<u64> {
        let stalled_ms = self.log.stalled_until_ms;
        match what {
            What::Start { .. } | What::Act | What::Retain => None,
            What::Append { .. } => {
                (self.now_ms < stalled_ms).then(|| stalled_ms + self.processes[at].reconnect_ms)
            }
            What::Fetched | What::End { .. } if self.now_ms < stalled_ms => {
                Some(stalled_ms + self.processes[at].reconnect_ms)
            }
            _ => Some(self.processes[at].paused_until_ms).filter(|paused_ms| *paused_ms > self.now_ms),
        }
    }

    fn happen(&mut self, at: usize, what: What) {
        match what {
            What::Start { ordinal } => self.start(ordinal, true),
            What::Act => self.act(),
            What::Retain => {
                self.log.retain(self.now_ms.saturating_sub(RETENTION_MS));
                self.arrange(1_000, 0, What::Retain);
            }
            What::Append { record, is_acked } => self.append(at, record, is_acked),
            _ if !self.processes[at].is_up => {}
            What::Tick => {
                let jitter = self.dice.below(40);
                self.arrange(980 + jitter, at, What::Tick);
                self.input(at, |members, now_ms, out| members.on_tick(now_ms, out));
                self.processes[at].last_tick_ms = self.now_ms;
            }
            What::Fetched => self.fetched(at),
            What::End { request, start, end } => {
                self.input(at, |members, now_ms, out| members.on_end(request, start, end, now_ms, out));
            }
            What::Assigned => {
                let found = NodePartition::Assigned;
                self.input(at, |members, now_ms, out| members.on_node_partition(found, now_ms, out));
            }
            What::Unwritten => {
                self.processes[at].under_way = self.processes[at].under_way.saturating_sub(1);
                self.input(at, |members, now_ms, out| members.on_unwritten(now_ms, out));
            }
        }
    }

    fn start(&mut self, ordinal: u16, is_supervised: bool) {
        // Now and then a clock lies, by up to an hour.
        let lie_ms = if self.dice.below(6) == 0 { self.dice.below(3_600_000) } else { 0 };
        let unix_ms = 1_760_000_000_000 + self.now_ms - lie_ms;
        let incarnation = Incarnation::new(unix_ms, self.dice.throw() as u32);
        let settings =
            Settings { ordinal, incarnation, protocols: Protocols { min: 1, max: 1 }, constants: CONSTANTS };
        let mut out = Vec::new();
        let members = Members::new(settings, self.now_ms, &mut out);
        self.processes.push(Process {
            ordinal,
            members,
            at: self.log.start,
            is_up: true,
            ended_ms: u64::MAX,
            is_supervised,
            paused_until_ms: 0,
            is_fetching: false,
            producer_free_ms: 0,
            reconnect_ms: self.dice.below(400),
            sent_is_lost: false,
            last_tick_ms: self.now_ms,
            must_read: self.log.end(),
            under_way: 0,
            given: incarnation,
            believes: false,
            sees: Vec::new(),
        });
        let at = self.processes.len() - 1;
        note!(self, "process {at} of node {ordinal} starts as {incarnation}");
        self.carry_out(at, out);
        let (first, assigned) = (self.dice.below(1_000), self.dice.below(2_000));
        self.arrange(first, at, What::Tick);
        self.arrange(assigned, at, What::Assigned);
        self.fetch(at);
    }

    /// Something is handed to a process.
    fn input(&mut self, at: usize, give: impl FnOnce(&mut Members, u64, &mut Vec<Output>)) {
        let (now_ms, end) = (self.now_ms, self.log.end());
        let process = &mut self.processes[at];
        if now_ms - process.last_tick_ms > 1_000 + NODE_TIMEOUT_MS / 2 {
            // Its loop was late: what is in the log now it must know before it says anything.
            process.must_read = process.must_read.max(end);
            process.last_tick_ms = now_ms - 1_000;
        }
        let mut out = Vec::new();
        give(&mut process.members, now_ms, &mut out);
        process.members.invariants();
        let may_speak = process.members.may_speak(now_ms, &mut out);
        let read = process.at.max(self.log.start);
        assert!(!may_speak || read >= process.must_read, "process {at} may speak before it has read");
        process.believes = may_speak && process.members.holds();
        self.carry_out(at, out);
    }

    fn carry_out(&mut self, at: usize, out: Vec<Output>) {
        for output in out {
            if !self.processes[at].is_up {
                return;
            }
            match output {
                Output::Say(record) => self.say(at, record),
                Output::ReadToEnd { request } => {
                    let (start, end) = (self.log.start, self.log.end());
                    let after_ms = self.hop();
                    self.arrange(after_ms, at, What::End { request, start, end });
                    self.fetch(at);
                }
                Output::View(view) => {
                    note!(self, "process {at} sees {:?}", view.ordinals());
                    self.tally.views += 1;
                    let before = std::mem::replace(&mut self.processes[at].sees, names(&view));
                    // Who has lost its place in the log knows less of `since`, and of nothing else.
                    assert!(
                        self.weather == Weather::Storm || self.now_ms < 15_000 || before == names(&view),
                        "{:?}: nothing happens to anybody, and process {at} sees {before:?} become {view:?}",
                        self.weather
                    );
                }
                Output::Exit(refusal) => self.exit(at, refusal),
                Output::Left => {
                    self.tally.left += 1;
                    self.end(at, "left");
                }
            }
        }
    }

    fn say(&mut self, at: usize, record: Record) {
        // What is gone from the log nobody can read.
        let read = self.processes[at].at.max(self.log.start);
        let must_read = self.processes[at].must_read;
        assert!(read >= must_read, "process {at} says {record:?} and has read {read} of {must_read}");
        note!(self, "process {at} says {}", record.say.as_str());
        self.sent.push(record);
        let record = self.sent.len() - 1;
        let hop_ms = self.hop();
        let (now_ms, is_rough) = (self.now_ms, self.is_rough && self.weather == Weather::Storm);
        let (is_lost, is_acked) =
            (is_rough && self.dice.below(100) == 0, !is_rough || self.dice.below(50) > 0);
        let process = &mut self.processes[at];
        process.under_way += u32::from(self.sent[record].say != Say::Leave);
        assert!(process.under_way <= 8 + 8, "process {at} has {} records under way", process.under_way);
        let arrives_ms = (now_ms + hop_ms).max(process.producer_free_ms);
        process.producer_free_ms = arrives_ms;
        if is_lost {
            self.arrange(1_000, at, What::Unwritten);
        } else {
            self.arrange(arrives_ms - now_ms, at, What::Append { record, is_acked });
        }
    }

    fn append(&mut self, at: usize, record: usize, is_acked: bool) {
        if self.processes[at].sent_is_lost {
            return;
        }
        let record = self.sent[record];
        self.log.append(&record, self.now_ms);
        if !is_acked && record.say != Say::Leave {
            // Nobody knows whether it was written.
            self.arrange(700, at, What::Unwritten);
        }
        for at in 0..self.processes.len() {
            self.fetch(at);
        }
    }

    fn fetch(&mut self, at: usize) {
        let process = &self.processes[at];
        if process.is_up && !process.is_fetching && process.at < self.log.end() {
            let after_ms = self.hop();
            self.processes[at].is_fetching = true;
            self.arrange(after_ms, at, What::Fetched);
        }
    }

    fn fetched(&mut self, at: usize) {
        self.processes[at].is_fetching = false;
        if self.processes[at].at < self.log.start {
            self.processes[at].at = self.log.start;
            self.processes[at].under_way = 0;
            self.tally.begun_anew += 1;
            note!(self, "process {at} has lost its place");
            self.input(at, |members, now_ms, out| members.on_lost_place(now_ms, out));
        }
        // The log as it is now; what this process says meanwhile arrives later.
        for offset in self.processes[at].at..self.log.end() {
            if !self.processes[at].is_up {
                return;
            }
            let mut out = Vec::new();
            let process = &mut self.processes[at];
            process.at = offset + 1;
            let is_late = self.now_ms - process.last_tick_ms > 1_000 + NODE_TIMEOUT_MS / 2;
            if is_late {
                process.must_read = process.must_read.max(self.log.end());
                process.last_tick_ms = self.now_ms - 1_000;
            }
            process.members.on_record(self.log.read(offset), self.now_ms, &mut out);
            process.members.invariants();
            let mine = self.log.read(offset);
            let record = Record::read(mine.version, mine.value).unwrap();
            if record.incarnation == process.incarnation() && record.ordinal == process.ordinal {
                process.under_way = process.under_way.saturating_sub(1);
            }
            self.carry_out(at, out);
        }
        if self.processes[at].is_up {
            self.input(at, |_, _, _| {});
            self.fetch(at);
        }
    }

    fn exit(&mut self, at: usize, refusal: Refusal) {
        let mine = self.processes[at].incarnation();
        match refusal {
            Refusal::Replaced { ordinal, by } => {
                let is_there = |record: &Record| record.ordinal == ordinal && record.incarnation == by;
                assert!(by > mine && self.sent.iter().any(is_there), "process {at} was replaced by nobody");
                self.tally.replaced += 1;
                self.tally.zombies += u64::from(self.processes[at].members.counts().late > 0);
            }
            Refusal::OrdinalInUse { ordinal, holder } => {
                let holds =
                    |process: &&Process| process.ordinal == ordinal && process.incarnation() == holder;
                let holder = self.processes.iter().find(holds).expect("it gave way to somebody");
                let long_ago = self.now_ms.saturating_sub(60_000);
                assert!(holder.is_up || holder.ended_ms > long_ago, "process {at} gave way to a dead one");
                self.tally.in_use += 1;
            }
            other => panic!("process {at} exits: {other}"),
        }
        assert_eq!(
            self.weather,
            Weather::Storm,
            "nothing happens to anybody, and process {at} exits: {refusal}"
        );
        self.end(at, &refusal.to_string());
    }

    /// A process is no more. What it has sent arrives or does not.
    fn end(&mut self, at: usize, why: &str) {
        note!(self, "process {at} ends: {why}");
        let process = &mut self.processes[at];
        self.tally.late += process.members.counts().late;
        (process.is_up, process.believes, process.ended_ms) = (false, false, self.now_ms);
        if process.is_supervised {
            let after_ms = 500 + self.dice.below(5_000);
            self.arrange(after_ms, 0, What::Start { ordinal: self.processes[at].ordinal });
        }
    }

    /// Mostly a few milliseconds.
    fn hop(&mut self) -> u64 {
        let is_slow = self.is_rough && self.dice.below(self.one_slow_in) == 0;
        if is_slow { 50 + self.dice.below(HOP_MS - 50) } else { 1 + self.dice.below(8) }
    }

    fn act(&mut self) {
        if !self.is_rough {
            return;
        }
        let again_ms = 1_000 + self.dice.below(9_000);
        self.arrange(again_ms, 0, What::Act);
        let kinds = match self.weather {
            Weather::Fair => 1,
            Weather::Stalls => 2,
            Weather::Storm => 11,
        };
        let at = self.dice.below(self.processes.len() as u64) as usize;
        match self.dice.below(kinds) {
            0 => {
                // Another leader, another clock.
                let most_ms = if self.weather == Weather::Storm { 2_000 } else { 200 };
                self.log.skew_ms = self.dice.below(2 * most_ms) as i64 - most_ms as i64;
            }
            // Two outages with less between them than a connection takes are two steps of 2 s: that may end a life.
            1 if self.weather == Weather::Storm || self.now_ms > self.log.stalled_until_ms + 3_000 => {
                let most_ms = if self.dice.below(4) == 0 { 60_000 } else { 12_000 };
                let until_ms = self.now_ms + 200 + self.dice.below(most_ms);
                self.log.stalled_until_ms = self.log.stalled_until_ms.max(until_ms.min(FAULTS_UNTIL_MS));
                note!(self, "Kafka stands still until {}", self.log.stalled_until_ms);
            }
            2 | 3 if self.processes[at].is_up => {
                self.processes[at].sent_is_lost = self.dice.below(2) == 0;
                self.end(at, "killed");
            }
            4 | 5 if self.processes[at].is_up => {
                let times = [1_000, 3_000, 3_600, 4_500, 5_500, 7_000, 12_000, 35_000, 60_000];
                let ms = times[self.dice.below(times.len() as u64) as usize] + self.dice.below(900);
                let until_ms = (self.now_ms + ms).min(FAULTS_UNTIL_MS);
                self.processes[at].paused_until_ms = self.processes[at].paused_until_ms.max(until_ms);
                note!(self, "process {at} is paused for {ms} ms");
            }
            6 => {
                // Somebody starts the same node twice, or an orchestrator does not wait.
                let ordinal = self.processes[at].ordinal;
                self.start(ordinal, false);
            }
            7 if self.processes[at].is_up => {
                // An operator drains first, and may then wait for long.
                if self.dice.below(2) == 0 {
                    self.tally.drained += 1;
                    return self.input(at, |members, now_ms, out| members.on_drain(now_ms, out));
                }
                self.input(at, |members, now_ms, out| members.on_stop(now_ms, out));
            }
            8 | 9 if self.processes[at].is_up => {
                // What it sends is held up, while it reads as ever.
                let free_ms = self.now_ms + 3_000 + self.dice.below(7_000);
                self.processes[at].producer_free_ms = self.processes[at].producer_free_ms.max(free_ms);
                note!(self, "what process {at} sends is held up until {free_ms}");
            }
            10 => {
                // All at once.
                for at in 0..self.processes.len() {
                    if self.processes[at].is_up {
                        self.processes[at].sent_is_lost = true;
                        self.end(at, "killed with all");
                    }
                }
            }
            _ => {}
        }
    }

    /// No two act on one ordinal for longer than the log takes to tell.
    fn check_step(&mut self) {
        let mut acting: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (at, process) in
            self.processes.iter().enumerate().filter(|(_, process)| process.acts(self.now_ms))
        {
            acting.entry(process.ordinal).or_default().push(at);
        }
        acting.retain(|_, processes| processes.len() > 1);
        self.shared_since.retain(|ordinal, _| acting.contains_key(ordinal));
        for (ordinal, processes) in acting {
            self.tally.shared += u64::from(!self.shared_since.contains_key(&ordinal));
            let since_ms = *self.shared_since.entry(ordinal).or_insert(self.now_ms);
            // While Kafka stands still neither can be told, nor can anybody else be reached.
            let since_ms = since_ms.max(self.log.stalled_until_ms + 400);
            let shared_ms = self.now_ms.saturating_sub(since_ms);
            self.tally.shared_ms = self.tally.shared_ms.max(shared_ms);
            assert!(
                shared_ms <= SHARED_MS,
                "{processes:?} all believe for {shared_ms} ms that they are node {ordinal}"
            );
        }
    }

    /// When all is quiet, each ordinal that has a process has one holder, and everybody knows the same.
    fn check_rest(&mut self) {
        let up: Vec<&Process> = self.processes.iter().filter(|process| process.is_up).collect();
        let mut ordinals: Vec<u16> = up.iter().map(|process| process.ordinal).collect();
        ordinals.dedup();
        ordinals.sort_unstable();
        ordinals.dedup();
        let truth = self.log.truth.view();
        assert_eq!(truth.ordinals(), ordinals, "who lives is alive, and nobody else");
        let assignment = Assignment::new(CONSTANTS.partitions, &truth.homes());
        for process in up.iter().filter(|process| process.believes) {
            let view = process.members.view();
            assert_eq!(names(view), names(truth), "views differ at the end of a quiet time");
            for (mine, true_one) in view.members().iter().zip(truth.members()) {
                assert!(true_one.since.offset() <= mine.since.offset(), "a node knows what nobody can");
            }
            assert_eq!(Assignment::new(CONSTANTS.partitions, &view.homes()), assignment);
        }
        for ordinal in ordinals {
            let holders = up.iter().filter(|process| process.ordinal == ordinal && process.believes);
            assert_eq!(holders.count(), 1, "node {ordinal} has one holder");
        }
        for process in &up {
            let claims = process.believes && process.members.counts().views > 0;
            self.tally.claims += u64::from(claims);
            self.tally.raised += u64::from(process.believes && process.incarnation() > process.given);
            self.tally.late += process.members.counts().late;
        }
    }
}

fn names(view: &View) -> Vec<(u16, Incarnation, bool)> {
    view.members().iter().map(|member| (member.ordinal, member.incarnation, member.is_leaving)).collect()
}
