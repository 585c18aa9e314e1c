//! Whole connections as data: requests behind each other, bodies, and the endings.

use super::*;
use crate::limits::{HEAD_BYTES, IGNORED_BODY_BYTES, PUBLISH_BYTES};
use crate::model::ClientId;
use proptest::prelude::*;

/// What came of a connection, as short words.
fn talk_in(bytes: &[u8], step: usize) -> Vec<String> {
    let access = Access::default();
    let (mut exchange, mut said) = (Exchange::default(), Vec::new());
    for piece in bytes.chunks(step) {
        exchange.push(piece);
        loop {
            let (word, manner) = match exchange.step(&access) {
                Step::More => break,
                Step::Over => return said,
                Step::Continue => ("100".to_owned(), None),
                Step::Upgrade(head) => (format!("upgrade {}", head.uri.path()), None),
                Step::Reply(reply, manner) => (reply.status.as_str().to_owned(), Some(manner)),
                Step::Serve(ApiRequest::Publish(body), manner) => {
                    (format!("publish {}", String::from_utf8_lossy(&body)), Some(manner))
                }
                Step::Serve(request, manner) => {
                    (request.client().map_or("", ClientId::as_str).to_owned(), Some(manner))
                }
            };
            let close = if manner.is_some_and(|manner| !manner.keep_alive) { ", close" } else { "" };
            said.push(word + close);
        }
    }
    said
}

fn talk(text: &str) -> Vec<String> {
    let whole = talk_in(text.as_bytes(), text.len().max(1));
    // Only one that sends without waiting is not told to go on.
    if !text.contains("Expect") {
        for step in [1, 3] {
            assert_eq!(talk_in(text.as_bytes(), step), whole, "cut into pieces of {step}");
        }
    }
    whole
}

const BOB: &str = "GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\n\r\n";
const POST: &str = "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n";

#[test]
fn requests_follow_each_other_on_one_connection() {
    let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    let fixed = format!("{POST}Content-Length: 2\r\n\r\n[]");
    let nobody = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let all = [&chunked, BOB, &fixed, nobody, "\r\n", BOB].concat();
    assert_eq!(talk(&all), ["publish {}", "bob", "publish []", "404", "bob"]);
}

#[test]
fn a_connection_ends_when_the_client_says_so_or_what_follows_cannot_be_read() {
    let closing = "GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\nConnection: te, Close\r\n\r\n";
    assert_eq!(talk(&format!("{closing}{BOB}")), ["bob, close"]);
    let old = "GET /v1/clients/bob HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(talk(&format!("{old}{BOB}")), ["bob, close"]);
    for broken in ["GET\r\n\r\n", "GET / HTTP/1.1\nHost: localhost\n\r\n\r\n", "{\"hello\":1}\r\n\r\n"] {
        assert_eq!(talk(&format!("{broken}{BOB}")), ["400, close"], "{broken}");
    }
    assert_eq!(talk(&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_BYTES))), ["431, close"]);
}

/// One request hidden in another: in each case the bytes of `hidden` must not be served.
#[test]
fn nothing_is_smuggled() {
    let hidden = "DELETE /v1/clients/bob/mailbox HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for headers in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Content-Length: 0\r\nContent-Length: 70\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
    ] {
        let said = talk(&format!("{POST}{headers}\r\n0\r\n\r\n{hidden}"));
        assert_eq!(said, ["400, close"], "{headers:?}");
    }
    // Refused before its body has come, the body is not taken for a request.
    let length = hidden.len();
    assert_eq!(
        talk(&format!("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{hidden}")),
        ["404, close"]
    );
    assert_eq!(
        talk(&format!("{BOB}{POST}Transfer-Encoding: chunked\r\n\r\n\r\n\r\n{hidden}")),
        ["bob", "400, close"]
    );
    // A body nobody asked for is a body all the same.
    let get = format!(
        "GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{hidden}"
    );
    assert_eq!(talk(&format!("{get}{BOB}")), ["bob", "bob"]);
}

