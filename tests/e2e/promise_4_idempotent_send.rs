//! Promise 4: the same message sent again is acknowledged again and delivered once, through whichever door and also
//! after a restart; what differs in sender, id or body is another message.

use crate::support::{Place, Session};
use serde_json::json;

#[test]
fn the_same_message_is_delivered_once() {
    for cores in [1, 2] {
        let place = Place::new("promise-4").with("cores", cores);
        let server = place.start();
        let cursor = Session::open(server.addr, "client=bob").cursor;
        let mut bob = Session::open(server.addr, "client=bob");
        let mut alice = Session::open(server.addr, "client=alice");
        let first = alice.deliver("bob", "same", "body");
        let again = alice.deliver("bob", "same", "body");
        assert!(again["at"].as_u64() >= first["at"].as_u64());
        Session::open(server.addr, "client=alice").deliver("bob", "same", "body");
        let publish = json!({"from": "alice", "to": "bob", "id": "same", "body": "body"});
        assert_eq!(server.api().publish(&publish).status, 200);
        assert_eq!(server.api().publish(&json!([publish, publish])).status, 200);
        // All this is something else.
        alice.deliver("bob", "same", "another body");
        alice.deliver("bob", "other", "body");
        Session::open(server.addr, "client=carol").deliver("bob", "same", "body");
        let expected = ["body", "another body", "body", "body"];
        assert_eq!(bob.bodies(4), expected);
        assert!(bob.is_quiet());
        server.kill();

        let server = place.start();
        let mut alice = Session::open(server.addr, "client=alice");
        alice.deliver("bob", "same", "body");
        alice.deliver("bob", "new", "after the restart");
        server.settle();
        let mut bob = Session::open(server.addr, &format!("client=bob&cursor={cursor}"));
        assert_eq!(bob.welcome["missed"], 5, "counted without duplicates: {}", bob.welcome);
        assert_eq!(bob.replay(), ["body", "another body", "body", "body", "after the restart"]);
    }
}

#[test]
fn a_list_with_duplicates_counts_each_once() {
    let place = Place::new("promise-4-list");
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    let mut devices = ["bob", "carol", "alice"].map(|id| Session::open(server.addr, &format!("client={id}")));
    let to = ["bob", "carol", "bob", "alice", "carol"];
    for _ in 0..2 {
        alice.say(&json!({"type": "send", "id": "1", "to": to, "body": "once"}));
        assert_eq!(alice.answer("1")["type"], "ack");
    }
    for device in &mut devices {
        assert_eq!(device.bodies(1), ["once"]);
        assert!(device.is_quiet());
    }
}
