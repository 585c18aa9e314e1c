//! Apache Kafka, by librdkafka: how it is reached, what its topics are, and the bytes to it and from it.
//!
//! What an operator passes through to librdkafka may hold passwords: no value of it stands in a log, an error or a
//! debug print, only its name.
//!
//! Whatever moves records decides nothing: who owns what, what is a duplicate and who is alive are for the pure
//! modules. Each piece belongs to one thread, which is woken by its [`Bell`] and takes what there is without waiting:
//! [`Appender`] (a thread of its own), [`Reader`], [`ClusterTopic`], [`NodeTopic`]. Two block, for threads of their own:
//! [`Offsets`] and [`History`]. `producer` and `consumer` are what they stand on.
//!
//! librdkafka's threads inherit the CPUs of the thread that makes a client: pin first, then open.

mod admin;
mod appender;
mod aside;
mod bell;
mod block_on;
mod cluster_topic;
mod connection;
mod consumer;
mod ear;
mod ends;
mod history;
mod law;
#[cfg(test)]
pub(in crate::backplane) mod mock;
#[cfg(test)]
mod mock_tests;
mod node_topic;
mod offsets;
mod options;
mod producer;
mod reader;
mod seen;
mod silences;
mod state_writer;
mod token;
mod topic_id;
mod trouble;

pub use admin::Admin;
pub use appender::{AppendHealth, AppendReading, Appender, AppenderOptions};
pub use bell::Bell;
pub use cluster_topic::{ClusterSeen, ClusterTold, ClusterTopic, Written};
pub use connection::Connection;
pub use ends::{Ends, EndsAnswer};
pub use history::{History, ReadEnd, ReadThrough};
pub use node_topic::{NoWay, NodeTold, NodeTopic, Sending};
pub use offsets::{Offsets, Place, Places};
pub use options::{BadOption, KafkaOptions};
pub use reader::{ReadAt, Reader, Told};
pub use seen::{Seen, SeenAt, SeenHeaders};
pub use state_writer::{Kept, StateWriter};
pub use topic_id::TopicId;
pub use trouble::Trouble;
