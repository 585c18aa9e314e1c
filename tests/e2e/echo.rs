//! A peer hears what it says, however it says it.

use crate::support::{Got, Peer, drivers, eventually, node, total};
use std::thread;
use std::time::Duration;

#[test]
fn what_is_said_comes_back_on_every_driver() {
    for driver in drivers() {
        let node = node(1, driver);
        let mut peer = Peer::connect(node.addr, "/v1/echo");
        for size in [0, 1, 125, 126, 4_000, 4_096, 5_000, 65_535, 65_536, 300_000, 16 << 20] {
            let payload = vec![b'x'; size];
            peer.text(&payload);
            assert!(peer.next() == Got::Text(payload.clone()), "{size} bytes of text on {}", node.driver);
            peer.binary(&payload);
            assert!(peer.next() == Got::Binary(payload), "{size} bytes on {}", node.driver);
        }
        peer.ping(b"are you there");
        assert_eq!(peer.next(), Got::Pong(b"are you there".to_vec()));
    }
}

#[test]
fn many_messages_in_one_packet_come_back_in_order() {
    for driver in drivers() {
        let node = node(2, driver);
        let mut peer = Peer::connect(node.addr, "/v1/echo");
        let mut packet = Vec::new();
        for n in 0..1_000 {
            let mut one = Vec::new();
            corepost::wire::websocket::write_masked(
                corepost::wire::websocket::Opcode::Text,
                format!("message {n}").as_bytes(),
                [1, 2, 3, 4],
                &mut one,
            );
            packet.extend_from_slice(&one);
        }
        peer.raw(&packet);
        for n in 0..1_000 {
            assert_eq!(peer.next(), Got::Text(format!("message {n}").into_bytes()));
        }
    }
}

#[test]
fn a_message_may_come_byte_by_byte_and_in_fragments() {
    for driver in drivers() {
        let node = node(1, driver);
        let mut peer = Peer::connect(node.addr, "/v1/echo");
        // "Hel", a ping in between, "lo": masked with zeroes, so that it can be read here.
        let bytes = b"\x01\x83\0\0\0\0Hel\x89\x81\0\0\0\0!\x80\x82\0\0\0\0lo";
        for byte in bytes {
            peer.raw(&[*byte]);
            thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(peer.next(), Got::Pong(b"!".to_vec()));
        assert_eq!(peer.next(), Got::Text(b"Hello".to_vec()));
    }
}

#[test]
fn a_silent_socket_holds_no_buffer_and_still_hears() {
    for driver in drivers() {
        let node = node(1, driver);
        let mut peer = Peer::connect(node.addr, "/v1/echo");
        for _ in 0..3 {
            for n in 0..20 {
                peer.text(format!("{n}").as_bytes());
                assert_eq!(peer.next(), Got::Text(format!("{n}").into_bytes()));
            }
            thread::sleep(Duration::from_millis(200));
        }
        // What was lent has come back each time: the pool has what one socket needs at a time, and no more.
        eventually("the buffers are back", || {
            let held = total(&node, |figures| figures.pool_bytes as u64);
            held > 0 && held <= 8 << 10
        });
    }
}

#[test]
fn many_peers_talk_at_once() {
    for driver in drivers() {
        let node = node(2, driver);
        let addr = node.addr;
        let threads: Vec<_> = (0..8)
            .map(|me| {
                thread::spawn(move || {
                    let mut peers: Vec<_> = (0..25).map(|_| Peer::connect(addr, "/v1/echo")).collect();
                    for round in 0..40 {
                        let said = format!("{me} {round} {}", "z".repeat(round * 97));
                        peers.iter_mut().for_each(|peer| peer.text(said.as_bytes()));
                        for peer in &mut peers {
                            assert_eq!(peer.next(), Got::Text(said.clone().into_bytes()));
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
