//! Where everybody is, as the newest view has it: who is alive, where the homes of all clients are, and what is ours.
//!
//! While this node is not in the view itself it owns nothing, and its routes stay as they were: it may be back at once, and
//! its sessions lose nothing by waiting where they are. Before its first claim nobody is at home anywhere.

use super::Own;
use crate::cluster::{Assignment, Constants, Protocols, Settings, View};
use crate::links::{Alive, Since};
use crate::model::{Partition, Peer, Route, Topology};
use std::sync::Arc;

/// What follows from a view.
#[derive(Debug)]
pub(super) struct Whereabouts {
    pub topology: Topology,
    pub alive: Alive,
    /// By partition.
    pub routes: Arc<[Route]>,
    pub own: Own,
    /// What this node can speak, and what it was configured with.
    protocols: Protocols,
    constants: Constants,
    /// The version in which everything is said: the newest that this node and all of the view can speak, be this node among
    /// them or not. `None` where somebody cannot, or has other constants.
    pub spoken: Option<u16>,
    /// All of the view are about to go, this node among them.
    pub all_leave: bool,
}

/// What is another than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub routes: bool,
    pub own: bool,
    pub spoken: bool,
}

impl Whereabouts {
    pub fn new(topology: Topology, me: Settings) -> Self {
        Self {
            topology,
            alive: Alive::new(),
            routes: vec![Route::Nowhere; usize::from(topology.partitions())].into(),
            own: Own::default(),
            protocols: me.protocols,
            constants: me.constants,
            spoken: None,
            all_leave: false,
        }
    }

    /// The view has changed. `holds`: it has this very start of this node in it.
    pub fn on_view(&mut self, me: Peer, holds: bool, view: &View) -> News {
        self.alive = alive(view);
        let members = view.members().iter();
        let is_one_cluster = members.clone().all(|member| member.constants == self.constants);
        let all = members.map(|member| member.protocols).chain([self.protocols]);
        let before = self.spoken;
        self.spoken = Protocols::spoken(all).filter(|_| is_one_cluster);
        let spoken = self.spoken != before;
        self.all_leave = holds && view.all_leave();
        if !holds {
            let own = std::mem::take(&mut self.own) != Own::default();
            return News { routes: false, own, spoken };
        }
        let assignment = Assignment::new(self.topology.partitions(), &view.homes());
        let route = |partition: u16| {
            let owner = assignment.owner(Partition(partition)).and_then(|ordinal| view.holder(ordinal));
            match owner.map(|it| Peer { node: it.ordinal, incarnation: it.incarnation.0 }) {
                Some(owner) if owner == me => Route::Here,
                Some(owner) => Route::Away(owner),
                None => Route::Nowhere,
            }
        };
        let routes: Arc<[Route]> = (0..self.topology.partitions()).map(route).collect();
        let own = Own {
            owned: assignment.owned_by(me.node).collect(),
            standby: assignment.stood_by(me.node).collect(),
        };
        let news = News { routes: routes != self.routes, own: own != self.own, spoken };
        (self.routes, self.own) = (routes, own);
        news
    }

    /// Whether that node is the home of this partition's clients. No node has a partition that there is not.
    pub fn is_home(&self, node: Peer, partition: Partition) -> bool {
        self.routes.get(usize::from(partition.0)) == Some(&Route::Away(node))
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self, me: Peer) {
        assert_eq!(
            self.routes.len(),
            usize::from(self.topology.partitions()),
            "each partition has its route"
        );
        let owned = |partition: &Partition| self.routes[usize::from(partition.0)] == Route::Here;
        assert!(self.own.owned.iter().all(owned), "what is ours is here");
        assert!(
            self.own == Own::default() || self.alive.contains_key(&me),
            "who is not in the view owns nothing"
        );
    }
}

/// Who is alive, in the words of links. An offset that is only a bound counts as another one when the bound moves: links
/// then begin anew, which is always right.
fn alive(view: &View) -> Alive {
    let peer = |it: &crate::cluster::Member| Peer { node: it.ordinal, incarnation: it.incarnation.0 };
    view.members().iter().map(|member| (peer(member), Since(member.since.offset()))).collect()
}
