//! A core that others wake all the time still serves its own sockets.

use super::Mail;
use crate::mesh::Address;
use crate::net::Wish;
use crate::node::{Node, NodeConfig};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// What a core is to do after its inbox has gone to sleep.
pub(crate) struct Act(pub(crate) Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Act")
    }
}

/// At the end of each turn, after the bell was armed, another thread wakes the core again.
fn wake_again(address: Address<Mail>, over: Arc<AtomicBool>) -> Mail {
    Mail::Then(Act(Box::new(move || {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let (done, wait) = channel();
        thread::spawn(move || {
            address.post(vec![wake_again(address.clone(), over)]);
            let _ = done.send(());
        });
        wait.recv().unwrap();
    })))
}

/// With deferred completions, a ring that is only ever submitted to never shows what has come (see `net/round`).
#[test]
fn foreign_wakes_in_every_turn_do_not_starve_the_sockets() {
    for driver in [Wish::Best, Wish::Epoll] {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = NodeConfig { driver, ..NodeConfig::echo(listen, 1) };
        let node = Node::start(&config).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let address = node.addresses.0[0].clone();
        address.post(vec![wake_again(address.clone(), Arc::clone(&over))]);
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
        let mut echoes = 0;
        // As many as it takes for the core to be woken more often than it is spoken to.
        while echoes < 50 || (node.mesh()[0].batches <= 50 && echoes < 10_000) {
            echoes += 1;
            let began = Instant::now();
            stream.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
            stream.read_exact(&mut [0; 4]).expect("an echo");
            slowest = slowest.max(began.elapsed());
        }
        over.store(true, Ordering::Relaxed);
        let load = node.mesh()[0];
        assert!(slowest < Duration::from_secs(1), "an echo took {slowest:?} on {}, {load:?}", node.driver);
        assert!(load.batches > 50, "{load:?}");
        eprintln!("slowest {slowest:?} on {}, {load:?}", node.driver);
    }
}
