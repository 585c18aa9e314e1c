//! Behind a proxy a client's own address counts, and only a proxy on the list is believed.

use crate::support::{
    API_KEY, Api, Got, Knock, PATIENCE, Peer, Place, Server, Session, drivers, eventually, total,
};
use crate::support::{http, token, upgrade_request};
use corepost::access::Proxies;
use corepost::limits::PROXY_HEADER_BYTES;
use corepost::net::Wish;
use corepost::node::{Node, NodeConfig, Running};
use corepost::wire::proxy::SIGNATURE;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A header of this command and family around this block.
fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    [&SIGNATURE[..], &[command, family], &(block.len() as u16).to_be_bytes(), block].concat()
}

/// What a proxy says of a client with this address, with a TLV behind it.
fn of(client: &str) -> Vec<u8> {
    let (ports, tlv) = ([0xc0, 0x01, 0x1f, 0x90], b"\x04\0\x02\0\0");
    match client.parse().unwrap() {
        IpAddr::V4(v4) => header(0x21, 0x11, &[&v4.octets()[..], &[127, 0, 0, 1], &ports, tlv].concat()),
        IpAddr::V6(v6) => header(0x21, 0x21, &[&v6.octets()[..], &[0; 16], &ports, tlv].concat()),
    }
}

/// What a proxy says of its own health check.
fn local() -> Vec<u8> {
    header(0x20, 0x00, b"")
}

fn knock(client: &str) -> Knock {
    Knock::new(&format!("token={}", token(client)))
}

/// A server that believes this machine.
fn believing(name: &str) -> Place {
    Place::keyed(name).with("proxy-from", "127.0.0.1")
}

fn refusals(server: &Server, reason: &str) -> f64 {
    server.metrics().sum("corepost_refusals_total", &format!("reason=\"{reason}\""))
}

/// What is answered to these bytes, to the end.
fn answer(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn clients_behind_one_proxy_are_counted_each_by_its_own_address() {
    let place = believing("proxied-limit").with("max-connections-per-ip", 2);
    let server = place.start();
    let come = |client: &str, from: &str| knock(client).behind(&of(from)).enter(server.addr);
    let mut alices: Vec<Session> = (0..2).map(|_| come("alice", "192.0.2.1").unwrap()).collect();
    let refused = come("alice", "192.0.2.1").err().expect("a third one of this address is too many");
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert_eq!(refusals(&server, "too_many_per_address"), 1.0);
    // Others behind the same proxy have their own share, also over IPv6, where a network of 64 bits is one peer.
    let mut bob = come("bob", "192.0.2.2").unwrap();
    let _carols = [come("carol", "2001:db8::1").unwrap(), come("carol", "2001:db8::2").unwrap()];
    assert!(come("carol", "2001:db8::3").is_err());
    alices[0].deliver("bob", "1", "through a proxy");
    assert_eq!(bob.bodies(1), ["through a proxy"]);
    drop(alices.pop());
    eventually("the place is free again", || come("alice", "192.0.2.1").map(|it| alices.push(it)).is_ok());
    // The HTTP API counts alike.
    let api = || {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.write_all(&of("192.0.2.3")).unwrap();
        Api::over(stream).with_key(API_KEY)
    };
    let mut both = [api(), api()];
    for _ in 0..2 {
        both.iter_mut().for_each(|api| assert_eq!(api.get("/v1/clients/bob").status, 200));
    }
    assert_eq!(api().get("/v1/clients/bob").status, 429);
}

#[test]
fn a_proxy_that_speaks_for_itself_is_counted_by_its_own_address() {
    let place = believing("proxied-local").with("max-connections-per-ip", 1);
    let server = place.start();
    let own = knock("monitor").behind(&local()).enter(server.addr).unwrap();
    // Of an unknown family, likewise.
    for itself in [local(), header(0x21, 0x00, b""), header(0x21, 0x31, &[b'x'; 216])] {
        assert_eq!(knock("monitor").behind(&itself).refused(server.addr), 429);
    }
    assert_eq!(refusals(&server, "too_many_per_address"), 3.0);
    let _alice = knock("alice").behind(&of("192.0.2.1")).enter(server.addr).unwrap();
    drop(own);
    eventually("its place is free", || knock("monitor").behind(&local()).enter(server.addr).is_ok());
    // A health check that only says who it is, and goes.
    for _ in 0..5 {
        TcpStream::connect(server.addr).unwrap().write_all(&local()).unwrap();
    }
    assert_eq!(refusals(&server, "proxy_header"), 0.0);
}

#[test]
fn a_proxy_must_say_for_whom_it_connects() {
    let place = believing("proxied-missing").with("handshake-timeout", "500ms");
    let server = place.start();
    let request = upgrade_request(&format!("/v1/ws?token={}", token("alice")));
    let long = header(0x20, 0x00, &vec![0; PROXY_HEADER_BYTES]);
    let whole = of("192.0.2.1");
    let bad = [
        (&b""[..], 408, "no PROXY header came in time"),
        (&whole[..whole.len() - 1], 408, "no PROXY header came in time"),
        (request.as_bytes(), 400, "send-proxy-v2"),
        (b"PROXY TCP4 192.0.2.1 127.0.0.1 49153 8080\r\n", 400, "send-proxy-v2"),
        (&long, 400, "fewer TLVs"),
        (&header(0x21, 0x11, b"short"), 400, "too short"),
        (&header(0x41, 0x11, &[0; 12]), 400, "version"),
    ];
    for (bytes, status, words) in bad {
        let answer = answer(server.addr, bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(words), "{answer}");
    }
    assert_eq!(refusals(&server, "proxy_header"), bad.len() as f64);
    // Said aloud, but not each time: once a minute on each of two cores.
    let log = server.log();
    let warnings =
        log.lines().filter(|line| line.contains("WARN") && line.contains("proxy=127.0.0.1")).count();
    assert!((1..=2).contains(&warnings), "{log}");
    // The header was good, and then no request came.
    let answer = answer(server.addr, &whole);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("head"), "{answer}");
    assert_eq!((refusals(&server, "proxy_header"), refusals(&server, "head_too_slow")), (7.0, 1.0));
    // A second header is no request, and the address of the first one stays what it is.
    let twice = [whole.clone(), whole.clone(), request.clone().into_bytes()].concat();
    assert!(self::answer(server.addr, &twice).starts_with("HTTP/1.1 400 "));
    knock("alice").behind(&whole).enter(server.addr).unwrap();
}

