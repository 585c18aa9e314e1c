//! By which way sessions of other nodes speak to the homes of this one: one for each life of a link from a gateway.
//!
//! Always holds: a way leads to one gateway, each gateway has one way at most, and a number is given once.

use crate::links::LINKS;
use crate::model::{Peer, Via};
use std::collections::BTreeMap;

/// The ways that are open. As many as there are links from gateways, at most.
#[derive(Debug, Default)]
pub(super) struct Vias {
    last: u32,
    by_gateway: BTreeMap<Peer, Via>,
    by_via: BTreeMap<Via, Peer>,
}

impl Vias {
    /// Whether there is a number left: there are as many as a link's life can begin in a second for a hundred years.
    pub fn has_more(&self) -> bool {
        self.last < u32::MAX
    }

    /// A life begins: its way. The one before was closed.
    pub fn open(&mut self, gateway: Peer) -> Via {
        self.last = self.last.checked_add(1).expect("it was asked whether there are more");
        let via = Via(self.last);
        self.by_via.insert(via, gateway);
        let before = self.by_gateway.insert(gateway, via);
        assert!(before.is_none(), "a gateway has one way");
        via
    }

    /// A gateway's life is over: the way that it had.
    pub fn close(&mut self, gateway: Peer) -> Option<Via> {
        let via = self.by_gateway.remove(&gateway)?;
        self.by_via.remove(&via);
        Some(via)
    }

    /// The gateway's way.
    pub fn of(&self, gateway: Peer) -> Option<Via> {
        self.by_gateway.get(&gateway).copied()
    }

    /// Where a way leads.
    pub fn gateway(&self, via: Via) -> Option<Peer> {
        self.by_via.get(&via).copied()
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.by_via.len()
    }

    /// Panics when what the type promises does not hold, or it is not these gateways that have a way.
    pub fn invariants(&self, gateways: impl Iterator<Item = Peer>) {
        assert!(self.by_via.len() <= LINKS && self.by_via.len() == self.by_gateway.len(), "ways are bounded");
        for (gateway, via) in &self.by_gateway {
            assert_eq!(self.by_via.get(via), Some(gateway), "a way leads to one gateway");
            assert!(*via != Via::HERE && via.0 <= self.last, "numbers are given out here");
        }
        assert!(
            gateways.eq(self.by_gateway.keys().copied()),
            "a link that is whole has a way, and no other has"
        );
    }
}
