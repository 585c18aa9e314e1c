//! One thing in which a Kafka differs from the contract, and the line that mends it.

use super::rule::Rule;
use super::{Plan, Topic};
use std::fmt;

/// One thing to be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of which topic.
    pub topic: Topic,
    /// Its name at the brokers.
    pub name: String,
    /// What it is.
    pub what: What,
}

/// In what a topic differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is not there.
    Missing,
    /// It has another number of partitions.
    Partitions {
        /// How many it has.
        found: usize,
        /// How many it must have.
        rule: Rule,
    },
    /// A partition is held by another number of brokers.
    Replicas {
        /// The least that any partition has.
        found: usize,
        /// How many it must have.
        rule: Rule,
    },
    /// A setting.
    Setting {
        /// Its name.
        setting: String,
        /// What stands there; `None`: these brokers have no such setting.
        found: Option<String>,
        /// What must.
        rule: Rule,
    },
}

/// What to do about a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mending {
    /// `corepost topics create` makes it.
    Create,
    /// One of Kafka's own tools does, with these arguments; `kafka/up.sh tool` runs it as well.
    Tool(String),
    /// Nothing does as the topic is; what can be done instead, as a sentence.
    Choice(String),
}

impl Difference {
    /// How it is mended. `brokers` are those of `--kafka`; with `secured` the tool needs a file with its credentials.
    pub fn mending(&self, plan: &Plan, brokers: &str, secured: bool) -> Mending {
        let name = &self.name;
        let tool = |tool: &str, rest: String| {
            let credentials = if secured { " --command-config FILE" } else { "" };
            Mending::Tool(format!("{tool}.sh --bootstrap-server {brokers}{credentials} {rest}"))
        };
        match &self.what {
            What::Missing => Mending::Create,
            What::Setting { setting, rule, .. } => {
                let value = rule.create().unwrap_or_default();
                tool(
                    "kafka-configs",
                    format!(
                        "--alter --entity-type topics --entity-name {name} --add-config {setting}={value}"
                    ),
                )
            }
            What::Partitions { rule, .. } if self.topic == Topic::Node => tool(
                "kafka-topics",
                format!("--alter --topic {name} --partitions {}", rule.create().unwrap_or_default()),
            ),
            // Its records are worth minutes, so it can be made anew.
            What::Partitions { .. } if self.topic == Topic::Cluster => {
                tool("kafka-topics", format!("--delete --topic {name}"))
            }
            What::Partitions { found, .. } => Mending::Choice(format!(
                "the number of partitions never changes in place: if {found} is meant, say --partitions {found} here \
                 and to every node; else make other topics, under another --topic-prefix"
            )),
            What::Replicas { .. } => Mending::Choice(format!(
                "{}kafka-reassign-partitions.sh adds replicas; kafka/README.md, \"More replicas\", has the lines",
                if plan.replication == super::Replication::Three {
                    "for a trial on one broker, say --replication 1; else "
                } else {
                    ""
                }
            )),
        }
    }
}

/// As a sentence: what is there, what must be, and why.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.what {
            What::Missing => write!(f, "{name} is not there"),
            What::Partitions { found, rule } => {
                write!(f, "{name} has {found} partitions, must have {rule}: {}", rule.why())
            }
            What::Replicas { found, rule } => {
                write!(
                    f,
                    "{name} has partitions of replication factor {found}, must have {rule}: {}",
                    rule.why()
                )
            }
            What::Setting { setting, found, rule } => {
                let found = found.as_deref().unwrap_or("not there");
                write!(f, "{name}: {setting} is {found}, must be {rule}: {}", rule.why())
            }
        }
    }
}
