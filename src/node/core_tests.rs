//! A core that others wake all the time still serves its own sockets.

use super::Mail;
use crate::net::Wish;
use crate::node::{Node, NodeConfig};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// With deferred completions, a ring that is only ever submitted to never shows what has come (see `net/round`).
#[test]
fn foreign_wakes_in_every_turn_do_not_starve_the_sockets() {
    for driver in [Wish::Best, Wish::Epoll] {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = NodeConfig { listen, cores: 1, cpus: vec![], driver, development: true };
        let node = Node::start(&config).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (address, stop) = (node.addresses.0[0].clone(), Arc::clone(&over));
        let hammer = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                address.post(vec![Mail::Nudge]);
                // As often as a busy core could be woken, without filling its inbox.
                while address.load().depth > 2 {
                    std::hint::spin_loop();
                }
            }
        });
        let mut stream = TcpStream::connect(node.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
            .write_all(
                b"GET /v1/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            )
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the request is answered");
            head.push(byte[0]);
        }
        let mut slowest = Duration::ZERO;
        for _ in 0..200 {
            let began = Instant::now();
            stream.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
            stream.read_exact(&mut [0; 4]).expect("an echo");
            slowest = slowest.max(began.elapsed());
        }
        over.store(true, Ordering::Relaxed);
        hammer.join().unwrap();
        let load = node.mesh()[0];
        assert!(load.batches > 1_000, "{load:?}");
        assert!(slowest < Duration::from_secs(1), "an echo took {slowest:?} on {}, {load:?}", node.driver);
        eprintln!("slowest {slowest:?} on {}, {load:?}", node.driver);
    }
}
