//! The JSON of the HTTP API.

use corepost::limits::{MESSAGE_BYTES, RECIPIENTS};
use corepost::model::{Cursor, Envelope, EnvelopeParts, ErrorCode, IdRef, Kind, Position, Unresumed};
use corepost::wire::json::{BadPublish, Elements, Parser, PublishResults, PullAnswer, write_http_error};
use serde_json::{Value, json};

fn id(text: &str) -> IdRef<'_> {
    IdRef::new(text).unwrap()
}

#[test]
fn one_object_or_an_array_of_them() {
    let mut parser = Parser::new();
    let single = br#" {"from":"app","to":["bob","eve","bob"],"id":"m-1","body": [1] } "#;
    let elements = Elements::read(single, &mut parser).unwrap();
    assert_eq!((elements.single, elements.texts.len()), (true, 1));
    let publication = parser.publication(elements.texts[0]).unwrap();
    assert_eq!((publication.from, publication.id), (id("app"), id("m-1")));
    assert_eq!(publication.to.iter().collect::<Vec<_>>(), [id("bob"), id("eve")]);
    assert_eq!((publication.to_json, publication.body), (&br#"["bob","eve","bob"]"#[..], &b"[1]"[..]));

    let array = br#"[{"from":"app","to":"bob","id":"m-1","body":1}, 7 ,{"from":"app","to":"bob","body":1},
        {"from":"app","to":"b\"","id":"m-4","body":1},{"from":"","to":"b","id":"m-5","body":1},
        {"from":"app","to":"bob","id":"m-6","body":1e999}]"#;
    let elements = Elements::read(array, &mut parser).unwrap();
    assert!(!elements.single);
    let results: Vec<_> = elements
        .texts
        .iter()
        .map(|text| match parser.publication(text) {
            Ok(publication) => (publication.id.as_str().to_owned(), None),
            Err(mistake) => (mistake.id.map_or("-", |id| id.as_str()).to_owned(), Some(mistake.code)),
        })
        .collect();
    let expected = [
        ("m-1", None),
        ("-", Some(ErrorCode::BadRequest)),
        ("-", Some(ErrorCode::BadRequest)),
        ("m-4", Some(ErrorCode::BadClientId)),
        ("m-5", Some(ErrorCode::BadClientId)),
        ("m-6", Some(ErrorCode::BadRequest)),
    ];
    assert_eq!(results, expected.map(|(id, code)| (id.to_owned(), code)));
}

#[test]
fn what_is_refused_whole() {
    let mut parser = Parser::new();
    let mut read = |body: &[u8]| Elements::read(body, &mut parser).map(|elements| elements.texts.len());
    for broken in [&b""[..], b"7", b"\"x\"", b"[", b"[1,]", b"[1] x", b"{\"a\":}", b"{}{}", b"[\"\xff\"]"] {
        assert_eq!(read(broken), Err(BadPublish::NotJson), "{}", String::from_utf8_lossy(broken));
    }
    assert_eq!(read(b" [ ] "), Err(BadPublish::Empty));
    let element = |n: usize| format!(r#"{{"from":"app","to":["a{n}","b{n}"],"id":"m-{n}","body":1}}"#);
    let many = |count: usize| {
        let elements: Vec<String> = (0..count).map(element).collect();
        format!("[{}]", elements.join(","))
    };
    assert_eq!(read(many(RECIPIENTS / 2).as_bytes()), Ok(RECIPIENTS / 2));
    assert_eq!(read(many(RECIPIENTS / 2 + 1).as_bytes()), Err(BadPublish::TooMany));
    let nothing = format!("[{}1]", "1,".repeat(RECIPIENTS));
    assert_eq!(read(nothing.as_bytes()), Err(BadPublish::TooMany));
    assert_eq!(BadPublish::TooMany.code(), ErrorCode::TooManyRecipients);
}

#[test]
fn an_element_over_the_limit_is_its_own_mistake() {
    let mut parser = Parser::new();
    let body = "x".repeat(MESSAGE_BYTES);
    let array = format!(
        r#"[{{"from":"app","to":"bob","id":"large","body":"{body}"}},{{"from":"app","to":"bob","id":"m","body":1}}]"#
    );
    let elements = Elements::read(array.as_bytes(), &mut parser).unwrap();
    let mistake = parser.publication(elements.texts[0]).unwrap_err();
    assert_eq!((mistake.code, mistake.id), (ErrorCode::TooLarge, Some(id("large"))));
    assert!(parser.publication(elements.texts[1]).is_ok());
}

#[test]
fn answers_are_the_json_of_the_design() {
    let mut out = vec![];
    PublishResults::new(&mut out).finish();
    assert_eq!(out, br#"{"results":[]}"#);
    out.clear();
    let mut results = PublishResults::new(&mut out);
    results.durable(id("m-1"), 9);
    results.refused(Some(id("m-2")), ErrorCode::MailboxFull, "full\"", Some(50));
    results.refused(None, ErrorCode::BadRequest, "no id", None);
    results.finish();
    let expected = json!({"results": [
        {"id": "m-1", "at": 9},
        {"id": "m-2", "error": {"code": "mailbox_full", "message": "full\"", "retry_after_ms": 50}},
        {"error": {"code": "bad_request", "message": "no id"}},
    ]});
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    out.clear();
    write_http_error(ErrorCode::Unauthorized, "key", None, &mut out);
    assert_eq!(out, br#"{"error":{"code":"unauthorized","message":"key"}}"#);
}

#[test]
fn a_pull_says_where_it_began_and_where_to_go_on() {
    let at = |offset| Position { leader_epoch: 1, offset };
    let cursor = |offset| Cursor { log_epoch: 7, at: at(offset) }.text(id("bob")).as_str().to_owned();
    let envelope = Envelope::new(EnvelopeParts {
        kind: Kind::Message,
        to: Some(id("bob")),
        from: Some(id("alice")),
        id: Some(id("m-1")),
        copied_to: b"",
        body: b"1",
    });
    let mut out = vec![];
    PullAnswer::new(None, 7, &mut out).finish(id("bob"), at(3), false);
    let empty = json!({"messages": [], "cursor": cursor(3), "more": false});
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), empty);
    out.clear();
    let mut answer = PullAnswer::new(Some(Err(Unresumed::Erased)), 7, &mut out);
    answer.message(&envelope, 9, at(4));
    answer.message(&envelope, 9, at(5));
    answer.finish(id("bob"), at(5), true);
    let message =
        |offset| json!({"from": "alice", "id": "m-1", "at": 9, "cursor": cursor(offset), "body": 1});
    let expected = json!({"resumed": false, "reason": "erased", "messages": [message(4), message(5)],
        "cursor": cursor(5), "more": true});
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
}
