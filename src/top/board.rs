//! The rows that are shown: a node's, a core's, a partition's.

use super::{Scrape, Seen};

/// Nodes as they were asked for; cores and partitions of all of them, the worst first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// A row for each node that is asked.
    pub nodes: Vec<NodeRow>,
    /// Those of the nodes that answer.
    pub cores: Vec<CoreRow>,
    /// Those that nodes of a cluster own.
    pub partitions: Vec<PartitionRow>,
}

/// Which core is the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one with the largest share of its time in turns.
    #[default]
    Busiest,
    /// The one whose turns, and then whose messages, take longest.
    Slowest,
}

/// A node. What is `None` is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeRow {
    /// Where it was asked.
    pub name: String,
    /// Why it is silent.
    pub trouble: Option<String>,
    /// Whether the newest view has it, in a cluster.
    pub is_member: Option<bool>,
    /// How many nodes that view has.
    pub members: Option<f64>,
    /// Open sessions.
    pub sessions: Option<f64>,
    /// Messages that came from clients, a second.
    pub received: Option<f64>,
    /// Messages given to sessions, a second.
    pub delivered: Option<f64>,
    /// Seconds from a message's arrival to its ack, the 99th percentile of the last interval.
    pub ack_p99: Option<f64>,
    /// The same to its being written to a recipient here.
    pub deliver_p99: Option<f64>,
    /// What was refused, a second.
    pub refused: Option<f64>,
    /// Bytes of the process.
    pub memory: Option<f64>,
    /// Partitions that it owns.
    pub owned: Option<f64>,
    /// Those of them that it serves.
    pub served: Option<f64>,
}

/// A core.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoreRow {
    /// Its node's name.
    pub node: String,
    /// Its number.
    pub core: u16,
    /// Share of its time that it spent in turns.
    pub busy: Option<f64>,
    /// Open sessions.
    pub sessions: Option<f64>,
    /// Messages that came from clients, a second.
    pub received: Option<f64>,
    /// Messages given to sessions, a second.
    pub delivered: Option<f64>,
    /// Messages that wait for it in the mesh.
    pub waiting: Option<f64>,
    /// Seconds of a turn, the 99th percentile of the last interval.
    pub turn_p99: Option<f64>,
    /// Seconds from a message's arrival to its being written, the same.
    pub deliver_p99: Option<f64>,
    /// Turns that were too long, a second.
    pub late: Option<f64>,
}

/// A partition of the mailbox topic.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRow {
    /// The name of the node that owns it.
    pub node: String,
    /// Its number.
    pub partition: u16,
    /// Records that its home has not applied yet.
    pub lag: f64,
}

const SESSIONS: &str = "corepost_sessions";
const RECEIVED: &str = "corepost_messages_received_total";
const DELIVERED: &str = "corepost_messages_delivered_total";
const END_TO_END: &str = "corepost_end_to_end_seconds";
const LAG: &str = "corepost_partition_lag_records";

