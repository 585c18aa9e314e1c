//! What the program's log says of sessions, and that nobody can fill it.

use crate::support::{Knock, Place, Server, Session, eventually};
use corepost::limits::{LOG_BURST, LOG_LINES_PER_SECOND};
use serde_json::{Value, json};
use std::time::Instant;

fn place(name: &str) -> Place {
    Place::new(name).with("log-format", "json").with("log-level", "debug")
}

/// The lines whose message begins like this.
fn lines(server: &Server, message: &str) -> Vec<Value> {
    let log = server.log();
    // The last one may be half written.
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|said| said.starts_with(message))).collect()
}

/// The one that comes.
fn line(server: &Server, message: &str) -> Value {
    eventually(message, || !lines(server, message).is_empty());
    lines(server, message).remove(0)
}

#[test]
fn what_happens_to_a_session_is_said_with_its_name_its_client_and_its_partition() {
    let place = place("lines-sessions").with("cores", 1);
    let server = place.start();
    let is_of = |line: &Value, session: &Session, client: &str, level: &str| {
        let named = (&line["session"], &line["client"], &line["level"]);
        assert_eq!(named, (&session.welcome["session"], &json!(client), &json!(level)), "{line}");
        assert!(line["partition"].is_u64(), "{line}");
    };
    let mut bob = Session::open(server.addr, "client=bob&cursor=nonsense");
    let unresumed = line(&server, "a cursor could not be resumed; its client is told");
    is_of(&unresumed, &bob, "bob", "INFO");
    assert_eq!(unresumed["reason"], "invalid");
    bob.peer.binary(b"no text");
    assert_eq!(bob.close_code(), 1003);
    let closed = line(&server, "a session is closed");
    is_of(&closed, &bob, "bob", "INFO");
    assert_eq!((&closed["code"], &closed["why"]), (&json!(1003), &json!("send text messages")));
    assert_eq!(closed["partition"], unresumed["partition"]);
    let slow = Session::open(server.addr, "client=slow");
    let (mut api, body) = (server.api(), "x".repeat(60_000));
    for n in 0..200 {
        let message = json!({"from": "app", "to": "slow", "id": n.to_string(), "body": body});
        assert_eq!(api.publish(&message).status, 200);
    }
    let behind = line(&server, "a session reads slowly and is served from the log until it has caught up");
    is_of(&behind, &slow, "slow", "INFO");
    drop(slow);
    eventually("its end is said", || lines(&server, "a session is over").len() == 2);
    assert!(!server.log().contains("xxxx"), "a body is in the log");
}

#[test]
fn a_flood_writes_only_so_many_lines_and_the_next_one_tells_of_the_rest() {
    const REFUSED: &str = "refused: ";
    let place = place("lines-flood");
    let server = place.start();
    let (began, flood) = (Instant::now(), 5 * LOG_BURST as usize);
    for _ in 0..flood {
        assert_eq!(Knock::new("client=").refused(server.addr), 400);
    }
    let most = LOG_BURST as usize + (began.elapsed().as_secs() as usize + 1) * LOG_LINES_PER_SECOND as usize;
    let said = lines(&server, REFUSED);
    assert!((LOG_BURST as usize..=most).contains(&said.len()), "{} lines of {flood}", said.len());
    eventually("what was left out is told by a later line, and counted", || {
        assert_eq!(Knock::new("client=").refused(server.addr), 400);
        let told: u64 = lines(&server, REFUSED).iter().filter_map(|line| line["left_out"].as_u64()).sum();
        told as usize >= flood - most
            && server.metrics().sum("corepost_log_lines_left_out_total", "") >= told as f64
    });
    // Of others there is still room.
    let _carol = Session::open(server.addr, "client=carol");
    line(&server, "a session begins");
}
