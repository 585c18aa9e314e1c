//! Floods: as much as a socket takes, of what costs the server most, while others must be served.

use crate::support::{Got, MIB, Peer, Server, Unharmed, frame, is_slow};
use corepost::wire::websocket::Opcode;
use serde_json::json;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Writes `packet` over and over until it is over, or the other side takes nothing for a while, or so many times.
fn flood(peer: &mut Peer, packet: &[u8], most: usize, over: &AtomicBool) -> usize {
    peer.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let (mut times, mut at) = (0, 0);
    while times < most && !over.load(Ordering::Relaxed) {
        match peer.stream.write(&packet[at..]) {
            Ok(0) => break,
            Ok(wrote) => at += wrote,
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                continue;
            }
            Err(_) => break,
        }
        if at == packet.len() {
            (times, at) = (times + 1, 0);
        }
    }
    times
}

/// Ends the floods when it is dropped.
struct End<'o>(&'o AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// So many peers each flood their packet for so long, and nobody of them reads; a pair beside them is served.
fn storm(server: &mut Server, what: &str, peers: usize, packet: impl Fn(usize) -> Vec<u8>, grown: usize) {
    let over = AtomicBool::new(false);
    let mut flooders: Vec<(Peer, Vec<u8>)> =
        (0..peers).map(|n| (server.session(&format!("flooder-{n}")), packet(n))).collect();
    let (mut pairs, mut most, mut longest) = (0, 0, Duration::ZERO);
    thread::scope(|scope| {
        // Also when a pair fails, or nobody would ever end.
        let _end = End(&over);
        for (peer, packet) in &mut flooders {
            let over = &over;
            scope.spawn(move || flood(peer, packet, usize::MAX, over));
        }
        let until = Instant::now() + Duration::from_millis(1_200);
        while Instant::now() < until {
            longest = longest.max(server.pair_in_flood());
            most = most.max(server.rss());
            pairs += 1;
        }
    });
    eprintln!(
        "{what}: {pairs} pairs, the slowest {longest:?}; {} KiB more at the worst",
        most.saturating_sub(server.base) / 1024
    );
    assert!(pairs >= 1, "{pairs} pairs beside {what}");
    let bound = server.base + grown;
    assert!(most < bound, "{} KiB at the worst of {what}, {} KiB allowed", most / 1024, bound / 1024);
    drop(flooders);
    server.empty();
    server.unharmed_by(what, Unharmed { grown, heavy: true });
}

/// An unoptimised program has enough with fewer of what costs most.
fn few(peers: usize) -> usize {
    if is_slow() { peers / 8 } else { peers }
}

fn packet(messages: impl Iterator<Item = String>) -> Vec<u8> {
    messages.flat_map(|message| frame(Opcode::Text, message.as_bytes())).collect()
}

#[test]
fn ephemeral_floods_across_cores_are_parked_and_not_kept() {
    let mut server = Server::start();
    // Everyone to four of them, so that half of it crosses; nobody reads. It is enough for those to fill the kernel's
    // buffers, behind which a session falls out of live.
    let bodies = |n: usize| {
        packet((0..200).map(|k| {
            json!({"type": "send", "to": format!("flooder-{}", (n + k) % 4), "ephemeral": true, "body": "x".repeat(4_000)})
                .to_string()
        }))
    };
    storm(&mut server, "ephemeral floods", 24, bodies, 96 * MIB);
    assert!(server.metrics().drops("not_live") > 0.0, "whoever does not read is not kept for");
}

#[test]
fn ephemeral_lists_across_cores_are_parked_and_not_kept() {
    let mut server = Server::start();
    let names: Vec<String> = (0..1_000).map(|n| format!("nobody-{n}")).collect();
    let lists = |_| {
        packet((0..8).map(|_| json!({"type": "send", "to": names, "ephemeral": true, "body": 1}).to_string()))
    };
    storm(&mut server, "ephemeral lists", few(24), lists, 96 * MIB);
    assert!(server.metrics().drops("nobody_there") > 0.0);
}

#[test]
fn durable_floods_are_bounded_by_what_is_in_flight() {
    let mut server = Server::start();
    let sends = |n: usize| {
        packet((0..100).map(|k| {
            json!({"type": "send", "id": format!("{n}-{k}"), "to": format!("sink-{}", k % 40), "body": "y".repeat(900)})
                .to_string()
        }))
    };
    storm(&mut server, "durable floods", 24, sends, 256 * MIB);
}

#[test]
fn durable_lists_in_flight_wake_only_who_fits() {
    let mut server = Server::start();
    let names: Vec<String> = (0..1_000).map(|n| format!("sink-{n}")).collect();
    let lists = |n: usize| {
        packet((0..4).map(|k| {
            json!({"type": "send", "id": format!("{n}-{k}"), "to": names, "body": "z".repeat(2_000)})
                .to_string()
        }))
    };
    storm(&mut server, "durable lists", few(40), lists, 512 * MIB);
}

#[test]
fn mistakes_without_end_are_answered_only_as_fast_as_they_are_read() {
    let mut server = Server::start();
    let mistakes = |_| packet((0..500).map(|_| "{}".to_owned()));
    storm(&mut server, "mistakes", 32, mistakes, 96 * MIB);
    assert!(server.metrics().refusals("bad_request") > 0.0);
}

#[test]
fn pings_and_tiny_frames_of_hundreds_do_not_make_a_turn_late() {
    let mut server = Server::start();
    let pings = |_| packet((0..1_000).map(|_| r#"{"type":"ping"}"#.to_owned()));
    storm(&mut server, "pings", 32, pings, 96 * MIB);
    let pongs = |_| (0..4_000).flat_map(|_| frame(Opcode::Pong, b"")).collect();
    storm(&mut server, "pongs", 32, pongs, 64 * MIB);
}

/// Hundreds of sockets have each a full buffer in the same moment.
#[test]
fn many_sockets_that_are_ready_at_once_share_the_core() {
    let mut server = Server::with(&["--cores", "1"]);
    let many = packet((0..1_200).map(|_| r#"{"type":"ping"}"#.to_owned()));
    let mut peers: Vec<Peer> = (0..300).map(|n| server.session(&format!("burst-{n}"))).collect();
    for _ in 0..2 {
        peers.iter_mut().for_each(|peer| drop(peer.stream.write_all(&many)));
        server.pair_in_flood();
        for peer in &mut peers {
            for _ in 0..1_200 {
                assert!(matches!(peer.next(), Got::Text(_)));
            }
        }
    }
    drop(peers);
    server.unharmed_by("300 bursts of 1,200 pings", Unharmed { grown: 96 * MIB, heavy: true });
}
