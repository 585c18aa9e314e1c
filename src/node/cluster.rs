//! What makes a node one of a cluster: which Kafka, which topics, and how both are opened before the cores run.

use super::config::NodeConfig;
use super::core::Mail;
use super::ending::Endings;
use super::guard::Guard;
use super::post::{PostOptions, Posting};
use super::report::Life;
use super::start::StartError;
use crate::backplane::kafka::{Connection, NoWay, TopicId, Trouble};
use crate::backplane::{KafkaLog, KafkaLogError, KafkaLogOptions};
use crate::cluster::{Incarnation, Refusal};
use crate::host::unix_ms;
use crate::limits::KAFKA_ANSWER_MS;
use crate::log::LogEvent;
use crate::mesh::Address;
use crate::topics::{Plan, Topic};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

/// A node's part in a cluster. Its ordinal, partitions and cores are in its [`NodeConfig`].
#[derive(Clone)]
pub struct ClusterNode {
    /// How Kafka is reached.
    pub connection: Connection,
    /// What its topics are called.
    pub plan: Plan,
    /// Log time without a word of a node after which it is dead.
    pub node_timeout_ms: u32,
    /// Partitions are also followed by the node that would own them next.
    pub standby: bool,
    /// The mailbox topic's retention; `None`: for ever.
    pub retention_ms: Option<u64>,
    /// Where the index is kept.
    pub data: PathBuf,
    /// Memory for blocks of the index.
    pub cache_bytes: u64,
}

/// A node's log in its cluster, and which log that is.
pub(super) struct Joined {
    pub log: KafkaLog,
    pub log_epoch: u64,
    pub incarnation: Incarnation,
}

impl ClusterNode {
    /// Opens the log; it has no partition yet.
    pub(super) fn open(
        &self,
        config: &NodeConfig,
        deliver: impl Fn(u16, Vec<LogEvent>) + Send + Sync + 'static,
    ) -> Result<Joined, StartError> {
        let topic = self.plan.name(Topic::Mailbox);
        let time = Duration::from_millis(KAFKA_ANSWER_MS);
        let id = TopicId::ask(&self.connection, &topic, time).map_err(StartError::Kafka)?;
        let missing =
            || StartError::Kafka(Trouble::Failed { doing: "find the topic", reason: topic.clone() });
        let log_epoch = id.ok_or_else(missing)?.epoch();
        let options = KafkaLogOptions {
            connection: self.connection.clone(),
            topic,
            state_topic: self.plan.name(Topic::State),
            topology: config.settings.topology,
            log_epoch,
            retention_ms: self.retention_ms.unwrap_or(u64::MAX),
            dir: self.data.clone(),
            cache_bytes: self.cache_bytes,
            on_thread: config.on_thread(),
        };
        let log = KafkaLog::open(options, deliver).map_err(|error| match error {
            KafkaLogError::Index(error) => StartError::Log(error),
            KafkaLogError::Kafka(trouble) => StartError::Kafka(trouble),
            KafkaLogError::Thread(error) => StartError::Core(error),
        })?;
        let random = RandomState::new().hash_one(std::process::id()) as u32;
        Ok(Joined { log, log_epoch, incarnation: Incarnation::new(unix_ms(), random) })
    }

    /// Starts whoever sees to it that the topics stay what they are.
    pub(super) fn guard(&self, joined: &Joined, endings: Endings) -> Result<Guard, StartError> {
        let (connection, plan) = (self.connection.clone(), self.plan.clone());
        let guard = Guard::start(connection, plan, joined.log_epoch, joined.log.clone(), endings);
        guard.map_err(StartError::Core)
    }

    /// Starts the post, which joins the cluster and tells the cores where homes are.
    pub(super) fn post(
        &self,
        config: &NodeConfig,
        joined: &Joined,
        cores: Vec<Address<Mail>>,
        ends: (Life, Endings),
    ) -> Result<Posting, StartError> {
        let options = PostOptions {
            connection: self.connection.clone(),
            node_topic: self.plan.name(Topic::Node),
            cluster_topic: self.plan.name(Topic::Cluster),
            ordinal: config.node,
            incarnation: joined.incarnation,
            node_timeout_ms: self.node_timeout_ms,
            log_epoch: joined.log_epoch,
            standby: self.standby,
            topology: config.settings.topology,
        };
        Posting::start(options, joined.log.clone(), cores, ends).map_err(|no_way| match no_way {
            NoWay::Trouble(trouble) => StartError::Kafka(trouble),
            NoWay::NoPartition { ordinal, partitions, .. } => {
                StartError::Refused(Refusal::NoNodePartition { ordinal, partitions: partitions as u32 })
            }
        })
    }
}
