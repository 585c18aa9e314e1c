//! Frames to clients: exactly as the design writes them, always JSON, and understood by our own client.

use corepost::limits::JSON_DEPTH;
use corepost::model::{
    ClientId, Cursor, Envelope, EnvelopeParts, ErrorCode, ErrorPush, Failed, Heard, HeardError, HeardFailed,
    HeardMessage, HeardWelcome, IdRef, Kind, Position, Push, SessionRef, Unresumed, Welcome,
};
use corepost::wire::json::{Face, Hearing, Limits, encode, message_object, size_hint};
use corepost::wire::websocket::HEADER_MOST;
use corepost::wire::write_push;
use proptest::prelude::*;
use serde_json::Value;

fn face() -> Face<'static> {
    Face {
        log_epoch: 7,
        client: IdRef::new("bob").unwrap(),
        node: 3,
        incarnation: 0xabc,
        limits_json: r#"{"message_bytes":65536}"#,
    }
}

fn at(offset: u64) -> Position {
    Position { leader_epoch: 1, offset }
}

fn cursor(offset: u64) -> String {
    Cursor { log_epoch: 7, at: at(offset) }.text(face().client).as_str().to_owned()
}

fn envelope(kind: Kind, from: Option<&str>, id: Option<&str>, copied_to: &str, body: &str) -> Envelope {
    Envelope::new(EnvelopeParts {
        kind,
        to: IdRef::new("bob").ok(),
        from: from.map(|from| IdRef::new(from).unwrap()),
        id: id.map(|id| IdRef::new(id).unwrap()),
        copied_to: copied_to.as_bytes(),
        body: body.as_bytes(),
    })
}

fn written(push: &Push) -> String {
    let mut out = vec![];
    encode(push, &face(), &mut out);
    String::from_utf8(out).unwrap()
}

fn message(envelope: Envelope) -> Push {
    Push::Message { envelope, at_ms: 1_760_000_000_000, prev: at(4), cursor: at(5) }
}

fn error(id: Option<&str>, retry_after_ms: Option<u32>, failed: &[&str]) -> Push {
    let client = |text: &str| ClientId::new(text).unwrap();
    Push::Error(Box::new(ErrorPush {
        id: id.map(client),
        code: ErrorCode::MailboxFull,
        message: "line\n\"quoted\" \\ \u{1}".into(),
        retry_after_ms,
        failed: failed.iter().map(|to| Failed { to: client(to), code: ErrorCode::Forbidden }).collect(),
    }))
}

