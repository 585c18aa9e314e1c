//! Who comes back with a cursor, to whatever node, is given exactly what was missed.

use crate::device::{Device, Start};
use crate::fleet::{Fleet, client_in};
use crate::kafka_support::is_asked_for;
use serde_json::{Value, json};

/// Clients on all partitions, so that some are at home on each node.
const CLIENTS: usize = 8;

fn client(n: usize) -> String {
    client_in(n, "bob")
}

fn numbers(range: std::ops::Range<usize>) -> Vec<Value> {
    range.map(Value::from).collect()
}

/// Sends these numbers to everybody.
fn send(alice: &Device, range: std::ops::Range<usize>) {
    let acked = alice.life().acked.len();
    for n in range.clone() {
        (0..CLIENTS).for_each(|to| alice.send(&client(to), &format!("{n}-{to}"), &json!(n)));
    }
    alice.wait("all acks", |life| life.acked.len() == acked + range.len() * CLIENTS);
}

fn begin(fleet: &Fleet, node: usize, n: usize, from: Option<&'static str>, cursor: Option<&str>) -> Device {
    Device::begin(&fleet.balancer, node, &client(n), Start { from, cursor: cursor.map(str::to_owned) })
}

/// It is given these and told that it resumed, if it was to resume.
#[track_caller]
fn is_given(device: &Device, bodies: &[Value], resumed: Option<bool>) {
    device.wait("live", |life| life.is_live);
    assert_eq!(device.bodies(), bodies, "{}: {:#?}", device.client, device.life().diary);
    let welcome = device.life().welcomes[0].clone();
    assert_eq!((welcome.resumed, welcome.missed), (resumed, bodies.len() as u64), "{}", device.client);
    device.is_whole();
}

#[test]
fn who_returns_to_another_node_gets_exactly_what_was_missed_also_from_a_successor_that_began_cold() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("returning", 2);
    let alice = Device::new(&fleet.balancer, 0, "alice").live();
    let bobs: Vec<Device> = (0..CLIENTS).map(|n| begin(&fleet, 0, n, None, None).live()).collect();
    send(&alice, 0..3);
    bobs.iter().for_each(|bob| bob.has(&numbers(0..3)));
    let cursors: Vec<String> = bobs.into_iter().map(Device::leave).collect();
    send(&alice, 3..10);

    // To the other node.
    for (n, cursor) in cursors.iter().enumerate() {
        is_given(&begin(&fleet, 1, n, None, Some(cursor)), &numbers(3..10), Some(true));
    }

    // The first homes are gone with all that they had, and a third node has nothing.
    fleet.raise(1);
    fleet.kill(0);
    fleet.kill(1);
    std::fs::remove_dir_all(fleet.data(0)).unwrap();
    for (n, cursor) in cursors.iter().enumerate() {
        is_given(&begin(&fleet, 2, n, None, Some(cursor)), &numbers(3..10), Some(true));
        is_given(&begin(&fleet, 2, n, Some("start"), None), &numbers(0..10), None);
        is_given(&begin(&fleet, 2, n, Some("-4"), None), &numbers(6..10), None);
    }

    // Both come back, one with its store and one without, and the mailboxes go on.
    fleet.restart(0);
    fleet.restart(1);
    let alice = Device::new(&fleet.balancer, 2, "alice").live();
    send(&alice, 10..12);
    for (n, cursor) in cursors.iter().enumerate() {
        is_given(&begin(&fleet, n % 3, n, None, Some(cursor)), &numbers(3..12), Some(true));
        is_given(&begin(&fleet, n % 3, n, Some("-1"), None), &numbers(11..12), None);
    }
}
