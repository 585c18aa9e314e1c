//! How connections end: by the peer's close, by a broken rule, by a vanished peer, all at once, and with the node.

use crate::support::{Got, Peer, drivers, eventually, node, total};
use corepost::limits::CLOSE_MS;
use std::net::Shutdown;
use std::time::{Duration, Instant};

#[test]
fn a_close_is_echoed_after_what_came_before_it() {
    for driver in drivers() {
        let node = node(1, driver);
        let mut peer = Peer::connect(node.addr, "/v1/echo");
        peer.text(b"last words");
        peer.close(4321);
        assert_eq!(peer.next(), Got::Text(b"last words".to_vec()));
        assert_eq!(peer.next(), Got::Close(Some(4321)));
        assert_eq!(peer.next(), Got::End);
        drop(peer);
        eventually("it is gone", || total(&node, |figures| figures.connections as u64) == 0);
    }
}

#[test]
fn a_broken_rule_closes_with_its_code_and_nothing_after_it_is_obeyed() {
    for driver in drivers() {
        let node = node(1, driver);
        for (bytes, code) in [
            (&b"\x81\x02hi\x81\x82\0\0\0\0no"[..], 1002),
            (b"\x81\x81\0\0\0\0\xff", 1007),
            (b"\xc1\x80\0\0\0\0", 1002),
            (b"\x82\xff\0\0\0\0\x01\0\0\x01\0\0\0\0", 1009),
        ] {
            let mut peer = Peer::connect(node.addr, "/v1/echo");
            peer.raw(bytes);
            assert_eq!((peer.next(), peer.next()), (Got::Close(Some(code)), Got::End));
        }
    }
}

#[test]
fn a_peer_that_never_answers_a_close_is_cut() {
    let node = node(1, drivers()[0]);
    let mut peer = Peer::connect(node.addr, "/v1/echo");
    peer.raw(b"\x81\x02hi");
    let began = Instant::now();
    assert_eq!((peer.next(), peer.next()), (Got::Close(Some(1002)), Got::End));
    // It keeps its end open; we do not wait for ever.
    eventually("it is cut", || {
        total(&node, |figures| figures.connections as u64) == 0 && began.elapsed().as_secs() > 1
    });
    assert!(began.elapsed() > Duration::from_millis(CLOSE_MS), "{:?}", began.elapsed());
}

#[test]
fn a_peer_that_only_stops_sending_still_gets_its_answers() {
    for driver in drivers() {
        let node = node(1, driver);
        let mut peer = Peer::connect(node.addr, "/v1/echo");
        let long = vec![b'x'; 3 << 20];
        peer.text(&long);
        peer.stream.shutdown(Shutdown::Write).unwrap();
        assert!(peer.next() == Got::Text(long), "on {}", node.driver);
        assert_eq!(peer.next(), Got::End);
    }
}

#[test]
fn two_thousand_peers_vanish_at_once_and_come_back() {
    for driver in drivers() {
        let node = node(2, driver);
        for _ in 0..2 {
            let mut peers: Vec<_> = (0..2_000).map(|_| Peer::connect(node.addr, "/v1/echo")).collect();
            eventually("all are there", || total(&node, |figures| figures.connections as u64) == 2_000);
            peers[7].text(b"still here");
            assert_eq!(peers[7].next(), Got::Text(b"still here".to_vec()));
            drop(peers);
            eventually("all are gone", || total(&node, |figures| figures.connections as u64) == 0);
        }
    }
}

#[test]
fn a_node_that_stops_ends_every_connection() {
    for driver in drivers() {
        let node = node(2, driver);
        let mut peers: Vec<_> = (0..100).map(|_| Peer::connect(node.addr, "/v1/echo")).collect();
        peers[0].text(b"hi");
        assert_eq!(peers[0].next(), Got::Text(b"hi".to_vec()));
        let began = Instant::now();
        node.stop();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert!(peers.iter_mut().all(|peer| peer.next() == Got::End));
    }
}
