//! Nodes in pods: the seccomp profile of tuning/kubernetes lets them do all that Kafka needs of them.
#![cfg(target_arch = "x86_64")]

use crate::crowd::{Crowd, Plan};
use crate::fleet::{Fleet, kafka};
use crate::kafka_support::is_asked_for;
use crate::support::{Profile, filters_on};

/// Messages a second.
const RATE: u32 = 200;

#[test]
fn under_the_profile_nodes_are_a_cluster_and_lose_nothing_when_one_is_killed_and_comes_back() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::on(kafka(), "1", "profiled");
    fleet.start_by(|place| Profile::ours().start(place));
    fleet.raise(2);
    let ours = filters_on(std::process::id());
    assert!(fleet.alive().all(|node| filters_on(node.pid()) == ours + 1));

    let crowd = Crowd::start(&fleet, &Plan { senders: 2, recipients: 8, devices: 2, rate: RATE });
    crowd.flows(RATE as usize);
    fleet.kill(0);
    crowd.flows(RATE as usize);
    fleet.restart(0);
    crowd.flows(RATE as usize);
    crowd.finish("under the seccomp profile");
    // It ends as a pod does.
    fleet.hide(1).stop();
}