#[test]
fn every_frame_is_written_as_the_design_says() {
    let (c4, c5) = (cursor(4), cursor(5));
    let session = SessionRef { core: 1, slot: 2, generation: 3 };
    let welcome = |resumed, more| {
        Push::Welcome(Box::new(Welcome { session, cursor: at(5), resumed, missed: 42, more }))
    };
    let begin =
        format!(r#"{{"type":"welcome","client":"bob","session":"s3-abc-1-2-3","node":3,"cursor":"{c5}""#);
    let hi = r#"{"text":"hi"}"#;
    let escaped = r#""message":"line\n\"quoted\" \\ \u0001""#;
    let whole = envelope(Kind::Message, Some("alice"), Some("m-1"), "", hi);
    let copy = envelope(Kind::Message, Some("bob"), Some("m-1"), r#"[ "eve" ]"#, hi);
    let cases: Vec<(Push, String)> = vec![
        (welcome(None, false), format!(r#"{begin},"missed":42,"limits":{{"message_bytes":65536}}}}"#)),
        (
            welcome(Some(Ok(())), true),
            format!(r#"{begin},"resumed":true,"missed":42,"more":true,"limits":{{"message_bytes":65536}}}}"#),
        ),
        (
            welcome(Some(Err(Unresumed::Expired)), false),
            format!(
                r#"{begin},"resumed":false,"reason":"expired","missed":42,"limits":{{"message_bytes":65536}}}}"#
            ),
        ),
        (
            message(whole.clone()),
            format!(
                r#"{{"type":"message","from":"alice","id":"m-1","at":1760000000000,"prev":"{c4}","cursor":"{c5}","body":{hi}}}"#
            ),
        ),
        (
            message(copy),
            format!(
                r#"{{"type":"message","from":"bob","id":"m-1","at":1760000000000,"prev":"{c4}","cursor":"{c5}","to":[ "eve" ],"body":{hi}}}"#
            ),
        ),
        (
            message(envelope(Kind::Message, None, None, "", "1")),
            format!(
                r#"{{"type":"message","from":null,"at":1760000000000,"prev":"{c4}","cursor":"{c5}","body":1}}"#
            ),
        ),
        (
            Push::Ephemeral { envelope: envelope(Kind::Ephemeral, Some("alice"), None, "", "1") },
            r#"{"type":"message","from":"alice","ephemeral":true,"body":1}"#.into(),
        ),
        (Push::Live { cursor: at(5) }, format!(r#"{{"type":"live","cursor":"{c5}"}}"#)),
        (Push::Cursor { cursor: at(5) }, format!(r#"{{"type":"cursor","cursor":"{c5}"}}"#)),
        (Push::Pong { cursor: Some(at(5)) }, format!(r#"{{"type":"pong","cursor":"{c5}"}}"#)),
        (Push::Pong { cursor: None }, r#"{"type":"pong"}"#.into()),
        (Push::Ack { of: whole, at_ms: 9 }, r#"{"type":"ack","id":"m-1","at":9}"#.into()),
        (
            Push::Drain { reconnect_after_ms: 1830, cursor: Some(at(5)) },
            format!(r#"{{"type":"drain","reconnect_after_ms":1830,"cursor":"{c5}"}}"#),
        ),
        (
            Push::Drain { reconnect_after_ms: 0, cursor: None },
            r#"{"type":"drain","reconnect_after_ms":0}"#.into(),
        ),
        (error(None, None, &[]), format!(r#"{{"type":"error","code":"mailbox_full",{escaped}}}"#)),
        (
            error(Some("m-1"), Some(50), &["x", "y"]),
            format!(
                r#"{{"type":"error","id":"m-1","code":"mailbox_full",{escaped},"retry_after_ms":50,"failed":[{{"to":"x","code":"forbidden"}},{{"to":"y","code":"forbidden"}}]}}"#
            ),
        ),
    ];
    for (push, expected) in cases {
        assert_eq!(written(&push), expected);
        let parsed: Value = serde_json::from_str(&expected).expect("JSON");
        assert!(parsed.is_object());
        // In a frame it is the same, and what the budget was charged for it is enough.
        let mut framed = vec![];
        write_push(&push, &face(), &mut framed);
        assert!(framed.ends_with(expected.as_bytes()));
        assert!(framed.len() <= push.cost() as usize, "{expected} costs {}", push.cost());
    }
}

#[test]
fn our_client_understands_our_server() {
    let (c4, c5) = (cursor(4), cursor(5));
    let mut hearing = Hearing::new();
    let mut hear = |push: &Push, expected: Heard<'_>| {
        let text = written(push);
        assert_eq!(hearing.hear(text.as_bytes()), Ok(expected), "{text}");
    };
    let session = SessionRef { core: 1, slot: 2, generation: 3 };
    let welcome =
        Welcome { session, cursor: at(5), resumed: Some(Err(Unresumed::Epoch)), missed: 42, more: true };
    hear(
        &Push::Welcome(Box::new(welcome)),
        Heard::Welcome(HeardWelcome {
            client: "bob",
            session: "s3-abc-1-2-3",
            node: 3,
            cursor: &c5,
            resumed: Some(false),
            reason: Some("epoch"),
            missed: 42,
            more: true,
            message_bytes: Some(65_536),
            ping_interval_ms: None,
            limits: br#"{"message_bytes":65536}"#,
        }),
    );
    let body = format!("{}1{}", "[".repeat(JSON_DEPTH - 1), "]".repeat(JSON_DEPTH - 1));
    let heard = Heard::Message(HeardMessage {
        from: Some("alice"),
        id: Some("m-1"),
        at_ms: 1_760_000_000_000,
        prev: &c4,
        cursor: &c5,
        to: Some(b"[ \"eve\" ]"),
        body: body.as_bytes(),
    });
    hear(&message(envelope(Kind::Message, Some("alice"), Some("m-1"), "[ \"eve\" ]", &body)), heard);
    let ephemeral = Push::Ephemeral { envelope: envelope(Kind::Ephemeral, Some("alice"), None, "", "1") };
    hear(&ephemeral, Heard::Ephemeral { from: Some("alice"), body: b"1" });
    hear(&Push::Live { cursor: at(5) }, Heard::Live { cursor: &c5 });
    hear(&Push::Cursor { cursor: at(5) }, Heard::Cursor { cursor: &c5 });
    hear(&Push::Pong { cursor: None }, Heard::Pong { cursor: None });
    let of = envelope(Kind::Message, Some("bob"), Some("m-1"), "", "1");
    hear(&Push::Ack { of, at_ms: 9 }, Heard::Ack { id: "m-1", at_ms: 9 });
    hear(
        &error(None, Some(50), &["x"]),
        Heard::Error(HeardError {
            id: None,
            code: "mailbox_full",
            message: "line\n\"quoted\" \\ \u{1}",
            retry_after_ms: Some(50),
            failed: vec![HeardFailed { to: "x", code: "forbidden" }],
        }),
    );
    let drain = Push::Drain { reconnect_after_ms: 1830, cursor: Some(at(5)) };
    hear(&drain, Heard::Drain { reconnect_after_ms: 1830, cursor: Some(&c5) });
    assert_eq!(hearing.hear(br#"{"type":"later","x":1}"#), Ok(Heard::Unknown { kind: "later" }));
    assert!(hearing.hear(br#"{"type":"live"}"#).is_err());
    assert!(hearing.hear(b"hello").is_err());
}

#[test]
fn limits_are_json() {
    let limits = Limits {
        message_bytes: 1,
        recipients: 2,
        id_bytes: 3,
        json_depth: 4,
        ping_interval_ms: 5,
        retention_ms: 6,
        dedupe_ms: 7,
        durability: "fsync",
    };
    let expected = serde_json::json!({"message_bytes": 1, "recipients": 2, "id_bytes": 3, "json_depth": 4,
        "ping_interval_ms": 5, "retention_ms": 6, "dedupe_ms": 7, "durability": "fsync"});
    assert_eq!(serde_json::from_str::<Value>(&limits.json()).unwrap(), expected);
}

proptest! {
    /// The hint decides whether a large payload is moved: for messages it must be near and never short by much.
    #[test]
    fn the_size_of_a_message_is_foreseen(len in 0..70_000usize, from in "[a-z]{1,40}", id in "[a-z]{1,40}") {
        let push = message(envelope(Kind::Message, Some(&from), Some(&id), "", &"1".repeat(len + 1)));
        let (hint, size) = (size_hint(&push), written(&push).len());
        prop_assert!(hint.abs_diff(size) <= 8, "{} foreseen, {} written", hint, size);
        prop_assert!(size + HEADER_MOST <= push.cost() as usize);
    }

    #[test]
    fn an_object_is_the_message_without_type_and_prev(from in "[a-zé]{1,9}", body in "[0-9]{1,5}") {
        let body = format!("\"{body}\"");
        let envelope = envelope(Kind::Message, Some(&from), Some("m-1"), "\"x\"", &body);
        let mut object = vec![];
        message_object(&envelope, 1_760_000_000_000, at(5), 7, &mut object);
        let object: Value = serde_json::from_slice(&object).unwrap();
        let mut frame: Value = serde_json::from_str(&written(&message(envelope))).unwrap();
        let members = frame.as_object_mut().unwrap();
        members.remove("type");
        members.remove("prev");
        prop_assert_eq!(object, frame);
    }
}
