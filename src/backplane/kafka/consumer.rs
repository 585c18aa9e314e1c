//! What all our consumers are made with.
//!
//! They are assigned partitions and offsets, and belong to no group; librdkafka wants the name of one nevertheless, and
//! looks for its coordinator. Whether it finds one, or may, changes nothing.

use super::bell::Bell;
use super::connection::Connection;
use super::ear::Ear;
use super::trouble::Trouble;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;

/// A consumer that remembers what was said of its connections.
pub(super) type Client = BaseConsumer<Ear>;

/// What positions depend on.
const FIXED: &[(&str, &str)] = &[
    ("group.id", "corepost"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // A hole in the log must be told, not skipped.
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_uncommitted"),
];

/// What serves records soonest (FINDINGS.md §4).
const USUAL: &[(&str, &str)] = &[
    ("fetch.min.bytes", "1"),
    // librdkafka's own second stalls a consumer whose queue is full for a moment.
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.error.backoff.ms", "100"),
];

/// A configuration that reads, with more of both kinds.
pub(super) fn config(
    connection: &Connection,
    fixed: &[(&str, &str)],
    usual: &[(&str, &str)],
) -> ClientConfig {
    connection.config_of(&[FIXED, fixed].concat(), &[USUAL, usual].concat())
}

/// A consumer of that configuration. Its threads inherit the CPUs of the thread that calls this.
pub(super) fn create(connection: &Connection, config: &ClientConfig) -> Result<Client, Trouble> {
    let ear = Ear::new(connection.options.clone());
    config.create_with_context(ear).map_err(|error| connection.refused(&error))
}

/// Rings when something happens that belongs to no partition.
pub(super) fn ring_for_events(client: &mut Client, bell: &Bell) {
    let bell = bell.clone();
    client.set_nonempty_callback(move || bell.ring());
}
