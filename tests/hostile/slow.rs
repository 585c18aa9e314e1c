//! Peers that are slow on purpose: heads and bodies that never end, sockets whose other side is gone.

use crate::support::{Got, MIB, Peer, Server, Unharmed, masked, upgrade, within};
use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The status of what came, if anything did.
fn status(peer: &mut Peer) -> Option<u16> {
    peer.head().get(9..12).and_then(|status| status.parse().ok())
}

#[test]
fn slow_heads_are_answered_408_and_hold_nobody_up() {
    let mut server = Server::with(&["--handshake-timeout", "2s"]);
    let request = upgrade("/v1/ws?client=eve", &format!("X: {}\r\n", "x".repeat(4_000)));
    let before = server.metrics().refusals("head_too_slow");
    let mut slow: Vec<Peer> = (0..600).map(|_| Peer::new(server.addr)).collect();
    let began = Instant::now();
    // A byte now and then to each; a third of them say nothing at all.
    for at in 0..6 {
        for (n, peer) in slow.iter_mut().enumerate() {
            if n % 3 != 0 {
                peer.try_raw(&request.as_bytes()[at..=at]);
            }
        }
        server.pair("meanwhile");
        thread::sleep(Duration::from_millis(100));
    }
    for peer in &mut slow {
        assert_eq!(status(peer), Some(408));
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(server.metrics().refusals("head_too_slow") - before, 600.0);
    drop(slow);
    server.unharmed("600 slow heads");
    assert_eq!(server.metrics().sum("corepost_memory_bytes", &["purpose=\"requests\""]), 0.0);
}

#[test]
fn slow_bodies_cost_what_they_have_sent_and_nobody_else_anything() {
    let mut server = Server::start();
    let head = |length: usize| {
        format!("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n[")
            .into_bytes()
    };
    let mut slow: Vec<Peer> = (0..400)
        .map(|n| {
            let mut peer = Peer::new(server.addr);
            peer.raw(&head(if n % 2 == 0 { 8 << 20 } else { 1_000 }));
            peer
        })
        .collect();
    for _ in 0..5 {
        slow.iter_mut().for_each(|peer| _ = peer.try_raw(b"  "));
        server.pair("meanwhile");
    }
    // Not 200 × 8 MiB: a declared length is believed only when it has come.
    server.unharmed_by("400 slow bodies", Unharmed { grown: 24 * MIB, heavy: false });
    drop(slow);
    within(10, "their descriptors are closed", || server.files() < 100);
}

#[test]
fn bodies_of_a_core_together_are_bounded() {
    let mut server = Server::start();
    let head = "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n";
    let part = vec![b' '; 7 << 20];
    // What grows while it comes is at times there twice.
    let most = 2 * 2 * corepost::limits::BODY_BYTES + 64 * MIB;
    let mut after_first = 0;
    for round in 0..3 {
        // 40 × 7 MiB, none of which is complete.
        let mut peers: Vec<Peer> = (0..40)
            .map(|_| {
                let mut peer = Peer::new(server.addr);
                peer.raw(head.as_bytes());
                peer.try_raw(&part);
                peer
            })
            .collect();
        server.unharmed_by("40 bodies of 7 MiB", Unharmed { grown: most, heavy: false });
        // Those beyond the bound are told to come again, or find their socket closed over what they still send.
        let mut refused = 0;
        for peer in &mut peers {
            peer.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let waits = |kind| matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
            let read = peer.stream.read(&mut [0; 16]);
            refused += usize::from(!matches!(read, Err(error) if waits(error.kind())));
        }
        assert!((5..40).contains(&refused), "{refused} of 40 were refused");
        drop(peers);
        within(10, "their descriptors are closed", || server.files() < 100);
        // The allocator may keep what it had at the peak, but the next time asks for no more.
        if round == 0 {
            after_first = server.rss().max(server.base + 2 * corepost::limits::BODY_BYTES);
        }
        assert!(server.rss() < after_first + 64 * MIB, "{} KiB after round {round}", server.rss() / 1024);
    }
}

#[test]
fn a_message_never_finished_ends_its_session_and_a_socket_never_heard_is_cut() {
    let mut server = Server::with(&["--ping-interval", "1s", "--pong-timeout", "1s"]);
    let before = server.metrics();
    // Vanished: they do not answer pings. In half of them a message has begun; in some a close waits for its echo.
    let mut gone: Vec<Peer> = (0..300)
        .map(|n| {
            let mut peer = server.session(&format!("gone-{n}"));
            peer.polite = false;
            if n % 2 == 0 {
                peer.raw(&masked(0x01, 5, b"", b"hello"));
            }
            peer
        })
        .collect();
    let lively: Vec<Peer> = (0..20).map(|n| server.session(&format!("lively-{n}"))).collect();
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let lively = thread::scope(|scope| {
        // Who answers stays.
        let living = scope.spawn(|| live(lively, &over));
        for peer in &mut gone {
            loop {
                match peer.next_within(Duration::from_secs(10)) {
                    Got::End => break,
                    Got::Ping => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        over.store(true, Ordering::Relaxed);
        living.join().unwrap()
    });
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let dead = server.metrics().drops("dead_peer") - before.drops("dead_peer");
    assert_eq!(dead, 300.0);
    assert_eq!(server.metrics().sum("corepost_sessions", &[]), 20.0);
    drop((gone, lively));
    server.unharmed("300 vanished peers");
}

/// Answers pings until it is over.
fn live(mut peers: Vec<Peer>, over: &AtomicBool) -> Vec<Peer> {
    while !over.load(Ordering::Relaxed) {
        for peer in &mut peers {
            assert_eq!(peer.next_within(Duration::from_millis(5)), Got::Silence);
        }
    }
    peers
}

#[test]
fn who_never_closes_after_a_close_is_cut() {
    let mut server = Server::start();
    let mut peers: Vec<Peer> = (0..200).map(|n| server.session(&format!("rude-{n}"))).collect();
    for peer in &mut peers {
        peer.raw(b"\x81\x02hi");
        assert_eq!(peer.closed(), Some(1002));
    }
    // They keep their ends open and go on talking.
    within(10, "all are gone", || {
        peers.iter_mut().for_each(|peer| _ = peer.try_raw(&masked(0x89, 0, b"", b"")));
        server.files() < 100
    });
    server.unharmed("200 peers that do not close");
}
