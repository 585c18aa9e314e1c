//! Kafka itself is hurt, three brokers strong: nodes and sockets stay.

use crate::crowd::{Crowd, Plan};
use crate::fleet::{Fleet, NODE_TIMEOUT, is_ready, moves, view_changes};
use crate::kafka_support::{Cluster, is_asked_for};
use crate::support::{PATIENCE, eventually_in};
use std::time::Duration;

/// How long all are away: no patience of anybody's is enough for it.
const AWAY: Duration = Duration::from_secs(20);

#[test]
fn brokers_that_die_or_stand_still_cost_nobody_a_message_and_no_node_its_partitions() {
    if !is_asked_for() {
        return;
    }
    let kafka = Cluster::start("cluster-3", 3, "");
    let mut fleet = Fleet::on(&kafka, "3", "brokers");
    fleet.raise(2);
    let crowd = Crowd::start(&fleet, &Plan { senders: 2, recipients: 8, devices: 2, rate: 100 });
    crowd.flows(200);
    let owned =
        |node: &_| crate::support::Server::metrics(node).sum("corepost_partitions", "state=\"owned\"");
    let kept = |fleet: &Fleet| {
        let each: Vec<_> = fleet.alive().map(|node| (moves(node), owned(node))).collect();
        (each, view_changes(fleet))
    };
    let before = kept(&fleet);

    // Who leads the topic by which nodes know each other is killed, for longer than a node may be silent, and comes back.
    let leader = leader(&kafka, "brokers.cluster");
    kafka.up(&["kill", &leader]);
    std::thread::sleep(2 * NODE_TIMEOUT + Duration::from_secs(1));
    crowd.flows(300);
    kafka.up(&["start", &leader]);
    crowd.flows(300);

    // All stand still; then all are killed.
    let readiness = |fleet: &Fleet| fleet.alive().map(is_ready).collect::<Vec<_>>();
    let away = |leave: &dyn Fn(), come: &dyn Fn()| {
        eventually_in("all are ready", 2 * PATIENCE, || readiness(&fleet) == [true, true]);
        leave();
        eventually_in("nobody is ready without Kafka", 2 * PATIENCE, || readiness(&fleet) == [false, false]);
        std::thread::sleep(AWAY);
        assert_eq!(readiness(&fleet), [false, false]);
        come();
        eventually_in("all are ready again", 2 * PATIENCE, || readiness(&fleet) == [true, true]);
        crowd.flows(200);
    };
    away(&|| all_brokers(&kafka, "pause"), &|| all_brokers(&kafka, "continue"));
    away(&|| all_brokers(&kafka, "kill"), &|| drop(kafka.up(&["3"])));

    assert_eq!(kept(&fleet), before, "no view has changed and no partition has moved");
    assert!(fleet.nodes.iter_mut().flatten().all(|node| node.ended().is_none()));
    assert!(crowd.everybody().all(|device| device.life().welcomes.len() == 1), "sockets stay");
    crowd.finish("broken brokers");
}

fn all_brokers(kafka: &Cluster, what: &str) {
    for broker in ["1", "2", "3"] {
        kafka.up(&[what, broker]);
    }
}

/// The broker that leads partition 0 of this topic.
fn leader(kafka: &Cluster, topic: &str) -> String {
    let servers = kafka.brokers.as_str();
    let told =
        kafka.tool(&["kafka-topics", "--bootstrap-server", servers, "--describe", "--topic", topic], "");
    let (_, after) = told.split_once("Leader: ").expect(&told);
    after.split_whitespace().next().unwrap().to_owned()
}
