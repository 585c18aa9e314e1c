//! Stories of the handshake, both sides.

use super::*;
use proptest::prelude::*;

const GOOD: [(&str, &str); 5] = [
    ("Host", "example.org"),
    ("upgrade", "WebSocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
];

fn judge<'h>(method: &str, headers: &[(&'h str, &'h str)]) -> Result<Upgrade<'h>, HandshakeError> {
    check_upgrade(method, headers.iter().map(|&(name, value)| (name, value.as_bytes())))
}

fn with<'h>(name: &'h str, value: Option<&'h str>) -> Vec<(&'h str, &'h str)> {
    let others = GOOD.iter().copied().filter(|(known, _)| !known.eq_ignore_ascii_case(name));
    others.chain(value.map(|value| (name, value))).collect()
}

#[test]
fn answers_the_example_of_the_rfc() {
    let upgrade = judge("GET", &GOOD).unwrap();
    assert_eq!(upgrade.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!((upgrade.offers_v1, upgrade.bearer), (false, None));
    let mut out = vec![];
    write_switching(&upgrade, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("HTTP/1.1 101 ") && text.ends_with("xOo=\r\n\r\n"), "{text}");
    assert!(!text.contains("Protocol: "), "nothing was offered, nothing is echoed");
}

#[test]
fn refuses_with_the_status_of_the_mistake() {
    use HandshakeError::*;
    let cases: [(&str, Option<&str>, HandshakeError); 14] = [
        ("Upgrade", None, NotAnUpgrade),
        ("Upgrade", Some("h2c"), Header("Upgrade")),
        ("Connection", None, Header("Connection")),
        ("Connection", Some("close"), Header("Connection")),
        ("Host", None, Header("Host")),
        ("Sec-WebSocket-Version", None, Version),
        ("Sec-WebSocket-Version", Some("8"), Version),
        ("Sec-WebSocket-Version", Some("013"), Version),
        ("Sec-WebSocket-Key", None, Header("Sec-WebSocket-Key")),
        ("Sec-WebSocket-Key", Some(""), Header("Sec-WebSocket-Key")),
        ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQ="), Header("Sec-WebSocket-Key")),
        ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZR=="), Header("Sec-WebSocket-Key")),
        ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25j!Q=="), Header("Sec-WebSocket-Key")),
        ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZSBsb25nZXI="), Header("Sec-WebSocket-Key")),
    ];
    for (name, value, error) in cases {
        assert_eq!(judge("GET", &with(name, value)), Err(error), "{name}: {value:?}");
    }
    assert_eq!(judge("POST", &GOOD), Err(Method));
    let twice = [&GOOD[..], &[("Sec-WebSocket-Key", GOOD[3].1)]].concat();
    assert_eq!(judge("GET", &twice), Err(Header("Sec-WebSocket-Key")));
    assert_eq!([Method, Version, NotAnUpgrade, Header("Host")].map(|e| e.status()), [405, 426, 426, 400]);
    assert!(Version.headers().contains("Sec-WebSocket-Version: 13\r\n"));
}

#[test]
fn a_token_may_come_as_subprotocol_and_only_v1_is_echoed() {
    let offers = "chat, bearer.abc.def-g_h.ij , corepost.v1";
    let headers = with("Sec-WebSocket-Protocol", Some(offers));
    let upgrade = judge("GET", &headers).unwrap();
    assert_eq!((upgrade.offers_v1, upgrade.bearer), (true, Some("abc.def-g_h.ij")));
    let mut out = vec![];
    write_switching(&upgrade, &mut out);
    assert!(String::from_utf8(out).unwrap().ends_with("\r\nSec-WebSocket-Protocol: corepost.v1\r\n\r\n"));

    // The same in two headers.
    let split =
        [&headers[..5], &[("Sec-WebSocket-Protocol", "corepost.v1"), ("sec-websocket-protocol", "bearer.x")]];
    let upgrade = judge("GET", &split.concat()).unwrap();
    assert_eq!((upgrade.offers_v1, upgrade.bearer), (true, Some("x")));

    // Two tokens: whose would count?
    let two = with("Sec-WebSocket-Protocol", Some("bearer.a, bearer.b"));
    assert_eq!(judge("GET", &two), Err(HandshakeError::Header("Sec-WebSocket-Protocol")));
}

#[test]
fn our_client_and_our_server_agree() {
    let key = ClientKey::new(*b"the sample nonce");
    assert_eq!(key.as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
    let mut request = vec![];
    let ask = Request { host: "localhost:8080", target: "/v1/ws?client=bob", token: Some("a.b.c") };
    write_request(&ask, &key, &mut request);
    let request = String::from_utf8(request).unwrap();
    let mut lines = request.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
    assert_eq!(lines.next(), Some("GET /v1/ws?client=bob HTTP/1.1"));
    let headers: Vec<_> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    assert!(headers.contains(&("Authorization", "Bearer a.b.c")));
    let upgrade = judge("GET", &headers).unwrap();
    let mut answer = vec![];
    write_switching(&upgrade, &mut answer);
    let head_bytes = answer.len();
    answer.extend_from_slice(b"\x81\x00");
    for end in 0..head_bytes {
        assert_eq!(check_response(&answer[..end], &key), Ok(None), "at {end}");
    }
    assert_eq!(check_response(&answer, &key), Ok(Some(Switched { head_bytes, v1: true })));
    let other = ClientKey::new([7; 16]);
    assert_eq!(check_response(&answer, &other), Err(BadResponse::Header("Sec-WebSocket-Accept")));
    assert_eq!(
        check_response(b"HTTP/1.1 503 No\r\nRetry-After: 7\r\n\r\n", &key),
        Err(BadResponse::Status { status: 503, retry_after_s: Some(7) }),
    );
    assert_eq!(check_response(b"SSH-2.0-OpenSSH\r\n\r\n", &key), Err(BadResponse::NotHttp));
    assert_eq!(check_response(&[b'x'; 9_000], &key), Err(BadResponse::TooLong));
}

proptest! {
    #[test]
    fn every_key_of_ours_is_valid(bytes in any::<[u8; 16]>()) {
        prop_assert!(valid_key(ClientKey::new(bytes).as_str().as_bytes()).is_some());
    }

    #[test]
    fn any_answer_is_judged(bytes in "(HTTP/1.1 [0-9]{1,4})?[ -~é\r\n:]{0,60}(\r\n\r\n)?") {
        let _ = check_response(bytes.as_bytes(), &ClientKey::new([1; 16]));
    }

    #[test]
    fn any_headers_are_judged(headers in prop::collection::vec(
        ("(Host|Upgrade|Connection|Sec-WebSocket-(Key|Version|Protocol))", prop::collection::vec(any::<u8>(), 0..40)),
        0..8,
    )) {
        let _ = check_upgrade("GET", headers.iter().map(|(name, value)| (name.as_str(), &value[..])));
    }
}
