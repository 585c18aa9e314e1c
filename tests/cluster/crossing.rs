//! A message crosses nodes: from a gateway to the recipient's partition, to its home, to every other gateway.

use crate::device::{Device, all_live};
use crate::fleet::{Fleet, client_in};
use crate::kafka_support::is_asked_for;
use crate::support::PATIENCE;
use serde_json::{Value, json};

#[test]
fn a_message_reaches_all_devices_of_its_recipient_on_whatever_node_they_are() {
    if !is_asked_for() {
        return;
    }
    let fleet = Fleet::start("crossing", 3);
    // Eight recipients, so that homes are on all nodes.
    let clients: Vec<String> = (0..8).map(|n| client_in(n, "bob")).collect();
    let alice = Device::new(&fleet.balancer, 0, "alice").live();
    let devices: Vec<Vec<Device>> = clients
        .iter()
        .map(|client| (0..3).map(|node| Device::new(&fleet.balancer, node, client)).collect())
        .collect();
    all_live(devices.iter().flatten(), 2 * PATIENCE);
    for (n, client) in clients.iter().enumerate() {
        for m in 0..5 {
            alice.send(client, &format!("{n}-{m}"), &json!(m));
        }
    }
    alice.wait("all acks", |life| life.acked.len() == 5 * clients.len());
    let all: Vec<Value> = (0..5).map(Value::from).collect();
    for device in devices.iter().flatten() {
        device.has(&all);
        device.is_whole();
    }
    let same = |of: &[Device]| of.iter().all(|device| device.given() == of[0].given());
    assert!(devices.iter().all(|of| same(of)), "devices of one client see the same");

    // Beside the log, to the same: no ack, no cursor.
    for client in &clients {
        alice.murmur(client, &json!("types"));
    }
    for device in devices.iter().flatten() {
        device.wait("the ephemeral message", |life| life.ephemeral == [json!("types")]);
        device.has(&all);
    }
    assert_eq!(alice.life().errors, [""; 0]);
}
