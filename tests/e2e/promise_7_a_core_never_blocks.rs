//! Promise 7: a core never blocks: while the log is written, read, erased and replayed, no turn is long.
//!
//! On a machine that is busy with something else the kernel may take a core's CPU away in the middle of a turn; such turns
//! are counted apart. An unoptimised program may besides be slow by bad luck, so to it the story is told up to three
//! times, and one telling without a late turn is enough: what it does in a turn it would do in each of them.

use crate::support::{Place, Server, Session, is_slow};
use serde_json::{Value, json};

/// Turns over 50 ms so far, by what they did themselves: not those to which a busy host gave no CPU.
fn late_turns(server: &Server) -> f64 {
    let metrics = server.metrics();
    assert!(metrics.sum("corepost_core_turn_seconds_count", "") > 0.0, "turns are counted");
    metrics.sum("corepost_core_late_turns_total", r#"cause="own""#)
}

#[test]
fn no_turn_is_long_whatever_the_log_does() {
    let most = if is_slow() { 3 } else { 1 };
    let tellings = (0..most).map(|_| {
        let place = Place::new("promise-7");
        let server = place.start();
        // Outside of the start.
        let mut live = Session::open(server.addr, "client=live");
        let before = late_turns(&server);
        busy(&server);
        assert!(live.is_quiet());
        late_turns(&server) - before
    });
    let late: Vec<f64> = tellings.take_while(|&late| late > 0.0).collect();
    assert!(late.len() < most, "late turns each time: {late:?}");
}

/// Durable sends of all kinds, replays of all of it, pulls, an erase.
fn busy(server: &Server) {
    let mut api = server.api();
    let to: Vec<String> = (0..100).map(|n| format!("r{n}")).collect();
    for round in 0..20 {
        let list = json!({"from": "app", "to": to, "id": format!("l-{round}"), "body": "x".repeat(500)});
        assert_eq!(api.publish(&list).status, 200);
        let element = |n: usize| json!({"from": "app", "to": "bob", "id": format!("{round}-{n}"), "body": "y".repeat(500)});
        let elements: Value = (0..100).map(element).collect();
        assert_eq!(api.publish(&elements).status, 200);
    }
    server.settle();
    let mut replays: Vec<_> = (0..10).map(|_| Session::open(server.addr, "client=bob&from=start")).collect();
    replays.iter_mut().for_each(|replay| assert_eq!(replay.replay().len(), 2_000));
    assert_eq!(api.get("/v1/clients/bob/messages?from=start&limit=1000").status, 200);
    assert_eq!(api.delete("/v1/clients/bob/mailbox").status, 204);
}
