//! Requests to the HTTP API as no backend should send them.

use crate::support::{MIB, Peer, Server, Unharmed, http};
use serde_json::{Value, json};

fn publish(server: &Server, body: &[u8]) -> (u16, Value) {
    http(server.addr, "POST", "/v1/messages", "Content-Type: application/json\r\n", body)
}

#[test]
fn every_strange_publish_gets_its_status() {
    let mut server = Server::start();
    let one = |body: &str| format!(r#"{{"from":"a","to":"bob","id":"1","body":{body}}}"#);
    let list = |many: usize| format!("[{}]", vec![one("1"); many].join(","));
    let names = |many: usize| (0..many).map(|n| format!("\"n{n}\"")).collect::<Vec<_>>().join(",");
    let deep = |many: usize| format!("{}1{}", "[".repeat(many), "]".repeat(many));
    for (name, body, statuses) in [
        ("nothing", String::new(), &[400][..]),
        ("a word", "x".into(), &[400]),
        ("a number", "1".into(), &[400]),
        ("an empty list", "[]".into(), &[400, 200]),
        ("an empty object", "{}".into(), &[400]),
        ("half", one("1")[..20].to_owned(), &[400]),
        ("a list within a list", format!("[{}]", list(1)), &[207, 400]),
        ("nulls", "[null,null]".into(), &[207, 400]),
        ("1,000", list(1_000), &[200]),
        ("1,001", list(1_001), &[400, 413]),
        (
            "1,001 recipients of one",
            format!(r#"{{"from":"a","to":[{}],"id":"1","body":1}}"#, names(1_001)),
            &[400, 413],
        ),
        ("no recipients", r#"{"from":"a","to":[],"id":"1","body":1}"#.into(), &[400]),
        ("no from", r#"{"to":"bob","id":"1","body":1}"#.into(), &[400]),
        ("a from with a quote", r#"{"from":"a\"","to":"bob","id":"1","body":1}"#.into(), &[400]),
        ("a body of 33 levels", one(&deep(33)), &[400]),
        ("a body of a million levels", one(&deep(1_000_000)), &[400]),
        ("four million opening brackets", "[".repeat(4 << 20), &[400]),
        ("eight million quotes", "\"".repeat(8 << 20), &[400]),
        ("a body of 65 KiB", one(&format!("\"{}\"", "x".repeat(65 << 10))), &[400, 413]),
        ("a lone surrogate", one(r#""\ud800""#), &[400]),
        ("1e400", one("1e400"), &[400]),
        ("body twice", r#"{"from":"a","to":"bob","id":"1","body":1,"body":2}"#.into(), &[400]),
        ("from twice", r#"{"from":"a","from":"root","to":"bob","id":"1","body":1}"#.into(), &[400]),
        ("8 MiB of spaces", " ".repeat(8 << 20), &[400]),
        ("a million small numbers", format!("[{}1]", "1,".repeat(1 << 20)), &[400, 413, 207]),
    ] {
        let (status, answer) = publish(&server, body.as_bytes());
        assert!(
            statuses.contains(&status),
            "{name}: {status} {}",
            &answer.to_string().chars().take(300).collect::<String>()
        );
        assert!(server.is_alive(), "the process ended after {name}");
    }
    let (status, _) = publish(&server, &[b' '; (8 << 20) + 1]);
    assert!(matches!(status, 413 | 0), "over 8 MiB: {status}");
    for (method, target, statuses) in [
        ("PUT", "/v1/messages", &[405][..]),
        ("GET", "/v1/messages", &[405]),
        ("PATCH", "/v1/clients/bob", &[405]),
        ("DELETE", "/v1/clients/bob", &[405]),
        ("GET", "/v1/clients/", &[400, 404]),
        ("GET", "/v1/clients/%22", &[400]),
        ("GET", "/v1/clients/%00", &[400]),
        ("GET", "/v1/clients/a%2fb", &[200]),
        ("GET", "/v1/clients/a/b", &[404]),
        ("GET", "/v1/clients/bob/messages/", &[404]),
        ("GET", "/v1/clients/bob/messages?limit=0", &[400]),
        ("GET", "/v1/clients/bob/messages?limit=1001", &[400]),
        ("GET", "/v1/clients/bob/messages?limit=-1", &[400]),
        ("GET", "/v1/clients/bob/messages?limit=99999999999999999999", &[400]),
        ("GET", "/v1/clients/bob/messages?limit=1&limit=2", &[400]),
        ("GET", "/v1/clients/bob/messages?from=-10001", &[400]),
        ("GET", "/v1/clients/bob/messages?from=%ff", &[400]),
        ("GET", "/v1/clients/bob/messages?nonsense=1", &[400]),
        ("DELETE", "/v1/clients/bob/sessions?revoke=maybe", &[400]),
        ("DELETE", "/v1/clients/bob/sessions?revok=true", &[400]),
        ("GET", "/", &[404]),
        ("GET", "/metrics", &[404]),
        ("GET", "/v1/clients/bob?cursor=1", &[400]),
    ] {
        let (status, answer) = http(server.addr, method, target, "", b"");
        assert!(statuses.contains(&status), "{method} {target}: {status} {answer}");
    }
    server.unharmed_by("strange publishes", Unharmed { grown: 96 * MIB, heavy: true });
}

/// A thousand recipients and as large a body as may be: 64 MiB of one small request, several times.
#[test]
fn a_list_of_a_thousand_with_the_largest_body_is_no_bomb() {
    let mut server = Server::start();
    let names: Vec<String> = (0..1_000).map(|n| format!("b{n}")).collect();
    let text = "z".repeat(50_000);
    let mut senders: Vec<Peer> = (0..4).map(|n| server.session(&format!("sender-{n}"))).collect();
    for (n, sender) in senders.iter_mut().enumerate() {
        sender.say(&json!({"type": "send", "id": format!("bomb-{n}"), "to": names, "body": text}));
    }
    let mut small = server.session("small");
    small.say(&json!({"type": "send", "id": "small", "to": "small", "body": 1}));
    assert_eq!(small.hear_of("ack")["id"], "small");
    for sender in &mut senders {
        let answer = sender.hear();
        // Durable, or refused because the log is behind; never half of it in silence.
        assert!(answer["type"] == "ack" || answer["code"] == "unavailable", "{answer}");
    }
    let (status, answer) = publish(
        &server,
        json!({"from": "p", "to": names, "id": "bomb", "body": text}).to_string().as_bytes(),
    );
    assert!(matches!(status, 200 | 503), "{status} {answer}");
    drop((senders, small));
    // Not judged by its turns: a thousand copies of 50 kB are made in one turn, which takes a quarter of a second.
    server.pair("after-the-bomb");
    assert!(server.is_alive());
    server.small("lists of the largest messages", Unharmed { grown: 448 * MIB, heavy: true });
}

#[test]
fn storms_of_erasing_revoking_and_disconnecting_are_borne() {
    let mut server = Server::start();
    let mut victims: Vec<Peer> = (0..50).map(|n| server.session(&format!("victim-{n}"))).collect();
    for round in 0..6 {
        for n in 0..50 {
            let target = match round % 3 {
                0 => format!("/v1/clients/victim-{n}/mailbox"),
                1 => format!("/v1/clients/victim-{n}/sessions?revoke=true"),
                _ => format!("/v1/clients/nobody-{n}/mailbox"),
            };
            let (status, answer) = http(server.addr, "DELETE", &target, "", b"");
            assert_eq!(status, 204, "{target}: {answer}");
        }
    }
    for victim in &mut victims {
        assert_eq!(victim.closed(), Some(4403));
    }
    drop(victims);
    // In development mode nobody has a token that could be refused: who was sent away may come again.
    server.pair("victim-0");
    server.unharmed("300 erasures and revocations");
}
