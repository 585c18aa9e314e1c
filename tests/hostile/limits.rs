//! Limits that are configured: who is beyond them is refused for that reason, and everybody else is served.

use crate::support::{Peer, Server, ask, upgrade, within};
use serde_json::json;

fn status(server: &Server, client: &str) -> String {
    let answer = ask(server.addr, upgrade(&format!("/v1/ws?client={client}"), "").as_bytes(), true);
    String::from_utf8_lossy(&answer).get(9..12).unwrap_or("---").to_owned()
}

#[test]
fn connections_in_all_and_of_one_address_are_counted() {
    for (flag, reason, refused) in [
        ("--max-connections", "too_many_connections", "503"),
        ("--max-connections-per-ip", "too_many_per_address", "429"),
    ] {
        let mut server = Server::with(&[flag, "50"]);
        // Those of the warming pair are gone when their sockets are.
        within(5, "the first ones are gone", || server.metrics().sum("corepost_sessions", &[]) == 0.0);
        let mut peers: Vec<Peer> = (0..50).map(|n| server.session(&format!("p{n}"))).collect();
        for _ in 0..100 {
            assert_eq!(status(&server, "more"), refused, "{flag}");
        }
        let counted = server.metrics().refusals(reason);
        assert!(counted >= 100.0, "{flag}: {counted}");
        // The others go on, and a place that is free is given again.
        peers[7].say(&json!({"type": "send", "id": "1", "to": "p8", "body": 1}));
        assert_eq!(peers[8].hear_of("message")["body"], 1);
        drop(peers);
        server.empty();
        within(10, "places are free again", || status(&server, "again") == "101");
        server.unharmed(flag);
    }
}

#[test]
fn a_flood_of_connections_is_slowed_to_its_rate() {
    let mut server = Server::with(&["--connect-rate", "40"]);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let before = server.metrics().refusals("connect_rate");
    let mut let_in = 0;
    for n in 0..400 {
        match status(&server, &format!("p{n}")).as_str() {
            "101" => let_in += 1,
            "429" => {}
            other => panic!("{other}"),
        }
    }
    let refused = server.metrics().refusals("connect_rate") - before;
    assert!(let_in >= 40 && refused >= 50.0, "{let_in} let in, {refused} refused");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    server.unharmed("a flood of connections");
}

#[test]
fn sessions_of_one_client_are_counted() {
    let mut server = Server::with(&["--sessions-per-client", "5"]);
    let mut peers: Vec<Peer> = (0..5).map(|_| server.session("bob")).collect();
    for _ in 0..50 {
        let mut more = Peer::connect(server.addr, "/v1/ws?client=bob");
        assert_eq!(more.closed(), Some(4409));
    }
    assert_eq!(server.metrics().refusals("too_many_sessions"), 50.0);
    peers[0].say(&json!({"type": "send", "id": "1", "to": "bob", "body": 1}));
    peers.iter_mut().for_each(|peer| assert_eq!(peer.hear_of("message")["body"], 1));
    drop(peers);
    server.unharmed("50 sessions too many");
}

#[test]
fn a_flood_of_messages_is_slowed_to_its_rate() {
    let mut server = Server::with(&["--messages-per-second", "200", "--bytes-per-second", "1MiB"]);
    let mut eve = server.session("eve");
    let (mut acked, mut refused) = (0, 0);
    for n in 0..2_000 {
        eve.say(&json!({"type": "send", "id": n.to_string(), "to": "bob", "body": n}));
        if n % 100 == 99 {
            for _ in 0..100 {
                let answer = eve.hear();
                match answer["type"] == "ack" {
                    true => acked += 1,
                    false => {
                        assert_eq!(answer["code"], "rate_limited");
                        assert!(answer["retry_after_ms"].as_u64().unwrap() > 0);
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(acked >= 200 && refused > 500, "{acked} acknowledged, {refused} refused");
    assert_eq!(server.metrics().refusals("rate_limited"), f64::from(refused));
    // Ephemeral ones count as messages, a list as many.
    let names: Vec<String> = (0..1_000).map(|n| format!("n{n}")).collect();
    eve.say(&json!({"type": "send", "to": names, "ephemeral": true, "body": 1}));
    assert_eq!(eve.hear()["code"], "rate_limited");
    drop(eve);
    server.unharmed("a flood of messages");
}
