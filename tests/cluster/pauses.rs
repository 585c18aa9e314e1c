//! A process stands still for longer than the others believe in it, and goes on.

use crate::crowd::{Crowd, Plan, recipient};
use crate::device::{Device, all_live};
use crate::fleet::{Fleet, NODE_TIMEOUT};
use crate::kafka_support::is_asked_for;
use crate::support::{PATIENCE, eventually_in};
use std::time::Duration;

#[test]
fn a_node_that_stood_still_is_a_member_again_and_nobody_missed_anything() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("stood", 3);
    let crowd = Crowd::start(&fleet, &Plan { senders: 3, recipients: 8, devices: 3, rate: 100 });
    crowd.flows(100);
    fleet.node(1).signal("STOP");
    std::thread::sleep(Duration::from_secs(15));
    fleet.node(1).signal("CONT");
    // Nobody replaced it, so it is one of them again.
    eventually_in("it is a member again", 2 * PATIENCE, || crate::fleet::is_ready(fleet.node(1)));
    all_live(crowd.everybody(), 2 * PATIENCE);
    crowd.flows(200);
    assert_eq!(fleet.nodes[1].as_mut().unwrap().ended(), None);
    crowd.finish("a pause");
}

#[test]
fn a_process_that_was_replaced_while_it_stood_still_ends_when_it_wakes() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("replaced", 2);
    let crowd = Crowd::start(&fleet, &Plan { senders: 2, recipients: 8, devices: 2, rate: 100 });
    crowd.flows(100);
    let mut zombie = fleet.hide(1);
    zombie.signal("STOP");
    std::thread::sleep(NODE_TIMEOUT);
    // Another process of its ordinal, with a data directory of its own: that of the first is locked.
    let place = fleet.place(1);
    fleet.take(1, place.start());
    crowd.flows(100);
    zombie.signal("CONT");
    assert_eq!(zombie.exit_code(), 5, "{}", zombie.log());
    assert!(zombie.log().contains("was claimed by a newer process"), "{}", zombie.log());
    // Its clients come to others now.
    all_live(crowd.everybody(), 2 * PATIENCE);
    let there = Device::new(&fleet.balancer, 1, &recipient(0)).live();
    crowd.flows(200);
    there.wait("what is new", |life| life.given.len() > 5);
    there.is_whole();
    crowd.finish("a zombie");
}
