//! Clients send to each other, on one core and on many, and find after a restart what they missed.

use crate::support::{Got, Peer, data, drivers, http, router, upgrade_request};
use corepost::node::{Node, Running};
use serde_json::{Value, json};
use std::net::SocketAddr;

impl Peer {
    fn session(addr: SocketAddr, query: &str) -> Self {
        Self::connect(addr, &format!("/v1/ws?{query}"))
    }

    fn say(&mut self, frame: &Value) {
        self.text(frame.to_string().as_bytes());
    }

    fn hear(&mut self) -> Value {
        match self.next() {
            Got::Text(text) => serde_json::from_slice(&text).unwrap(),
            other => panic!("not a frame: {other:?}"),
        }
    }

    /// The next frame of that type; others are passed over.
    fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear();
            if frame["type"] == kind {
                return frame;
            }
        }
    }
}

fn start(cores: u16, driver: corepost::net::Wish, name: &str) -> Running {
    Node::start(&router(cores, driver, &data(name))).unwrap()
}

#[test]
fn a_message_reaches_every_device_and_is_acknowledged() {
    for driver in drivers() {
        let node = start(2, driver, "devices");
        let mut alice = Peer::session(node.addr, "client=alice");
        let mut bobs: Vec<_> = (0..3).map(|_| Peer::session(node.addr, "client=bob")).collect();
        assert_eq!(alice.hear()["type"], "welcome");
        for bob in &mut bobs {
            let welcome = bob.hear();
            assert_eq!((&welcome["type"], &welcome["client"]), (&json!("welcome"), &json!("bob")));
            assert_eq!(welcome["limits"]["durability"], "process");
        }
        for n in 0..50 {
            alice.say(&json!({"type": "send", "id": format!("m-{n}"), "to": "bob", "body": {"n": n}}));
        }
        for n in 0..50 {
            assert_eq!(alice.hear_of("ack")["id"], format!("m-{n}"));
            for bob in &mut bobs {
                let message = bob.hear_of("message");
                assert_eq!((&message["from"], &message["body"]), (&json!("alice"), &json!({"n": n})));
            }
        }
        alice.say(&json!({"type": "send", "to": ["bob", "alice"], "ephemeral": true, "body": "typing"}));
        for peer in bobs.iter_mut().chain([&mut alice]) {
            let message = peer.hear_of("message");
            assert_eq!((&message["ephemeral"], &message["body"]), (&json!(true), &json!("typing")));
        }
    }
}

#[test]
fn what_was_missed_comes_after_a_restart() {
    for driver in drivers() {
        let dir = data("restart");
        let node = Node::start(&router(1, driver, &dir)).unwrap();
        let mut bob = Peer::session(node.addr, "client=bob");
        let cursor = bob.hear()["cursor"].as_str().unwrap().to_owned();
        drop(bob);
        let mut alice = Peer::session(node.addr, "client=alice");
        for n in 0..300 {
            alice.say(&json!({"type": "send", "id": format!("m-{n}"), "to": "bob", "body": n}));
        }
        for _ in 0..300 {
            alice.hear_of("ack");
        }
        node.stop();
        // Another number of cores, too: what is kept does not depend on it.
        let node = Node::start(&router(2, driver, &dir)).unwrap();
        let mut bob = Peer::session(node.addr, &format!("client=bob&cursor={cursor}"));
        let welcome = bob.hear();
        assert_eq!((&welcome["resumed"], &welcome["missed"]), (&json!(true), &json!(300)), "{welcome}");
        for n in 0..300 {
            assert_eq!(bob.hear_of("message")["body"], n);
        }
        assert_eq!(bob.hear()["type"], "live");
    }
}

