//! The mailbox topic is deleted and made again while nodes run: it is another log, and nobody takes it for the same.

use crate::device::{Device, Start, all_live};
use crate::fleet::{Fleet, client_in, kafka};
use crate::kafka_support::is_asked_for;
use crate::support::{PATIENCE, eventually_in};
use serde_json::json;

/// One in each partition.
const CLIENTS: usize = 8;

#[test]
fn a_mailbox_topic_made_again_ends_the_nodes_and_who_comes_back_is_told_that_its_cursor_is_of_another_log() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("remade", 2);
    let clients: Vec<String> = (0..CLIENTS).map(|n| client_in(n, "bob")).collect();
    let alice = Device::new(&fleet.balancer, 0, "alice").live();
    let begin = |n: usize, client: &String| {
        Device::begin(&fleet.balancer, n % 2, client, Start { from: Some("start"), cursor: None })
    };
    // One of each stays; another left with its cursor.
    let stayed: Vec<Device> = clients.iter().enumerate().map(|(n, client)| begin(n, client)).collect();
    let left: Vec<Device> = clients.iter().enumerate().map(|(n, client)| begin(n + 1, client)).collect();
    all_live(stayed.iter().chain(&left), 2 * PATIENCE);
    for n in 0..3 {
        clients.iter().for_each(|client| alice.deliver(client, &format!("{n}-{client}"), &json!(n)));
    }
    let before = [0, 1, 2].map(|n| json!(n));
    stayed.iter().chain(&left).for_each(|device| device.has(&before));
    let cursors: Vec<String> = left.into_iter().map(Device::leave).collect();

    topics(&["--delete", "--topic", "remade.mailbox"]);
    eventually_in("the topic is gone", 2 * PATIENCE, || !topics(&["--list"]).contains("remade.mailbox"));
    fleet.make_topics();
    for ordinal in 0..2 {
        let mut node = fleet.hide(ordinal);
        assert_eq!(node.exit_code(), 1, "{}", node.log());
        assert!(node.log().contains("the mailbox topic was deleted and made again"), "{}", node.log());
    }
    for ordinal in 0..2 {
        fleet.restart(ordinal);
        assert!(fleet.node(ordinal).log().contains("index was wiped"), "{}", fleet.node(ordinal).log());
    }

    // New messages flow, to who stayed on and to who comes back: nobody is told that nothing was lost.
    all_live(stayed.iter().chain([&alice]), 2 * PATIENCE);
    let came: Vec<Device> = clients
        .iter()
        .zip(cursors)
        .enumerate()
        .map(|(n, (client, cursor))| {
            let start = Start { cursor: Some(cursor), from: Some("start") };
            Device::begin(&fleet.balancer, n % 2, client, start).live()
        })
        .collect();
    clients.iter().for_each(|client| alice.deliver(client, &format!("new-{client}"), &json!("new")));
    for (stayed, came) in stayed.iter().zip(&came) {
        stayed.has(&[&before[..], &[json!("new")]].concat());
        came.has(&[json!("new")]);
        for device in [stayed, came] {
            let last = device.life().welcomes.last().unwrap().clone();
            assert_eq!(
                (last.resumed, last.reason.as_deref()),
                (Some(false), Some("epoch")),
                "{}",
                device.client
            );
            // Who came back to a node that had not noticed yet was told that its place is not there, which is true, too.
            let lost = device.life().lost.clone();
            assert_eq!(lost.last().map(String::as_str), Some("epoch"), "{}: {lost:?}", device.client);
            let mut earlier = lost.iter().rev().skip(1);
            assert!(earlier.all(|why| why == "future" || why == "truncated"), "{}: {lost:?}", device.client);
        }
    }
}

/// Kafka's own tool; what it says.
fn topics(arguments: &[&str]) -> String {
    kafka().tool(&[&["kafka-topics", "--bootstrap-server", &kafka().brokers], arguments].concat(), "")
}
