//! What is full or too fast refuses with the time to come back, and forgets nothing.

use crate::support::{Place, Session, send};
use serde_json::{Value, json};

#[test]
fn a_full_mailbox_refuses_and_keeps_what_it_has() {
    let place = Place::new("bounds-mailbox").with("mailbox-messages", 5);
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    for n in 0..5 {
        alice.deliver("bob", &n.to_string(), n);
    }
    // Read or not.
    server.settle();
    assert_eq!(Session::open(server.addr, "client=bob&from=start").replay().len(), 5);
    alice.say(&send("bob", "6", 6));
    let error = alice.answer("6");
    assert_eq!(
        (&error["code"], &error["retry_after_ms"].is_u64()),
        (&json!("mailbox_full"), &true),
        "{error}"
    );
    // Of a list the rest stand, and sending again is safe.
    for _ in 0..2 {
        alice.say(&json!({"type": "send", "id": "list", "to": ["carol", "bob"], "body": "to both"}));
        let error = alice.answer("list");
        assert_eq!(error["code"], "mailbox_full");
        assert_eq!(error["failed"], json!([{"to": "bob", "code": "mailbox_full"}]));
    }
    server.settle();
    assert_eq!(Session::open(server.addr, "client=carol&from=start").replay(), ["to both"]);
    let mut api = server.api();
    let reply = api.publish(&json!({"from": "app", "to": "bob", "id": "7", "body": 7}));
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["results"][0]["error"]["code"], "mailbox_full");
    assert!(reply.headers.contains_key("retry-after"));
    let mixed = json!([
        {"from": "app", "to": "carol", "id": "8", "body": 8},
        {"from": "app", "to": "bob", "id": "9", "body": 9},
    ]);
    let reply = api.publish(&mixed);
    let results = reply.json()["results"].take();
    assert_eq!((reply.status, results[0]["at"].is_u64()), (207, true));
    assert_eq!(results[1]["error"]["code"], "mailbox_full");
    // A duplicate takes no place, wherever it is.
    drop((alice, api, server));
    let server = place.start();
    let mut bob = Session::open(server.addr, "client=bob&from=start");
    assert_eq!(bob.replay(), (0..5).map(Value::from).collect::<Vec<_>>(), "never evicted, also by a restart");
    let mut alice = Session::open(server.addr, "client=alice");
    alice.say(&send("bob", "10", 10));
    assert_eq!(alice.answer("10")["code"], "mailbox_full", "counted after a restart, too");
    assert_eq!(server.api().delete("/v1/clients/bob/mailbox").status, 204);
    alice.deliver("bob", "11", 11);
    assert_eq!(bob.bodies(1), [11]);
}

#[test]
fn a_mailbox_is_full_of_bytes_as_well() {
    let place = Place::new("bounds-bytes").with("mailbox-bytes", "64KiB");
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    let body = "x".repeat(30_000);
    alice.deliver("bob", "1", body.as_str());
    alice.deliver("bob", "2", body.as_str());
    alice.say(&send("bob", "3", body.as_str()));
    assert_eq!(alice.answer("3")["code"], "mailbox_full");
    alice.deliver("carol", "3", body.as_str());
}

#[test]
fn a_full_log_is_unavailable_to_all_and_says_so() {
    let place = Place::new("bounds-log").with("retention-size", "1MiB");
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    let body = "x".repeat(60_000);
    let mut stored = 0;
    let error = loop {
        let id = format!("m-{stored}");
        alice.say(&send(&format!("r{stored}"), &id, body.as_str()));
        let answer = alice.answer(&id);
        if answer["type"] == "error" {
            break answer;
        }
        stored += 1;
        assert!(stored < 100, "it is never full");
    };
    assert_eq!((&error["code"], error["retry_after_ms"].is_u64()), (&json!("unavailable"), true), "{error}");
    assert!(stored >= 10, "{stored}");
    assert!(alice.is_quiet(), "the socket stays");
    let ready = crate::support::Api::connect(server.admin).get("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    server.settle();
    for n in 0..stored {
        assert_eq!(Session::open(server.addr, &format!("client=r{n}&from=start")).welcome["missed"], 1);
    }
}

#[test]
fn who_sends_too_fast_is_told_when_to_come_back() {
    let place = Place::new("bounds-rate").with("messages-per-second", 5);
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    for n in 0..30 {
        alice.say(&send("bob", &n.to_string(), n));
    }
    let (mut acked, mut refused) = (Vec::new(), 0);
    for _ in 0..30 {
        let answer = alice.frame();
        if answer["type"] == "ack" {
            acked.push(answer["id"].as_str().unwrap().parse::<usize>().unwrap());
            continue;
        }
        assert_eq!(answer["code"], "rate_limited", "{answer}");
        assert!(answer["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{answer}");
        refused += 1;
    }
    assert!(refused > 0 && acked.len() >= 5, "{acked:?}");
    acked.sort_unstable();
    server.settle();
    let bob = Session::open(server.addr, "client=bob&from=start").replay();
    assert_eq!(bob, acked.into_iter().map(Value::from).collect::<Vec<_>>());
    // Waiting as told is enough.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    alice.deliver("bob", "later", "later");
    // Another session has its own.
    Session::open(server.addr, "client=alice").deliver("bob", "other", 1);
}