#[test]
fn header_and_head_have_one_time_together() {
    let place = believing("proxied-slow").with("handshake-timeout", "3s");
    let server = place.start();
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(2));
    stream.write_all(&of("192.0.2.1")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // It would be five with a time for each.
    assert!(began.elapsed() < Duration::from_millis(4_500), "{:?}", began.elapsed());
}

#[test]
fn nobody_else_is_believed() {
    let request = upgrade_request(&format!("/v1/ws?token={}", token("alice")));
    let elsewhere = Place::keyed("proxied-elsewhere").with("proxy-from", "10.0.0.0/8");
    let nowhere = Place::keyed("proxied-nowhere");
    for place in [elsewhere.with("max-connections-per-ip", 1), nowhere.with("max-connections-per-ip", 1)] {
        let server = place.start();
        let began = Instant::now();
        for bytes in [of("10.0.0.1"), local(), [of("10.0.0.1"), request.clone().into_bytes()].concat()] {
            let answer = answer(server.addr, &bytes);
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("--proxy-from"), "{answer}");
        }
        assert!(http(server.addr, b"PROXY TCP4 10.0.0.1 127.0.0.1 1 2\r\n\r\n").starts_with("HTTP/1.1 400 "));
        // Told at once, not when the time for a head is over.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!((refusals(&server, "bad_request"), refusals(&server, "proxy_header")), (4.0, 0.0));
        // And who comes as always is served, and counted by the address it has.
        let mut alice = None;
        eventually("those are gone", || knock("alice").enter(server.addr).map(|it| alice = Some(it)).is_ok());
        assert_eq!(knock("alice").refused(server.addr), 429);
    }
}

/// A development node in this process that believes this machine: the configuration would not allow it, but echo needs
/// no token, and both drivers can be had.
fn echo(driver: Wish) -> Running {
    let proxies = Proxies::new(["127.0.0.0/8"]).unwrap();
    let config = NodeConfig::echo("127.0.0.1:0".parse().unwrap(), 2);
    Node::start(&NodeConfig { driver, proxies, max_connections: Some(50), ..config }).unwrap()
}

#[test]
fn proxies_that_say_nothing_are_bounded_before_they_say_anything() {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let request = [&of("192.0.2.1")[..], request].concat();
    for driver in drivers() {
        let node = echo(driver);
        let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(node.addr).unwrap()).collect();
        eventually("all have their places", || total(&node, |f| f.arrivals as u64) == 50);
        for bytes in [&b""[..], &request] {
            let answer = answer(node.addr, bytes);
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        }
        drop(silent);
        eventually("those are free again", || answer(node.addr, &request).starts_with("HTTP/1.1 404 "));
    }
}

#[test]
fn header_request_and_first_frames_may_come_in_one_packet_or_byte_by_byte() {
    let frames = b"\x81\x82\0\0\0\0hi\x81\x83\0\0\0\0y";
    for driver in drivers() {
        let node = echo(driver);
        for (n, in_bytes) in (0..20).map(|n| (n, n % 10 == 0)) {
            let client = if n % 2 == 0 { "192.0.2.1" } else { "2001:db8::1" };
            let request = upgrade_request(&format!("/v1/echo?client=c{n}"));
            let all = [&of(client)[..], request.as_bytes(), frames].concat();
            let mut peer = Peer::over(TcpStream::connect(node.addr).unwrap());
            for piece in all.chunks(if in_bytes { 1 } else { all.len() }) {
                peer.raw(piece);
                std::thread::sleep(Duration::from_micros(if in_bytes { 500 } else { 0 }));
            }
            peer.switched();
            assert_eq!(peer.next(), Got::Text(b"hi".to_vec()));
            peer.raw(b"ou");
            assert_eq!(peer.next(), Got::Text(b"you".to_vec()));
        }
        // Refused, gone in the middle, and those: nothing is left of any of them.
        assert!(http(node.addr, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
        TcpStream::connect(node.addr).unwrap().write_all(&of("192.0.2.1")[..20]).unwrap();
        eventually("all are counted and nothing is left of them", || {
            let left = total(&node, |f| (f.arrivals + f.arrival_bytes + f.connections) as u64);
            (total(&node, |f| f.accepted), left) == (22, 0)
        });
    }
}
