//! The shell of a process's post: it reads the cluster log and the node's own partition, and carries out what it is told.

use crate::process::Consumer;
use crate::what::{Cargo, Route, Thread, What};
use crate::world::{World, note};
use corepost::cluster::{NodePartition, Raw, Record, Say};
use corepost::model::{Parcel, Peer};
use corepost::post::{Output, Post};
use corepost::wire::node_record::{NodeRecord, Unreadable, VERSION};

/// Milliseconds between two ticks.
const TICK_MS: u64 = 100;

impl World {
    /// An input to a process's post; then its invariants, then what it wants done.
    pub fn post(&mut self, life: u32, input: impl FnOnce(&mut Post, u64, &mut Vec<Output>)) {
        let Some(process) = self.processes.get_mut(&life) else { return };
        let now_ms = process.clock.now(self.now).mono_ms;
        let mut out = Vec::new();
        input(&mut process.post, now_ms, &mut out);
        process.post.invariants();
        self.carry_out(life, out);
    }

    pub fn post_ticks(&mut self, life: u32) {
        self.post(life, |post, now_ms, out| post.on_tick(now_ms, out));
        self.arrange_in(life, TICK_MS, What::PostTick);
    }

    pub fn carry_out(&mut self, life: u32, out: Vec<Output>) {
        for output in out {
            if !self.processes.contains_key(&life) {
                return;
            }
            match output {
                Output::Append(record) => {
                    note!(self, "#{life} says {}", record.say.as_str());
                    if record.say == Say::Alive {
                        self.process(life).alive_ms = self.now.mono_ms;
                    }
                    self.send(life, Cargo::Cluster(record.value()));
                }
                Output::ReadToEnd { request } => {
                    let after_ms = self.broker_ms();
                    self.arrange_in(life, after_ms, What::EndAsked { request });
                }
                Output::Exit(refusal) => {
                    self.stats.exits += 1;
                    self.refusals.push((life, refusal.clone()));
                    self.die(life, &refusal.to_string());
                }
                Output::Left => {
                    // Once its last word is written.
                    let written_ms = self.written_ms(life, Route::Cluster);
                    let after_ms = written_ms.saturating_sub(self.now.mono_ms) + 5;
                    self.arrange_in(life, after_ms, What::End);
                }
                Output::Own(own) => {
                    note!(self, "#{life} has {own:?}");
                    self.hand(life, Thread::Post, Thread::Tail, What::Own(own));
                }
                Output::ToNode { ordinal, record } => {
                    note!(self, "#{life} → node {ordinal}: {record:?}");
                    let peer = Peer { node: ordinal, incarnation: record.to };
                    let mut value = Vec::new();
                    record.write(&mut value);
                    let version = self.process(life).speaks;
                    self.send(life, Cargo::Node { peer, version, value });
                }
                Output::ToCore { core, parcel } => self.pass_on(life, core, parcel),
                Output::ToCores(parcel) => {
                    for core in 0..self.plan.cores {
                        self.pass_on(life, core, parcel.clone());
                    }
                }
                Output::Speak { version } => self.speak(life, version),
                // Who was counted out for a moment may hear what it cannot read: its links begin anew.
                Output::Unreadable(why) => assert!(self.is_mixed && why == Unreadable::NewerVersion, "{why}"),
            }
        }
    }

    fn pass_on(&mut self, life: u32, core: u16, parcel: Parcel) {
        let what = What::Parcel { from: self.plan.cores, to: core, parcel };
        self.hand(life, Thread::Post, Thread::Core(core), what);
    }

    pub fn end_asked(&mut self, life: u32, request: u64) {
        if let Some(out_ms) = self.outage_ms() {
            return self.arrange_in(life, out_ms + 20, What::EndAsked { request });
        }
        let (start, end) = (self.kafka.cluster.start, self.kafka.cluster.end());
        let after_ms = self.broker_ms();
        self.arrange_in(life, after_ms, What::EndAnswered { request, start, end });
    }

