//! The side of this node that owns partitions: what it hears of gateways on other nodes, and says to them.
//!
//! Always holds: a gateway's link that is whole has a way, and its sessions are known to the cores by that; when it breaks
//! the cores forget them, before they hear of a later life.

use super::Drop;
use super::desk::Desk;
use super::heads::Heads;
use super::vias::Vias;
use crate::links::{Break, Downlinks, Heard};
use crate::model::{Head, HelloSession, Parcel, Peer, Stamp, Via};
use crate::wire::node_record::{Beside, Down, Says, Up};
use std::collections::BTreeMap;

/// The home's side.
#[derive(Debug)]
pub(super) struct Home {
    downlinks: Downlinks,
    vias: Vias,
    heads: Heads,
}

impl Home {
    pub fn new(cores: u16) -> Self {
        Self { downlinks: Downlinks::default(), vias: Vias::default(), heads: Heads::new(cores) }
    }

    /// A gateway has said something.
    pub fn hear(&mut self, gateway: Peer, stamp: Stamp, value: Up, desk: &mut Desk) {
        if let Up::Hello(sessions) = value {
            return self.take_hello(gateway, stamp, sessions, desk);
        }
        match self.downlinks.hear(gateway, stamp) {
            Heard::Obey => self.obey(gateway, value, desk),
            Heard::Drop => desk.drop(Drop::Seen),
            Heard::Unknown => desk.drop(Drop::NoLink),
            Heard::Broken => {
                desk.drop(Drop::Gap);
                self.broke(gateway, Break::Gap, desk);
            }
        }
    }

    fn take_hello(&mut self, gateway: Peer, stamp: Stamp, sessions: Vec<HelloSession>, desk: &mut Desk) {
        let alive = &desk.whereabouts.alive;
        if !self.vias.has_more() || !self.downlinks.hello(gateway, stamp.generation, alive, desk.link_ms) {
            return desk.drop(Drop::OldHello);
        }
        desk.counts.hellos_taken += 1;
        self.forget(gateway, desk);
        let via = self.vias.open(gateway);
        desk.tell_cores(Parcel::Meet { via, gateway });
        join(via, sessions, desk);
    }

    fn obey(&mut self, gateway: Peer, value: Up, desk: &mut Desk) {
        let Some(via) = self.vias.of(gateway) else { return desk.drop(Drop::NoLink) };
        match value {
            Up::Hello(sessions) | Up::More(sessions) => join(via, sessions, desk),
            Up::Session { client, session, say } => {
                let core = desk.whereabouts.topology.core(client.as_ref());
                desk.tell_core(core, Parcel::ToHome { via, client, session, say });
            }
        }
    }

    /// Whether this way leads to a gateway. If not, a value for it goes no further.
    pub fn reaches(&self, via: Via, desk: &mut Desk) -> bool {
        let reaches = self.vias.gateway(via).is_some();
        if !reaches {
            desk.drop(Drop::StaleVia);
        }
        reaches
    }

    /// Says a value to a gateway.
    pub fn say(&mut self, via: Via, value: Down, desk: &mut Desk) {
        let Some(gateway) = self.vias.gateway(via) else { return desk.drop(Drop::StaleVia) };
        let stamp = self.downlinks.say(gateway).expect("a link that has a way is whole");
        desk.tell_node(gateway, Says::Down { stamp, value });
    }

    /// Passes an ephemeral message to sessions of a gateway.
    pub fn say_beside(&mut self, via: Via, value: Beside, desk: &mut Desk) {
        match self.vias.gateway(via) {
            Some(gateway) => desk.tell_node(gateway, Says::Beside(value)),
            None => desk.drop(Drop::StaleVia),
        }
    }

    /// A core's word of how far it is. All that it had to say before waits or is said.
    pub fn on_heads(&mut self, core: u16, heads: Vec<Head>) {
        self.heads.report(core, heads);
    }

    /// Says a mark to each gateway. Nothing waits to be said any more: what the cores said before their heads has its
    /// number, so no mark is ahead of a delivery.
    pub fn mark(&mut self, desk: &mut Desk) {
        let heads = self.heads.applied(&desk.whereabouts.own.owned);
        for mark in self.downlinks.marks() {
            let value = Down::Mark { echo: mark.echo, heads: heads.clone() };
            desk.tell_node(mark.gateway, Says::Down { stamp: mark.stamp, value });
        }
    }

    /// Another node passes an ephemeral message to clients at home here, or asks about one.
    pub fn pass_on(&mut self, from: Peer, value: Beside, desk: &mut Desk) {
        match value {
            Beside::Whisper { to, envelope } => {
                let mut cores: BTreeMap<u16, Vec<_>> = BTreeMap::new();
                for client in to {
                    cores.entry(desk.whereabouts.topology.core(client.as_ref())).or_default().push(client);
                }
                for (core, to) in cores {
                    desk.tell_core(core, Parcel::Whisper { to, envelope: envelope.clone() });
                }
            }
            Beside::Question { asker, client, question } => {
                let core = desk.whereabouts.topology.core(client.as_ref());
                desk.tell_core(core, Parcel::Ask { from, asker, client, question });
            }
            Beside::Ephemeral { .. } | Beside::Findings { .. } => unreachable!("it is said to a gateway"),
        }
    }

    /// The view has changed.
    pub fn on_view(&mut self, desk: &mut Desk) {
        for gateway in self.downlinks.on_view(&desk.whereabouts.alive, desk.link_ms) {
            self.broke(gateway, Break::Since, desk);
        }
    }

    /// Time passes.
    pub fn tick(&mut self, node_timeout_ms: u64, desk: &mut Desk) {
        for gateway in self.downlinks.tick(node_timeout_ms, desk.link_ms) {
            self.broke(gateway, Break::Gone, desk);
        }
    }

    /// Records of our partition are lost.
    pub fn sever(&mut self, desk: &mut Desk) {
        for gateway in self.downlinks.sever() {
            self.broke(gateway, Break::Range, desk);
        }
    }

    /// Something that was to be said to this gateway is lost.
    pub fn break_off(&mut self, gateway: Peer, desk: &mut Desk) {
        if self.downlinks.break_off(gateway) {
            self.broke(gateway, Break::Unsaid, desk);
        }
    }

    /// The same, of the gateway that this way leads to.
    pub fn break_off_via(&mut self, via: Via, desk: &mut Desk) {
        if let Some(gateway) = self.vias.gateway(via) {
            self.break_off(gateway, desk);
        }
    }

    pub fn links(&self) -> usize {
        self.vias.len()
    }

    /// A link's life is over; one that was broken before has no way any more, and was counted.
    fn broke(&mut self, gateway: Peer, why: Break, desk: &mut Desk) {
        if self.forget(gateway, desk) {
            desk.counts.broke(why);
        }
    }

    fn forget(&mut self, gateway: Peer, desk: &mut Desk) -> bool {
        let via = self.vias.close(gateway);
        if let Some(via) = via {
            desk.tell_cores(Parcel::Forget { via });
        }
        via.is_some()
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.vias.invariants(self.downlinks.whole());
    }
}

fn join(via: Via, sessions: Vec<HelloSession>, desk: &mut Desk) {
    for session in sessions {
        let core = desk.whereabouts.topology.core(session.client.as_ref());
        desk.tell_core(core, Parcel::Join { via, session: Box::new(session) });
    }
}
