//! How a connection becomes a WebSocket, or is told why not.

use crate::support::{Got, Peer, drivers, eventually, http, node, total, upgrade_request};
use corepost::limits::{HANDSHAKE_MS, HEAD_BYTES};
use corepost::model::{ClientId, Topology};
use corepost::net::Wish;
use corepost::node::{Node, NodeConfig, StartError};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn a_port_in_use_is_an_error() {
    let first = node(1, Wish::Best);
    let config = NodeConfig::echo(first.addr, 1);
    let error = Node::start(&config).unwrap_err();
    assert!(matches!(error, StartError::Listen(_)) && error.to_string().contains("in use"), "{error}");
    let addr = first.addr;
    first.stop();
    Node::start(&NodeConfig { listen: addr, ..config }).expect("it is free again");
}

#[test]
fn a_cpu_that_is_not_there_is_an_error() {
    let config = NodeConfig { cpus: vec![9_999], ..NodeConfig::echo("127.0.0.1:0".parse().unwrap(), 1) };
    assert!(matches!(Node::start(&config), Err(StartError::Cpu { cpu: 9_999, .. })));
    // One that the kernel knows of, but does not have.
    let config = NodeConfig { cpus: vec![1_023], ..config };
    let told = Node::start(&config).unwrap_err().to_string();
    assert!(told.contains("CPU 1023, which was named for it: Invalid argument"), "{told}");
    for cpu in [1_023, 9_999] {
        let planned = NodeConfig { cpus: vec![cpu], are_cpus_named: false, ..config.clone() };
        Node::start(&planned).expect("nobody has asked for that CPU").stop();
    }
    assert!(matches!(Node::start(&NodeConfig { cpus: vec![0, 1], ..config }), Err(StartError::Cores(_))));
}

#[test]
fn refusals_are_answered_and_read_to_the_end() {
    for driver in drivers() {
        let node = node(1, driver);
        let ask = |request: &str| http(node.addr, request.as_bytes());
        let big = format!("GET /v1/echo HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES));
        let many = format!("GET /v1/echo HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
        for (request, status) in [
            (big.as_str(), 431),
            (many.as_str(), 431),
            ("nonsense\r\n\r\n", 400),
            ("GET /v1/echo HTTP/1.1\nHost: x\n\r\n\r\n", 400),
            ("GET /v1/nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
            ("GET /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n", 426),
            ("POST /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n", 405),
            (&upgrade_request("/v1/echo").replace("\r\n\r\n", "\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"), 403),
            (&upgrade_request("/v1/echo").replace("Version: 13", "Version: 8"), 426),
            (&upgrade_request("/v1/echo?client=%22"), 400),
        ] {
            let answer = ask(request);
            let expected = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&expected), "{status}: {answer}");
        }
        // A megabyte of head, most of it after we have answered: the answer still arrives.
        let mut stream = TcpStream::connect(node.addr).unwrap();
        let _ = stream.write_all(&vec![b'x'; 40 << 10]);
        let mut answer = String::new();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[test]
fn a_slow_head_is_answered_408_and_an_unfinished_one_is_forgotten() {
    for driver in drivers() {
        let node = node(1, driver);
        let began = Instant::now();
        let mut silent = TcpStream::connect(node.addr).unwrap();
        let mut slow = TcpStream::connect(node.addr).unwrap();
        slow.write_all(b"GET /v1/echo HT").unwrap();
        let mut gone = TcpStream::connect(node.addr).unwrap();
        gone.write_all(b"GET /v1").unwrap();
        drop(gone);
        for stream in [&mut silent, &mut slow] {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        }
        assert!(began.elapsed() >= Duration::from_millis(HANDSHAKE_MS));
        drop((silent, slow));
        eventually("nothing is left of them", || {
            total(&node, |f| f.arrivals as u64) == 0 && total(&node, |f| f.arrival_bytes as u64) == 0
        });
    }
}

#[test]
fn a_head_may_come_slowly_and_the_first_frames_with_it() {
    for driver in drivers() {
        let node = node(1, driver);
        let first = b"\x81\x82\0\0\0\0hi\x81\x83\0\0\0\0y";
        let mut peer = Peer::connect_with(node.addr, "/v1/echo", first);
        assert_eq!(peer.next(), Got::Text(b"hi".to_vec()));
        peer.raw(b"ou");
        assert_eq!(peer.next(), Got::Text(b"you".to_vec()));

        let mut stream = TcpStream::connect(node.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in upgrade_request("/v1/echo").bytes() {
            stream.write_all(&[byte]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
    }
}

#[test]
fn a_client_is_handed_to_its_core_with_what_it_has_said_already() {
    for driver in drivers() {
        let node = node(2, driver);
        let topology = Topology::new(corepost::limits::PARTITIONS, 2);
        let mut by_core = [0; 2];
        let mut peers = Vec::new();
        for n in 0..200 {
            let id = format!("client-{n}");
            by_core[topology.place(ClientId::new(&id).unwrap().as_ref()).core as usize] += 1;
            // A whole frame and the beginning of another travel with the request.
            let first = b"\x81\x82\0\0\0\0hi\x81\x83\0\0\0\0y";
            peers.push(Peer::connect_with(node.addr, &format!("/v1/echo?client={id}"), first));
        }
        for peer in &mut peers {
            assert_eq!(peer.next(), Got::Text(b"hi".to_vec()));
            peer.raw(b"ou");
            assert_eq!(peer.next(), Got::Text(b"you".to_vec()));
        }
        eventually("each core holds its clients", || {
            node.figures().iter().map(|figures| figures.connections).eq(by_core)
        });
        assert!(total(&node, |figures| figures.handed_on) > 0, "the kernel spread them otherwise");
    }
}
