//! Promise 8: ephemeral messages skip the log: at most once, in order while both stay, no replay, never queued for a
//! slow reader.

use crate::support::{Place, Session, eventually};
use serde_json::{Value, json};

fn whisper(to: impl Into<Value>, body: impl Into<Value>) -> Value {
    json!({"type": "send", "to": to.into(), "ephemeral": true, "body": body.into()})
}

#[test]
fn it_reaches_live_sessions_in_order_and_leaves_no_trace() {
    for cores in [1, 2] {
        let place = Place::new("promise-8").with("cores", cores);
        let server = place.start();
        let mut bobs: Vec<_> = (0..3).map(|_| Session::open(server.addr, "client=bob")).collect();
        let mut alice = Session::open(server.addr, "client=alice");
        for n in 0..200 {
            alice.say(&whisper("bob", n));
        }
        for bob in &mut bobs {
            for n in 0..200 {
                let message = bob.frame();
                assert_eq!(
                    message,
                    json!({"type": "message", "from": "alice", "ephemeral": true, "body": n})
                );
            }
            assert!(bob.is_quiet(), "each at most once");
        }
        assert!(alice.is_quiet(), "no ack");
        alice.say(&whisper(json!(["bob", "alice", "nobody"]), "to all"));
        assert_eq!(alice.frame()["body"], "to all");
        assert_eq!(bobs[0].frame()["body"], "to all");
        // Who was away missed it, and so it stays.
        let late = Session::open(server.addr, "client=bob&from=start");
        assert_eq!(late.welcome["missed"], 0);
        assert_eq!(server.metrics().sum("corepost_records_written_total", ""), 0.0);
        alice.say(
            &json!({"type": "send", "id": "c", "to": "bob", "ephemeral": true, "copy": true, "body": 1}),
        );
        assert_eq!(alice.frame()["code"], "bad_request", "a copy of it would be a trace");
    }
}

#[test]
fn it_is_never_queued_for_a_slow_reader() {
    let place = Place::new("promise-8-slow").with("cores", 1).with("outbound-bytes", "256KiB");
    let server = place.start();
    let mut slow = Session::open(server.addr, "client=slow");
    let mut alice = Session::open(server.addr, "client=alice");
    let text = "x".repeat(8_000);
    for n in 0..3_000 {
        alice.say(&whisper("slow", json!({"n": n, "text": text})));
    }
    assert!(alice.is_quiet());
    eventually("some were dropped", || server.metrics().sum("corepost_drops_total", "") > 0.0);
    alice.deliver("slow", "durable", "the end");
    // What does come comes in order, and what is durable comes in any case.
    let (mut last, mut count) = (None, 0);
    loop {
        let message = slow.frame_of("message");
        if message["body"] == "the end" {
            break;
        }
        let n = message["body"]["n"].as_u64();
        assert!(n > last, "{n:?} after {last:?}");
        (last, count) = (n, count + 1);
    }
    assert!(count < 3_000, "all of them came: the story was told too gently");
}
