//! Upgrade requests as people and browsers write them, and as they should not.

use super::*;
use crate::http::Incoming;
use proptest::prelude::*;

fn head(target: &str, more: &str) -> Head {
    let mut incoming = Incoming::default();
    incoming.push(
        format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        )
        .as_bytes(),
    );
    incoming.head().unwrap().unwrap()
}

fn refused(target: &str, more: &str) -> u16 {
    Connect::read(&head(target, more)).map(|connect| format!("{connect:?}")).unwrap_err().status as u16
}

#[test]
fn reads_everything_a_client_may_say() {
    let head = head(
        "/v1/ws?client=Zo%C3%AB+%f0%9f%a6%80&cursor=1abc&from=-25&x=y",
        "Authorization: bearer  a.b.c \r\nOrigin: https://x.example\r\n",
    );
    let connect = Connect::read(&head).unwrap();
    assert_eq!(connect.client, Some(ClientId::new("Zoë 🦀").unwrap()));
    assert_eq!(connect.token, Some(Token::Header("a.b.c")));
    assert_eq!((connect.cursor.as_deref(), connect.from), (Some("1abc"), StartFrom::Last(25)));
    assert_eq!((connect.origin, connect.proxied), (Some("https://x.example"), false));
}

#[test]
fn from_has_four_forms_and_nothing_else() {
    for (text, right) in [
        ("start", Some(StartFrom::Start)),
        ("new", Some(StartFrom::New)),
        ("1760000000000", Some(StartFrom::Since(1_760_000_000_000))),
        ("0", Some(StartFrom::Since(0))),
        ("-1", Some(StartFrom::Last(1))),
        ("-10000", Some(StartFrom::Last(10_000))),
        ("-10001", None),
        ("-0", None),
        ("-", None),
        ("", None),
        ("+5", None),
        ("old", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(start_from(text), right, "{text:?}");
    }
    assert_eq!(refused("/v1/ws?from=-99999", ""), 400);
}

#[test]
fn a_strange_cursor_is_the_welcomes_affair() {
    for strange in ["", "%", "%ff", "%00", "not-a-cursor"] {
        let head = head(&format!("/v1/ws?client=a&cursor={strange}"), "");
        assert!(Connect::read(&head).unwrap().cursor.is_some(), "{strange:?}");
    }
}

#[test]
fn refusals_have_their_status() {
    assert_eq!(refused("/v1/ws?client=", ""), 400);
    assert_eq!(refused("/v1/ws?client=%zz", ""), 400);
    assert_eq!(refused("/v1/ws?client=a&client=b", ""), 400);
    assert_eq!(refused(&format!("/v1/ws?client={}", "x".repeat(129)), ""), 400);
    assert_eq!(refused("/v1/ws?token=a", "Authorization: Bearer b\r\n"), 400);
    assert_eq!(refused("/v1/ws?token=a", "Sec-WebSocket-Protocol: corepost.v1, bearer.b\r\n"), 400);
    assert_eq!(refused("/v1/ws", "Authorization: Basic abc\r\n"), 401);
    assert_eq!(refused(&format!("/v1/ws?token={}", "x".repeat(5_000)), ""), 401);
    assert_eq!(refused("/v1/ws", "Content-Length: 5\r\n"), 400);
    assert_eq!(refused("/v1/ws", "Origin: a\r\nOrigin: b\r\n"), 400);
    let mut plain = Incoming::default();
    plain.push(b"GET /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(Connect::read(&plain.head().unwrap().unwrap()).unwrap_err().status, Status::UpgradeRequired);
    let mut post = Incoming::default();
    post.push(b"POST /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(Connect::read(&post.head().unwrap().unwrap()).unwrap_err().status, Status::MethodNotAllowed);
}

#[test]
fn a_proxy_shows() {
    let head = head("/v1/ws?client=a", "X-Forwarded-For: 1.2.3.4\r\n");
    assert!(Connect::read(&head).unwrap().proxied);
}

proptest! {
    #[test]
    fn any_query_is_answered(query in "[!-~]{0,80}") {
        let mut incoming = Incoming::default();
        incoming.push(format!("GET /v1/ws?{query} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        if let Ok(Some(head)) = incoming.head() {
            let _ = Connect::read(&head);
            let _ = decode(&query);
        }
    }

    #[test]
    fn every_id_survives_percent_encoding(id in "[^\u{0}-\u{1f}\u{7f}-\u{9f}\"\\\\]{1,30}") {
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        prop_assert_eq!(decode(&encoded), Some(id));
    }
}
