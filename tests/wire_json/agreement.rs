//! Agreement with serde_json about what is JSON, and no panic on anything.

use crate::{Understood, understand};
use corepost::wire::json::{BadPublish, Elements, Hearing, Parser, is_value};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Any JSON within the nesting, as serde_json writes it.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\\\\"{}\\[\\],: ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What damages a text, or gives it what only parsers refuse.
const SNIPPETS: [&[u8]; 18] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"]",
    b",",
    b":",
    b"0",
    b"-",
    b".",
    b"\n",
    b"\x01",
    b"\xff",
    b"\\ud83d",
    b"\\ude00",
    b"\\ud83d\\ude00",
    b"e999",
    b"1e-999",
];

/// The text, compact or with white space, then damaged in a few places.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<prop::sample::Index>(), prop::sample::select(SNIPPETS.to_vec()), 0..3u8);
    (values(), any::<bool>(), prop::collection::vec(damage, 0..3)).prop_map(|(value, pretty, damages)| {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        let mut text = text.unwrap();
        for (at, snippet, how) in damages {
            let at = at.index(text.len().max(1));
            let end = (at + usize::from(how == 0)).min(text.len());
            drop(text.splice(at..end, if how == 2 { vec![] } else { snippet.to_vec() }));
        }
        text
    })
}

/// Texts in which escapes and numbers stand where they count.
#[test]
fn what_doubles_and_utf8_cannot_say_is_no_value() {
    let long = "9".repeat(400);
    for text in
        ["1e999", "-1e400", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800\\n\"", &long]
    {
        assert!(!is_value(text.as_bytes()), "{text}");
        assert!(serde_json::from_str::<Value>(text).is_err() && is_raw_value(text.as_bytes()), "{text}");
    }
    for text in ["1e-999", "1e308", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\"", &long[..308]] {
        assert!(is_value(text.as_bytes()) && serde_json::from_str::<Value>(text).is_ok(), "{text}");
    }
}

fn is_raw_value(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && serde_json::from_slice::<&RawValue>(text).is_ok()
}

fn send(body: &[u8]) -> Vec<u8> {
    [br#"{"type":"send","id":"m-1","to":"bob","body":"#, body, b"}"].concat()
}

proptest! {
    /// A body is passed on exactly when it is JSON, and then byte for byte.
    #[test]
    fn bodies_are_json_or_refused(body in damaged()) {
        let meaning = serde_json::from_slice::<Value>(&body).is_ok();
        let trimmed = String::from_utf8_lossy(body.trim_ascii()).into_owned();
        match understand(&mut Parser::new(), &send(&body)) {
            Understood::Send(sent) => {
                // A damaged body may end the frame's object and begin other members.
                prop_assert!(serde_json::from_str::<Value>(&sent.body).is_ok());
                if sent.body.len() == trimmed.len() {
                    prop_assert_eq!(&sent.body, &trimmed);
                }
            }
            Understood::NotUtf8 => prop_assert!(std::str::from_utf8(&body).is_err()),
            _ => prop_assert!(!meaning, "{}", trimmed),
        }
        prop_assert_eq!(is_value(&body), meaning, "{}", trimmed);
    }

    /// The bare grammar takes what serde_json takes as raw value: numbers and surrogates of any kind.
    #[test]
    fn the_grammar_is_that_of_raw_values(body in damaged(), more in prop::sample::select(vec!["", "1e999", "\"\\udead\""])) {
        let mut text = b"{\"x\":".to_vec();
        text.extend_from_slice(&body);
        text.extend_from_slice(if more.is_empty() { b"" } else { b",\"y\":" });
        text.extend_from_slice(more.as_bytes());
        text.push(b'}');
        let is_json = Elements::read(&text, &mut Parser::new()) != Err(BadPublish::NotJson);
        prop_assert_eq!(is_json, is_raw_value(&text), "{}", String::from_utf8_lossy(&text));
    }

    /// Members in any order, between others, always the same command.
    #[test]
    fn a_send_is_found_among_any_members(
        others in prop::collection::vec(("[a-z]{1,3}[0-9]", values()), 0..5),
        body in values(),
        order in any::<u64>(),
    ) {
        let mut members: Vec<(String, String)> = [
            ("type", json!("send")), ("id", json!("m-1")), ("to", json!(["bob", "eve", "bob"])), ("body", body.clone()),
        ].into_iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
        members.extend(others.into_iter().map(|(key, value)| (key, value.to_string())));
        let len = members.len();
        members.rotate_left(order as usize % len);
        members.swap(order as usize / 7 % len, order as usize / 97 % len);
        let frame = members.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect::<Vec<_>>().join(",\n");
        let Understood::Send(sent) = understand(&mut Parser::new(), format!("{{{frame} }}").as_bytes()) else {
            return Err(TestCaseError::fail(frame));
        };
        prop_assert_eq!(sent.to, ["bob", "eve"]);
        prop_assert_eq!(sent.body, body.to_string());
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut parser = Parser::new();
        let utf8 = std::str::from_utf8(&bytes).is_ok();
        prop_assert_eq!(understand(&mut parser, &bytes) == Understood::NotUtf8, !utf8);
        let _ = Elements::read(&bytes, &mut parser);
        let _ = Hearing::new().hear(&bytes);
    }

    /// One parser for many frames is as good as a new one for each.
    #[test]
    fn a_parser_remembers_nothing(bodies in prop::collection::vec(damaged(), 1..6)) {
        let mut parser = Parser::new();
        for body in bodies {
            for frame in [send(&body), body] {
                prop_assert_eq!(understand(&mut parser, &frame), understand(&mut Parser::new(), &frame));
            }
        }
    }

    #[test]
    fn any_server_frame_is_answered(text in "\\{\"type\":\"(welcome|message|live|ack|error|drain|pong|x)\"(,\"(cursor|at|id|failed|prev|body|missed|code)\":(1|\"a\"|\\[\\{\"to\":\"a\",\"code\":\"b\"\\}\\]|null)){0,6}\\}") {
        let _ = Hearing::new().hear(text.as_bytes());
    }
}
