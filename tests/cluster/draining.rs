//! A node is taken out of service under load: its partitions are live elsewhere before it goes, and nobody misses anything.

use crate::crowd::{Crowd, Plan};
use crate::device::{Device, all_live};
use crate::fleet::{Fleet, PARTITIONS, kafka, moves};
use crate::kafka_support::{is_asked_for, program};
use crate::support::{Api, PATIENCE, Server, eventually, is_slow};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Messages a second.
const RATE: u32 = 500;
const SLOW_RATE: u32 = 200;
/// Long enough to see that its partitions go first.
const WINDOW: &str = "10s";
/// The node that goes.
const LEAVES: usize = 1;

#[test]
fn a_node_that_drains_is_gone_only_when_what_was_its_own_is_live_elsewhere() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::on(kafka(), "1", "draining");
    for ordinal in 0..3 {
        fleet.raise_at(fleet.place(ordinal).with("drain-window", WINDOW));
    }
    let rate = if is_slow() { SLOW_RATE } else { RATE };
    let crowd = Crowd::start(&fleet, &Plan { senders: 3, recipients: 8, devices: 2, rate });
    crowd.flows(rate as usize);
    eventually("all partitions are served", || partitions(&fleet, "served") == f64::from(PARTITIONS));
    let owned = fleet.node(LEAVES).metrics().sum("corepost_partitions", "state=\"owned\"");
    assert!(owned > 0.0, "it has something to hand over");
    let before: Vec<_> = crowd.everybody().map(visits).collect();
    let moved_before: Vec<usize> = fleet.alive().map(moves).collect();

    let begun = Instant::now();
    let admin = format!("http://{}", fleet.node(LEAVES).admin);
    let mut draining = Command::new(program());
    draining.args(["drain", "--admin", &admin]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let draining = draining.spawn().unwrap();
    eventually("readiness goes first", || {
        let ready = Api::connect(fleet.node(LEAVES).admin).get("/readyz");
        ready.status == 503 && String::from_utf8_lossy(&ready.body).contains("\"draining\"")
    });
    let mut leaves = fleet.hide(LEAVES);
    let unready = begun.elapsed();

    // Others serve all that there is, and it says so itself, while it has sessions still.
    eventually("others serve all", || partitions(&fleet, "served") == f64::from(PARTITIONS));
    let live = begun.elapsed();
    eventually("it knows", || progress(&leaves)["partitions"] == 0);
    let known = begun.elapsed();
    let left = progress(&leaves)["sessions"].as_u64().unwrap();
    assert!(left > 0 && leaves.ended().is_none(), "{left} sessions left after {known:?}: {}", leaves.log());
    assert_eq!(leaves.metrics().sum("corepost_partitions", "state=\"owned\""), 0.0);
    assert_eq!(leaves.metrics().sum("corepost_cluster_member", ""), 1.0, "it lives on");
    let moved: Vec<usize> = fleet.alive().map(moves).collect();

    assert_eq!(leaves.exit_code(), 0, "{}", leaves.log());
    let gone = begun.elapsed();
    let told = draining.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&told.stderr));
    assert!(said.contains("sessions left") && said.contains("gone after"), "{said}");
    let log = leaves.log();
    let at = |what: &str| log.find(what).unwrap_or_else(|| panic!("{what}: {log}"));
    let (handed, end) = (at("is live at its new homes"), at("the end"));
    assert!(at("draining: no new connections") < handed && handed < end, "{log}");

    all_live(crowd.everybody(), 2 * PATIENCE);
    crowd.flows(rate as usize);
    eventually("the others see it gone", || {
        fleet.alive().all(|node| node.metrics().sum("corepost_cluster_nodes", "") == 2.0)
    });
    let moved_after: Vec<usize> = fleet.alive().map(moves).collect();
    assert_eq!(moved, moved_after, "its end moved nothing any more");
    assert!(moved.iter().sum::<usize>() > moved_before.iter().sum::<usize>() - moved_before[LEAVES]);
    let (mut kept, mut pause) = (0, Duration::ZERO);
    for (device, before) in crowd.everybody().zip(before) {
        let was_there = before.last() == Some(&(LEAVES as u64));
        let reconnects = visits(device).len() - before.len();
        assert_eq!(reconnects, usize::from(was_there), "{}: {:#?}", device.client, device.life().diary);
        assert_eq!(device.life().lost, [""; 0], "{}", device.client);
        if !was_there {
            kept += 1;
            pause = pause.max(device.pause_since(begun));
        }
    }
    assert!(kept > 0, "some were elsewhere");
    println!(
        "{owned} partitions: not ready after {unready:?}, live elsewhere after {live:?}, known after {known:?} with {left} \
         sessions left, gone after {gone:?}; the longest silence of {kept} others {pause:?}"
    );
    crowd.finish("a drain");
}

/// Of all nodes that clients are sent to.
fn partitions(fleet: &Fleet, state: &str) -> f64 {
    let state = format!("state=\"{state}\"");
    fleet.alive().map(|node| node.metrics().sum("corepost_partitions", &state)).sum()
}

fn progress(server: &Server) -> serde_json::Value {
    Api::connect(server.admin).get("/drain").json()
}

/// The nodes at which it was welcome.
fn visits(device: &Device) -> Vec<u64> {
    device.life().welcomes.iter().map(|welcome| welcome.node).collect()
}
