//! What must be there before a node of a cluster may start: a Kafka that answers, and topics that keep the contract.
//!
//! Nothing is made or altered. Blocks until Kafka has answered or has had enough time, so it is for a start, before
//! anything else of the node runs.

use super::cluster::ClusterConfig;
use super::create_line::CreateLine;
use crate::backplane::kafka::{Admin, Connection, Trouble};
use crate::topics::{Contract, Difference, Found, Mending, Plan, Topic};
use std::fmt;
use std::time::{Duration, Instant};

/// What a node needs to know of the topics, which keep the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterTopics {
    /// How they are called and how large they are.
    pub plan: Plan,
    /// Messages older than this go; `None`: never.
    pub retention_ms: Option<u64>,
    /// Partitions of the node topic: a node's ordinal must be below.
    pub node_partitions: usize,
}

/// Why a node of a cluster cannot start. No text here holds the value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterTrouble {
    /// Kafka could not be asked. Its options apart, this may pass by itself.
    Kafka {
        /// Why.
        trouble: Trouble,
        /// How long it was tried.
        waited: Duration,
    },
    /// The topics break the contract.
    Topics(BrokenTopics),
}

/// In what a Kafka's topics differ from the contract, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenTopics {
    differences: Vec<Difference>,
    plan: Plan,
    brokers: String,
    secured: bool,
    create: CreateLine,
}

/// Looks at the cluster's Kafka and its topics. `waiting` is called once if the first answer takes more than a second.
pub fn check_cluster(
    cluster: &ClusterConfig,
    waiting: impl FnOnce(),
) -> Result<ClusterTopics, ClusterTrouble> {
    let begun = Instant::now();
    let asked =
        Admin::connect(&cluster.connection, waiting).and_then(|admin| admin.describe(&cluster.plan.names()));
    let found = asked.map_err(|trouble| ClusterTrouble::Kafka { trouble, waited: begun.elapsed() })?;
    judge(cluster, &found)
}

fn judge(cluster: &ClusterConfig, found: &Found) -> Result<ClusterTopics, ClusterTrouble> {
    let ClusterConfig { connection, plan, create, .. } = cluster;
    let differences = Contract::of(plan).compare(found);
    if !differences.is_empty() {
        let broken = BrokenTopics::new(differences, connection, plan, create);
        return Err(ClusterTrouble::Topics(broken));
    }
    let topic = |which| {
        let topic = found.topic(&plan.name(which));
        topic.expect("a topic that is not there is a difference")
    };
    // What is no number of milliseconds is -1: the contract allows nothing else.
    let retention_ms = topic(Topic::Mailbox).settings.get("retention.ms").and_then(|text| text.parse().ok());
    Ok(ClusterTopics { plan: plan.clone(), retention_ms, node_partitions: topic(Topic::Node).replicas.len() })
}

impl BrokenTopics {
    /// Of these differences, at least one.
    pub fn new(
        differences: Vec<Difference>,
        connection: &Connection,
        plan: &Plan,
        create: &CreateLine,
    ) -> Self {
        assert!(!differences.is_empty(), "what differs in nothing keeps the contract");
        let (brokers, secured) = (connection.brokers.clone(), connection.is_secured());
        Self { differences, plan: plan.clone(), brokers, secured, create: create.clone() }
    }
}

/// Each difference with what mends it, a paragraph each, and at the end the command that makes what is not there.
impl fmt::Display for BrokenTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut missing, mut tool) = (Vec::new(), false);
        for difference in &self.differences {
            match difference.mending(&self.plan, &self.brokers, self.secured) {
                Mending::Create => missing.push(difference.name.as_str()),
                Mending::Tool(line) => {
                    tool = true;
                    write!(f, "\n{difference}\n  {line}\n")?;
                }
                Mending::Choice(how) => write!(f, "\n{difference}\n  {how}\n")?,
            }
        }
        if !missing.is_empty() {
            write!(f, "\n{} not there; made by\n  {}\n", are(&missing), self.create)?;
        }
        if tool {
            let tools = "Corepost changes no topic that is there. The tools come with Kafka; `kafka/up.sh tool` runs \
                         them too.";
            write!(f, "\n{tools}\n")?;
        }
        Ok(())
    }
}

