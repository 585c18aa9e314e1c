//! Tokens that prove nothing, each presented in the three ways, and what must come back.

use crate::support::{Peer, Server, ask, frame, http, upgrade};
use corepost::wire::websocket::Opcode;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes, for tests";
const API_KEY: &str = "an-api-key-for-tests-1234567890";

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).for_each(|n| out.push(DIGITS[(group >> (18 - 6 * n)) as usize & 63] as char));
    }
    out
}

/// Signed with HS256 by our secret, whatever the header and the claims say.
fn signed(header: &str, claims: &str) -> String {
    let unsigned = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET);
    let signature = aws_lc_rs::hmac::sign(&key, unsigned.as_bytes());
    format!("{unsigned}.{}", base64(signature.as_ref()))
}

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn token(claims: &Value) -> String {
    signed(HS256, &claims.to_string())
}

fn good(client: &str) -> String {
    token(&json!({"sub": client, "exp": now_s() + 600, "iat": now_s()}))
}

fn bad() -> Vec<(&'static str, String)> {
    let exp = now_s() + 600;
    let claims = json!({"sub": "eve", "exp": exp});
    let text = claims.to_string();
    let unsigned = |header: &str| format!("{}.{}", base64(header.as_bytes()), base64(text.as_bytes()));
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        token(&claims)
    };
    let genuine = token(&claims);
    let (head, signature) = genuine.rsplit_once('.').unwrap();
    vec![
        ("empty", String::new()),
        ("dots", "..".into()),
        ("many dots", ".".repeat(4_000)),
        ("no token", "token".into()),
        ("no base64", "?.?.?".into()),
        ("four parts", format!("{genuine}.x")),
        ("two parts", head.into()),
        ("no signature", format!("{head}.")),
        ("half a signature", format!("{head}.{}", &signature[..20])),
        ("a longer signature", format!("{genuine}AAAA")),
        ("a padded signature", format!("{genuine}=")),
        ("another signature", format!("{head}.{}", base64(&[7; 32]))),
        ("alg none", unsigned(r#"{"alg":"none"}"#) + "."),
        ("alg None", unsigned(r#"{"alg":"None"}"#) + "."),
        ("alg none, signed", signed(r#"{"alg":"none"}"#, &text)),
        ("alg RS256, signed by the secret", signed(r#"{"alg":"RS256"}"#, &text)),
        ("alg ES256, signed by the secret", signed(r#"{"alg":"ES256"}"#, &text)),
        ("alg EdDSA, signed by the secret", signed(r#"{"alg":"EdDSA"}"#, &text)),
        ("alg HS384, signed as 256", signed(r#"{"alg":"HS384"}"#, &text)),
        ("alg HS1", signed(r#"{"alg":"HS1"}"#, &text)),
        ("alg a number", signed(r#"{"alg":1}"#, &text)),
        ("no alg", signed(r#"{"typ":"JWT"}"#, &text)),
        (
            "a key of its own",
            format!(
                "{}.{}.AAAA",
                base64(br#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#),
                base64(text.as_bytes())
            ),
        ),
        ("crit", signed(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, &text)),
        ("a header that is a list", signed("[]", &text)),
        ("a header of 3,000 levels", signed(&"[".repeat(2_000), &text)),
        ("claims that are a list", signed(HS256, "[]")),
        ("claims that are no JSON", signed(HS256, "{")),
        (
            "claims of 800 levels",
            signed(HS256, &format!(r#"{{"x":{}1{}}}"#, "[".repeat(800), "]".repeat(800))),
        ),
        ("5 KiB", with("x", json!("x".repeat(5_000)))),
        ("no sub", token(&json!({"exp": exp}))),
        ("sub null", with("sub", Value::Null)),
        ("sub a number", with("sub", json!(7))),
        ("sub a list", with("sub", json!(["eve"]))),
        ("sub an object", with("sub", json!({"id": "eve"}))),
        ("sub empty", with("sub", json!(""))),
        ("sub of 129 bytes", with("sub", json!("s".repeat(129)))),
        ("sub with a quote", with("sub", json!("a\"b"))),
        ("sub with a line end", with("sub", json!("a\r\nb"))),
        ("sub with a NUL", with("sub", json!("a\0b"))),
        ("no exp", token(&json!({"sub": "eve"}))),
        ("exp a string", with("exp", json!("9999999999"))),
        ("exp null", with("exp", Value::Null)),
        ("exp now", with("exp", json!(now_s()))),
        ("exp long ago", with("exp", json!(1))),
        ("exp negative", with("exp", json!(-1))),
        ("nbf in the future", with("nbf", json!(now_s() + 300))),
        ("nbf a string", with("nbf", json!("now"))),
        ("iat a list", with("iat", json!([1]))),
        ("send a string", with("send", json!("bob"))),
        ("send of numbers", with("send", json!([1]))),
        ("send of 1,000 patterns", with("send", json!(vec!["*"; 1_000]))),
        ("send of 257 patterns", with("send", json!((0..257).map(|n| n.to_string()).collect::<Vec<_>>()))),
        ("send with a star in the middle", with("send", json!(["a*b"]))),
        ("send with a bad name", with("send", json!(["a\"b"]))),
        ("send null", with("send", Value::Null)),
    ]
}

fn server() -> (Server, PathBuf) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("hostile-keys-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (secret, keys) = (dir.join("jwt.key"), dir.join("api.keys"));
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::write(&keys, format!("{API_KEY}\n")).unwrap();
    let server = Server::with(&["--jwt-key", secret.to_str().unwrap(), "--api-keys", keys.to_str().unwrap()]);
    (server, dir)
}

fn come(server: &Server, client: &str) -> Peer {
    come_with(server, &good(client))
}

fn come_with(server: &Server, token: &str) -> Peer {
    let mut peer = Peer::new(server.addr);
    peer.raw(upgrade("/v1/ws", &format!("Authorization: Bearer {token}\r\n")).as_bytes());
    let head = peer.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(peer.hear()["type"], "welcome");
    peer
}

#[test]
fn a_token_that_proves_nothing_opens_nothing() {
    let (mut server, dir) = server();
    let status = |request: String| {
        let answer = ask(server.addr, request.as_bytes(), false);
        String::from_utf8_lossy(&answer).get(9..12).unwrap_or("---").to_owned()
    };
    let tokens = bad();
    for (name, token) in &tokens {
        let header = status(upgrade("/v1/ws?client=root", &format!("Authorization: Bearer {token}\r\n")));
        // An empty one is none at all, or broken; it opens nothing either way.
        let none = (token.is_empty() && header == "400") || (token.len() > 8_000 && header == "431");
        assert!(header == "401" || none, "{name} in the header: {header}");
        let escaped = token.replace('=', "%3D").replace('?', "%3F");
        assert_eq!(
            status(upgrade(&format!("/v1/ws?client=root&token={escaped}"), "")),
            "401",
            "{name} in the query"
        );
        let offer = format!("Sec-WebSocket-Protocol: corepost.v1, bearer.{token}\r\n");
        let offered = status(upgrade("/v1/ws?client=root", &offer));
        assert!(matches!(offered.as_str(), "401" | "400"), "{name} as a subprotocol: {offered}");
        // In mid-session it ends the session; by a browser it is told where a browser can see it.
        let mut peer = come(&server, "eve");
        peer.raw(&frame(Opcode::Text, json!({"type": "auth", "token": token}).to_string().as_bytes()));
        let code = peer.closed();
        assert!(matches!(code, Some(4401 | 4001)), "{name} by auth: {code:?}");
        let mut page = Peer::new(server.addr);
        page.raw(upgrade(&format!("/v1/ws?token={escaped}"), "Origin: https://app.example\r\n").as_bytes());
        let head = page.head();
        if token.len() > corepost::limits::TOKEN_BYTES && head.starts_with("HTTP/1.1 401 ") {
            // Nobody has looked at it.
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{name} of a page: {head}");
        let code = page.closed();
        assert!(matches!(code, Some(4401 | 4001)), "{name} of a page: {code:?}");
    }
    // Another's token does not take over a session, and an API key is no token.
    for other in [good("bob"), API_KEY.to_owned()] {
        let mut peer = come(&server, "eve");
        peer.say(&json!({"type": "auth", "token": other}));
        assert_eq!(peer.closed(), Some(4401));
    }
    assert!(server.metrics().refusals("unauthorized") >= 4.0 * tokens.len() as f64);
    assert!(server.is_alive());
    server.pair_as("pair-a", |client| come(&server, client), "pair-b");
    server.punctual("bad tokens");
    let _ = std::fs::remove_dir_all(dir);
}

#[test]
fn permits_hold_and_the_api_is_closed_without_its_key() {
    let (mut server, dir) = server();
    let claims = json!({"sub": "eve", "exp": now_s() + 600, "send": ["bob", "team-*"]});
    let mut eve = come_with(&server, &token(&claims));
    for (to, allowed) in [
        (json!("bob"), true),
        (json!("team-"), true),
        (json!("team-7"), true),
        (json!("team"), false),
        (json!("Bob"), false),
        (json!("bobby"), false),
        (json!("*"), false),
        (json!("eve"), false),
        (json!(["bob", "carol"]), false),
    ] {
        eve.say(&json!({"type": "send", "id": to.to_string().replace(['"', '\\'], ""), "to": to, "body": 1}));
        let answer = eve.hear();
        assert_eq!(answer["type"] == "ack", allowed, "{to}: {answer}");
    }
    let mut none = come_with(&server, &token(&json!({"sub": "mute", "exp": now_s() + 600, "send": []})));
    none.say(&json!({"type": "send", "id": "1", "to": "bob", "body": 1}));
    assert_eq!(none.hear()["code"], "forbidden");
    let publish = br#"{"from":"a","to":"b","id":"1","body":1}"#;
    let long = "k".repeat(5_000);
    for key in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer x",
        &format!("Bearer {}", good("eve")),
        &format!("bearer{API_KEY}"),
        &format!("Bearer {API_KEY}x"),
        &format!("Bearer {}", &API_KEY[1..]),
        &format!("Bearer {long}"),
    ] {
        let header = format!("Authorization: {key}\r\n");
        let (status, _) = http(server.addr, "POST", "/v1/messages", &header, publish);
        assert!(matches!(status, 401 | 400), "{key}: {status}");
    }
    let twice = format!("Authorization: Bearer x\r\nAuthorization: Bearer {API_KEY}\r\n");
    assert_eq!(http(server.addr, "POST", "/v1/messages", &twice, publish).0, 400);
    let right = format!("Authorization: Bearer {API_KEY}\r\n");
    assert_eq!(http(server.addr, "POST", "/v1/messages", &right, publish).0, 200);
    assert!(server.metrics().refusals("forbidden") > 0.0);
    assert!(server.is_alive());
    let _ = std::fs::remove_dir_all(dir);
}

/// Far more tokens at once than signatures are checked in a turn: all are judged, nobody waits for ever.
#[test]
fn a_crowd_of_bad_tokens_delays_a_good_one_but_not_the_sessions() {
    let (server, dir) = server();
    let mut alice = come(&server, "alice");
    let request = upgrade("/v1/ws", &format!("Authorization: Bearer {}\r\n", bad()[11].1));
    let mut crowd: Vec<Peer> = (0..1_500)
        .map(|_| {
            let mut peer = Peer::new(server.addr);
            peer.raw(request.as_bytes());
            peer
        })
        .collect();
    let began = std::time::Instant::now();
    alice.say(&json!({"type": "send", "id": "1", "to": "alice", "body": 1}));
    alice.hear_of("ack");
    assert!(began.elapsed().as_secs() < 2, "a session waited {:?}", began.elapsed());
    server.pair_as("pair-a", |client| come(&server, client), "pair-b");
    for peer in &mut crowd {
        assert!(peer.head().starts_with("HTTP/1.1 401 "));
    }
    server.punctual("1,500 bad tokens");
    let _ = std::fs::remove_dir_all(dir);
}
