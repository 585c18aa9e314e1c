//! What all nodes of a cluster must have in common: its constants, and a protocol.
//!
//! Constants must be equal, or two nodes would give a client to different partitions, count different nodes as alive, or take
//! the positions of one log for those of another.
//! Protocols are ranges: the cluster speaks the lowest of all upper ends, so that it can be upgraded node by node.

use std::fmt;

/// What is the same on every node for the life of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constants {
    /// Partitions of the mailbox topic.
    pub partitions: u16,
    /// Log time without an `alive` after which an incarnation is dead.
    pub node_timeout_ms: u32,
    /// Which log the mailbox topic is. A topic that is made again is another one, which its nodes notice one by one.
    pub log_epoch: u64,
}

/// One constant that two nodes have different values for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The flag that sets it, or what it is.
    pub what: &'static str,
    /// Its unit, for the message.
    pub unit: &'static str,
    /// Our value.
    pub ours: u64,
    /// The other's.
    pub theirs: u64,
}

/// The versions of the protocol between nodes that a node can speak, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// The lowest.
    pub min: u16,
    /// The highest.
    pub max: u16,
}

impl Difference {
    /// What is of no flag: the mailbox topic was made again, or is of another Kafka.
    pub const LOG: &str = "the epoch of the mailbox topic";
}

impl Constants {
    /// Every constant that is not the same.
    pub fn differences(self, theirs: Self) -> Vec<Difference> {
        let all = [
            ("--partitions", "", self.partitions.into(), theirs.partitions.into()),
            ("--node-timeout", "ms", self.node_timeout_ms.into(), theirs.node_timeout_ms.into()),
            (Difference::LOG, "", self.log_epoch, theirs.log_epoch),
        ];
        let all = all.map(|(what, unit, ours, theirs)| Difference { what, unit, ours, theirs });
        all.into_iter().filter(|difference| difference.ours != difference.theirs).collect()
    }
}

impl Protocols {
    /// Whether there is a version that both speak.
    pub fn meet(self, other: Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }

    /// What a cluster of these speaks: the lowest upper end. `None` if somebody cannot, or there is nobody.
    pub fn spoken(all: impl Iterator<Item = Self> + Clone) -> Option<u16> {
        let lowest = all.clone().map(|protocols| protocols.max).min()?;
        all.into_iter().all(|protocols| protocols.min <= lowest).then_some(lowest)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, unit, ours, theirs } = self;
        write!(f, "{what} is {ours}{unit} here and {theirs}{unit} there")
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn speaks(min: u16, max: u16) -> Protocols {
        Protocols { min, max }
    }

    #[test]
    fn a_cluster_speaks_what_its_oldest_node_can() {
        assert_eq!(Protocols::spoken([speaks(1, 3), speaks(2, 2), speaks(1, 4)].into_iter()), Some(2));
        assert_eq!(Protocols::spoken([speaks(1, 1), speaks(2, 3)].into_iter()), None);
        assert_eq!(Protocols::spoken([].into_iter()), None);
    }

    #[test]
    fn each_difference_is_named() {
        let ours = Constants { partitions: 64, node_timeout_ms: 5_000, log_epoch: 7 };
        let said = |theirs| ours.differences(theirs).iter().map(Difference::to_string).collect::<Vec<_>>();
        assert_eq!(said(ours), [""; 0]);
        assert_eq!(
            said(Constants { partitions: 128, node_timeout_ms: 10_000, log_epoch: 8 }),
            [
                "--partitions is 64 here and 128 there",
                "--node-timeout is 5000ms here and 10000ms there",
                "the epoch of the mailbox topic is 7 here and 8 there"
            ]
        );
    }

    proptest! {
        #[test]
        fn all_speak_one_version_where_each_two_do(ends in prop::collection::vec((0..9u16, 0..9u16), 1..5)) {
            let all: Vec<_> = ends.iter().map(|&(a, b)| speaks(a.min(b), a.max(b))).collect();
            let each_two = all.iter().all(|one| all.iter().all(|other| one.meet(*other)));
            prop_assert_eq!(Protocols::spoken(all.iter().copied()).is_some(), each_two);
        }
    }
}
