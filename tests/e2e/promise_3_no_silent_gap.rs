//! Promise 3: a client that returns gets everything after its cursor, or is told that it does not and why.

use crate::support::{Place, Session, send};
use corepost::model::{Cursor, IdRef};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// This cursor of `bob`, changed.
fn changed(cursor: &str, change: impl FnOnce(&mut Cursor)) -> String {
    let bob = IdRef::new("bob").unwrap();
    let mut cursor = Cursor::parse(cursor.as_bytes(), bob).unwrap();
    change(&mut cursor);
    String::from_utf8(cursor.text(bob).as_bytes().to_vec()).unwrap()
}

#[test]
fn every_cursor_ever_held_leads_to_exactly_what_came_after_it() {
    for cores in [1, 2] {
        let place = Place::new("promise-3").with("cores", cores);
        let mut server = place.start();
        let mut cursors = vec![Session::open(server.addr, "client=bob").cursor];
        for life in 0..3 {
            let mut bob = Session::open(server.addr, &format!("client=bob&cursor={}", cursors[life * 20]));
            assert_eq!((&bob.welcome["resumed"], &bob.welcome["missed"]), (&json!(true), &json!(0)));
            let mut alice = Session::open(server.addr, "client=alice");
            for n in 0..20 {
                alice.deliver("bob", &format!("{life}-{n}"), life * 20 + n);
                bob.frame_of("message");
                cursors.push(bob.cursor.clone());
            }
            // Once killed, once ended, once not at all.
            server = match life {
                0 => (server.kill(), place.start()).1,
                1 => {
                    drop((alice, bob));
                    (server.stop(), place.start()).1
                }
                _ => server,
            };
        }
        server.settle();
        for (given, cursor) in cursors.iter().enumerate() {
            let mut bob = Session::open(server.addr, &format!("client=bob&cursor={cursor}"));
            assert_eq!(bob.welcome["resumed"], true, "{}", bob.welcome);
            assert_eq!(
                (&bob.welcome["cursor"], &bob.welcome["missed"]),
                (&json!(cursor), &json!(60 - given))
            );
            assert_eq!(bob.replay(), (given..60).map(Value::from).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_cursor_that_cannot_be_followed_is_answered_with_the_reason() {
    let place = Place::new("promise-3-reasons");
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    for n in 0..5 {
        alice.deliver("bob", &n.to_string(), n);
    }
    server.settle();
    let mut bob = Session::open(server.addr, "client=bob&from=start");
    assert_eq!(bob.replay().len(), 5);
    let good = bob.cursor;
    let damaged = good.replacen('0', "1", 1);
    for (cursor, reason) in [
        ("nonsense", "invalid"),
        ("", "invalid"),
        ("%ff%00", "invalid"),
        (&damaged, "invalid"),
        (&good.to_uppercase(), "invalid"),
        (&alice.cursor, "invalid"),
        (&changed(&good, |cursor| cursor.log_epoch += 1), "epoch"),
        (&changed(&good, |cursor| cursor.at.offset += 1_000), "future"),
    ] {
        // What fails begins where `from=` says, and says so.
        let mut other = Session::open(server.addr, &format!("client=bob&cursor={cursor}&from=-2"));
        assert_eq!(other.welcome["resumed"], false, "{cursor}");
        assert_eq!(other.welcome["reason"], reason, "{cursor}");
        assert_eq!(other.welcome["missed"], 2, "{cursor}");
        assert_eq!(other.replay(), [3, 4], "{cursor}");
        let default = Session::open(server.addr, &format!("client=bob&cursor={cursor}"));
        assert_eq!((&default.welcome["reason"], &default.welcome["missed"]), (&json!(reason), &json!(0)));
    }
}

#[test]
fn another_log_is_another_epoch() {
    let (here, there) = (Place::new("promise-3-here"), Place::new("promise-3-there"));
    let (first, second) = (here.start(), there.start());
    let cursor = Session::open(first.addr, "client=bob").cursor;
    let bob = Session::open(second.addr, &format!("client=bob&cursor={cursor}"));
    assert_eq!((&bob.welcome["resumed"], &bob.welcome["reason"]), (&json!(false), &json!("epoch")));
}

#[test]
fn below_the_floor_is_expired_and_said() {
    let place = Place::new("promise-3-expired").with("retention", "2s");
    let server = place.start();
    let cursor = Session::open(server.addr, "client=bob").cursor;
    let mut alice = Session::open(server.addr, "client=alice");
    alice.deliver("bob", "1", "soon gone");
    server.settle();
    let deadline = Instant::now() + crate::support::PATIENCE;
    loop {
        let mut bob = Session::open(server.addr, &format!("client=bob&cursor={cursor}&from=start"));
        if bob.welcome["resumed"] == false {
            assert_eq!((&bob.welcome["reason"], &bob.welcome["missed"]), (&json!("expired"), &json!(0)));
            assert_eq!(bob.replay(), [] as [Value; 0]);
            break;
        }
        // Until then it is all there: never a partial recovery called a recovery.
        assert_eq!(bob.replay(), ["soon gone"]);
        assert!(Instant::now() < deadline, "it never expires");
        std::thread::sleep(Duration::from_millis(200));
    }
    // A new cursor works again.
    let cursor = Session::open(server.addr, "client=bob").cursor;
    alice.say(&send("bob", "2", 2));
    alice.answer("2");
    server.settle();
    assert_eq!(Session::open(server.addr, &format!("client=bob&cursor={cursor}")).replay(), [2]);
}
