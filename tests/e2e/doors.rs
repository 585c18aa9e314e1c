//! Who is not let in is told so before anything is upgraded, with the status that fits.

use crate::support::{API_KEY, Knock, Place, Session, eventually, http, token, upgrade_request};
use corepost::limits::HANDSHAKE_MS;
use std::time::{Duration, Instant};

#[test]
fn each_refusal_before_the_upgrade_has_its_status() {
    let place = Place::new("doors");
    let server = place.start();
    let plain = |request: &str| -> u16 {
        let mut api = server.api();
        api.raw(request.as_bytes()).unwrap();
        api.reply(false).unwrap().status
    };
    let upgrade = upgrade_request("/v1/ws?client=a");
    for (request, status) in [
        (upgrade.replace("GET", "POST"), 405),
        (upgrade.replace("/v1/ws", "/v1/nowhere"), 404),
        ("GET /v1/ws?client=a HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), 426),
        (upgrade.replace("Version: 13", "Version: 8"), 426),
        (upgrade.replace("Sec-WebSocket-Key", "X-Key"), 400),
        (upgrade.replace("client=a", "client=a%22b"), 400),
        (upgrade.replace("client=a", ""), 400),
        (upgrade.replace("client=a", "client=a&client=b"), 400),
        (upgrade.replace("client=a", "client=a&from=yesterday"), 400),
        (upgrade.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(9_000))), 431),
        ("not HTTP at all\r\n\r\n".into(), 400),
    ] {
        assert_eq!(plain(&request), status, "{}", request.get(..200).unwrap_or(&request));
    }
    let knock = || Knock::new("client=a");
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Via", "1.1 x"),
    ] {
        assert_eq!(knock().header(name, value).refused(server.addr), 403, "{name}: {value}");
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1", "https://localhost"] {
        knock().header("Origin", origin).enter(server.addr).unwrap();
    }
    // An unknown subprotocol alone is one of ours all the same, and not echoed.
    let (_, head) = knock().header("Sec-WebSocket-Protocol", "chat").send(server.addr).unwrap();
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-protocol"), "{head}");
    assert!(server.metrics().sum("corepost_refusals_total", "") >= 15.0);
}

#[test]
fn pages_need_to_be_listed_where_a_list_is() {
    let place = Place::keyed("doors-origin").with("allow-origin", "https://*.example.org");
    let server = place.start();
    let knock = |origin: &str| Knock::new(&format!("token={}", token("alice"))).header("Origin", origin);
    knock("https://app.example.org").enter(server.addr).unwrap();
    for foreign in ["https://example.com", "http://app.example.org", "https://example.org.evil.com", "null"] {
        assert_eq!(knock(foreign).refused(server.addr), 403, "{foreign}");
    }
    Knock::new(&format!("token={}", token("alice"))).enter(server.addr).unwrap();
    // Behind a proxy is fine, where there are keys; and echo is for development.
    knock("https://app.example.org").header("X-Forwarded-For", "10.0.0.1").enter(server.addr).unwrap();
    assert!(http(server.addr, upgrade_request("/v1/echo").as_bytes()).starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_slow_head_and_a_crowd_are_refused() {
    let place = Place::new("doors-crowd")
        .with("handshake-timeout", "500ms")
        .with("max-connections", 12)
        .with("max-connections-per-ip", 8);
    let server = place.start();
    assert!(http(server.addr, b"GET /v1/ws HT").starts_with("HTTP/1.1 408 "));
    let mut sessions = Vec::new();
    eventually("the eight are in", || {
        sessions.extend(Knock::new("client=a").enter(server.addr));
        sessions.len() == 8
    });
    assert_eq!(Knock::new("client=b").refused(server.addr), 429);
    assert!(sessions.iter_mut().all(Session::is_quiet), "nobody else is harmed");
    sessions.truncate(4);
    eventually("whose place is free again", || Knock::new("client=b").enter(server.addr).is_ok());
    drop((sessions, server));
    let place = Place::new("doors-all").with("max-connections", 2);
    let server = place.start();
    let _both = [1, 2].map(|_| Session::open(server.addr, "client=a"));
    assert_eq!(Knock::new("client=b").refused(server.addr), 503);
}

#[test]
fn a_later_head_on_a_connection_has_the_time_that_the_first_had() {
    let place = Place::new("doors-later-head").with("handshake-timeout", "500ms");
    let server = place.start();
    let began = Instant::now();
    let answers =
        http(server.addr, b"GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/clients/bob HT");
    assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 408 "), "{answers}");
    assert!(began.elapsed() < Duration::from_millis(HANDSHAKE_MS), "it waited for the default");
}

#[test]
fn new_connections_come_no_faster_than_their_rate() {
    let place = Place::new("doors-rate").with("connect-rate", 2);
    let server = place.start();
    let mut refused = 0;
    let mut let_in = 0;
    for n in 0..20 {
        match Knock::new(&format!("client=c{n}")).enter(server.addr) {
            Ok(_) => let_in += 1,
            Err(answer) => {
                assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
                refused += 1;
            }
        }
    }
    assert!(let_in >= 2 && refused > 0, "{let_in} in, {refused} refused");
    eventually("later there is room again", || Knock::new("client=later").enter(server.addr).is_ok());
}

#[test]
fn a_client_has_so_many_sessions_and_an_operator_may_end_them() {
    let place = Place::keyed("doors-sessions").with("sessions-per-client", 3);
    let server = place.start();
    let query = format!("token={}", token("alice"));
    let mut sessions: Vec<_> = (0..3).map(|_| Session::open(server.addr, &query)).collect();
    assert_eq!(Knock::new(&query).closed(server.addr), 4409);
    assert!(sessions.iter_mut().all(Session::is_quiet));
    drop(sessions.pop());
    eventually("there is a place again", || match Knock::new(&query).enter(server.addr) {
        Ok(session) => {
            sessions.push(session);
            true
        }
        Err(_) => false,
    });
    let mut api = server.api().with_key(API_KEY);
    assert_eq!(api.delete("/v1/clients/alice/sessions").status, 204);
    assert!(sessions.iter_mut().all(|session| session.close_code() == 4403));
    // Not revoked: the same token opens again.
    Session::open(server.addr, &query);
}