/// `a is`, `a, b are`
fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// What happened and the next step.
impl fmt::Display for ClusterTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka { trouble: trouble @ Trouble::Options(_), .. } => write!(f, "{trouble}"),
            Self::Kafka { trouble, waited } => write!(
                f,
                "{trouble}. This node does not start without Kafka; it has tried for {} s: start it again when Kafka \
                 answers (a supervisor does)",
                waited.as_secs()
            ),
            Self::Topics(broken) => {
                let text = broken.to_string();
                write!(f, "the topics break the contract, so this node does not start:\n{}", text.trim_end())
            }
        }
    }
}

impl std::error::Error for ClusterTrouble {}

#[cfg(test)]
mod tests {
    use super::super::{Given, resolve};
    use super::*;
    use crate::topics::FoundTopic;

    fn cluster() -> ClusterConfig {
        let mut given = Given::default();
        for (key, text) in [("kafka", "k:1"), ("node", "3"), ("topic_prefix", "chat"), ("partitions", "4")] {
            given.flags.insert(key, vec![text.to_owned()]);
        }
        resolve(&given).unwrap().config.cluster.unwrap()
    }

    /// As `corepost topics create` makes them.
    fn made(plan: &Plan) -> Found {
        let topics = Contract::of(plan).topics().to_vec().into_iter().map(|topic| topic.new_topic());
        let mut found: Vec<_> = topics
            .map(|new| FoundTopic {
                name: new.name,
                replicas: vec![new.replicas as usize; new.partitions as usize],
                settings: new.settings,
            })
            .collect();
        found[0].settings.insert("retention.ms".into(), "86400000".into());
        Found(found)
    }

    #[test]
    fn a_node_learns_of_its_topics_what_it_will_need() {
        let cluster = cluster();
        let mut found = made(&cluster.plan);
        let topics = judge(&cluster, &found).unwrap();
        assert_eq!((topics.retention_ms, topics.node_partitions), (Some(86_400_000), 256));
        assert_eq!(topics.plan, cluster.plan);
        found.0[0].settings.insert("retention.ms".into(), "-1".into());
        assert_eq!(judge(&cluster, &found).unwrap().retention_ms, None);
    }

    #[test]
    fn what_is_not_there_is_told_with_the_command_that_makes_it() {
        let cluster = cluster();
        let mut found = made(&cluster.plan);
        found.0.remove(1);
        found.0[0].settings.insert("cleanup.policy".into(), "compact".into());
        let told = judge(&cluster, &found).unwrap_err().to_string();
        let mended =
            "--alter --entity-type topics --entity-name chat.mailbox --add-config cleanup.policy=delete";
        assert!(told.contains("chat.mailbox: cleanup.policy is compact, must be delete"), "{told}");
        assert!(told.contains(mended), "{told}");
        assert!(
            told.contains("chat.state is not there; made by\n  corepost topics create --kafka k:1"),
            "{told}"
        );
        assert!(
            told.lines()
                .any(|l| l.trim() == "corepost topics create --kafka k:1 --topic-prefix chat --partitions 4"),
            "{told}"
        );
    }

    #[test]
    fn a_kafka_that_is_away_is_told_with_the_time_and_the_next_step() {
        let trouble = Trouble::NobodyThere { brokers: "k:1".into(), reason: "refused".into() };
        let told = ClusterTrouble::Kafka { trouble, waited: Duration::from_millis(3_100) }.to_string();
        assert!(told.starts_with("no Kafka listens at k:1 (refused); check --kafka"), "{told}");
        assert!(told.contains("tried for 3 s: start it again"), "{told}");
    }
}
