//! Readers that stop, and what waits for them.

use crate::support::{Got, MIB, Peer, Server, Unharmed};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

const MESSAGES: usize = 20_000;

/// Sends so many messages of 2 kB to `to`, some in flight at a time; the reader reads along if there is one.
fn pour(server: &Server, to: &str, mut reader: Option<&mut Peer>) {
    let mut sender = server.session("sender");
    let text = "x".repeat(2_000);
    let mut frames = Vec::new();
    for n in 0..MESSAGES {
        let message =
            json!({"type": "send", "id": format!("{to}-{n}"), "to": to, "body": {"n": n, "text": text}});
        let message = message.to_string();
        corepost::wire::websocket::write_masked(
            corepost::wire::websocket::Opcode::Text,
            message.as_bytes(),
            [0; 4],
            &mut frames,
        );
        if n % 100 == 99 {
            sender.raw(&std::mem::take(&mut frames));
            (0..100).for_each(|_| assert_eq!(sender.hear()["type"], "ack"));
            if let Some(reader) = &mut reader {
                (0..100).for_each(|_| drop(reader.hear_of("message")));
            }
        }
    }
}

/// The sixth case, as a bound and not as a figure.
#[test]
fn twenty_thousand_wait_for_one_who_stopped_and_cost_no_memory() {
    // The same for a reader that keeps up: what this costs is the log's and the recent envelopes'.
    let with_quick = {
        let server = Server::start();
        let mut quick = server.session("slow");
        pour(&server, "slow", Some(&mut quick));
        server.rss()
    };
    let mut server = Server::start();
    let mut slow = server.session("slow");
    let mut pair = (server.session("left"), server.session("right"));
    let mut longest = Duration::ZERO;
    thread::scope(|scope| {
        let pouring = scope.spawn(|| pour(&server, "slow", None));
        let mut n = 0;
        while !pouring.is_finished() {
            let began = Instant::now();
            pair.0.say(&json!({"type": "send", "to": "right", "ephemeral": true, "body": n}));
            assert_eq!(pair.1.hear_of("message")["body"], n);
            longest = longest.max(began.elapsed());
            n += 1;
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert!(longest < Duration::from_secs(1), "a live pair waited {longest:?}");
    let with_slow = server.rss();
    assert!(
        with_slow <= with_quick + 16 * MIB,
        "{} KiB with a reader that stopped, {} KiB with one that keeps up",
        with_slow / 1024,
        with_quick / 1024
    );
    assert!(server.metrics().sum("corepost_catchups_total", &[]) >= 1.0);
    // It gets all of it later, in order.
    for n in 0..MESSAGES {
        assert_eq!(slow.hear_of("message")["body"]["n"], n);
    }
    assert_eq!(slow.hear_of("live")["type"], "live");
    drop((slow, pair));
    server.unharmed_by("20,000 messages waited", Unharmed { grown: 128 * MIB, heavy: true });
}

/// Lists of a thousand, of whom nobody reads.
#[test]
fn a_list_of_a_thousand_slow_readers_does_not_fill_memory() {
    let mut server = Server::start();
    let mut readers: Vec<Peer> = (0..1_000).map(|n| server.session(&format!("r{n}"))).collect();
    let names: Vec<String> = (0..1_000).map(|n| format!("r{n}")).collect();
    let mut sender = server.session("sender");
    let text = "y".repeat(4_000);
    for round in 0..30 {
        sender.say(&json!({"type": "send", "id": format!("{round}"), "to": names, "body": {"round": round, "text": text}}));
        assert_eq!(sender.hear()["type"], "ack");
        sender.say(&json!({"type": "send", "to": names, "ephemeral": true, "body": text}));
    }
    // Their kernels' buffers take most of it; what they do not is bounded by each one's budget.
    server.unharmed_by("lists to slow readers", Unharmed { grown: 320 * MIB, heavy: true });
    for (n, reader) in readers.iter_mut().enumerate() {
        let mut round = 0;
        while round < 30 {
            let message = reader.hear_of("message");
            if message["ephemeral"] != true {
                assert_eq!(message["body"]["round"], round, "of reader {n}");
                round += 1;
            }
        }
    }
    drop((readers, sender));
    server.empty();
}

/// Forty thousand missed by one, a hundred each by others of the same core: they do not wait for him.
#[test]
fn one_who_missed_forty_thousand_does_not_delay_who_missed_a_hundred() {
    let mut server = Server::with(&["--cores", "1"]);
    let publish = |to: &[String], first: usize, many: usize| {
        let elements: Vec<Value> = (first..first + many)
            .map(|n| json!({"from": "p", "to": to, "id": format!("{}-{n}", to[0]), "body": n}))
            .collect();
        let (status, answer) = crate::support::http(
            server.addr,
            "POST",
            "/v1/messages",
            "",
            json!(elements).to_string().as_bytes(),
        );
        assert_eq!(status, 200, "{answer}");
    };
    let whale = ["whale".to_owned()];
    for first in (0..40_000).step_by(1_000) {
        publish(&whale, first, 1_000);
    }
    let fish: Vec<String> = (0..50).map(|n| format!("fish-{n}")).collect();
    for first in (0..100).step_by(20) {
        publish(&fish, first, 20);
    }
    let mut big = Peer::connect(server.addr, "/v1/ws?client=whale&from=start");
    assert_eq!(big.hear()["type"], "welcome");
    let began = Instant::now();
    let mut schools: Vec<Peer> = fish
        .iter()
        .map(|name| Peer::connect(server.addr, &format!("/v1/ws?client={name}&from=start")))
        .collect();
    let reading = thread::spawn(move || {
        for n in 0..40_000 {
            assert_eq!(big.hear_of("message")["body"], n);
        }
        Instant::now()
    });
    for peer in &mut schools {
        for n in 0..100 {
            assert_eq!(peer.hear_of("message")["body"], n);
        }
        assert_eq!(peer.hear()["type"], "live");
    }
    let small = began.elapsed();
    let large = reading.join().unwrap() - began;
    assert!(small < large, "50 × 100 took {small:?}, 40,000 {large:?}");
    assert!(small < Duration::from_secs(5), "50 × 100 took {small:?}");
    assert!(matches!(schools[0].next_within(Duration::from_millis(1)), Got::Silence));
    drop(schools);
    server.unharmed_by("a whale among fish", Unharmed { grown: 128 * MIB, heavy: true });
}