impl Board {
    /// What was seen, in rows.
    pub fn of(seen: &[Seen], order: Order) -> Self {
        let mut board = Self::default();
        for node in seen {
            board.nodes.push(NodeRow::of(node));
            let Some(scrape) = node.newest() else { continue };
            let cores = numbers(scrape, SESSIONS, "core");
            board.cores.extend(cores.map(|(core, label)| CoreRow::of(node, core, label)));
            board.partitions.extend(numbers(scrape, LAG, "partition").filter_map(|(partition, label)| {
                let lag = scrape.sum(LAG, &[("partition", label)])?;
                Some(PartitionRow { node: node.name.clone(), partition, lag })
            }));
        }
        // Equals stay in the order of nodes and numbers, so that rows do not dance.
        board.cores.sort_by(|a, b| {
            let keys = a.keys(order).into_iter().zip(b.keys(order));
            keys.map(|(a, b)| b.total_cmp(&a))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        board.partitions.sort_by(|a, b| b.lag.total_cmp(&a.lag).then(a.partition.cmp(&b.partition)));
        board
    }
}

impl NodeRow {
    fn of(node: &Seen) -> Self {
        let row = Self {
            name: node.name.clone(),
            trouble: node.trouble().map(str::to_owned),
            received: node.rate(RECEIVED, &[]),
            delivered: node.rate(DELIVERED, &[]),
            ack_p99: node.quantile(END_TO_END, &[("stage", "ack")], 0.99),
            deliver_p99: node.quantile(END_TO_END, &[("stage", "deliver")], 0.99),
            refused: node.rate("corepost_refusals_total", &[]),
            ..Self::default()
        };
        let Some(scrape) = node.newest() else { return row };
        let partitions = |state| scrape.sum("corepost_partitions", &[("state", state)]);
        Self {
            is_member: scrape.sum("corepost_cluster_member", &[]).map(|member| member > 0.0),
            members: scrape.sum("corepost_cluster_nodes", &[]),
            sessions: scrape.sum(SESSIONS, &[]),
            memory: scrape.sum("corepost_memory_bytes", &[("purpose", "process")]),
            owned: partitions("owned"),
            served: partitions("served"),
            ..row
        }
    }
}

impl CoreRow {
    fn of(node: &Seen, core: u16, label: &str) -> Self {
        let this = [("core", label)];
        let given = [("core", label), ("stage", "deliver")];
        let now = |name| node.newest().and_then(|scrape| scrape.sum(name, &this));
        Self {
            node: node.name.clone(),
            core,
            busy: node.rate("corepost_core_busy_seconds_total", &this),
            sessions: now(SESSIONS),
            received: node.rate(RECEIVED, &this),
            delivered: node.rate(DELIVERED, &this),
            waiting: now("corepost_mesh_depth"),
            turn_p99: node.quantile("corepost_core_turn_seconds", &this, 0.99),
            deliver_p99: node.quantile(END_TO_END, &given, 0.99),
            late: node.rate("corepost_core_late_turns_total", &this),
        }
    }

    /// What it is compared by: the larger, the worse. What is not known is worst of nothing.
    fn keys(&self, order: Order) -> [f64; 2] {
        let keys = match order {
            Order::Busiest => [self.busy, self.waiting],
            Order::Slowest => [self.turn_p99, self.deliver_p99],
        };
        keys.map(|key| key.unwrap_or(-1.0))
    }
}

/// The numbers that stand in this label, rising, and how they are written.
fn numbers<'a>(scrape: &'a Scrape, name: &str, label: &str) -> impl Iterator<Item = (u16, &'a str)> {
    let values = scrape.label_values(name, label).into_iter();
    let mut numbers: Vec<(u16, &str)> = values.filter_map(|text| Some((text.parse().ok()?, text))).collect();
    numbers.sort_unstable();
    numbers.into_iter()
}

#[cfg(test)]
mod tests {
    use super::super::rig::two_nodes;
    use super::*;

    #[test]
    fn the_busiest_and_the_slowest_core_come_first() {
        let board = Board::of(&two_nodes(), Order::Busiest);
        let busy: Vec<_> = board.cores.iter().map(|row| (row.core, row.busy)).collect();
        assert_eq!(busy, [(0, Some(0.25)), (1, Some(0.0))]);
        let board = Board::of(&two_nodes(), Order::Slowest);
        let slow: Vec<_> = board.cores.iter().map(|row| (row.core, row.turn_p99)).collect();
        assert_eq!(slow, [(1, Some(f64::INFINITY)), (0, Some(0.001))]);
        let lags: Vec<_> = board.partitions.iter().map(|row| (row.partition, row.lag)).collect();
        assert_eq!(lags, [(10, 12.0), (2, 0.0)]);
    }

    #[test]
    fn a_node_is_shown_by_what_it_tells_and_a_silent_one_by_why() {
        let [up, silent] = Board::of(&two_nodes(), Order::Busiest).nodes.try_into().unwrap();
        assert_eq!((up.sessions, up.received, up.is_member), (Some(12.0), Some(1_000.0), Some(true)));
        assert_eq!((up.owned, up.served, up.delivered), (Some(3.0), Some(2.0), None));
        assert_eq!(silent.trouble.as_deref(), Some("cannot reach 10.0.0.2:9090"));
        assert_eq!((silent.sessions, silent.is_member), (None, None));
    }

    #[test]
    fn each_name_that_is_asked_for_is_one_that_nodes_export() {
        let exported = concat!(
            include_str!("../admin/metrics_golden.txt"),
            include_str!("../admin/metrics_golden_cluster.txt")
        );
        let product = include_str!("board.rs").split("#[cfg(test)]").next().unwrap();
        let names: Vec<&str> = product.split('"').filter(|word| word.starts_with("corepost_")).collect();
        assert!(names.len() > 8, "{names:?}");
        for name in names {
            assert!(exported.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }
}
