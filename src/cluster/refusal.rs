//! Why a node may not be a member, whose fault that is, and what to do.
//!
//! Every refusal ends the process: with 5 where the cluster cannot have this node, with 4 where the topics break their
//! contract (DESIGN.md §9). A supervisor may start it again: what was refused because of others is judged anew.

use super::{Difference, Incarnation, Protocols};
use crate::limits::STARTER_TIMEOUTS;
use std::fmt;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another process holds our ordinal and is still alive after the time a starter waits.
    OrdinalInUse {
        /// Ours, and its.
        ordinal: u16,
        /// Which process.
        holder: Incarnation,
    },
    /// A newer process has claimed our ordinal.
    Replaced {
        /// Ours, and its.
        ordinal: u16,
        /// Which process.
        by: Incarnation,
    },
    /// The cluster was configured otherwise.
    OtherConstants {
        /// A node that is in the cluster.
        node: u16,
        /// All that is not the same, at least one.
        differences: Vec<Difference>,
    },
    /// A node of the cluster and we have no version in common.
    NoCommonProtocol {
        /// That node.
        node: u16,
        /// What we can speak.
        ours: Protocols,
        /// What it can speak.
        theirs: Protocols,
    },
    /// A node of a newer version is in the cluster, and says what cannot be read here.
    NewerRecord {
        /// The record's offset.
        offset: u64,
    },
    /// The log holds an incarnation of our ordinal above which there is none.
    NoIncarnationLeft {
        /// Our ordinal.
        ordinal: u16,
        /// The highest.
        highest: Incarnation,
    },
    /// The topic keeps the times of producers instead of the broker's.
    NotLogAppendTime {
        /// The record's offset.
        offset: u64,
    },
    /// The topic of the nodes has no partition for our ordinal.
    NoNodePartition {
        /// Our ordinal.
        ordinal: u16,
        /// How many there are.
        partitions: u32,
    },
}

impl Refusal {
    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotLogAppendTime { .. } | Self::NoNodePartition { .. } => 4,
            Self::OrdinalInUse { .. }
            | Self::Replaced { .. }
            | Self::OtherConstants { .. }
            | Self::NoCommonProtocol { .. }
            | Self::NewerRecord { .. }
            | Self::NoIncarnationLeft { .. } => 5,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrdinalInUse { ordinal, holder } => write!(
                f,
                "--node {ordinal} is in use: incarnation {holder} was still alive after {STARTER_TIMEOUTS} times \
                 --node-timeout; stop that process, or give this one another --node"
            ),
            Self::Replaced { ordinal, by } => write!(
                f,
                "--node {ordinal} was claimed by a newer process, incarnation {by}; if this one was not meant to be \
                 replaced, two are started with one --node: give each its own"
            ),
            Self::OtherConstants { node, differences } => {
                write!(f, "this node is configured otherwise than node {node}, which is in the cluster: ")?;
                for difference in differences {
                    write!(f, "{difference}; ")?;
                }
                f.write_str(match differences.as_slice() {
                    [Difference { what: Difference::LOG, .. }] => {
                        "if the topic was made again, the others end by themselves: start this node again then"
                    }
                    _ => "give it the cluster's values, or stop all nodes before you change them",
                })
            }
            Self::NoCommonProtocol { node, ours, theirs } => write!(
                f,
                "node {node} of the cluster speaks versions {theirs} and this one {ours}: upgrade {} first, by way of \
                 a release that speaks with both",
                if ours.max < theirs.min { "this node".into() } else { format!("node {node}") }
            ),
            Self::NewerRecord { offset } => write!(
                f,
                "a node of a newer version is in the cluster (record {offset} of the cluster topic): upgrade this node"
            ),
            Self::NoIncarnationLeft { ordinal, highest } => write!(
                f,
                "the cluster topic holds incarnation {highest} of node {ordinal}, which no node writes: find out who \
                 writes to that topic, and start this node with another --node or after the topic's retention"
            ),
            Self::NotLogAppendTime { offset } => write!(
                f,
                "record {offset} of the cluster topic has its producer's time: set message.timestamp.type=LogAppendTime \
                 on that topic"
            ),
            Self::NoNodePartition { ordinal, partitions } => write!(
                f,
                "--node {ordinal} has no partition of the node topic, which has {partitions}: add partitions to that \
                 topic, or give this node an ordinal below {partitions}"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::super::Constants;
    use super::*;

    #[test]
    fn a_refusal_names_the_constant_both_values_and_the_fix() {
        let ours = Constants { partitions: 64, node_timeout_ms: 5_000, log_epoch: 7 };
        let theirs = Constants { partitions: 128, node_timeout_ms: 5_000, log_epoch: 7 };
        let refusal = Refusal::OtherConstants { node: 3, differences: ours.differences(theirs) };
        assert_eq!(
            refusal.to_string(),
            "this node is configured otherwise than node 3, which is in the cluster: --partitions is 64 here and 128 \
             there; give it the cluster's values, or stop all nodes before you change them"
        );
        assert_eq!(refusal.exit_code(), 5);
        let theirs = Constants { log_epoch: 8, ..ours };
        let refusal = Refusal::OtherConstants { node: 3, differences: ours.differences(theirs) };
        assert!(refusal.to_string().ends_with("the others end by themselves: start this node again then"));
    }

    #[test]
    fn who_is_too_old_is_told_to_be_upgraded() {
        let refusal = |ours: (u16, u16), theirs: (u16, u16)| {
            let [ours, theirs] = [ours, theirs].map(|(min, max)| Protocols { min, max });
            Refusal::NoCommonProtocol { node: 7, ours, theirs }.to_string()
        };
        assert!(refusal((1, 2), (3, 4)).contains("upgrade this node first"));
        assert!(refusal((3, 4), (1, 2)).contains("upgrade node 7 first"));
    }

    #[test]
    fn topics_that_break_the_contract_are_no_fault_of_the_cluster() {
        assert_eq!(Refusal::NotLogAppendTime { offset: 9 }.exit_code(), 4);
        assert_eq!(Refusal::NoNodePartition { ordinal: 300, partitions: 256 }.exit_code(), 4);
    }
}
