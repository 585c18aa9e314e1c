//! SIGHUP counts from a node's first moment on, also while it joins.

use crate::fleet::{Fleet, NODE_TIMEOUT};
use crate::kafka_support::is_asked_for;
use crate::support::{PATIENCE, eventually_in, signal};
use std::fs::read_to_string;

#[test]
fn while_a_node_joins_the_settings_are_read_again() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("reloaded", 1);
    // Its ordinal is not free before its silence has lasted: so long the next one joins.
    fleet.kill(0);
    let place = fleet.place(0);
    let (server, log) = place.begin();
    let says = |words: &str| {
        eventually_in(words, NODE_TIMEOUT + PATIENCE, || read_to_string(&log).unwrap().contains(words));
    };
    says("joining the cluster");
    signal(&server.0, "HUP");
    says("settings were read again");
}
