//! The topics of a cluster: what must hold of them, and where a Kafka differs from that.
//!
//! The contract is data, `kafka/topics.json`, read by the program, its tests and people. Comparing is pure: what was
//! found at the brokers comes in as a value ([`Found`]), what is wrong goes out as [`Difference`]s, each with the
//! line that mends it. Nothing here changes a topic.

mod compare;
mod contract;
mod difference;
mod rule;
mod table;

pub use compare::{Found, FoundTopic};
pub use contract::{BadContract, Contract, NewTopic, TopicContract};
pub use difference::{Difference, Mending, What};
pub use rule::Rule;
pub use table::table;

use crate::words::words;

words! {
    /// The four of them. They are called `PREFIX.WORD` at the brokers.
    Topic {
        /// Envelopes, in the partition of their recipient.
        Mailbox = "mailbox",
        /// Revocations and read cursors, compacted.
        State = "state",
        /// Links between gateways and homes.
        Node = "node",
        /// Membership.
        Cluster = "cluster",
    }
}

words! {
    /// How many brokers hold each partition.
    Replication {
        /// Three, of which two must have a message before it is acknowledged.
        Three = "3",
        /// One: a disk that fails takes acknowledged messages with it. For trials.
        One = "1",
    }
}

/// What is asked of the topics beside the contract: how they are called and how large they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What stands before the dot in every name.
    pub prefix: String,
    /// P: partitions of mailbox and state.
    pub partitions: u16,
    /// How many brokers hold each partition.
    pub replication: Replication,
}

impl Plan {
    /// What a topic is called at the brokers.
    pub fn name(&self, topic: Topic) -> String {
        format!("{}.{}", self.prefix, topic.as_str())
    }

    /// All four names, in the order of [`Topic::ALL`].
    pub fn names(&self) -> Vec<String> {
        Topic::ALL.iter().map(|topic| self.name(*topic)).collect()
    }
}

#[cfg(test)]
mod tests;
