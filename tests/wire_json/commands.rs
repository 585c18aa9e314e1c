//! Frames of clients, one by one.

use crate::Understood::{Auth, Mistake, NotUtf8, Ping, Send};
use crate::{Sent, Understood, understand};
use corepost::model::ErrorCode::{self, BadClientId, BadRequest, TooManyRecipients, UnknownType};
use corepost::wire::json::Parser;

fn one(frame: &str) -> Understood {
    understand(&mut Parser::new(), frame.as_bytes())
}

fn plain() -> Sent {
    Sent {
        id: Some("m-1".into()),
        to: vec!["bob".into()],
        to_json: "\"bob\"".into(),
        copy: false,
        ephemeral: false,
        body: r#"{"text":"hi"}"#.into(),
    }
}

#[test]
fn the_frames_of_the_design() {
    let send = r#"{"type":"send","id":"m-1","to":"bob","body":{"text":"hi"}}"#;
    assert_eq!(one(send), Send(plain()));
    let copy = r#"{"type":"send","id":"m-1","to":"bob","copy":true,"body":{"text":"hi"}}"#;
    assert_eq!(one(copy), Send(Sent { copy: true, ..plain() }));
    let ephemeral = r#"{"type":"send","to":"bob","ephemeral":true,"body":{"text":"hi"}}"#;
    assert_eq!(one(ephemeral), Send(Sent { ephemeral: true, id: None, ..plain() }));
    assert_eq!(one(r#"{"type":"auth","token":"a.b.c"}"#), Auth("a.b.c".into()));
    assert_eq!(one(r#"{"type":"ping"}"#), Ping);
}

#[test]
fn members_in_any_order_with_white_space_and_unknown_ones() {
    let frame = "\r\n{ \"x\":[{\"body\":1},[[\"}\"]]] , \"body\" :\t[ 1, {\"a\":\"\\\"]\"} ] ,\"from\":\"eve\",\
        \"at\":1,\"cursor\":null,\"x\":2,\"to\" : [ \"bob\" , \"b\\u006fb\",\"Zo\u{eb}\"]\n,\"id\":\"m\\u002d1\",\"type\":\"send\" } ";
    let expected = Sent {
        to: vec!["bob".into(), "Zoë".into()],
        to_json: "[ \"bob\" , \"b\\u006fb\",\"Zo\u{eb}\"]".into(),
        body: "[ 1, {\"a\":\"\\\"]\"} ]".into(),
        ..plain()
    };
    assert_eq!(one(frame), Send(expected));
}

#[test]
fn bodies_of_every_kind_arrive_as_sent() {
    let bodies = [
        "0",
        "-0",
        "1E5",
        "12.50",
        "123456789012345678901234567890",
        "\"\"",
        "\"he said \\\"}\\\" ,\"",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[[],{}]",
        "{\"a\":{\"a\":1,\"a\":2}}",
        "\"\\ud83d\\ude00\"",
    ];
    let mut parser = Parser::new();
    for body in bodies {
        for frame in [
            format!(r#"{{"type":"send","id":"m-1","to":"bob","body":{body}}}"#),
            format!(r#"{{"body": {body} ,"type":"send","id":"m-1","to":"bob"}}"#),
        ] {
            let expected = Send(Sent { body: body.into(), ..plain() });
            assert_eq!(understand(&mut parser, frame.as_bytes()), expected, "{frame}");
        }
    }
}

#[test]
fn mistakes_have_their_code_and_the_frames_id() {
    let with_id: [(&str, ErrorCode); 21] = [
        (r#""type":"send","to":"bob""#, BadRequest),
        (r#""type":"send","body":1"#, BadRequest),
        (r#""type":"send","to":[],"body":1"#, BadRequest),
        (r#""type":"send","to":null,"body":1"#, BadRequest),
        (r#""type":"send","to":{"a":1},"body":1"#, BadRequest),
        (r#""type":"send","to":"","body":1"#, BadClientId),
        (r#""type":"send","to":"a\nb","body":1"#, BadClientId),
        (r#""type":"send","to":["bob","a\"b"],"body":1"#, BadClientId),
        (r#""type":"send","to":["bob",7],"body":1"#, BadClientId),
        (r#""type":"send","to":"bob","copy":true,"ephemeral":true,"body":1"#, BadRequest),
        (r#""type":"send","to":"bob","copy":1,"body":1"#, BadRequest),
        (r#""type":"send","to":"bob","ephemeral":"yes","body":1"#, BadRequest),
        (r#""type":"send","to":"bob","to":"bob","body":1"#, BadRequest),
        (r#""type":"send","to":"bob","t\u006f":"eve","body":1"#, BadRequest),
        (r#""type":"send","to":"bob","body":1,"body":2"#, BadRequest),
        (r#""type":"send","type":"send","to":"bob","body":1"#, BadRequest),
        (r#""type":"shout","to":"bob","body":1"#, UnknownType),
        (r#""to":"bob","body":1"#, BadRequest),
        (r#""type":7,"to":"bob","body":1"#, BadRequest),
        (r#""type":"auth""#, BadRequest),
        (r#""type":"auth","token":7"#, BadRequest),
    ];
    let mut parser = Parser::new();
    for (members, code) in with_id {
        for frame in [format!(r#"{{"id":"m-1",{members}}}"#), format!(r#"{{{members},"id":"m-1"}}"#)] {
            assert_eq!(
                understand(&mut parser, frame.as_bytes()),
                Mistake(code, Some("m-1".into())),
                "{frame}"
            );
        }
    }
    let without: [&str; 9] = [
        r#"{"type":"send","to":"bob","body":1}"#,
        r#"{"type":"send","id":"","to":"bob","body":1}"#,
        r#"{"type":"send","id":7,"to":"bob","body":1}"#,
        r#"{"type":"send","id":"a\u0000","to":"bob","body":1}"#,
        r#"{"type":"send","id":"a","id":"b","to":"bob","body":1}"#,
        r#"{"type":"send","to":"x","to":"x","id":"a","\u0069d":"b","body":1}"#,
        r#"[{"type":"ping"}]"#,
        r#""ping""#,
        "7",
    ];
    for frame in without {
        assert_eq!(one(frame), Mistake(BadRequest, None), "{frame}");
    }
}

#[test]
fn what_only_the_parser_refuses_still_gives_its_id() {
    let deep = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    for body in ["1e400", "-1e999", "\"\\ud800\"", "{\"\\udc00x\":1}", &deep] {
        for id in ["m-1", "m\\u002d1"] {
            let frame = format!(r#"{{"type":"send","id":"{id}","to":"bob","body":{body}}}"#);
            assert_eq!(one(&frame), Mistake(BadRequest, Some("m-1".into())), "{frame}");
            let frame = format!(r#"{{"body":{body},"type":"send","\u0069d":"{id}","to":"bob"}}"#);
            assert_eq!(one(&frame), Mistake(BadRequest, Some("m-1".into())), "{frame}");
        }
        let frame = format!(r#"{{"type":"send","id":"a","id":"b","to":"bob","body":{body}}}"#);
        assert_eq!(one(&frame), Mistake(BadRequest, None));
        let frame = format!(r#"{{"type":"send","id":"\ud800","to":"bob","body":{body}}}"#);
        assert_eq!(one(&frame), Mistake(BadRequest, None));
    }
    // As deep as is promised is right, the frame itself being the first level.
    let deep = format!("{}1{}", "[".repeat(31), "]".repeat(31));
    let frame = format!(r#"{{"type":"send","id":"m-1","to":"bob","body":{deep}}}"#);
    assert_eq!(one(&frame), Send(Sent { body: deep, ..plain() }));
}

#[test]
fn what_is_no_json_has_no_id_and_what_is_no_utf8_is_told_apart() {
    let broken = [
        "",
        " ",
        "{",
        "}",
        "{}x",
        "{\"type\":\"ping\"}{}",
        "{\"type\":\"ping\",}",
        "{'type':'ping'}",
        "{\"id\":\"m-1\",\"type\":\"send\",\"to\":\"bob\",\"body\":01}",
        "{\"id\":\"m-1\",\"type\":\"send\",\"to\":\"bob\",\"body\":\"\u{1}\"}",
        "{\"id\":\"m-1\",\"type\":\"send\",\"to\":\"bob\",\"body\":}",
        "\u{feff}{\"type\":\"ping\"}",
    ];
    for frame in broken {
        assert_eq!(one(frame), Mistake(BadRequest, None), "{frame:?}");
    }
    let mut parser = Parser::new();
    let endless = "[".repeat(100_000);
    assert_eq!(understand(&mut parser, endless.as_bytes()), Mistake(BadRequest, None));
    for frame in
        [&b"{\"type\":\"ping\",\"x\":\"\xff\"}"[..], b"\xc3", b"{\"type\":\"ping\xed\xa0\x80\"}", b"{\xff"]
    {
        assert_eq!(understand(&mut parser, frame), NotUtf8);
    }
    assert_eq!(understand(&mut parser, b"{\"type\":\"ping\"}"), Ping, "the parser lives on");
}

#[test]
fn lists_count_each_once_and_end_at_a_thousand() {
    let list = |count: usize, times: usize| {
        let names: Vec<String> =
            (0..times).flat_map(|_| (0..count).map(|n| format!("\"client-{n}\""))).collect();
        format!(r#"{{"type":"send","id":"m-1","to":[{}],"body":1}}"#, names.join(","))
    };
    let mut parser = Parser::new();
    for (count, times) in [(1, 5), (8, 3), (9, 1), (9, 2), (1_000, 1), (1_000, 3), (3, 1)] {
        match understand(&mut parser, list(count, times).as_bytes()) {
            Send(sent) => {
                let names: Vec<String> = (0..count).map(|n| format!("client-{n}")).collect();
                assert_eq!(sent.to, names);
            }
            other => panic!("{count} × {times}: {other:?}"),
        }
    }
    let too_many = understand(&mut parser, list(1_001, 1).as_bytes());
    assert_eq!(too_many, Mistake(TooManyRecipients, Some("m-1".into())));
}
