//! Anybody who may write to the mailbox topic can message a client: Kafka's own producer, key = client ID.

use crate::device::{Device, all_live};
use crate::fleet::{Fleet, kafka};
use crate::kafka_support::is_asked_for;
use crate::support::{PATIENCE, Server, eventually};
use serde_json::json;

#[test]
fn what_kafkas_own_producer_writes_is_delivered_without_a_sender_and_what_is_nobodys_is_counted() {
    if !is_asked_for() {
        return;
    }
    let fleet = Fleet::start("outside", 2);
    let devices: Vec<Device> = ["ann", "bob", "cem", "dan"]
        .iter()
        .flat_map(|client| (0..2).map(|node| Device::new(&fleet.balancer, node, client)))
        .collect();
    all_live(&devices, 2 * PATIENCE);

    let lines =
        "ann\t{\"n\": 1}\nbob\t[1, 2]\nann\t{\"n\": 2}\nann\tno JSON\nnobody's\ncem\t\"text\"\ndan\tnull\n";
    // A line without a tab is a record without key.
    let properties = ["--property", "parse.key=true", "--property", "ignore.error=true", "--topic"];
    let producer = ["kafka-console-producer", "--bootstrap-server", &kafka().brokers];
    kafka().tool(&[&producer[..], &properties, &["outside.mailbox"]].concat(), lines);

    for device in &devices {
        match device.client.as_str() {
            "ann" => device.has(&[json!({"n": 1}), json!({"n": 2})]),
            "bob" => device.has(&[json!([1, 2])]),
            "cem" => device.has(&[json!("text")]),
            _ => device.has(&[json!(null)]),
        }
        assert!(device.given().iter().all(|given| given.from.is_none() && given.id.is_none()));
        device.is_whole();
    }
    // Each kind is told once, and all are counted.
    eventually("the record without key is told", || {
        fleet.alive().any(|node| node.log().contains("a record has no key"))
    });
    let passed = |node: &Server| node.metrics().sum("corepost_records_passed_total", "");
    eventually("both are counted", || fleet.alive().map(passed).sum::<f64>() >= 2.0);
    // Mailboxes go on behind it.
    devices[0].deliver("ann", "after", &json!("after"));
    for device in devices.iter().filter(|device| device.client == "ann") {
        device.has(&[json!({"n": 1}), json!({"n": 2}), json!("after")]);
        device.is_whole();
    }
}
