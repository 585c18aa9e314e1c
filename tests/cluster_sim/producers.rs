//! Records on their way to their brokers, and what their producers are told.
//!
//! Those of the mailbox and cluster topics are written by idempotent producers: in order, once, and an answer that is
//! lost is asked for again, without the offset. Those of the node topic are not: they may be lost, doubled, overtaken.

use crate::what::{Cargo, Route, Thread, What};
use crate::world::{World, note};
use corepost::limits::TAKE_MS;
use corepost::log::{Append, Appended, LogEvent, Refused, Ticket};
use corepost::model::{ErrorCode, Partition};
use std::collections::VecDeque;

/// After so long a producer gives a record to another node up.
const NODE_RECORD_MS: u64 = 10_000;

/// Records on one way.
#[derive(Default)]
pub struct Line {
    /// When each left, and what.
    cargo: VecDeque<(u64, Cargo)>,
    last_ms: u64,
}

impl World {
    /// A core's append reaches the producer of its partition.
    pub fn append(&mut self, life: u32, append: Append) {
        let version = self.process(life).speaks;
        self.send(life, Cargo::Mail { append, version });
    }

    /// A record leaves a process.
    pub fn send(&mut self, life: u32, cargo: Cargo) {
        let after_ms = self.broker_ms();
        self.load(life, after_ms, cargo);
    }

    /// It stands in line for its partition, and is there in so long or when those before it are.
    fn load(&mut self, from: u32, after_ms: u64, cargo: Cargo) {
        let route = route(&cargo);
        let line = self.lines.entry((from, route)).or_default();
        line.cargo.push_back((self.now.mono_ms, cargo));
        line.last_ms = line.last_ms.max(self.now.mono_ms + after_ms);
        self.agenda.arrange(line.last_ms, 0, What::Arrive { from, route });
    }

    /// What a process sends by this way is held up.
    pub fn hold_up(&mut self, from: u32, route: Route, ms: u64) {
        let line = self.lines.entry((from, route)).or_default();
        line.last_ms = line.last_ms.max(self.now.mono_ms + ms);
    }

    /// When all that a process has sent by this way is there, if nothing holds it up.
    pub fn written_ms(&self, from: u32, route: Route) -> u64 {
        self.lines.get(&(from, route)).map_or(0, |line| line.last_ms)
    }

    pub fn cargo_arrives(&mut self, from: u32, route: Route) {
        let is_alive = self.processes.contains_key(&from);
        if let Some(out_ms) = self.outage_ms().filter(|_| is_alive || self.dice.below(10) < 3) {
            return self.arrange(out_ms + 1, What::Arrive { from, route });
        }
        let overtakes = matches!(route, Route::Node(_)) && self.is_rough && self.one_in(40);
        let line = self.lines.get_mut(&(from, route)).expect("one event for each");
        let next = if overtakes { line.cargo.pop_back() } else { line.cargo.pop_front() };
        let (sent_ms, cargo) = next.expect("one event for each");
        if self.outage_ms().is_some() {
            return note!(self, "lost with its sender #{from}: {cargo:?}");
        }
        let waited_ms = self.now.mono_ms - sent_ms;
        match cargo {
            Cargo::Mail { append, version } => {
                self.mail_arrives(from, waited_ms > u64::from(TAKE_MS), append, version);
            }
            Cargo::Cluster(value) => {
                let is_late = waited_ms > u64::from(TAKE_MS);
                if !is_late || self.one_in(2) {
                    self.kafka.cluster.append(value, 1, self.now.unix_ms);
                    for life in self.lives() {
                        self.wake_cluster(life);
                    }
                }
                if is_late {
                    self.arrange_in(from, 1, What::Unwritten);
                }
            }
            Cargo::Node { peer, version, value } => {
                let is_deaf = self.now.mono_ms < self.deaf_until_ms;
                let is_lost = is_deaf || self.is_rough && self.dice.below(1_000) < self.plan.node_losses;
                // A doubled one is nobody's to be told of.
                if from != 0 && waited_ms > NODE_RECORD_MS && self.one_in(2) {
                    return self.arrange_in(from, 1, What::GivenUp { peer });
                }
                if is_lost {
                    return note!(self, "lost: a record of #{from} for {peer:?}");
                }
                if self.is_rough && self.one_in(200) {
                    let again_ms = 50 + self.dice.below(350);
                    let again = Cargo::Node { peer, version, value: value.clone() };
                    self.load(0, again_ms, again);
                }
                self.kafka.node[usize::from(peer.node)].append(value, version, self.now.unix_ms);
                for life in self.lives() {
                    self.wake_node(life);
                }
            }
        }
    }

    fn mail_arrives(&mut self, from: u32, is_late: bool, append: Append, version: u16) {
        let Append { ticket, partition, envelope } = append;
        let is_written = !is_late || self.one_in(2);
        if is_written {
            let lane = &mut self.kafka.mail[usize::from(partition.0)];
            let offset = lane.append(envelope, version, self.now.unix_ms);
            self.costs.mail_written += 1;
            let at_ms = lane.at(offset).at_ms;
            self.truth.follow(partition.0, lane);
            self.wake_keepers(partition.0);
            if !is_late {
                // An answer that is lost is asked for again, and tells no offset: the greatest known is a lower bound.
                let is_lost = self.is_rough && self.one_in(50);
                let late_ms = if is_lost { 100 + self.dice.below(800) } else { self.broker_ms() };
                let appended = Appended { ticket, offset: if is_lost { 0 } else { offset }, at_ms };
                return self.answer(from, partition, ticket, late_ms, LogEvent::Appended(appended));
            }
        }
        let refused = Refused { ticket, code: ErrorCode::Unavailable, retry_after_ms: 500 };
        self.answer(from, partition, ticket, 1, LogEvent::Refused(refused));
    }

    fn answer(&mut self, life: u32, partition: Partition, ticket: Ticket, after_ms: u64, event: LogEvent) {
        let arrives_ms = self.now.mono_ms + after_ms;
        let Some(process) = self.processes.get_mut(&life) else { return };
        let core = ticket.core;
        let arrives_ms = process.pipe(Thread::Appender(partition.0), Thread::Core(core), arrives_ms);
        self.agenda.arrange(arrives_ms, life, What::Told { core, event });
    }

    /// The processes that live.
    pub fn lives(&self) -> Vec<u32> {
        self.processes.keys().copied().collect()
    }
}

fn route(cargo: &Cargo) -> Route {
    match cargo {
        Cargo::Mail { append, .. } => Route::Mail(append.partition.0),
        Cargo::Cluster(_) => Route::Cluster,
        Cargo::Node { peer, .. } => Route::Node(peer.node),
    }
}
