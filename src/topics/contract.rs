//! The contract: for each of the four topics what must hold of it under one plan.

use super::rule::{Rule, Written};
use super::{Plan, Topic};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// The file that is the contract.
const FILE: &str = include_str!("../../kafka/topics.json");

/// What must hold of all four topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// In the order of [`Topic::ALL`].
    topics: Vec<TopicContract>,
    plan: Plan,
}

/// What must hold of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicContract {
    /// Which.
    pub topic: Topic,
    /// Its name at the brokers.
    pub name: String,
    /// How many partitions it has.
    pub partitions: Rule,
    /// How many brokers hold each of them.
    pub replicas: Rule,
    /// Its settings, by Kafka's names.
    pub settings: BTreeMap<String, Rule>,
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name at the brokers.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many brokers hold each of them.
    pub replicas: i32,
    /// Settings that differ from what the brokers might give.
    pub settings: BTreeMap<String, String>,
}

/// The file says something that makes no sense; where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadContract(pub String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: Vec<String>,
    version: u32,
    topics: Vec<FileTopic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTopic {
    name: String,
    #[serde(rename = "carries")]
    _carries: String,
    partitions: Written,
    replication_factor: Written,
    settings: BTreeMap<String, Written>,
}

impl Contract {
    /// That of this program, for a plan.
    pub fn of(plan: &Plan) -> Self {
        Self::parse(FILE, plan).expect("a test reads kafka/topics.json under every kind of plan")
    }

    /// Reads a contract.
    pub fn parse(text: &str, plan: &Plan) -> Result<Self, BadContract> {
        let file: File = serde_json::from_str(text).map_err(|bad| BadContract(bad.to_string()))?;
        if file.version != 1 {
            return Err(BadContract(format!("version {} is not known here", file.version)));
        }
        let named = |topic: &Topic| {
            let mut those = file.topics.iter().filter(|written| written.name == topic.as_str());
            match (those.next(), those.next()) {
                (Some(one), None) => TopicContract::resolve(*topic, one, plan),
                (None, _) => Err(BadContract(format!("there is no topic {}", topic.as_str()))),
                _ => Err(BadContract(format!("there are two topics {}", topic.as_str()))),
            }
        };
        let topics = Topic::ALL.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        if file.topics.len() > topics.len() {
            return Err(BadContract("there are more topics than the program knows".into()));
        }
        Ok(Self { topics, plan: plan.clone() })
    }

    /// In the order of [`Topic::ALL`].
    pub fn topics(&self) -> &[TopicContract] {
        &self.topics
    }

    /// What it is for.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl TopicContract {
    fn resolve(topic: Topic, written: &FileTopic, plan: &Plan) -> Result<Self, BadContract> {
        let rule = |what: &str, written: &Written| {
            written.resolve(plan).map_err(|bad| BadContract(format!("{}: {what} {bad}", topic.as_str())))
        };
        let size = |what, written| match rule(what, written)? {
            rule if rule.create().is_some_and(|n| n.parse::<i32>().is_ok_and(|n| n > 0)) => Ok(rule),
            _ => Err(BadContract(format!("{}: {what} is no number above 0", topic.as_str()))),
        };
        Ok(Self {
            topic,
            name: plan.name(topic),
            partitions: size("partitions", &written.partitions)?,
            replicas: size("replication_factor", &written.replication_factor)?,
            settings: written
                .settings
                .iter()
                .map(|(name, written)| Ok((name.clone(), rule(name, written)?)))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The topic that this asks for.
    pub fn new_topic(&self) -> NewTopic {
        let number = |rule: &Rule| {
            let number = rule.create().and_then(|text| text.parse().ok());
            number.expect("the contract was read with a number here")
        };
        let settings = self.settings.iter();
        NewTopic {
            name: self.name.clone(),
            partitions: number(&self.partitions),
            replicas: number(&self.replicas),
            settings: settings
                .filter_map(|(name, rule)| Some((name.clone(), rule.create()?.to_owned())))
                .collect(),
        }
    }
}

impl fmt::Display for BadContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the contract for the topics makes no sense: {}", self.0)
    }
}

impl std::error::Error for BadContract {}
