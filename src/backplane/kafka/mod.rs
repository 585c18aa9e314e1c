//! Apache Kafka, by librdkafka: how it is reached, and what its topics are.
//!
//! What an operator passes through to librdkafka may hold passwords: no value of it stands in a log, an error or a
//! debug print, only its name.

mod admin;
mod block_on;
mod connection;
mod ear;
mod options;
mod trouble;

pub use admin::Admin;
pub use connection::Connection;
pub use options::{BadOption, KafkaOptions};
pub use trouble::Trouble;
