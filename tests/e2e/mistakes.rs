//! What a client can mend is answered with an `error` that names its message, and the session lives; what breaks
//! WebSocket closes with the RFC's code.

use crate::support::{Got, Place, Session, send};
use serde_json::{Value, json};

#[test]
fn each_mistake_has_its_code_and_its_id() {
    let place = Place::new("mistakes");
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let many: Vec<String> = (0..1_001).map(|n| format!("r{n}")).collect();
    let large = "x".repeat(70_000);
    for (frame, code, id) in [
        ("{".to_owned(), "bad_request", None),
        ("[]".into(), "bad_request", None),
        ("\"send\"".into(), "bad_request", None),
        (r#"{"type":"dance","id":"1"}"#.into(), "unknown_type", Some("1")),
        (r#"{"id":"2","to":"bob","body":1}"#.into(), "bad_request", Some("2")),
        (r#"{"type":"send","to":"bob","body":1}"#.into(), "bad_request", None),
        (r#"{"type":"send","id":"3","body":1}"#.into(), "bad_request", Some("3")),
        (r#"{"type":"send","id":"4","to":"bob"}"#.into(), "bad_request", Some("4")),
        (r#"{"type":"send","id":5,"to":"bob","body":1}"#.into(), "bad_request", None),
        (r#"{"type":"send","id":"","to":"bob","body":1}"#.into(), "bad_request", None),
        (format!(r#"{{"type":"send","id":"{}","to":"bob","body":1}}"#, "i".repeat(129)), "bad_request", None),
        (r#"{"type":"send","id":"6","to":"b\"b","body":1}"#.into(), "bad_client_id", Some("6")),
        (r#"{"type":"send","id":"7","to":"","body":1}"#.into(), "bad_client_id", Some("7")),
        (r#"{"type":"send","id":"8","to":[],"body":1}"#.into(), "bad_request", Some("8")),
        (r#"{"type":"send","id":"9","to":["bob","a\\b"],"body":1}"#.into(), "bad_client_id", Some("9")),
        (
            json!({"type": "send", "id": "10", "to": many, "body": 1}).to_string(),
            "too_many_recipients",
            Some("10"),
        ),
        (r#"{"type":"send","id":"11","to":"bob","body":"\ud800"}"#.into(), "bad_request", None),
        (r#"{"type":"send","id":"12","to":"bob","body":1e400}"#.into(), "bad_request", None),
        (format!(r#"{{"type":"send","id":"13","to":"bob","body":{deep}}}"#), "bad_request", None),
        (send("bob", "14", large).to_string(), "too_large", None),
    ] {
        alice.peer.text(frame.as_bytes());
        let error = alice.frame();
        let shown = frame.get(..200).unwrap_or(&frame);
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{shown}: {error}");
        if let Some(id) = id {
            assert_eq!(error["id"], id, "{shown}: {error}");
        }
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 5), "{error}");
        assert!(error.get("retry_after_ms").is_none(), "trying again would not help: {error}");
    }
    // Unknown fields and what is the server's to say are ignored; the session lives.
    alice.say(&json!({"type": "send", "id": "ok", "to": "alice", "from": "eve", "at": 1, "cursor": "x", "hue": 3, "body": null}));
    let (mut message, mut ack) = (Value::Null, Value::Null);
    for frame in [alice.frame(), alice.frame()] {
        if frame["type"] == "ack" { ack = frame } else { message = frame }
    }
    assert_eq!(
        (&message["from"], &message["body"], &ack["id"]),
        (&json!("alice"), &Value::Null, &json!("ok"))
    );
    assert_eq!(
        Session::open(server.addr, "client=bob&from=start").welcome["missed"],
        0,
        "refused whole lists"
    );
}

#[test]
fn a_thousand_recipients_get_it_and_one_ack_says_so() {
    let place = Place::new("mistakes-thousand");
    let server = place.start();
    let mut alice = Session::open(server.addr, "client=alice");
    let to: Vec<String> = (0..1_000).map(|n| format!("r{n}")).collect();
    alice.say(&json!({"type": "send", "id": "all", "to": to, "body": "hello"}));
    assert_eq!(alice.frame()["type"], "ack");
    server.settle();
    for n in [0, 1, 500, 999] {
        assert_eq!(Session::open(server.addr, &format!("client=r{n}&from=start")).replay(), ["hello"]);
    }
}

#[test]
fn what_breaks_websocket_closes_with_its_code() {
    let place = Place::new("mistakes-close");
    let server = place.start();
    let session = || Session::open(server.addr, "client=alice");
    for (bytes, code) in [
        (&b"\x82\x81\0\0\0\0x"[..], 1003),
        (b"\x81\x02{}", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x89\xfe\x00\x7e\0\0\0\0", 1002),
        (b"\x81\x83\0\0\0\0\"\xff\"", 1007),
        (b"\x88\x82\0\0\0\0\x03\xed", 1002),
    ] {
        let mut alice = session();
        alice.peer.raw(bytes);
        assert_eq!(alice.close_code(), code, "{bytes:?}");
        assert_eq!(alice.peer.next(), Got::End);
    }
    // A peer's close is echoed, after what it had asked before.
    let mut alice = session();
    alice.say(&send("bob", "last", "words"));
    alice.peer.close(4_242);
    let mut heard = Vec::new();
    let code = loop {
        match alice.hear() {
            crate::support::Heard::Frame(frame) => heard.push(frame),
            crate::support::Heard::Close(code) => break code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Some(4_242));
    drop(heard);
    let mut bob = Session::open(server.addr, "client=bob&from=start");
    crate::support::eventually("it was obeyed", || {
        bob = Session::open(server.addr, "client=bob&from=start");
        bob.welcome["missed"] == 1
    });
    // In pieces, with a ping in between.
    let mut alice = session();
    for byte in b"\x01\x89\0\0\0\0{\"type\":\"\x89\x81\0\0\0\0!\x80\x86\0\0\0\0ping\"}" {
        alice.peer.raw(&[*byte]);
    }
    assert_eq!(alice.peer.next(), Got::Pong(b"!".to_vec()));
    assert_eq!(alice.frame()["type"], "pong");
}