#[test]
fn a_body_over_its_bound_is_refused_by_its_length_alone() {
    let length = PUBLISH_BYTES + 1;
    assert_eq!(talk(&format!("{POST}Content-Length: {length}\r\n\r\n")), ["413, close"]);
    let ignored = IGNORED_BODY_BYTES + 1;
    let get = format!("GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\nContent-Length: {ignored}\r\n\r\n");
    assert_eq!(talk(&get), ["413, close"]);
    assert_eq!(talk(&format!("{POST}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n")), ["413, close"]);
}

#[test]
fn one_that_waits_for_our_word_gets_it_once_or_its_refusal() {
    let expecting = format!("{POST}Expect: 100-Continue\r\nContent-Length: 2\r\n");
    assert_eq!(talk_in(format!("{expecting}\r\n").as_bytes(), 500), ["100"]);
    assert_eq!(talk(&format!("{expecting}\r\n{{}}")), ["publish {}"], "it did not wait");
    let (access, mut exchange) = (Access::default(), Exchange::default());
    exchange.push(format!("{expecting}\r\n").as_bytes());
    assert!(matches!(exchange.step(&access), Step::Continue));
    assert!(matches!(exchange.step(&access), Step::More));
    assert!(exchange.is_in_body() && !exchange.is_idle());
    exchange.push(b"{}");
    assert!(matches!(exchange.step(&access), Step::Serve(ApiRequest::Publish(body), _) if body == b"{}"));
    assert!(exchange.is_idle() && exchange.held() == 0);
    assert_eq!(talk(&format!("{expecting}X-Real-IP: 1.1.1.1\r\n\r\n")), ["403, close"]);
    assert_eq!(talk(&format!("{POST}Expect: tea\r\nContent-Length: 2\r\n\r\n{{}}")), ["417, close"]);
}

#[test]
fn an_upgrade_may_follow_and_gets_what_came_behind_it() {
    let access = Access::default();
    let mut exchange = Exchange::default();
    exchange.push(format!("{BOB}GET /v1/ws?client=a HTTP/1.1\r\nHost: localhost\r\n\r\n\x01\x02").as_bytes());
    assert!(matches!(exchange.step(&access), Step::Serve(..)));
    let Step::Upgrade(head) = exchange.step(&access) else { panic!("it asks for an upgrade") };
    assert_eq!(head.uri.query(), Some("client=a"));
    assert_eq!(exchange.into_unread(), b"\x01\x02");
}

#[test]
fn line_ends_begin_no_request() {
    let (access, mut exchange) = (Access::default(), Exchange::default());
    for line_ends in ["\r\n", "\r", "\n"] {
        exchange.push(line_ends.as_bytes());
        assert!(exchange.is_idle(), "{line_ends:?} would keep it for ever");
        assert!(matches!(exchange.step(&access), Step::More));
    }
    exchange.push(b"\r\nG");
    assert!(!exchange.is_idle());
}

#[test]
fn a_connection_whose_first_head_was_read_goes_on_like_any() {
    let access = Access::default();
    let mut incoming = Incoming::default();
    incoming.push(format!("{POST}Content-Length: 2\r\n\r\n[]{BOB}").as_bytes());
    let head = incoming.head().unwrap().unwrap();
    let mut exchange = Exchange::begin(head, incoming.rest());
    assert!(matches!(exchange.step(&access), Step::Serve(ApiRequest::Publish(body), _) if body == b"[]"));
    assert!(matches!(exchange.step(&access), Step::Serve(ApiRequest::Sessions { .. }, _)));
    assert!(matches!(exchange.step(&access), Step::More));
}

/// It moves between cores.
#[test]
fn an_exchange_may_be_sent() {
    fn may_be_sent<T: Send>(_: &T) {}
    may_be_sent(&Exchange::default());
    may_be_sent(&Step::More);
}

proptest! {
    /// Whatever comes: no panic, and no more held than a head, a body and what one push brought.
    #[test]
    fn any_bytes_are_answered_within_bounds(
        start in prop::sample::select(vec!["", BOB, POST, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"]),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b':')], 0..300),
        step in 1_usize..40,
    ) {
        let all = [start.as_bytes(), &bytes].concat();
        let (access, mut exchange) = (Access::default(), Exchange::default());
        for piece in all.chunks(step) {
            exchange.push(piece);
            while !matches!(exchange.step(&access), Step::More | Step::Over) {}
            prop_assert!(exchange.held() <= all.len());
        }
    }
}
