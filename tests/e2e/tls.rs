//! TLS on the listener: everything is as without it, a certificate is exchanged without a restart, and who cannot get
//! through the handshake costs the others nothing.

use crate::support::{
    Heard, Knock, PATIENCE, Place, Secured, Server, Session, client, connect, eventually,
    eventually_on_every_core, http, send, token, trusting, tunnel,
};
use corepost::wire::proxy::SIGNATURE;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::StreamOwned;
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

fn refusals(server: &Server) -> f64 {
    server.metrics().sum("corepost_refusals_total", "reason=\"tls_handshake\"")
}

type Line = StreamOwned<rustls::ClientConnection, TcpStream>;

/// A connection of the HTTP API that was asked once, and is kept.
pub(super) fn kept(server: &Server, config: &Arc<rustls::ClientConfig>) -> Line {
    let mut line = connect(server, config).unwrap();
    line.write_all(b"GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut status = [0; 12];
    line.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    line
}

/// The record that says this, not sent.
pub(super) fn record(line: &mut Line, text: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    line.conn.writer().write_all(text).unwrap();
    line.conn.write_tls(&mut record).unwrap();
    record
}

#[test]
fn friends_on_both_cores_talk_and_one_that_was_away_gets_what_it_missed() {
    let secured = Secured::new("tls-talk");
    let server = secured.place.start();
    let addr = secured.plain(&server);
    let names: Vec<_> = (0..8).map(|n| format!("friend-{n}")).collect();
    let mut friends: Vec<_> =
        names.iter().map(|name| Session::open(addr, &format!("client={name}&from=start"))).collect();
    let cursor = friends[1].cursor.clone();
    for (n, friend) in friends.iter_mut().enumerate() {
        let to = &names[(n + 1) % names.len()];
        friend.say(&send(to, &format!("m-{n}"), json!({ "from": n })));
    }
    for (n, friend) in friends.iter_mut().enumerate() {
        let sender = (n + names.len() - 1) % names.len();
        let mut message = friend.frame_of("message");
        assert_eq!(message["body"]["from"].take(), json!(sender));
    }
    drop(friends);
    let mut again = Session::open(addr, &format!("client=friend-1&cursor={cursor}"));
    assert_eq!(again.frame_of("message")["body"]["from"], json!(0));
}

#[test]
fn a_long_message_and_a_slow_reader_come_through() {
    let secured = Secured::new("tls-long");
    let server = secured.place.start();
    let addr = secured.plain(&server);
    let mut bob = Session::open(addr, "client=bob");
    let mut alice = Session::open(addr, "client=alice");
    let text = "x".repeat(60_000);
    for n in 0..100 {
        alice.say(&send("bob", &format!("m-{n}"), json!({ "n": n, "text": text })));
    }
    // Meanwhile bob reads nothing: what is sealed for him waits in part, and the rest in the log.
    std::thread::sleep(Duration::from_millis(300));
    for n in 0..100 {
        let message = bob.frame_of("message");
        assert_eq!(message["body"]["n"], json!(n));
        assert_eq!(message["body"]["text"].as_str().map(str::len), Some(text.len()));
    }
}

#[test]
fn both_versions_are_spoken_and_a_session_is_resumed_on_any_core() {
    let secured = Secured::new("tls-versions");
    let server = secured.place.start();
    for (version, name) in [(&TLS13, "TLSv1_3"), (&TLS12, "TLSv1_2")] {
        let mut config = Arc::unwrap_or_clone(secured.trust(&[version]));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config = Arc::new(config);
        for round in 0..6 {
            let mut line = connect(&server, &config).unwrap();
            line.write_all(b"GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .unwrap();
            let mut answer = String::new();
            line.read_to_string(&mut answer).expect("the end is said, not cut off");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert_eq!(format!("{:?}", line.conn.protocol_version().unwrap()), name);
            assert_eq!(line.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
            let kind = format!("{:?}", line.conn.handshake_kind().unwrap());
            assert_eq!(kind == "Resumed", round > 0, "{name}, round {round}: {kind}");
        }
    }
    server.stop();
}

#[test]
fn who_speaks_plainly_or_another_protocol_is_told() {
    let secured = Secured::new("tls-plain");
    let server = secured.place.start();
    let answer = http(server.addr, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("this port speaks TLS"), "{answer}");

    let mut config = Arc::unwrap_or_clone(secured.trust(&[&TLS13]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let error = connect(&server, &Arc::new(config)).unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");

    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Most of it is still unread when it is refused: what is told must not be lost over that.
    let junk = [&b"\x16\x03\x01\x00\x08\x01\x00\x00\x04junk"[..], &[0; 20_000]].concat();
    stream.write_all(&junk).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the end is said, not cut off");
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    eventually("three refusals are counted", || refusals(&server) == 3.0);
    server.stop();
}

#[test]
fn who_does_not_believe_our_certificate_is_counted() {
    let secured = Secured::new("tls-distrust");
    let server = secured.place.start();
    // The server is not told: it goes on showing the one before.
    secured.renew();
    for version in [&TLS13, &TLS13, &TLS13, &TLS12, &TLS12] {
        let error = connect(&server, &secured.trust(&[version])).unwrap_err();
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    }
    eventually("five refusals are counted", || refusals(&server) == 5.0);
    server.stop();
}

#[test]
fn who_finds_no_room_is_told_in_words_of_tls() {
    let place = Secured::new("tls-crowded").place.with("max-connections-per-ip", 1);
    let config = trusting(&place.path("cert.pem"), &[&TLS13]);
    let server = place.start();
    let _first = connect(&server, &config).unwrap();
    let error = connect(&server, &config).unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    let crowded = || server.metrics().sum("corepost_refusals_total", "reason=\"too_many_per_address\"");
    eventually("it is counted", || crowded() == 1.0);
}

#[test]
fn a_thousand_half_handshakes_cost_the_others_nothing_and_end() {
    let secured = Secured::new("tls-slow");
    let place = secured.place.with("handshake-timeout", "2s");
    let server = place.start();
    let config = trusting(&place.path("cert.pem"), &[&TLS13]);
    let mut hello = Vec::new();
    client(&config).write_tls(&mut hello).unwrap();
    let idle: Vec<_> = (0..1_000)
        .map(|n| {
            let mut stream = TcpStream::connect(server.addr).unwrap();
            // Nothing, a part of the first record, or all of it and then silence.
            stream.write_all(&hello[..hello.len() * (n % 3) / 2]).unwrap();
            stream
        })
        .collect();
    let addr = tunnel(server.addr, config);
    let mut bob = Session::open(addr, "client=bob");
    let mut alice = Session::open(addr, "client=alice");
    alice.say(&send("bob", "m", json!(1)));
    assert_eq!(bob.frame_of("message")["body"], json!(1));
    for mut stream in idle {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(!matches!(ended, Err(error) if error.kind() == ErrorKind::WouldBlock), "it was kept");
    }
}

#[test]
fn what_api_connections_hold_of_records_is_counted() {
    let secured = Secured::new("tls-records");
    let server = secured.place.start();
    let config = secured.trust(&[&TLS13]);
    let held = || server.metrics().sum("corepost_memory_bytes", "purpose=\"requests\"");
    let lines: Vec<Line> = (0..4)
        .map(|_| {
            let mut line = kept(&server, &config);
            let record = record(&mut line, &[b'x'; 16_000]);
            line.sock.write_all(&record[..16_000]).unwrap();
            line
        })
        .collect();
    eventually("records that are not whole are counted", || held() >= 4.0 * 16_000.0);
    drop(lines);
    eventually("they are gone", || held() == 0.0);
}

#[test]
fn a_new_certificate_is_shown_after_a_signal_and_a_bad_one_never() {
    let secured = Secured::new("tls-renewed");
    let server = secured.place.start();
    let before = secured.trust(&[&TLS13]);
    let mut bob = Session::open(secured.plain(&server), "client=bob");
    secured.renew();
    assert!(connect(&server, &before).is_ok(), "files alone change nothing");
    server.signal("HUP");
    // With trust of its own each time: a ticket would hide the certificate.
    eventually_on_every_core("the new certificate is shown", || {
        connect(&server, &secured.trust(&[&TLS13])).is_ok()
    });
    // Who was there stays.
    bob.say(&send("bob", "m", json!(1)));
    assert_eq!(bob.frame_of("message")["body"], json!(1));

    secured.place.write("key.pem", "nonsense");
    server.signal("HUP");
    eventually("it is said", || server.log().contains("all settings stay as they were"));
    assert!(connect(&server, &secured.trust(&[&TLS13])).is_ok());
}

#[test]
fn who_comes_by_a_proxy_says_so_before_the_handshake() {
    let secured = Secured::new("tls-proxied");
    let (cert, key) = (secured.cert.display().to_string(), secured.place.path("key.pem"));
    let place = Place::keyed("tls-proxied-2").with("tls-cert", &cert).with("tls-key", key.display());
    let server = place.with("proxy-from", "127.0.0.1").start();
    let config = secured.trust(&[&TLS13]);
    for is_apart in [false, true] {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = client(&config);
        // LOCAL: it speaks for itself. The handshake follows in the same packet, or later.
        let mut first = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
        if is_apart {
            stream.write_all(&std::mem::take(&mut first)).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        line.write_tls(&mut first).unwrap();
        stream.write_all(&first).unwrap();
        line.complete_io(&mut stream).unwrap();
        let mut line = StreamOwned::new(line, stream);
        line.write_all(b"GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}

#[test]
fn tokens_are_judged_behind_it() {
    let secured = Secured::new("tls-keyed");
    let (cert, key) = (secured.cert.display().to_string(), secured.place.path("key.pem"));
    let place = Place::keyed("tls-keyed-2").with("tls-cert", &cert).with("tls-key", key.display());
    let server = place.start();
    let addr = secured.plain(&server);
    assert_eq!(Knock::new("token=nonsense").refused(addr), 401);
    let mut bob = Knock::new(&format!("token={}", token("bob"))).enter(addr).unwrap();
    bob.say(&json!({ "type": "ping" }));
    assert!(matches!(bob.hear(), Heard::Frame(_)));
}

#[test]
fn a_certificate_that_is_over_is_told_until_it_is_renewed() {
    let secured = Secured::new("tls-over");
    let (key, mut params) =
        (KeyPair::generate().unwrap(), CertificateParams::new(["localhost".to_owned()]).unwrap());
    params.not_after = date_time_ymd(2020, 1, 1);
    secured.place.write("cert.pem", params.self_signed(&key).unwrap().pem());
    secured.place.write("key.pem", key.serialize_pem());
    let server = secured.place.start();
    let end_s = || server.metrics().sum("corepost_tls_certificate_not_after_seconds", "");
    eventually("it is said", || server.log().contains("days ago: clients refuse it"));
    assert_eq!(end_s(), 1_577_836_800.0);
    secured.renew();
    server.signal("HUP");
    eventually("the new one counts", || end_s() > 1_577_836_800.0);
    server.stop();
}
