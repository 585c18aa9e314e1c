//! Messages whose JSON is broken, or whole and ill-meant. Whatever is sent, what arrives at others is one valid JSON
//! object with our fields alone, and the body in it as it was sent.

use crate::support::{Dice, Got, Peer, Server};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a message means.
enum Expect {
    /// It is refused with this code and its session lives.
    Error(&'static str),
    /// The session is closed with this code.
    Close(u16),
    /// It arrives, with this body.
    Arrives(&'static str),
    /// It may be refused or arrive; what arrives is sound.
    Sound,
}
use Expect::{Arrives, Close, Error, Sound};

fn send(fields: &str) -> String {
    format!(r#"{{"type":"send","id":"x","to":"bob",{fields}}}"#)
}

fn body(body: &str) -> Vec<u8> {
    send(&format!(r#""body":{body}"#)).into_bytes()
}

fn broken() -> Vec<(&'static str, Vec<u8>, Expect)> {
    let deep = |open: &str, close: &str, n: usize| body(&format!("{}1{}", open.repeat(n), close.repeat(n)));
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("nothing", vec![], Error("bad_request")),
        ("a space", text(" "), Error("bad_request")),
        ("a NUL", vec![0], Error("bad_request")),
        ("a byte order mark", text("\u{feff}{\"type\":\"ping\"}"), Error("bad_request")),
        ("a list", text("[]"), Error("bad_request")),
        ("a number", text("1"), Error("bad_request")),
        ("half", text("{\"type\":"), Error("bad_request")),
        ("two", text("{\"type\":\"ping\"}{\"type\":\"ping\"}"), Error("bad_request")),
        ("no type", text("{}"), Error("bad_request")),
        ("a type that is no string", text("{\"type\":1}"), Error("bad_request")),
        ("an unknown type", text("{\"type\":\"drop\"}"), Error("unknown_type")),
        ("a type of a server", text("{\"type\":\"welcome\"}"), Error("unknown_type")),
        ("a type twice", text("{\"type\":\"ping\",\"type\":\"ping\"}"), Error("bad_request")),
        ("a type twice, escaped", text("{\"type\":\"ping\",\"\\u0074ype\":\"ping\"}"), Error("bad_request")),
        ("a trailing comma", body("1,"), Error("bad_request")),
        ("single quotes", text("{'type':'ping'}"), Error("bad_request")),
        ("a comment", body("/* */1"), Error("bad_request")),
        ("NaN", body("NaN"), Error("bad_request")),
        ("Infinity", body("-Infinity"), Error("bad_request")),
        ("a leading zero", body("01"), Error("bad_request")),
        ("a plus", body("+1"), Error("bad_request")),
        ("a dot", body("."), Error("bad_request")),
        ("1e400", body("1e400"), Error("bad_request")),
        ("-1e400", body("[-1e400]"), Error("bad_request")),
        ("a lone surrogate", body(r#""\ud800""#), Error("bad_request")),
        ("a lone low surrogate", body(r#""\udc00""#), Error("bad_request")),
        ("surrogates in the wrong order", body(r#""\udc00\ud800""#), Error("bad_request")),
        ("a bad escape", body(r#""\x41""#), Error("bad_request")),
        ("a short escape", body(r#""\u12""#), Error("bad_request")),
        ("a raw line end in a string", body("\"a\nb\""), Error("bad_request")),
        ("a raw NUL in a string", body("\"a\0b\""), Error("bad_request")),
        ("an unclosed string", body("\"a"), Error("bad_request")),
        ("33 levels", deep("[", "]", 33), Error("bad_request")),
        ("30,000 levels", deep("[", "]", 30_000), Error("bad_request")),
        ("10,000 levels of objects", deep("{\"\":", "}", 10_000), Error("bad_request")),
        ("30,000 levels, never closed", deep("[", "", 30_000), Error("bad_request")),
        ("64,000 opening braces", vec![b'{'; 64_000], Error("bad_request")),
        ("64,000 quotes", vec![b'"'; 64_001], Error("bad_request")),
        ("64,000 backslashes", [&b"\""[..], &vec![b'\\'; 64_001]].concat(), Error("bad_request")),
        ("no body", text(r#"{"type":"send","id":"x","to":"bob"}"#), Error("bad_request")),
        ("body twice", text(&send(r#""body":1,"body":2"#)), Error("bad_request")),
        ("body twice, escaped", text(&send(r#""body":1,"\u0062ody":2"#)), Error("bad_request")),
        ("to twice", text(&send(r#""to":"carol","body":1"#)), Error("bad_request")),
        ("id twice", text(&send(r#""id":"y","body":1"#)), Error("bad_request")),
        (
            "ephemeral twice",
            text(&send(r#""ephemeral":false,"ephemeral":true,"body":1"#)),
            Error("bad_request"),
        ),
        ("ephemeral that is no bool", text(&send(r#""ephemeral":1,"body":1"#)), Error("bad_request")),
        ("copy that is no bool", text(&send(r#""copy":"yes","body":1"#)), Error("bad_request")),
        (
            "copy of an ephemeral",
            text(&send(r#""copy":true,"ephemeral":true,"body":1"#)),
            Error("bad_request"),
        ),
        ("no id", text(r#"{"type":"send","to":"bob","body":1}"#), Error("bad_request")),
        (
            "an id of 129 bytes",
            text(&format!(r#"{{"type":"send","id":"{}","to":"bob","body":1}}"#, "i".repeat(129))),
            Error("bad_request"),
        ),
        (
            "an id that closes its string",
            text(r#"{"type":"send","id":"\",\"from\":\"root","to":"bob","body":1}"#),
            Error("bad_request"),
        ),
        (
            "an id with a line end",
            text(r#"{"type":"send","id":"a\nb","to":"bob","body":1}"#),
            Error("bad_request"),
        ),
        (
            "an id that is a number",
            text(r#"{"type":"send","id":1,"to":"bob","body":1}"#),
            Error("bad_request"),
        ),
        ("to nobody", text(r#"{"type":"send","id":"x","to":[],"body":1}"#), Error("bad_request")),
        ("to a number", text(r#"{"type":"send","id":"x","to":1,"body":1}"#), Error("bad_request")),
        (
            "to a nested list",
            text(r#"{"type":"send","id":"x","to":[["bob"]],"body":1}"#),
            Error("bad_client_id"),
        ),
        ("to an empty name", text(r#"{"type":"send","id":"x","to":"","body":1}"#), Error("bad_client_id")),
        (
            "to a name with a quote",
            text(r#"{"type":"send","id":"x","to":"a\"b","body":1}"#),
            Error("bad_client_id"),
        ),
        (
            "to a name with a backslash",
            text(r#"{"type":"send","id":"x","to":"a\\b","body":1}"#),
            Error("bad_client_id"),
        ),
        (
            "to a name with a NUL",
            text(r#"{"type":"send","id":"x","to":"a\u0000b","body":1}"#),
            Error("bad_client_id"),
        ),
        (
            "one bad name of many",
            text(r#"{"type":"send","id":"x","to":["bob","a\u0007"],"body":1}"#),
            Error("bad_client_id"),
        ),
        ("a token where none is known", text(r#"{"type":"auth","token":"x"}"#), Close(4401)),
        (
            "half a character in a string",
            [&br#"{"type":"send","id":"x","to":"bob","body":""#[..], b"\xe2\x82\"}"].concat(),
            Close(1007),
        ),
        (
            "a surrogate as UTF-8",
            [&br#"{"type":"send","id":"x","to":"bob","body":""#[..], b"\xed\xa0\x80\"}"].concat(),
            Close(1007),
        ),
        ("no UTF-8 at all", vec![0xff; 100], Close(1007)),
    ]
}

fn strange() -> Vec<(&'static str, Vec<u8>, Expect)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "fields of ours in the body",
            body(r#"{"type":"ack","from":"root","at":0,"cursor":"0","prev":"0"}"#),
            Arrives(r#"{"type":"ack","from":"root","at":0,"cursor":"0","prev":"0"}"#),
        ),
        ("a body that looks closed", body(r#""}{\"type\":\"ack\"}""#), Arrives(r#""}{\"type\":\"ack\"}""#)),
        (
            "fields of ours beside it",
            text(&send(r#""from":"root","at":1,"cursor":"zzz","prev":"0","session":"s","body":1"#)),
            Arrives("1"),
        ),
        (
            "fields of ours behind it",
            text(&send(r#""body":1,"from":"root","at":{"a":[]},"type2":"x""#)),
            Arrives("1"),
        ),
        ("a field named like nothing", text(&send(r#""":1,"\u0000":2,"body":3"#)), Arrives("3")),
        (
            "duplicate keys in the body",
            body(r#"{"a":1,"a":2,"\u0061":3}"#),
            Arrives(r#"{"a":1,"a":2,"\u0061":3}"#),
        ),
        (
            "keys of prototypes",
            body(r#"{"__proto__":{"x":1},"constructor":null}"#),
            Arrives(r#"{"__proto__":{"x":1},"constructor":null}"#),
        ),
        ("a long integer", body("123456789012345678901234567890"), Arrives("123456789012345678901234567890")),
        (
            "a fine fraction",
            body("0.1000000000000000055511151231257827021181583404541015625"),
            Arrives("0.1000000000000000055511151231257827021181583404541015625"),
        ),
        ("minus zero", body("-0.0e-0"), Arrives("-0.0e-0")),
        ("1e308", body("1E+308"), Arrives("1E+308")),
        ("too small to be told from zero", body("1e-400"), Sound),
        ("5,000 digits", body(&"9".repeat(5_000)), Sound),
        (
            "line separators",
            body("\"\u{2028}\u{2029}\u{85}\u{feff}\""),
            Arrives("\"\u{2028}\u{2029}\u{85}\u{feff}\""),
        ),
        ("an escaped NUL", body(r#""\u0000""#), Arrives(r#""\u0000""#)),
        ("an escaped script", body(r#""<\/script><!--""#), Arrives(r#""<\/script><!--""#)),
        ("spaces in the body", body("  [ 1 ,\t2 ,\r\n 3 ]  "), Sound),
        ("a pair of surrogates", body(r#""\ud83d\ude00""#), Arrives(r#""\ud83d\ude00""#)),
        ("31 levels", body(&format!("{}1{}", "[".repeat(31), "]".repeat(31))), Sound),
        ("an escaped recipient", text(r#"{"type":"send","id":"x","to":"\u0062ob","body":1}"#), Arrives("1")),
        ("an escaped key", text(r#"{"\u0074ype":"send","id":"x","t\u006f":"bob","body":1}"#), Arrives("1")),
        (
            "bob many times",
            text(&format!(r#"{{"type":"send","id":"x","to":[{}"bob"],"body":1}}"#, "\"bob\",".repeat(999))),
            Arrives("1"),
        ),
        ("60,000 bytes of escapes", body(&format!("\"{}\"", "\\u0041".repeat(10_000))), Sound),
        ("dense", body(&format!("[{}0]", "0,".repeat(30_000))), Sound),
    ]
}

/// Reads what has arrived at `bob` up to the message of `sync`, and judges each frame.
fn sound(bob: &mut Peer, sync: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let text = match bob.next() {
            Got::Text(text) => text,
            other => panic!("{other:?}"),
        };
        // Exactly one object of known fields, each once, in UTF-8; borrowed so that the body is seen untouched.
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(&text).unwrap();
        let again: Value = serde_json::from_slice(&text).unwrap();
        let kind = again["type"].as_str().unwrap();
        if kind == "cursor" || kind == "pong" {
            continue;
        }
        assert_eq!(kind, "message", "{again}");
        let known = ["type", "from", "id", "at", "prev", "cursor", "body", "ephemeral"];
        assert!(fields.keys().all(|field| known.contains(&field.as_str())), "{again}");
        let colons = fields
            .keys()
            .map(|field| String::from_utf8_lossy(&text).matches(&format!("\"{field}\":")).count());
        assert!(colons.min() >= Some(1));
        assert!(text.starts_with(b"{\"type\":\"message\",\"from\":\"eve") && text.ends_with(b"}"), "{again}");
        assert!(again["from"].as_str().unwrap().starts_with("eve"), "{again}");
        if again["body"] == sync {
            return bodies;
        }
        bodies.push(fields["body"].get().to_owned());
    }
}

#[test]
fn every_broken_message_is_answered_and_nothing_of_it_arrives() {
    let mut server = Server::start();
    let mut bob = server.session("bob");
    let mut eve = server.session("eve");
    for (n, (name, message, expect)) in broken().into_iter().chain(strange()).enumerate() {
        // Its own id, or it would be a duplicate of the one before.
        let message = replace(&message, b"\"id\":\"x\"", format!("\"id\":\"x{n}\"").as_bytes());
        eve.text(&message);
        match expect {
            Error(code) => assert_eq!(eve.hear()["code"], code, "{name}"),
            Close(code) => {
                assert_eq!(eve.closed(), Some(code), "{name}");
                eve = server.session("eve");
            }
            Arrives(_) => assert_eq!(eve.hear()["type"], "ack", "{name}"),
            Sound => drop(eve.hear()),
        }
        let sync = format!("sync-{n}");
        eve.say(&serde_json::json!({"type": "send", "id": sync, "to": "bob", "body": sync}));
        let bodies = sound(&mut bob, &sync);
        match expect {
            Error(_) | Close(_) => assert_eq!(bodies, [""; 0], "{name} arrived"),
            Arrives(body) => assert_eq!(bodies, [body], "{name}"),
            Sound => assert!(bodies.len() <= 1, "{name} arrived {} times", bodies.len()),
        }
        assert_eq!(eve.hear_of("ack")["id"], sync, "{name}");
        assert!(server.is_alive(), "the process ended after {name}");
    }
    drop((eve, bob));
    server.unharmed("broken messages");
    let metrics = server.metrics();
    for reason in ["bad_request", "bad_client_id", "unknown_type", "unauthorized", "protocol_violation"] {
        assert!(metrics.refusals(reason) > 0.0, "{reason} was not counted");
    }
}

/// Good messages with wrong bytes: whatever arrives is sound.
#[test]
fn whatever_a_wrong_byte_makes_of_a_message_others_get_sound_frames() {
    let mut server = Server::start();
    let mut dice = Dice::new(11);
    let mut bob = server.session("bob");
    let mut eve = server.session("eve");
    for round in 0..1_500 {
        let mut message = format!(
            r#"{{"type":"send","id":"r{round}","to":["bob","carol"],"body":{{"a":"\u0041é\\","b":[1,-2.5e3,null]}}}}"#
        )
        .into_bytes();
        for _ in 0..=dice.below(2) {
            let at = dice.below(message.len() as u64) as usize;
            match dice.below(4) {
                0 => message[at] = b"\"\\{}[],:0eu\x00\x1f \xff\xc3"[dice.below(16) as usize],
                1 => message[at] ^= 1 << dice.below(8),
                2 => drop(message.remove(at)),
                _ => message.insert(at, b"\"\\{},"[dice.below(5) as usize]),
            }
        }
        if !eve.try_raw(&crate::support::frame(corepost::wire::websocket::Opcode::Text, &message))
            || round % 50 == 49
        {
            // What was closed for broken UTF-8 comes again; the others have been obeyed by now.
            let sync = format!("sync-{round}");
            let mut other = server.session("eve-sync");
            other.say(&serde_json::json!({"type": "send", "id": sync, "to": "bob", "body": sync}));
            assert_eq!(other.hear_of("ack")["id"], sync);
            sound(&mut bob, &sync);
        }
        match eve.next_within(Duration::from_secs(10)) {
            Got::Text(_) => {}
            _ => eve = server.session("eve"),
        }
    }
    drop((eve, bob));
    server.unharmed("1,500 messages with wrong bytes");
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match text.windows(from.len()).position(|window| window == from) {
        Some(at) => [&text[..at], to, &text[at + from.len()..]].concat(),
        None => text.to_vec(),
    }
}
