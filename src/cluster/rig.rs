//! A log and nodes around it, for the stories of this module's tests: one second after the other, without any delay but
//! those that a story makes.

use super::{
    Constants, Incarnation, Members, NodePartition, Output, Protocols, Raw, Record, Refusal, Say, Settings,
    View,
};
use std::sync::Arc;

pub(super) const NODE_TIMEOUT_MS: u32 = 5_000;

pub(super) fn settings(ordinal: u16, incarnation: u64) -> Settings {
    Settings {
        ordinal,
        incarnation: Incarnation(incarnation),
        protocols: Protocols { min: 1, max: 1 },
        constants: Constants { partitions: 64, node_timeout_ms: NODE_TIMEOUT_MS, log_epoch: 7 },
    }
}

pub(super) fn says(say: Say, me: Settings) -> Record {
    let Settings { ordinal, incarnation, protocols, constants } = me;
    Record { say, ordinal, incarnation, protocols, constants, is_leaving: false }
}

/// A record as it lies in the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub append_ms: Option<u64>,
    pub version: &'static [u8],
    pub value: Vec<u8>,
}

impl Entry {
    pub fn raw(&self, offset: u64) -> Raw<'_> {
        Raw { offset, append_ms: self.append_ms, version: Some(self.version), value: &self.value }
    }
}

/// A process.
pub(super) struct Node {
    pub members: Members,
    /// The next offset it reads.
    pub at: u64,
    /// It gets neither ticks nor records.
    pub is_paused: bool,
    pub said: Vec<Say>,
    pub views: Vec<Arc<View>>,
    /// What it was told to be wrong.
    pub refused: Option<Refusal>,
    pub has_left: bool,
    /// What waits for Kafka.
    unwritten: Vec<Record>,
    unanswered: Vec<u64>,
}

impl Node {
    pub fn is_over(&self) -> bool {
        self.refused.is_some() || self.has_left
    }
}

#[derive(Default)]
pub(super) struct Rig {
    pub now_ms: u64,
    pub log: Vec<Entry>,
    /// The first offset that is still there.
    pub start: u64,
    pub nodes: Vec<Node>,
    /// Nothing is appended and nothing is read.
    pub kafka_is_away: bool,
}

impl Rig {
    pub fn start(&mut self, me: Settings) -> usize {
        let at = self.start_unassigned(me);
        self.input(at, |members, now_ms, out| {
            members.on_node_partition(NodePartition::Assigned, now_ms, out)
        });
        at
    }

    pub fn start_unassigned(&mut self, me: Settings) -> usize {
        let mut out = Vec::new();
        let members = Members::new(me, self.now_ms, &mut out);
        self.nodes.push(Node {
            members,
            at: self.start,
            is_paused: false,
            said: Vec::new(),
            views: Vec::new(),
            refused: None,
            has_left: false,
            unwritten: Vec::new(),
            unanswered: Vec::new(),
        });
        let at = self.nodes.len() - 1;
        self.carry_out(at, out);
        at
    }

    /// So many seconds, each with a tick of each node.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now_ms += 1_000;
            for at in 0..self.nodes.len() {
                if !self.nodes[at].is_paused {
                    self.input(at, |members, now_ms, out| members.on_tick(now_ms, out));
                }
            }
        }
    }

    pub fn input(&mut self, at: usize, give: impl FnOnce(&mut Members, u64, &mut Vec<Output>)) {
        let mut out = Vec::new();
        give(&mut self.nodes[at].members, self.now_ms, &mut out);
        self.nodes[at].members.invariants();
        self.carry_out(at, out);
        self.read();
    }

    pub fn append(&mut self, record: Record) {
        self.append_as(b"1", record.value());
    }

    pub fn append_as(&mut self, version: &'static [u8], value: Vec<u8>) {
        self.log.push(Entry { append_ms: Some(7_000_000 + self.now_ms), version, value });
        self.read();
    }

    /// What was said meanwhile is appended, and then read.
    pub fn kafka_returns(&mut self) {
        self.kafka_is_away = false;
        let append_ms = Some(7_000_000 + self.now_ms);
        let records = self.nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.unwritten));
        let entries = records.map(|record| Entry { append_ms, version: b"1", value: record.value() });
        self.log.extend(entries);
        for at in 0..self.nodes.len() {
            let requests = std::mem::take(&mut self.nodes[at].unanswered).into_iter();
            self.carry_out(at, requests.map(|request| Output::ReadToEnd { request }).collect());
        }
        self.read();
    }

    /// Everybody who is not paused reads all there is.
    pub fn read(&mut self) {
        while let Some(at) = self.nodes.iter().position(|node| self.is_behind(node)) {
            let node = &mut self.nodes[at];
            node.at = node.at.max(self.start);
            let (offset, mut out) = (node.at, Vec::new());
            node.at += 1;
            node.members.on_record(self.log[offset as usize].raw(offset), self.now_ms, &mut out);
            node.members.invariants();
            self.carry_out(at, out);
        }
    }

    fn is_behind(&self, node: &Node) -> bool {
        !self.kafka_is_away && !node.is_paused && node.at.max(self.start) < self.log.len() as u64
    }

    fn carry_out(&mut self, at: usize, out: Vec<Output>) {
        for output in out {
            let (start, end) = (self.start, self.log.len() as u64);
            let node = &mut self.nodes[at];
            assert!(
                !node.is_over() || matches!(output, Output::View(_)),
                "a node that is over says nothing more"
            );
            match output {
                Output::Say(record) => {
                    node.said.push(record.say);
                    match self.kafka_is_away {
                        true => node.unwritten.push(record),
                        false => {
                            let append_ms = Some(7_000_000 + self.now_ms);
                            self.log.push(Entry { append_ms, version: b"1", value: record.value() });
                        }
                    }
                }
                Output::ReadToEnd { request } if self.kafka_is_away => node.unanswered.push(request),
                Output::ReadToEnd { request } => {
                    let mut more = Vec::new();
                    node.members.on_end(request, start, end, self.now_ms, &mut more);
                    self.carry_out(at, more);
                }
                Output::View(view) => node.views.push(view),
                Output::Exit(refusal) => node.refused = Some(refusal),
                Output::Left => node.has_left = true,
            }
        }
    }

    /// The ordinals that each node that is neither paused nor over knows as alive; panics if they differ in that, or in
    /// which start holds one. Who has lost its place in the log knows less of `since`.
    pub fn alive(&self) -> Vec<u16> {
        let there = self.nodes.iter().filter(|node| !node.is_paused && !node.is_over());
        let holders = |node: &Node| -> Vec<_> {
            node.members.view().members().iter().map(|it| (it.ordinal, it.incarnation)).collect()
        };
        let mut views = there.map(holders);
        let view = views.next().expect("somebody is there");
        assert!(views.all(|other| other == view), "views differ");
        view.into_iter().map(|(ordinal, _)| ordinal).collect()
    }

    pub fn holds(&self, at: usize) -> bool {
        self.nodes[at].members.holds()
    }
}
