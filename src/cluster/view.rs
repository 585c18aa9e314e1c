//! Who is alive, as of an offset of the cluster log.
//!
//! At most one member per ordinal: the newest of its live incarnations. Two views are the same if their members are: a
//! member that was away and returned has another [`Since`], so a change and its undoing are not taken for nothing.

use super::{Constants, Incarnation, Protocols};

/// The record that made an incarnation live, as far as a fold can know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Since {
    /// The one at this offset.
    At(u64),
    /// This is the first one read, and the fold began too late to know of earlier ones: the one at this offset or one
    /// before it.
    AtOrBefore(u64),
}

/// A node that is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its ordinal.
    pub ordinal: u16,
    /// Which start of it holds the ordinal.
    pub incarnation: Incarnation,
    /// Since when without a break.
    pub since: Since,
    /// What it can speak.
    pub protocols: Protocols,
    /// What it was configured with.
    pub constants: Constants,
    /// It is about to go: it serves its sessions, and partitions go to those that stay.
    pub is_leaving: bool,
}

/// The nodes that are alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// By ordinal, each once.
    members: Vec<Member>,
}

impl Since {
    /// The offset, or the bound of it.
    pub fn offset(self) -> u64 {
        match self {
            Self::At(offset) | Self::AtOrBefore(offset) => offset,
        }
    }
}

impl View {
    /// Panics unless ordinals ascend.
    pub(super) fn new(members: Vec<Member>) -> Self {
        assert!(members.is_sorted_by(|a, b| a.ordinal < b.ordinal), "each ordinal has one holder, in order");
        Self { members }
    }

    /// All members, by ordinal.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Who holds this ordinal.
    pub fn holder(&self, ordinal: u16) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&ordinal, |member| member.ordinal).ok()?;
        Some(&self.members[at])
    }

    /// The ordinals, ascending.
    pub fn ordinals(&self) -> Vec<u16> {
        self.members.iter().map(|member| member.ordinal).collect()
    }

    /// Those who may own partitions, ascending: what an [`super::Assignment`] is a function of. Who leaves counts as gone
    /// already, unless all do: then somebody has to serve until the last one goes.
    pub fn homes(&self) -> Vec<u16> {
        let all_leave = self.all_leave();
        let homes = self.members.iter().filter(|member| all_leave || !member.is_leaving);
        homes.map(|member| member.ordinal).collect()
    }

    /// Whether nobody stays.
    pub fn all_leave(&self) -> bool {
        self.members.iter().all(|member| member.is_leaving)
    }

    /// The version that this cluster speaks, records included: the lowest upper end of all. `None` where somebody cannot:
    /// claims overlapped, and until the later one exits nothing may be said between nodes. Also `None` without members.
    pub fn spoken(&self) -> Option<u16> {
        Protocols::spoken(self.members.iter().map(|member| member.protocols))
    }
}
