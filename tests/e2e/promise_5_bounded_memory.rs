//! Promise 5: whatever a peer does, memory stays within its bounds, and who is slow slows nobody else.

use crate::support::{PATIENCE, Place, Server, Session, eventually_in, frame};
use corepost::limits::READ_BYTES_LONG;
use corepost::wire::websocket::Opcode;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::Duration;

const MESSAGES: usize = 4_000;

/// Little is cached, so that what grows is seen.
fn place(name: &str) -> Place {
    Place::new(name)
        .with("cores", 1)
        .with("recent-bytes", "1MiB")
        .with("store-cache", "1MiB")
        .with("durability", "process")
}

fn fill(server: &Server, to: &str, text: &str, mut hear: impl FnMut(usize)) {
    let mut api = server.api();
    for batch in 0..MESSAGES / 100 {
        let element =
            |n: usize| json!({"from": "app", "to": to, "id": n.to_string(), "body": {"n": n, "text": text}});
        let elements: Value = (batch * 100..(batch + 1) * 100).map(element).collect();
        assert_eq!(api.publish(&elements).status, 200);
        hear(100);
    }
}

#[test]
fn a_reader_that_stops_costs_its_budget_and_gets_everything_later() {
    let place = place("promise-5-slow");
    let server = place.start();
    let text = "x".repeat(2_000);
    let mut eager = Session::open(server.addr, "client=eager");
    // The same is written first for one that keeps up, so that the log's own memory is not counted as the slow one's.
    fill(&server, "eager", &text, |count| drop(eager.bodies(count)));
    let before = server.resident();
    let mut slow = Session::open(server.addr, "client=slow");
    let mut other = Session::open(server.addr, "client=other");
    fill(&server, "slow", &text, |_| assert!(other.is_quiet(), "nobody else waits"));
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more for {MESSAGES} messages that nobody reads");
    for n in 0..MESSAGES {
        assert_eq!(slow.frame_of("message")["body"]["n"], n);
    }
    // It fell back to catching up, and is told when it has.
    slow.frame_of("live");
    assert!(server.metrics().sum("corepost_catchups_total", "") >= 1.0);
}

#[test]
fn large_messages_are_skimmed_and_incomplete_ones_bounded() {
    let place = place("promise-5-large");
    let server = place.start();
    let before = server.resident();
    let mut large = Session::open(server.addr, "client=large");
    let huge = json!({"type": "send", "id": "big", "to": "bob", "body": "y".repeat(15 << 20)}).to_string();
    for _ in 0..3 {
        large.peer.text(huge.as_bytes());
        assert_eq!(large.frame()["code"], "too_large");
    }
    // A hundred peers promise 16 MiB each and send a little of it.
    let mut partial: Vec<Session> =
        (0..100).map(|n| Session::open(server.addr, &format!("client=p{n}"))).collect();
    for peer in &mut partial {
        let mut begun = b"\x81\xff\0\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        begun.extend_from_slice(&[b'z'; 10_000]);
        peer.peer.stream.write_all(&begun).unwrap();
    }
    assert!(large.is_quiet(), "the session lives");
    large.deliver("bob", "small", "still here");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    // Beyond 16 MiB there is no skimming.
    let mut beyond = Session::open(server.addr, "client=beyond");
    beyond.peer.raw(b"\x81\xff\0\0\0\0\x01\0\0\x01\0\0\0\0");
    assert_eq!(beyond.close_code(), 1009);
}

#[test]
fn what_was_read_from_one_who_is_held_up_is_bounded_and_counted() {
    let place = place("promise-5-held");
    let server = place.start();
    let memory = |purpose: &str| server.metrics().sum("corepost_memory_bytes", purpose);
    assert_eq!(memory("\"held\""), 0.0, "nobody is held up");
    assert!(memory("\"buffers\"") >= READ_BYTES_LONG as f64, "the core has something to read into");
    // It asks and takes no answer, until its node reads no more of it and the kernel has no room either.
    let mut greedy = Session::open(server.addr, "client=greedy");
    let asks = frame(Opcode::Text, br#"{"type":"ping"}"#).repeat(1_000);
    greedy.peer.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while greedy.peer.stream.write_all(&asks).is_ok() {}
    let held = memory("\"held\"");
    assert!((1.0..READ_BYTES_LONG as f64 + 200.0).contains(&held), "{held} bytes are held");
    // It takes its answers now, and goes on.
    std::thread::spawn(move || {
        let mut answers = vec![0; 1 << 20];
        while greedy.peer.stream.read(&mut answers).is_ok_and(|bytes| bytes > 0) {}
    });
    eventually_in("nothing is held", PATIENCE, || memory("\"held\"") == 0.0);
}

#[test]
fn one_that_shows_no_sign_of_life_is_closed_and_resumes() {
    let place = Place::new("promise-5-dead").with("ping-interval", "1s").with("pong-timeout", "1s");
    let server = place.start();
    let dead = Session::open(server.addr, "client=dead");
    let mut api = server.api();
    let sessions = |api: &mut crate::support::Api| {
        api.get("/v1/clients/dead").json()["sessions"].as_array().unwrap().len()
    };
    assert_eq!(sessions(&mut api), 1);
    // Nobody answers its pings.
    crate::support::eventually_in("it is closed", crate::support::PATIENCE, || sessions(&mut api) == 0);
    let publish = json!({"from": "app", "to": "dead", "id": "1", "body": "welcome back"});
    assert_eq!(api.publish(&publish).status, 200);
    server.settle();
    let mut back = Session::open(server.addr, &format!("client=dead&cursor={}", dead.cursor));
    assert_eq!(back.replay(), ["welcome back"]);
}
