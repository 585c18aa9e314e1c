//! Who cannot be a node of this cluster says why, and ends.

use crate::fleet::Fleet;
use crate::kafka_support::{code, errors, is_asked_for};
use crate::support::{Place, eventually};

#[test]
fn who_does_not_fit_into_the_cluster_ends_with_the_reason_and_the_cluster_stays() {
    if !is_asked_for() {
        return;
    }
    let mut fleet = Fleet::start("refused", 1);
    let ends = |place: Place, exit: i32, because: &str| {
        let output = place.fail();
        assert!(code(&output) == exit && errors(&output).contains(because), "{exit}: {}", errors(&output));
    };
    // The ordinal of one that lives.
    ends(fleet.place(0), 5, "--node 0 is in use");
    // Another view of what the cluster is.
    ends(fleet.place(1).with("node-timeout", "6s"), 5, "configured otherwise than node 0");
    ends(fleet.place(1).with("partitions", 16), 4, "must have 16");
    // Topics that nobody made.
    ends(fleet.place(1).with("topic-prefix", "nobody-made"), 4, "nobody-made.mailbox");
    // More nodes than the node topic has partitions for.
    ends(fleet.place(256), 4, "--node");
    eventually("the node serves as before", || crate::fleet::is_ready(fleet.node(0)));
    assert_eq!(fleet.nodes[0].as_mut().unwrap().ended(), None);
}
