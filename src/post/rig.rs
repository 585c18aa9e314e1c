//! One post among nodes that are only words in the cluster log, for the stories: time passes as they say, and what they do
//! not say does not happen.

use super::*;
use crate::cluster::{Constants, Incarnation, NodePartition, Protocols, Raw, Record, Say};
use crate::model::*;
use crate::wire::node_record::{Down, NodeRecord, Says, Up};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const PARTITIONS: u16 = 8;
pub(super) const CORES: u16 = 2;
pub(super) const ME: Peer = Peer { node: 0, incarnation: 100 };
pub(super) const BOB: Peer = Peer { node: 1, incarnation: 200 };
pub(super) const EVE: Peer = Peer { node: 2, incarnation: 300 };

pub(super) struct Rig {
    pub post: Post,
    pub now_ms: u64,
    /// What the post said and no story has looked at.
    pub out: Vec<Output>,
    /// Each says `alive` every second, in these versions.
    pub alive: BTreeMap<Peer, Protocols>,
    /// What the post says in the cluster log is given up.
    pub is_mute: bool,
    /// Its questions for the log's end are not answered yet.
    pub is_deaf: bool,
    questions: Vec<u64>,
    /// The versions that it was to speak, one after the other.
    pub spoken: Vec<u16>,
    /// Records of the cluster log.
    pub end: u64,
    said_ms: u64,
}

pub(super) const V1: Protocols = Protocols { min: 1, max: 1 };

fn record(peer: Peer, protocols: Protocols) -> Record {
    let constants = Constants { partitions: PARTITIONS, node_timeout_ms: 5_000, log_epoch: 7 };
    let (ordinal, incarnation) = (peer.node, Incarnation(peer.incarnation));
    Record { say: Say::Alive, ordinal, incarnation, protocols, constants, is_leaving: false }
}

impl Rig {
    /// A node that has just started.
    pub fn started() -> Self {
        Self::speaking(V1)
    }

    /// The same, of these versions.
    pub fn speaking(protocols: Protocols) -> Self {
        let Record { ordinal, incarnation, constants, .. } = record(ME, V1);
        let member = crate::cluster::Settings { ordinal, incarnation, protocols, constants };
        let topology = Topology::new(PARTITIONS, CORES);
        let mut out = Vec::new();
        let post = Post::new(Settings { member, topology }, 1_000_000, &mut out);
        let mut rig = Self {
            post,
            now_ms: 1_000_000,
            out: Vec::new(),
            alive: BTreeMap::new(),
            is_mute: false,
            is_deaf: false,
            questions: Vec::new(),
            spoken: Vec::new(),
            end: 0,
            said_ms: 1_000_000,
        };
        rig.carry_out(out);
        rig
    }

    /// A member of a cluster of these and itself; what it said until then is forgotten.
    pub fn among(peers: &[Peer]) -> Self {
        let mut rig = Self::started();
        rig.input(|post, now_ms, out| post.on_node_partition(NodePartition::Assigned, now_ms, out));
        rig.alive = peers.iter().map(|peer| (*peer, V1)).collect();
        rig.pass(4_000);
        assert_eq!(rig.post.view().members().len(), peers.len() + 1);
        rig.out.clear();
        rig
    }

