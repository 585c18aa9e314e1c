//! Promise 6: only the recipient's nodes read a message, however many nodes there are.

use crate::device::{Device, all_live};
use crate::fleet::{Fleet, PARTITIONS, client_in, is_ready, view_changes};
use crate::kafka_support::is_asked_for;
use crate::support::{PATIENCE, eventually, eventually_in};
use corepost::cluster::Assignment;
use corepost::model::Partition;
use serde_json::json;

/// Messages of one measurement, as many to each client.
const MESSAGES: usize = 400;

#[test]
fn a_message_is_read_by_its_home_and_once_by_each_other_node_with_a_session_of_its_recipient() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("cost", 2);
    for nodes in [2, 4, 6] {
        fleet.raise(nodes - fleet.nodes.len());
        settled(&fleet);
        for gateways in [1, nodes] {
            measure(&fleet, gateways);
        }
    }
}

/// Every node knows all, and each partition is served where it is to stay, and nowhere else.
fn settled(fleet: &Fleet) {
    let nodes = fleet.nodes.len() as f64;
    let sum = |name: &str| fleet.alive().map(|node| node.metrics().sum(name, "")).sum::<f64>();
    eventually_in("all know all", 2 * PATIENCE, || sum("corepost_cluster_nodes") == nodes * nodes);
    eventually_in("each partition has its home", 2 * PATIENCE, || {
        served_by(fleet) == homes(fleet) && fleet.alive().all(is_ready)
    });
}

/// Which node is to serve each partition, alone, as every node works it out.
fn homes(fleet: &Fleet) -> Vec<Vec<usize>> {
    let ordinals: Vec<u16> = (0..fleet.nodes.len() as u16).collect();
    let assignment = Assignment::new(PARTITIONS, &ordinals);
    let home = |partition| assignment.owner(Partition(partition)).expect("there are nodes");
    (0..PARTITIONS).map(|partition| vec![usize::from(home(partition))]).collect()
}

/// Which nodes serve each partition, by what they tell of its lag.
fn served_by(fleet: &Fleet) -> Vec<Vec<usize>> {
    let metrics: Vec<_> = fleet.alive().map(|node| node.metrics()).collect();
    let serves = |node: &usize, partition: u16| {
        metrics[*node].has("corepost_partition_lag_records", &format!("partition=\"{partition}\""))
    };
    (0..PARTITIONS)
        .map(|partition| (0..metrics.len()).filter(|node| serves(node, partition)).collect())
        .collect()
}

/// A client in each partition, each with sessions on so many nodes; the reads are counted and must be just those of the promise.
fn measure(fleet: &Fleet, gateways: usize) {
    let nodes = fleet.nodes.len();
    let what = format!("{nodes} nodes, sessions on {gateways} of them");
    let name = format!("of-{nodes}-on-{gateways}");
    let clients: Vec<String> = (0..usize::from(PARTITIONS)).map(|n| client_in(n, &name)).collect();
    let at = |n: usize| (0..gateways).map(move |m| (n + m) % nodes);
    let devices: Vec<Device> = clients
        .iter()
        .enumerate()
        .flat_map(|(n, client)| at(n).map(move |node| (node, client)))
        .map(|(node, client)| Device::new(&fleet.balancer, node, client))
        .collect();
    let alice = Device::new(&fleet.balancer, 0, "alice").live();
    all_live(&devices, 2 * PATIENCE);
    let each = MESSAGES / clients.len();
    let home = homes(fleet);
    assert_eq!(served_by(fleet), home, "{what}");
    let others = |n: usize| at(n).filter(|&node| node != home[n][0]).count() * each;
    let others: usize = (0..clients.len()).map(others).sum();

    let sum =
        |name: &str, label: &str| fleet.alive().map(|node| node.metrics().sum(name, label)).sum::<f64>();
    // Of the records between nodes, those that bring a message; attaches and marks are apart.
    let count = || {
        let read = sum("corepost_records_read_total", "topic=\"mailbox\"");
        let reread = sum("corepost_records_reread_total", "");
        (read + reread, sum("corepost_node_records_total", "way=\"read\",kind=\"deliver\""))
    };
    let (before, views) = (count(), view_changes(fleet));
    for n in 0..MESSAGES {
        alice.send(&clients[n % clients.len()], &n.to_string(), &json!(n));
    }
    alice.wait("all acks", |life| life.acked.len() == MESSAGES);
    for device in &devices {
        device.wait("its part", |life| life.given.len() == each);
    }
    // Figures are a moment old.
    let more = || (count().0 - before.0, count().1 - before.1);
    let due = (MESSAGES as f64, others as f64);
    eventually("all that is due is read", || more().0 >= due.0 && more().1 >= due.1);
    assert_eq!(view_changes(fleet), views, "{what}: nobody came or went while it was measured");
    assert_eq!(more(), due, "{what}: read from the mailbox topic, and between nodes");
    println!("{what}: {MESSAGES} messages, {MESSAGES} records of the mailbox, {others} between nodes");
}