#[test]
fn many_clients_on_many_cores_send_to_each_other() {
    for driver in drivers() {
        let node = start(2, driver, "many");
        let mut peers: Vec<_> =
            (0..40).map(|n| Peer::session(node.addr, &format!("client=client-{n}"))).collect();
        peers.iter_mut().for_each(|peer| assert_eq!(peer.hear()["type"], "welcome"));
        for round in 0..20 {
            for (n, peer) in peers.iter_mut().enumerate() {
                let to = [format!("client-{}", (n + 1) % 40), format!("client-{}", (n + 7) % 40)];
                peer.say(&json!({"type": "send", "id": format!("{round}"), "to": to, "body": {"from": n, "round": round}}));
                peer.say(&json!({"type": "send", "to": to[0], "ephemeral": true, "body": round}));
            }
        }
        for (n, peer) in peers.iter_mut().enumerate() {
            let (mut acks, mut whispers, mut rounds) = (0, 0, [0; 2]);
            while acks < 20 || whispers < 20 || rounds != [20; 2] {
                let frame = peer.hear();
                if frame["type"] == "ack" {
                    assert_eq!(frame["id"], acks.to_string());
                    acks += 1;
                } else if frame["ephemeral"] == true {
                    assert_eq!(frame["body"], whispers);
                    whispers += 1;
                } else {
                    let sender = frame["body"]["from"].as_u64().unwrap() as usize;
                    let which = usize::from((sender + 7) % 40 == n);
                    assert_eq!(frame["body"]["round"], rounds[which], "of {sender} to {n}");
                    rounds[which] += 1;
                }
            }
        }
        let mesh = node.mesh();
        assert!(mesh.iter().all(|load| load.wakes <= load.batches && load.batches > 0), "{mesh:?}");
    }
}

#[test]
fn mistakes_are_answered_and_broken_rules_close() {
    let node = start(1, drivers()[0], "mistakes");
    let mut peer = Peer::session(node.addr, "client=a");
    assert_eq!(peer.hear()["type"], "welcome");
    for (frame, code) in [
        (&b"{"[..], "bad_request"),
        (br#"{"type":"dance"}"#, "unknown_type"),
        (br#"{"type":"send","id":"1","to":"a\"b","body":1}"#, "bad_client_id"),
        (&vec![b' '; corepost::limits::MESSAGE_BYTES + 1], "too_large"),
    ] {
        peer.text(frame);
        assert_eq!(peer.hear()["code"], code);
    }
    peer.say(&json!({"type": "ping"}));
    assert!(peer.hear()["cursor"].is_string());
    peer.ping(b"?");
    assert_eq!(peer.next(), Got::Pong(b"?".to_vec()));
    // Answers to what came before a close come before its echo.
    let mut packet = crate::support::frame(corepost::wire::websocket::Opcode::Text, br#"{"type":"ping"}"#);
    packet.extend(crate::support::frame(corepost::wire::websocket::Opcode::Close, &4000_u16.to_be_bytes()));
    peer.raw(&packet);
    assert_eq!(peer.hear()["type"], "pong");
    assert_eq!((peer.next(), peer.next()), (Got::Close(Some(4000)), Got::End));

    let mut binary = Peer::session(node.addr, "client=a");
    binary.hear();
    binary.binary(b"x");
    assert_eq!((binary.next(), binary.next()), (Got::Close(Some(1003)), Got::End));
    assert!(http(node.addr, upgrade_request("/v1/ws").as_bytes()).starts_with("HTTP/1.1 400 "));
    let foreign =
        upgrade_request("/v1/ws?client=a").replace("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n");
    assert!(http(node.addr, foreign.as_bytes()).starts_with("HTTP/1.1 403 "));
}

#[test]
fn a_slow_reader_gets_everything_later_and_memory_stays() {
    let node = start(1, drivers()[0], "slow");
    let mut slow = Peer::session(node.addr, "client=slow");
    let mut sender = Peer::session(node.addr, "client=sender");
    slow.hear();
    sender.hear();
    let body = "x".repeat(2_000);
    for n in 0..10_000 {
        sender
            .say(&json!({"type": "send", "id": n.to_string(), "to": "slow", "body": {"n": n, "text": body}}));
        if n % 100 == 99 {
            (0..100).for_each(|_| drop(sender.hear_of("ack")));
        }
    }
    for n in 0..10_000 {
        assert_eq!(slow.hear_of("message")["body"]["n"], n);
    }
}
