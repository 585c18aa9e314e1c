//! The contract for the topics in its two forms, `kafka/topics.json` and the table of `kafka/README.md`: they agree.

#![allow(clippy::unwrap_used, reason = "a test")]

use corepost::topics::{Contract, Plan, Replication, Rule, Topic};
use std::path::Path;

fn contract(partitions: u16, replication: Replication) -> Contract {
    Contract::of(&Plan { prefix: "corepost".into(), partitions, replication })
}

/// A rule under each plan: with three replicas, with one, and with another P.
struct Row<'a> {
    setting: &'a str,
    three: &'a Rule,
    one: &'a Rule,
    other: &'a Rule,
}

impl Row<'_> {
    /// As the table has it; P stands for what changes with it.
    fn cell(&self, show: impl Fn(&Rule) -> String) -> String {
        match (show(self.three), show(self.one), show(self.other)) {
            (three, _, other) if three != other => "P".into(),
            (three, one, _) if three != one => format!("{three}; {one}"),
            (three, ..) => three,
        }
    }

    fn line(&self, topic: Topic) -> String {
        let rule = self.cell(Rule::to_string);
        let create = self.cell(|rule| rule.create().unwrap_or("what the brokers give").to_owned());
        format!("| `{}` | `{}` | {rule} | {create} | {} |", topic.as_str(), self.setting, self.three.why())
    }
}

#[test]
fn the_readme_says_what_the_program_asks_for() {
    let [three, one, other] = [(64, Replication::Three), (64, Replication::One), (63, Replication::Three)]
        .map(|(partitions, replication)| contract(partitions, replication));
    let mut expected = Vec::new();
    for ((three, one), other) in three.topics().iter().zip(one.topics()).zip(other.topics()) {
        let topic = three.topic;
        let row = |setting, three, one, other| Row { setting, three, one, other }.line(topic);
        expected.push(row("partitions", &three.partitions, &one.partitions, &other.partitions));
        expected.push(row("replication_factor", &three.replicas, &one.replicas, &other.replicas));
        for (setting, rule) in &three.settings {
            expected.push(row(setting, rule, &one.settings[setting], &other.settings[setting]));
        }
    }
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/README.md")).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("| topic | setting | rule |")).skip(2);
    let told: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
    assert!(told == expected, "kafka/README.md must have these rows:\n{}", expected.join("\n"));
}
