//! What both sides of a post work at: where everybody is, the time, the counts, and the tray of what is to be done.

use super::handover::Handover;
use super::whereabouts::Whereabouts;
use super::{Drop, Output, PostCounts, Sort};
use crate::model::{Parcel, Peer, SessionRef};
use crate::wire::node_record::{NodeRecord, Says};
use std::collections::BTreeMap;

/// The desk.
#[derive(Debug)]
pub(super) struct Desk {
    /// Which start of which node this is; final before anything is said.
    pub me: Peer,
    /// Of [`super::attention`]: the time of links.
    pub link_ms: u64,
    pub whereabouts: Whereabouts,
    /// This node drains.
    pub handover: Option<Handover>,
    pub counts: PostCounts,
    pub tray: Vec<Output>,
}

impl Desk {
    pub fn tell_core(&mut self, core: u16, parcel: Parcel) {
        self.tray.push(Output::ToCore { core, parcel });
    }

    pub fn tell_cores(&mut self, parcel: Parcel) {
        self.tray.push(Output::ToCores(parcel));
    }

    pub fn tell_node(&mut self, peer: Peer, says: Says) {
        self.counts.said[Sort::of(&says) as usize] += 1;
        let record = NodeRecord { from: self.me, to: peer.incarnation, says };
        self.tray.push(Output::ToNode { ordinal: peer.node, record });
    }

    pub fn drop(&mut self, why: Drop) {
        self.counts.dropped(why);
    }

    /// Sessions of ours that another node named, by core. Those on cores that we do not have are dropped.
    pub fn by_core(&mut self, sessions: Vec<SessionRef>) -> BTreeMap<u16, Vec<SessionRef>> {
        let mut cores: BTreeMap<u16, Vec<SessionRef>> = BTreeMap::new();
        for session in sessions {
            if session.core < self.whereabouts.topology.cores() {
                cores.entry(session.core).or_default().push(session);
            } else {
                self.drop(Drop::NoCore);
            }
        }
        cores
    }
}
