//! Which node owns which partition: a function of the ordinals that may own any ([`View::homes`](super::View::homes)), worked
//! out alike by every node.
//!
//! Rendezvous hashing with a bound on load: partition by partition, the node with the highest score that still has room.
//! A score is of partition and node alone, so a change of the view moves what it must and little else; the bound,
//! `ceil(1.5 * P / N)`, keeps any node from more than half again its share. Where there are more nodes than partitions some
//! own none. The standby of a partition is who would own it if its owner were not there.

use crate::limits::{CLUSTER_PARTITIONS, NODES};
use crate::model::Partition;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

/// Owner and standby of each partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// By partition: the owner's and the standby's ordinal.
    places: Vec<(Option<u16>, Option<u16>)>,
}

impl Assignment {
    /// Of these nodes, in any order. Without nodes nobody owns anything; a lone node has no standby.
    ///
    /// Work: P·N scores once, and a pass over P for each owner. Panics above [`CLUSTER_PARTITIONS`] or [`NODES`].
    pub fn new(partitions: u16, ordinals: &[u16]) -> Self {
        assert!(partitions <= CLUSTER_PARTITIONS, "{partitions} partitions were configured");
        let nodes: Vec<u16> = BTreeSet::from_iter(ordinals.iter().copied()).into_iter().collect();
        assert!(nodes.len() <= NODES, "{} nodes in a view", nodes.len());
        let ranks = Ranks::new(partitions, &nodes);
        let owners = ranks.owners(None);
        let mut places: Vec<_> = owners.iter().map(|owner| (*owner, None)).collect();
        for gone in owners.into_iter().flatten().collect::<BTreeSet<u16>>() {
            let others = ranks.owners(Some(gone));
            for (place, other) in places.iter_mut().zip(others).filter(|(place, _)| place.0 == Some(gone)) {
                place.1 = other;
            }
        }
        Self { places }
    }

    /// Who owns it. `None` only without nodes.
    pub fn owner(&self, partition: Partition) -> Option<u16> {
        self.places.get(usize::from(partition.0))?.0
    }

    /// Who would own it without its owner.
    pub fn standby(&self, partition: Partition) -> Option<u16> {
        self.places.get(usize::from(partition.0))?.1
    }

    /// What this node owns: possibly nothing.
    pub fn owned_by(&self, ordinal: u16) -> impl Iterator<Item = Partition> {
        self.which(move |place| place.0 == Some(ordinal))
    }

    /// What this node stands by for.
    pub fn stood_by(&self, ordinal: u16) -> impl Iterator<Item = Partition> {
        self.which(move |place| place.1 == Some(ordinal))
    }

    fn which(&self, is: impl Fn(&(Option<u16>, Option<u16>)) -> bool) -> impl Iterator<Item = Partition> {
        let places = self.places.iter().enumerate().filter(move |(_, place)| is(place));
        places.map(|(partition, _)| Partition(partition as u16))
    }
}

/// For each partition all nodes, the best first; ties by ordinal.
struct Ranks<'n> {
    nodes: &'n [u16],
    /// Indexes into `nodes`, a row per partition.
    rows: Vec<Vec<u16>>,
}

impl<'n> Ranks<'n> {
    fn new(partitions: u16, nodes: &'n [u16]) -> Self {
        let row = |partition: u16| {
            let mut row: Vec<u16> = (0..nodes.len() as u16).collect();
            row.sort_by_cached_key(|node| {
                let ordinal = nodes[usize::from(*node)];
                (Reverse(score(partition, ordinal)), ordinal)
            });
            row
        };
        Self { nodes, rows: (0..partitions).map(row).collect() }
    }

    /// The owners where this node is not there.
    fn owners(&self, without: Option<u16>) -> Vec<Option<u16>> {
        let count = self.nodes.len() - usize::from(without.is_some());
        if count == 0 {
            return vec![None; self.rows.len()];
        }
        let most = (3 * self.rows.len()).div_ceil(2 * count);
        let mut loads = vec![0; self.nodes.len()];
        let mut owner = |row: &Vec<u16>| {
            let nodes = row.iter().map(|node| usize::from(*node));
            let mut there = nodes.filter(|node| Some(self.nodes[*node]) != without);
            let owner = there.find(|node| loads[*node] < most).expect("all together have room for all");
            loads[owner] += 1;
            Some(self.nodes[owner])
        };
        self.rows.iter().map(&mut owner).collect()
    }
}

fn score(partition: u16, ordinal: u16) -> u64 {
    let [p0, p1] = partition.to_le_bytes();
    let [n0, n1] = ordinal.to_le_bytes();
    xxh3_64(&[p0, p1, n0, n1])
}

#[cfg(test)]
#[path = "assignment_tests.rs"]
mod tests;
