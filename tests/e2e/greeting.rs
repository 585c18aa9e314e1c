//! How a session begins: `welcome` first, where it starts, how much was missed, and when it is live.

use crate::support::{Got, Knock, Place, Server, Session, now_s};
use serde_json::{Value, json};

fn publish(server: &Server, to: &str, numbers: std::ops::Range<usize>) {
    let mut api = server.api();
    let all: Vec<usize> = numbers.collect();
    for some in all.chunks(1_000) {
        let element = |n: &usize| json!({"from": "app", "to": to, "id": n.to_string(), "body": n});
        let reply = api.publish(&some.iter().map(element).collect());
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    server.settle();
}

#[test]
fn a_welcome_says_who_where_and_within_which_limits() {
    let place = Place::new("greeting");
    let server = place.start();
    // It may send before it is welcome.
    let (mut peer, head) = Knock::new("client=alice")
        .header("Sec-WebSocket-Protocol", "other, corepost.v1")
        .send(server.addr)
        .unwrap();
    assert!(head.to_ascii_lowercase().contains("sec-websocket-protocol: corepost.v1\r\n"), "{head}");
    peer.text(br#"{"type":"send","id":"1","to":"alice","body":{"x": [1, 2.50, "\u00e9"]}}"#);
    let Got::Text(text) = peer.next() else { panic!("no text") };
    assert!(text.starts_with(br#"{"type":"welcome","client":"alice","session":""#), "compact, type first");
    let welcome: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&welcome["node"], &welcome["missed"]), (&json!(0), &json!(0)));
    assert!(welcome.get("resumed").is_none() && welcome.get("more").is_none(), "{welcome}");
    let limits = json!({"message_bytes": 65_536, "recipients": 1_000, "id_bytes": 128, "json_depth": 32,
        "ping_interval_ms": 25_000, "retention_ms": 604_800_000, "dedupe_ms": 600_000, "durability": "fsync"});
    assert_eq!(welcome["limits"], limits);
    let cursor = welcome["cursor"].as_str().unwrap();
    assert!(cursor.len() <= 64 && cursor.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));
    // The body comes back byte for byte, and last.
    let frames: Vec<Got> = (0..2).map(|_| peer.next()).collect();
    let is_whole = |got: &Got| matches!(got, Got::Text(text) if text.ends_with(br#","body":{"x": [1, 2.50, "\u00e9"]}}"#));
    assert!(frames.iter().any(is_whole), "{frames:?}");
    let ack =
        |got: &Got| matches!(got, Got::Text(text) if text.starts_with(br#"{"type":"ack","id":"1","at":"#));
    assert!(frames.iter().any(ack), "{frames:?}");
}

#[test]
fn each_form_of_from_starts_where_it_says() {
    for cores in [1, 2] {
        let place = Place::new("greeting-from").with("cores", cores);
        let server = place.start();
        let mut api = server.api();
        publish(&server, "bob", 0..10);
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let between = now_s() * 1_000;
        publish(&server, "bob", 10..15);
        // By the log's own clock: whatever came at or after that time.
        let later = api.get("/v1/clients/bob/messages?from=-5").json()["messages"].take();
        assert!(later[0]["at"].as_u64().unwrap() >= between, "{later}");
        for (from, first) in [
            ("start".to_owned(), 0),
            ("-1".into(), 14),
            ("-5".into(), 10),
            ("-100".into(), 0),
            ("-10000".into(), 0),
            ("0".into(), 0),
            (between.to_string(), 10),
        ] {
            let mut bob = Session::open(server.addr, &format!("client=bob&from={from}"));
            assert_eq!(bob.welcome["missed"], 15 - first, "from={from}: {}", bob.welcome);
            assert_eq!(bob.replay(), (first..15).map(Value::from).collect::<Vec<_>>(), "from={from}");
        }
        for query in ["client=bob", "client=bob&from=new"] {
            let mut bob = Session::open(server.addr, query);
            assert_eq!(bob.welcome["missed"], 0);
            // At the head it is live with its welcome, and not told so again.
            bob.say(&json!({"type": "ping"}));
            assert_eq!(bob.frame()["type"], "pong");
        }
        let mut ahead = Session::open(server.addr, &format!("client=bob&from={}", (now_s() + 3_600) * 1_000));
        assert_eq!(ahead.welcome["missed"], 0);
        assert_eq!(ahead.replay().len(), 0);
        let mut nothing = Session::open(server.addr, "client=stranger&from=start");
        assert_eq!(nothing.replay(), [] as [Value; 0], "live also after nothing");
        for bad in ["", "x", "-0", "-10001", "+5", "1.5", "-", "Start", "%20", "99999999999999999999"] {
            assert_eq!(Knock::new(&format!("client=bob&from={bad}")).refused(server.addr), 400, "from={bad}");
        }
    }
}

#[test]
fn many_missed_are_counted_to_ten_thousand_and_all_delivered() {
    let place = Place::new("greeting-many").with("durability", "process");
    let server = place.start();
    let cursor = Session::open(server.addr, "client=bob").cursor;
    publish(&server, "bob", 0..10_050);
    let mut bob = Session::open(server.addr, &format!("client=bob&cursor={cursor}"));
    assert_eq!((&bob.welcome["missed"], &bob.welcome["more"]), (&json!(10_000), &json!(true)));
    let replayed = bob.replay();
    assert_eq!(replayed.len(), 10_050);
    assert!(replayed.iter().enumerate().all(|(n, body)| body == n));
    let exact = Session::open(server.addr, "client=bob&from=-10000");
    assert_eq!((&exact.welcome["missed"], exact.welcome.get("more")), (&json!(10_000), None));
}

#[test]
fn a_replay_and_what_is_sent_meanwhile_are_one_row() {
    let place = Place::new("greeting-meanwhile");
    let server = place.start();
    publish(&server, "bob", 0..2_000);
    let mut bob = Session::open(server.addr, "client=bob&from=start");
    publish(&server, "bob", 2_000..2_500);
    for n in 0..2_500 {
        assert_eq!(bob.frame_of("message")["body"], n);
    }
}