    /// The node's partition is assigned at its end. Before that nothing is claimed.
    pub fn node_assigned(&mut self, life: u32) {
        if let Some(out_ms) = self.outage_ms() {
            return self.arrange_in(life, out_ms + 30, What::NodeAssigned);
        }
        let process = self.processes.get_mut(&life).expect("it happens in a living process");
        let at = self.kafka.node[usize::from(process.ordinal)].end();
        process.node = Some(Consumer { at, is_fetching: false });
        self.post(life, |post, now_ms, out| post.on_node_partition(NodePartition::Assigned, now_ms, out));
    }

    /// There is something in the cluster log.
    pub fn wake_cluster(&mut self, life: u32) {
        let after_ms = self.broker_ms();
        let end = self.kafka.cluster.end();
        let Some(process) = self.processes.get_mut(&life) else { return };
        let consumer = &mut process.cluster;
        if consumer.at < end && !std::mem::replace(&mut consumer.is_fetching, true) {
            self.arrange_in(life, after_ms, What::ClusterFetch);
        }
    }

    pub fn cluster_fetched(&mut self, life: u32) {
        if let Some(out_ms) = self.outage_ms() {
            let after_ms = out_ms + self.broker_ms();
            return self.arrange_in(life, after_ms, What::ClusterFetch);
        }
        let (start, end) = (self.kafka.cluster.start, self.kafka.cluster.end());
        let process = self.processes.get_mut(&life).expect("it happens in a living process");
        process.cluster.is_fetching = false;
        if process.cluster.at < start {
            process.cluster.at = start;
            self.post(life, |post, now_ms, out| post.on_lost_place(now_ms, out));
        }
        for offset in self.processes.get(&life).map_or(end, |process| process.cluster.at)..end {
            let Some(process) = self.processes.get_mut(&life) else { return };
            process.cluster.at = offset + 1;
            self.costs.cluster_read += 1;
            let record = self.kafka.cluster.at(offset);
            let (value, append_ms) = (record.what.clone(), Some(record.at_ms));
            let version = Some(Record::VERSION.as_bytes());
            let raw = Raw { offset, append_ms, version, value: &value };
            self.post(life, |post, now_ms, out| post.on_record(raw, now_ms, out));
        }
        self.wake_cluster(life);
    }

    /// There is something in the node's partition.
    pub fn wake_node(&mut self, life: u32) {
        let after_ms = self.broker_ms();
        let Some(process) = self.processes.get_mut(&life) else { return };
        let end = self.kafka.node[usize::from(process.ordinal)].end();
        let Some(consumer) = &mut process.node else { return };
        if consumer.at < end && !std::mem::replace(&mut consumer.is_fetching, true) {
            self.arrange_in(life, after_ms, What::NodeFetch);
        }
    }

    pub fn node_fetched(&mut self, life: u32) {
        if let Some(out_ms) = self.outage_ms() {
            let after_ms = out_ms + self.broker_ms();
            return self.arrange_in(life, after_ms, What::NodeFetch);
        }
        let process = self.processes.get_mut(&life).expect("it happens in a living process");
        let ordinal = usize::from(process.ordinal);
        let (start, end) = (self.kafka.node[ordinal].start, self.kafka.node[ordinal].end());
        let consumer = process.node.as_mut().expect("what is fetched was assigned");
        consumer.is_fetching = false;
        let mut at = consumer.at;
        if at < start {
            note!(self, "#{life} has lost records of its own partition");
            at = start;
            self.post(life, |post, now_ms, out| post.on_node_records_lost(now_ms, out));
        }
        for offset in at..end {
            let Some(process) = self.processes.get_mut(&life) else { return };
            process.node.as_mut().expect("it stays").at = offset + 1;
            // What the second version writes is what the first does, under its own number.
            let record = self.kafka.node[ordinal].at(offset);
            let is_newer = record.version > process.protocols.max;
            let version = if is_newer { "2" } else { VERSION };
            let read = NodeRecord::read(Some(version.as_bytes()), &record.what);
            self.costs.count(&read);
            self.post(life, |post, now_ms, out| post.on_node_record(read, now_ms, out));
        }
        self.wake_node(life);
    }
}
