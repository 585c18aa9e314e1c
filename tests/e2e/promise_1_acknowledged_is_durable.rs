//! Promise 1: acknowledged means durable, over WebSocket and HTTP, and what is full refuses instead of forgetting.

use crate::support::{Place, Session, send};
use serde_json::json;

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    for cores in [1, 2] {
        let place = Place::new("promise-1").with("cores", cores);
        let server = place.start();
        let mut alice = Session::open(server.addr, "client=alice");
        assert_eq!(alice.welcome["limits"]["durability"], "fsync");
        for n in 0..50 {
            alice.say(&send("bob", &format!("m-{n}"), n));
        }
        // The last of them may be under way when the server dies: only what was acknowledged counts.
        let mut acknowledged = 0;
        while acknowledged < 40 {
            assert_eq!(alice.frame()["id"], format!("m-{acknowledged}"));
            acknowledged += 1;
        }
        let reply =
            server.api().publish(&json!({"from": "carol", "to": "dora", "id": "1", "body": "by HTTP"}));
        assert_eq!(reply.status, 200);
        server.kill();

        let server = place.start();
        let bodies = Session::open(server.addr, "client=bob&from=start").replay();
        assert!(bodies.len() >= acknowledged, "{} of {acknowledged}", bodies.len());
        assert!(bodies.iter().enumerate().all(|(n, body)| body == n), "{bodies:?}");
        assert_eq!(Session::open(server.addr, "client=dora&from=start").replay(), ["by HTTP"]);
    }
}
