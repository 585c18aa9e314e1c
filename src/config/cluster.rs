//! The settings of a node in a cluster: which of them count, and what they leave to Kafka.
//!
//! `--kafka` decides. Without it the others mean nothing, with it some of a lone node's do: neither is passed over in
//! silence. A default that somebody wrote down is no mistake, only worth a line.

use super::create_line::CreateLine;
use super::kafka::{KafkaConfig, read_kafka};
use super::raw::Given;
use super::reader::Reader;
use super::settings::{CLUSTER_SETTINGS, KAFKA_SETTINGS, Setting, of_clusters};
use super::values::{Problem, duration, numbers, show_duration, within, word};
use crate::backplane::kafka::Connection;
use crate::limits::{CLUSTER_PARTITIONS, NODE_TIMEOUT_LEAST_MS, NODE_TIMEOUT_MOST_MS, NODES};
use crate::topics::{Plan, Replication, Topic};

/// What makes a node one of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// How Kafka is reached.
    pub connection: Connection,
    /// What is asked of its topics.
    pub plan: Plan,
    /// Log time without a word of a node after which it is dead.
    pub node_timeout_ms: u32,
    /// Partitions are also followed by the node that would own them next.
    pub standby: bool,
    /// The command that makes the topics.
    pub create: CreateLine,
}

/// One copy of each message is a choice that must be seen, wherever it is made.
pub const ONE_COPY: &str = "REPLICATION 1: each message is on one broker's disk only. If that disk fails, acknowledged \
                            messages are lost. For trials.";

/// What a lone node's settings are in a cluster.
const LEFT_TO_KAFKA: [(&str, &str); 5] = [
    ("durability", "a message is acknowledged when Kafka has it (acks=all), which is its durability"),
    ("retention", "retention.ms of the mailbox topic counts"),
    ("retention_size", "messages are kept by age alone, which is retention.ms of the mailbox topic"),
    ("mailbox_messages", "mailboxes have no quota there; retention and rates bound them"),
    ("mailbox_bytes", "mailboxes have no quota there; retention and rates bound them"),
];

/// Whether a setting means anything, in a cluster or out of one.
pub(super) fn applies(setting: &Setting, in_cluster: bool) -> bool {
    if in_cluster {
        LEFT_TO_KAFKA.iter().all(|(key, _)| *key != setting.key)
    } else {
        setting.key == "kafka" || of_clusters().all(|other| other.key != setting.key)
    }
}

/// Whether brokers are named, be it wrongly.
pub(super) fn is_in_cluster(read: &Reader<'_>) -> bool {
    read.is_written("kafka")
}

/// `None` without `--kafka`; mistakes stay with the reader.
pub(super) fn read_cluster(read: &mut Reader<'_>, notes: &mut Vec<String>) -> Option<ClusterConfig> {
    let kafka = read_kafka(read, CLUSTER_PARTITIONS);
    let bounds = (u64::from(NODE_TIMEOUT_LEAST_MS), u64::from(NODE_TIMEOUT_MOST_MS));
    let node_timeout_ms = read.required("node_timeout", within(duration, bounds, show_duration)) as u32;
    let standby = read.required("standby", word(&[false, true], |on| if on { "1" } else { "0" }));
    if is_in_cluster(read) {
        note_what_is_kafkas(read, kafka.as_ref(), notes);
    } else {
        judge_without_kafka(read, notes);
    }
    let KafkaConfig { connection, plan, create } = kafka?;
    if plan.replication == Replication::One {
        notes.push(ONE_COPY.into());
    }
    Some(ClusterConfig { connection, plan, node_timeout_ms, standby, create })
}

/// The node's ordinal: as it is written, or in a cluster as the hostname has it.
pub(super) fn read_node(read: &mut Reader<'_>, given: &Given) -> u16 {
    let in_cluster = is_in_cluster(read);
    let most = if in_cluster { NODES as u32 - 1 } else { u32::from(u16::MAX) };
    let written = read.optional("node", numbers(0, most));
    if let Some(ordinal) = written {
        return ordinal as u16;
    }
    if !in_cluster || read.is_written("node") {
        return 0;
    }
    ordinal_of(given.hostname.as_deref()).unwrap_or_else(|problem| {
        read.mistake("node", problem);
        0
    })
}

/// `chat-7` → 7, also with a domain behind it. The number must stand behind a `-`, as a StatefulSet writes it: the names
/// that a Deployment makes up may end in digits too.
fn ordinal_of(hostname: Option<&str>) -> Result<u16, Problem> {
    let Some(hostname) = hostname else {
        return Err(format!("is not there, nor a hostname; write --node N, 0 to {}", NODES - 1));
    };
    let name = hostname.split('.').next().unwrap_or_default();
    let number = name.rsplit_once('-').map(|(_, number)| number);
    match number.filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())) {
        None => Err(format!(
            "is not there, and the hostname {hostname:?} does not end in - and a number, as chat-7 does; write --node \
             N, another one for each node, 0 to {}",
            NODES - 1
        )),
        Some(number) => number.parse().ok().filter(|n| usize::from(*n) < NODES).ok_or_else(|| {
            format!(
                "is not there, and the hostname {hostname:?} ends in {number}, which is out of bounds; write --node N, \
                 0 to {}",
                NODES - 1
            )
        }),
    }
}

fn note_what_is_kafkas(read: &Reader<'_>, kafka: Option<&KafkaConfig>, notes: &mut Vec<String>) {
    for (key, why) in LEFT_TO_KAFKA.iter().filter(|(key, _)| read.is_written(key)) {
        let why = match kafka {
            Some(kafka) => why.replace("the mailbox topic", &kafka.plan.name(Topic::Mailbox)),
            None => (*why).to_owned(),
        };
        notes.push(format!("--{} means nothing in a cluster: {why}", key.replace('_', "-")));
    }
}

fn judge_without_kafka(read: &mut Reader<'_>, notes: &mut Vec<String>) {
    let mut defaults = Vec::new();
    for setting in KAFKA_SETTINGS.iter().chain(CLUSTER_SETTINGS) {
        match read.written(setting.key) {
            Some(written) if written.texts.first().map(String::as_str) == setting.default => {
                defaults.push(format!("--{}", setting.flag()));
            }
            Some(_) => read.mistake(
                setting.key,
                "means nothing without --kafka; name the brokers, --kafka HOST:PORT, or leave it out".into(),
            ),
            None => {}
        }
    }
    if !defaults.is_empty() {
        notes.push(format!("{}: the default, which means nothing without --kafka", defaults.join(", ")));
    }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
