//! The topics as a table for people: a line each, and where one differs how many times.

use super::compare::Found;
use super::contract::Contract;

/// All four topics, those that are there and those that are not.
pub fn table(contract: &Contract, found: &Found) -> String {
    let mut rows = vec![["topic", "partitions", "replicas", "contract"].map(str::to_owned)];
    for topic in contract.topics() {
        let there = found.topic(&topic.name);
        let differences = topic.compare(there).len();
        let verdict = match (there, differences) {
            (None, _) => "not there".to_owned(),
            (Some(_), 0) => "holds".to_owned(),
            (Some(_), 1) => "1 difference".to_owned(),
            (Some(_), n) => format!("{n} differences"),
        };
        let partitions = there.map_or("-".to_owned(), |topic| topic.replicas.len().to_string());
        let replicas = there.and_then(|topic| topic.replicas.iter().min());
        let replicas = replicas.map_or("-".to_owned(), usize::to_string);
        rows.push([topic.name.clone(), partitions, replicas, verdict]);
    }
    let width = rows.iter().map(|row| row[0].len()).max().unwrap_or_default();
    let line = |[name, partitions, replicas, verdict]: &[String; 4]| {
        format!("{name:<width$}  {partitions:>10}  {replicas:>8}  {verdict}\n")
    };
    rows.iter().map(line).collect()
}
