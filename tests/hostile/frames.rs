//! Frames that break RFC 6455, or keep to it with the worst of intentions.

use crate::support::{Got, MIB, Peer, Server, Unharmed, frame, masked};
use corepost::wire::websocket::Opcode;
use std::time::Duration;

/// What the peer sends, and the code it must be closed with.
type Case = (&'static str, Vec<u8>, u16);

fn violations() -> Vec<Case> {
    let control = |op: u8, len: usize| masked(0x80 | op, 126, &(len as u16).to_be_bytes(), &vec![b'x'; len]);
    let close = |payload: &[u8]| masked(0x88, payload.len() as u8, b"", payload);
    let long = |first: u8, len: u64| masked(first, 127, &len.to_be_bytes(), b"");
    let mut cases = vec![
        ("not masked", b"\x81\x02hi".to_vec(), 1002),
        ("an unmasked ping", b"\x89\x00".to_vec(), 1002),
        ("RSV1", masked(0xc1, 0, b"", b""), 1002),
        ("RSV2", masked(0xa1, 0, b"", b""), 1002),
        ("RSV3", masked(0x91, 0, b"", b""), 1002),
        ("RSV1 on a ping", masked(0xc9, 0, b"", b""), 1002),
        ("a continuation of nothing", masked(0x80, 1, b"", b"x"), 1002),
        ("a ping in fragments", masked(0x09, 1, b"", b"x"), 1002),
        ("a close in fragments", masked(0x08, 2, b"", b"\x03\xe8"), 1002),
        ("a ping of 126 bytes", control(9, 126), 1002),
        ("a pong of 60,000 bytes", control(10, 60_000), 1002),
        ("a close of 126 bytes", control(8, 126), 1002),
        ("text within text", [masked(0x01, 1, b"", b"x"), masked(0x81, 1, b"", b"x")].concat(), 1002),
        ("126 for a short length", masked(0x81, 126, &[0, 5], b"12345"), 1002),
        ("127 for a short length", masked(0x81, 127, &5_u64.to_be_bytes(), b"12345"), 1002),
        ("127 for a medium length", masked(0x81, 127, &65_535_u64.to_be_bytes(), b""), 1002),
        ("a length with the top bit", long(0x81, 1 << 63), 1002),
        ("all length bits", long(0x81, u64::MAX), 1002),
        ("2^62 bytes declared", long(0x81, 1 << 62), 1009),
        ("16 MiB and one byte declared", long(0x81, (16 << 20) + 1), 1009),
        ("binary", masked(0x82, 1, b"", b"x"), 1003),
        ("binary in fragments", masked(0x02, 1, b"", b"x"), 1003),
        ("no UTF-8", masked(0x81, 2, b"", b"\xc3\x28"), 1007),
        ("a surrogate in UTF-8", masked(0x81, 3, b"", b"\xed\xa0\x80"), 1007),
        ("overlong UTF-8", masked(0x81, 2, b"", b"\xc0\xaf"), 1007),
        ("beyond U+10FFFF", masked(0x81, 4, b"", b"\xf4\x90\x80\x80"), 1007),
        ("cut UTF-8", masked(0x81, 1, b"", b"\xe2"), 1007),
        ("a close with one byte", close(b"\x03"), 1002),
        ("a close with bad UTF-8", close(b"\x03\xe8\xff"), 1007),
        ("a good close", close(b"\x03\xe8bye"), 1000),
        ("a close of ours", close(b"\x0f\xa0"), 4000),
    ];
    for op in (3..=7).chain(11..=15) {
        cases.push(("a reserved opcode", masked(0x80 | op, 0, b"", b""), 1002));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535_u16] {
        cases.push(("a close code that is none", close(&code.to_be_bytes()), 1002));
    }
    cases
}

#[test]
fn every_violation_is_closed_with_its_code_whole_and_byte_by_byte() {
    for driver in ["auto", "epoll"] {
        let mut server = Server::with(&["--driver", driver]);
        let before = server.metrics();
        for (name, bytes, code) in violations() {
            for step in [bytes.len(), 1] {
                let mut peer = server.session("eve");
                // It must be closed before what follows can be obeyed.
                let more = frame(Opcode::Text, br#"{"type":"send","id":"after","to":"eve","body":1}"#);
                let all = [&bytes[..], &more].concat();
                let steps = if bytes.len() > 1_000 { all.len() } else { step };
                for piece in all.chunks(steps) {
                    if !peer.try_raw(piece) {
                        break;
                    }
                }
                assert_eq!(peer.next(), Got::Close(Some(code)), "{name} in steps of {steps}");
                assert_eq!(peer.next(), Got::End, "{name}");
            }
            assert!(server.is_alive(), "the process ended after {name}");
        }
        server.unharmed("violations");
        let after = server.metrics();
        let risen = |reason| after.refusals(reason) - before.refusals(reason);
        // Each was there twice, whole and in pieces; two of them are good closes, and two too big.
        assert_eq!(risen("too_big"), 4.0);
        assert_eq!(risen("protocol_violation"), 2.0 * (violations().len() - 4) as f64);
    }
}

#[test]
fn sixteen_mebibytes_declared_and_never_sent_cost_next_to_nothing() {
    let mut server = Server::start();
    let declared = masked(0x81, 127, &(16_u64 << 20).to_be_bytes(), b"{");
    let kept = masked(0x81, 126, &60_000_u16.to_be_bytes(), b"{");
    let mut peers: Vec<Peer> = (0..400).map(|n| server.session(&format!("eve-{n}"))).collect();
    for (n, peer) in peers.iter_mut().enumerate() {
        peer.raw(if n % 2 == 0 { &declared } else { &kept });
    }
    // 200 × one step of 16 KiB and their sessions, not 200 × 16 MiB.
    server.unharmed_by("400 declared lengths", Unharmed { grown: 32 * MIB, heavy: false });
    drop(peers);
    server.empty();
}

#[test]
fn a_message_too_large_is_skimmed_and_its_session_lives() {
    let mut server = Server::start();
    let mut peer = server.session("eve");
    let before = server.metrics().refusals("too_large");
    for _ in 0..3 {
        peer.text(&vec![b' '; 16 << 20]);
        assert_eq!(peer.hear()["code"], "too_large");
    }
    // In fragments whose sum passes 16 MiB it ends.
    let piece = masked(0x01, 127, &(8_u64 << 20).to_be_bytes(), &vec![b' '; 8 << 20]);
    let next = masked(0x00, 127, &(8_u64 << 20).to_be_bytes(), &vec![b' '; 8 << 20]);
    peer.raw(&piece);
    peer.raw(&next);
    peer.try_raw(&masked(0x00, 1, b"", b" "));
    assert_eq!(peer.closed(), Some(1009));
    server.unharmed("messages of 16 MiB");
    assert_eq!(server.metrics().refusals("too_large") - before, 3.0);
}

#[test]
fn a_hundred_thousand_tiny_fragments_are_one_message_or_none() {
    let mut server = Server::start();
    let mut peer = server.session("eve");
    let message = br#"{"type":"send","id":"tiny","to":"eve","body":"#;
    let mut bytes = masked(0x01, 0, b"", b"");
    for byte in message {
        bytes.extend_from_slice(&masked(0x00, 1, b"", &[*byte]));
    }
    for n in 0..100_000 {
        // Empty ones, and spaces before the body.
        bytes.extend_from_slice(&masked(0x00, u8::from(n % 5 == 0), b"", &b" "[..usize::from(n % 5 == 0)]));
        if n % 1_000 == 0 {
            bytes.extend_from_slice(&masked(0x89, 1, b"", b"?"));
        }
    }
    bytes.extend_from_slice(&masked(0x80, 2, b"", b"7}"));
    for piece in bytes.chunks(64 << 10) {
        peer.raw(piece);
    }
    assert_eq!(peer.hear_of_text("message")["body"], 7);
    server.unharmed("100,000 fragments");
}

#[test]
fn pings_without_end_to_a_peer_that_reads_nothing_are_held_back() {
    let mut server = Server::start();
    let mut peers: Vec<Peer> = (0..8).map(|n| server.session(&format!("eve-{n}"))).collect();
    let ping = masked(0x89, 125, b"", &[b'x'; 125]);
    let many = ping.repeat(500);
    for peer in &mut peers {
        peer.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        // Until the kernel takes no more, for nobody reads it at the other end.
        let mut rounds = 0;
        while peer.try_raw(&many) {
            rounds += 1;
            assert!(rounds < 2_000, "nobody ever said stop");
        }
    }
    // Each may have its budget and its answers waiting, twice as buffers grow, and no more.
    server.unharmed_by("ping floods", Unharmed { grown: 48 * MIB, heavy: false });
    drop(peers);
    server.empty();
}

impl Peer {
    /// The next frame of that type; pongs of the protocol are passed over too.
    fn hear_of_text(&mut self, kind: &str) -> serde_json::Value {
        loop {
            if let Got::Text(text) = self.next() {
                let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
                if value["type"] == kind {
                    return value;
                }
            }
        }
    }
}
