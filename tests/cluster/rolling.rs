//! All nodes are restarted, one after the other, as an upgrade does it.

use crate::crowd::{Crowd, Plan};
use crate::device::{Device, all_live};
use crate::fleet::Fleet;
use crate::kafka_support::is_asked_for;
use crate::support::{PATIENCE, is_slow};
use std::time::Instant;

/// Messages a second that are offered to an optimised program. How many of them this machine takes is told and decides nothing.
const RATE: u32 = 2_000;
/// What an unoptimised one takes on two cores, with Kafka and the clients beside it, and is not only behind.
const SLOW_RATE: u32 = 300;

#[test]
fn a_rolling_restart_under_load_costs_each_client_one_reconnect_and_nobody_a_message() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("rolling", 3);
    let rate = if is_slow() { SLOW_RATE } else { RATE };
    let crowd = Crowd::start(&fleet, &Plan { senders: 3, recipients: 8, devices: 2, rate });
    let begun = Instant::now();
    crowd.flows(rate as usize);
    for ordinal in 0..3 {
        let before: Vec<_> = crowd.everybody().map(visits).collect();
        let stopping = Instant::now();
        // The balancer knows first.
        fleet.hide(ordinal).stop();
        let stopped = stopping.elapsed();
        fleet.restart(ordinal);
        let (ready, acks) = (stopping.elapsed(), crowd.acks());
        println!(
            "node {ordinal}: stopped after {stopped:?}, ready again after {ready:?}; {acks} acks so far"
        );
        all_live(crowd.everybody(), 2 * PATIENCE);
        crowd.flows(rate as usize);
        for (device, before) in crowd.everybody().zip(before) {
            let (client, own) = (&device.client, u64::try_from(ordinal).unwrap());
            let reconnects = visits(device).len() - before.len();
            let due = usize::from(before.last() == Some(&own));
            assert_eq!(reconnects, due, "{client}: {:#?}", device.life().diary);
        }
    }
    for device in crowd.everybody() {
        let life = device.life();
        assert_eq!(life.opened, life.welcomes.len(), "each was welcome: {:#?}", life.diary);
    }
    let acked = crowd.acks() as f64 / begun.elapsed().as_secs_f64();
    println!("{rate} messages a second offered, {acked:.0} acknowledged");
    crowd.finish("a rolling restart");
}

/// The nodes at which it was welcome.
fn visits(device: &Device) -> Vec<u64> {
    device.life().welcomes.iter().map(|welcome| welcome.node).collect()
}
