//! Positions that a client is told, and copies: what makes a client able to prove that nothing is missing.

use crate::support::{Place, Session};
use serde_json::json;

#[test]
fn a_quiet_clients_position_moves_on_with_the_log() {
    let place = Place::new("positions").with("cursor-refresh", "1s");
    let server = place.start();
    let mut bob = Session::open(server.addr, "client=bob");
    let mut alice = Session::open(server.addr, "client=alice");
    // Somebody in bob's partition gets messages, bob himself none.
    let neighbour = neighbour_of("bob");
    let before = bob.cursor.clone();
    alice.deliver(&neighbour, "1", "not for bob");
    bob.frame_of("cursor");
    assert!(bob.cursor > before, "a cursor frame says more than the welcome did");
    let before = bob.cursor.clone();
    alice.deliver(&neighbour, "2", "not for bob either");
    crate::support::eventually("the pong has a newer position", || {
        assert!(bob.is_quiet());
        bob.cursor > before
    });
    // And it is a good one: the next message's `prev` fits, also after a return.
    let cursor = bob.cursor.clone();
    alice.deliver("bob", "3", "for bob");
    assert_eq!(bob.bodies(1), ["for bob"]);
    let mut again = Session::open(server.addr, &format!("client=bob&cursor={cursor}"));
    assert_eq!(again.welcome["resumed"], true);
    assert_eq!(again.replay(), ["for bob"]);
}

/// Another client of the same partition.
fn neighbour_of(client: &str) -> String {
    use corepost::model::{ClientId, Topology};
    let topology = Topology::new(corepost::limits::PARTITIONS, 2);
    let partition = |id: &str| topology.place(ClientId::new(id).unwrap().as_ref()).partition;
    let others = (0..).map(|n| format!("neighbour-{n}"));
    others.into_iter().find(|other| partition(other) == partition(client)).unwrap()
}

#[test]
fn a_session_that_moved_on_without_messages_is_told_before_the_next() {
    let place = Place::new("positions-told");
    let server = place.start();
    let mut bob = Session::open(server.addr, "client=bob");
    let mut alice = Session::open(server.addr, "client=alice");
    let neighbour = neighbour_of("bob");
    for n in 0..20 {
        alice.deliver(&neighbour, &format!("n-{n}"), n);
        // `Session` judges each `prev` against what bob was told last.
        alice.deliver("bob", &format!("b-{n}"), n);
        assert_eq!(bob.bodies(1), [n]);
    }
}

#[test]
fn a_copy_reaches_the_senders_other_devices_with_its_recipients() {
    for cores in [1, 2] {
        let place = Place::new("positions-copy").with("cores", cores);
        let server = place.start();
        let mut phone = Session::open(server.addr, "client=alice");
        let mut laptop = Session::open(server.addr, "client=alice");
        let mut bob = Session::open(server.addr, "client=bob");
        phone.say(&json!({"type": "send", "id": "c", "to": ["bob", "carol"], "copy": true, "body": "hello"}));
        // Ack and own copy come in either order.
        let mut frames = [phone.frame(), phone.frame()];
        frames.sort_by_key(|frame| frame["type"].to_string());
        assert_eq!((&frames[0]["type"], &frames[1]["type"]), (&json!("ack"), &json!("message")));
        for copy in [&frames[1], &laptop.frame()] {
            assert_eq!((&copy["from"], &copy["id"]), (&json!("alice"), &json!("c")));
            assert_eq!((&copy["to"], &copy["body"]), (&json!(["bob", "carol"]), &json!("hello")));
        }
        let received = bob.frame();
        assert!(received.get("to").is_none(), "{received}");
        // To oneself with a copy: two records, which differ.
        phone.say(&json!({"type": "send", "id": "self", "to": "alice", "body": 1}));
        assert_eq!(laptop.frame()["body"], 1);
    }
}
