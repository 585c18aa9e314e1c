//! A Kafka's topics beside the contract: everything in which they differ.

use super::contract::{Contract, TopicContract};
use super::difference::{Difference, What};
use std::collections::BTreeMap;

/// The topics that were found at the brokers, of those that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found(pub Vec<FoundTopic>);

/// A topic as the brokers describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTopic {
    /// Its name at the brokers.
    pub name: String,
    /// For each partition, how many brokers are to hold it.
    pub replicas: Vec<usize>,
    /// All its settings, also those that nobody set.
    pub settings: BTreeMap<String, String>,
}

impl Found {
    /// The topic of this name, if it is there.
    pub fn topic(&self, name: &str) -> Option<&FoundTopic> {
        self.0.iter().find(|topic| topic.name == name)
    }
}

impl Contract {
    /// Everything that must be mended, topic by topic. Empty: the contract holds.
    pub fn compare(&self, found: &Found) -> Vec<Difference> {
        self.topics().iter().flat_map(|topic| topic.compare(found.topic(&topic.name))).collect()
    }

    /// The topics that are not there.
    pub fn missing<'a>(&'a self, found: &'a Found) -> impl Iterator<Item = &'a TopicContract> {
        self.topics().iter().filter(|topic| found.topic(&topic.name).is_none())
    }
}

impl TopicContract {
    /// In what this topic differs; `None` is one that is not there.
    pub fn compare(&self, found: Option<&FoundTopic>) -> Vec<Difference> {
        let differs = |what| Difference { topic: self.topic, name: self.name.clone(), what };
        let Some(found) = found else { return vec![differs(What::Missing)] };
        let mut differences = Vec::new();
        let partitions = found.replicas.len();
        if !self.partitions.accepts(&partitions.to_string()) {
            differences.push(differs(What::Partitions { found: partitions, rule: self.partitions.clone() }));
        }
        let fewer = found.replicas.iter().filter(|n| !self.replicas.accepts(&n.to_string()));
        if let Some(least) = fewer.min() {
            differences.push(differs(What::Replicas { found: *least, rule: self.replicas.clone() }));
        }
        for (setting, rule) in &self.settings {
            let value = found.settings.get(setting);
            if !value.map_or(rule.is_free(), |value| rule.accepts(value)) {
                let (setting, found, rule) = (setting.clone(), value.cloned(), rule.clone());
                differences.push(differs(What::Setting { setting, found, rule }));
            }
        }
        differences
    }
}