    pub fn input(&mut self, give: impl FnOnce(&mut Post, u64, &mut Vec<Output>)) {
        let mut out = Vec::new();
        give(&mut self.post, self.now_ms, &mut out);
        self.post.invariants();
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Append(_) if self.is_mute => {
                    self.input(|post, now_ms, out| post.on_unwritten(now_ms, out));
                }
                Output::Append(record) => self.append(record),
                Output::ReadToEnd { request } => self.questions.push(request),
                Output::Speak { version } => self.spoken.push(version),
                other => self.out.push(other),
            }
        }
        self.answer();
    }

    pub fn answer(&mut self) {
        while !self.is_deaf
            && let Some(request) = self.questions.pop()
        {
            let end = self.end;
            self.input(|post, now_ms, out| post.on_end(request, 0, end, now_ms, out));
        }
    }

    fn append(&mut self, record: Record) {
        let (offset, value, append_ms) = (self.end, record.value(), Some(self.now_ms));
        self.end += 1;
        self.input(|post, now_ms, out| {
            post.on_record(Raw { offset, append_ms, version: Some(b"1"), value: &value }, now_ms, out);
        });
    }

    pub fn says_alive(&mut self, peer: Peer) {
        self.append(record(peer, self.alive.get(&peer).copied().unwrap_or(V1)));
    }

    /// Time, with a tick every 100 ms.
    pub fn pass(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            self.now_ms += 100;
            if self.now_ms >= self.said_ms + 1_000 {
                self.said_ms = self.now_ms;
                self.alive.clone().into_keys().for_each(|peer| self.says_alive(peer));
            }
            self.input(|post, now_ms, out| post.on_tick(now_ms, out));
        }
    }

    /// Time passes, and Kafka says nothing.
    pub fn pass_without_kafka(&mut self, ms: u64) {
        self.is_mute = true;
        for _ in 0..ms / 100 {
            self.now_ms += 100;
            self.input(|post, now_ms, out| post.on_tick(now_ms, out));
        }
        self.is_mute = false;
    }

    /// The loop stands still, and what it then asks the log is not answered yet.
    pub fn stall(&mut self, ms: u64) {
        self.now_ms += ms;
        self.said_ms = self.now_ms;
        self.is_deaf = true;
    }

    pub fn catches_up(&mut self) {
        self.is_deaf = false;
        self.answer();
    }

    pub fn dispatch(&mut self, core: u16, dispatches: impl IntoIterator<Item = Dispatch>) -> Vec<Output> {
        self.input(|post, now_ms, out| post.on_dispatches(core, dispatches, now_ms, out));
        self.took()
    }

    pub fn hear(&mut self, from: Peer, says: Says) -> Vec<Output> {
        let record = NodeRecord { from, to: ME.incarnation, says };
        self.input(|post, now_ms, out| post.on_node_record(Ok(record), now_ms, out));
        self.took()
    }

    pub fn up(&mut self, from: Peer, generation: u64, number: u64, value: Up) -> Vec<Output> {
        self.hear(from, Says::Up { stamp: stamp(generation, number), value })
    }

    pub fn down(&mut self, from: Peer, generation: u64, number: u64, value: Down) -> Vec<Output> {
        self.hear(from, Says::Down { stamp: stamp(generation, number), value })
    }

    /// What the post has said since.
    pub fn took(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    pub fn dropped(&self, why: Drop) -> u64 {
        self.post.counts().dropped[why as usize]
    }

    pub fn broken(&self, why: crate::links::Break) -> u64 {
        self.post.counts().broken[why as usize]
    }

    /// A client at home there, on that core here.
    pub fn client(&self, home: Route, core: u16) -> ClientId {
        let topology = Topology::new(PARTITIONS, CORES);
        let routes = self.routes();
        let names = (0..).map(|n| ClientId::new(&format!("c{n}")).unwrap());
        let mut there = names.filter(|client| {
            let place = topology.place(client.as_ref());
            routes[usize::from(place.partition.0)] == home && place.core == core
        });
        there.next().unwrap()
    }

    /// As a view of all that are alive has them.
    pub fn routes(&self) -> Arc<[Route]> {
        let view = self.post.view();
        let assignment = crate::cluster::Assignment::new(PARTITIONS, &view.homes());
        let route = |partition| {
            let owner = view.holder(assignment.owner(Partition(partition)).unwrap()).unwrap();
            let owner = Peer { node: owner.ordinal, incarnation: owner.incarnation.0 };
            if owner == ME { Route::Here } else { Route::Away(owner) }
        };
        (0..PARTITIONS).map(route).collect()
    }

    pub fn owned(&self) -> Vec<Partition> {
        let routes = self.routes();
        (0..PARTITIONS).filter(|it| routes[usize::from(*it)] == Route::Here).map(Partition).collect()
    }
}

pub(super) fn stamp(generation: u64, number: u64) -> Stamp {
    Stamp { generation: Generation(generation), number }
}

pub(super) fn session(core: u16, slot: u32) -> SessionRef {
    SessionRef { core, slot, generation: 1 }
}

pub(super) fn joining(client: &ClientId, session: SessionRef) -> HelloSession {
    HelloSession {
        client: client.clone(),
        session,
        ask: Ask(1),
        from: HelloFrom::Position(Position::START),
        credit: Credit(1),
        issued_at: None,
        by_token: false,
        since_ms: 0,
    }
}

/// A session takes leave: the shortest that it can say.
pub(super) fn to_home(home: Peer, client: &ClientId, session: SessionRef) -> Dispatch {
    Dispatch::ToHome { home, client: client.clone(), session, say: ToHome::Detach }
}

pub(super) fn said_up(home: Peer, generation: u64, number: u64, value: Up) -> Output {
    said(home, Says::Up { stamp: stamp(generation, number), value })
}

pub(super) fn said_down(gateway: Peer, generation: u64, number: u64, value: Down) -> Output {
    said(gateway, Says::Down { stamp: stamp(generation, number), value })
}

pub(super) fn said(peer: Peer, says: Says) -> Output {
    let record = NodeRecord { from: ME, to: peer.incarnation, says };
    Output::ToNode { ordinal: peer.node, record }
}

pub(super) fn hello(home: Peer, generation: u64) -> [Output; 2] {
    [said_up(home, generation, 0, Up::Hello(vec![])), Output::ToCores(Parcel::Greet { home })]
}

pub(super) fn head(partition: Partition, term: u64, offset: u64) -> Head {
    Head { partition, term, position: Position { leader_epoch: 0, offset } }
}

pub(super) fn mark(echo: u64) -> Down {
    Down::Mark { echo, heads: vec![] }
}
