//! Both sides in memory: rustls' own client and our side, however the bytes are cut, and what a hostile peer can do.

use super::*;
use proptest::prelude::*;
use rustls::{ClientConnection, SupportedProtocolVersion, version};
use std::io::{Read, Write};

/// A client of rustls' buffered kind, and our side.
struct Line {
    client: ClientConnection,
    ours: Tls,
    /// What our side has read.
    heard: Vec<u8>,
    /// What the client has read.
    told: Vec<u8>,
    /// At most so many bytes reach our side at a time.
    step: usize,
}

impl Line {
    fn new(version: &'static SupportedProtocolVersion, step: usize) -> Self {
        let (server, client) = crate::net::both_ends(&[version]);
        Self { client, ours: Tls::begin(server).unwrap(), heard: Vec::new(), told: Vec::new(), step }
    }

    /// Lets both sides talk until neither has anything to say.
    fn talk(&mut self) -> Result<(), TlsError> {
        loop {
            let mut sent = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut sent).unwrap();
            }
            if sent.is_empty() {
                return Ok(());
            }
            let mut answer = Vec::new();
            for bytes in sent.chunks_mut(self.step) {
                self.ours.open(bytes, &mut self.heard, &mut answer)?;
            }
            self.tell(&answer);
        }
    }

    /// These bytes reach the client.
    fn tell(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.client.read_tls(&mut bytes).unwrap();
            self.client.process_new_packets().unwrap();
            // An error says that there is nothing more for now.
            let _ = self.client.reader().read_to_end(&mut self.told);
        }
    }
}

#[test]
fn both_versions_talk_both_ways_however_the_bytes_are_cut() {
    for version in [&version::TLS13, &version::TLS12] {
        for step in [1, 7, 1_000, 1 << 20] {
            let mut line = Line::new(version, step);
            line.talk().unwrap();
            assert!(line.ours.is_open(), "{version:?} in steps of {step}");
            assert_eq!(line.ours.held_bytes(), 0, "an open connection that is silent holds nothing");
            let long: Vec<u8> = (0..50_000_u32).map(|it| it as u8).collect();
            line.client.writer().write_all(&long).unwrap();
            line.talk().unwrap();
            assert!(line.heard == long);
            let mut sealed = Vec::new();
            assert!(line.ours.seal(&long, &mut sealed) && line.ours.seal(b"and more", &mut sealed));
            line.tell(&sealed);
            assert!(line.told == [&long[..], b"and more"].concat());
        }
    }
}

#[test]
fn we_may_speak_while_a_record_is_not_whole() {
    let mut line = Line::new(&version::TLS13, 1 << 20);
    line.talk().unwrap();
    line.client.writer().write_all(b"hello").unwrap();
    let mut sent = Vec::new();
    line.client.write_tls(&mut sent).unwrap();
    let (first, second) = sent.split_at_mut(9);
    let (mut heard, mut answer, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
    line.ours.open(first, &mut heard, &mut answer).unwrap();
    assert!(line.ours.held_bytes() >= 9 && heard.is_empty());
    assert!(line.ours.seal(b"meanwhile", &mut sealed));
    line.tell(&sealed);
    assert_eq!(line.told, b"meanwhile");
    line.ours.open(second, &mut heard, &mut answer).unwrap();
    assert_eq!((heard.as_slice(), line.ours.held_bytes()), (&b"hello"[..], 0));
}

#[test]
fn new_keys_of_the_peer_are_followed_and_answered() {
    let mut line = Line::new(&version::TLS13, 1 << 20);
    line.talk().unwrap();
    line.client.refresh_traffic_keys().unwrap();
    line.client.writer().write_all(b"with new keys").unwrap();
    line.talk().unwrap();
    assert_eq!(line.heard, b"with new keys");
    let mut sealed = Vec::new();
    assert!(line.ours.seal(b"with ours", &mut sealed));
    line.tell(&sealed);
    assert_eq!(line.told, b"with ours");
}

#[test]
fn nothing_is_said_before_the_handshake_or_after_the_end() {
    let mut line = Line::new(&version::TLS13, 1 << 20);
    let mut sealed = Vec::new();
    assert!(!line.ours.seal(b"too early", &mut sealed) && sealed.is_empty());
    line.talk().unwrap();
    line.ours.close(&mut sealed);
    line.tell(&sealed);
    assert_eq!(line.client.reader().read(&mut [0; 8]).unwrap(), 0, "the client knows that this is all");
    sealed.clear();
    assert!(!line.ours.seal(b"too late", &mut sealed) && sealed.is_empty());
}

#[test]
fn a_peer_that_has_said_all_may_still_be_told_something() {
    let mut line = Line::new(&version::TLS13, 1 << 20);
    line.talk().unwrap();
    line.client.writer().write_all(b"the last").unwrap();
    line.client.send_close_notify();
    line.talk().unwrap();
    assert!(line.heard == b"the last" && line.ours.has_heard_all());
    let mut sealed = Vec::new();
    assert!(line.ours.seal(b"understood", &mut sealed) && !sealed.is_empty());
}

#[test]
fn who_breaks_tls_is_told_by_an_alert() {
    let mut line = Line::new(&version::TLS13, 1 << 20);
    let (mut heard, mut answer) = (Vec::new(), Vec::new());
    let mut garbage = *b"\x16\x03\x01\x00\x08\x01\x00\x00\x04junk";
    let error = line.ours.open(&mut garbage, &mut heard, &mut answer).unwrap_err();
    assert!(matches!(error, TlsError::Peer(_)), "{error}");
    assert_eq!(answer[0], 21, "an alert: {answer:?}");
    assert!(!line.ours.is_open(), "what broke before it was open never was");
    assert!(line.ours.open(&mut [22], &mut heard, &mut answer).is_err(), "it stays over");
}

#[test]
fn what_breaks_later_was_open() {
    let mut line = Line::new(&version::TLS13, 1 << 20);
    line.talk().unwrap();
    let (mut heard, mut answer) = (Vec::new(), Vec::new());
    assert!(line.ours.open(&mut b"\x17\x03\x03\x00\x18".repeat(6), &mut heard, &mut answer).is_err());
    assert!(line.ours.is_open() && line.ours.has_heard_all());
}

#[test]
fn to_a_client_that_does_not_believe_us_it_never_was_open() {
    for version in [&version::TLS13, &version::TLS12] {
        let mut line = Line::new(version, 1 << 20);
        (_, line.client) = crate::net::both_ends(&[version]);
        let (mut sent, mut heard, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        line.client.write_tls(&mut sent).unwrap();
        line.ours.open(&mut sent, &mut heard, &mut answer).unwrap();
        line.client.read_tls(&mut answer.as_slice()).unwrap();
        line.client.process_new_packets().unwrap_err();
        sent.clear();
        while line.client.wants_write() {
            line.client.write_tls(&mut sent).unwrap();
        }
        assert!(line.ours.open(&mut sent, &mut heard, &mut answer).is_err());
        assert!(!line.ours.is_open(), "{version:?}");
    }
}

#[test]
fn a_message_of_the_handshake_without_end_is_not_kept() {
    let mut line = Line::new(&version::TLS13, 1 << 20);
    // A client hello of 65,000 bytes in records of 16,384, of which no end ever comes.
    let mut record = vec![22, 3, 1, 0x40, 0];
    record.resize(5 + 0x4000, 0);
    record[5..9].copy_from_slice(&[1, 0, 0xfd, 0xe8]);
    let (mut heard, mut answer) = (Vec::new(), Vec::new());
    let outcomes: Vec<_> =
        (0..4).map(|_| line.ours.open(&mut record.clone(), &mut heard, &mut answer)).collect();
    assert!(outcomes.iter().any(Result::is_err), "{outcomes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a peer sends, however it is cut, and whatever we say meanwhile: no panic, and no more held than there may be.
    #[test]
    fn a_hostile_peer_breaks_nothing_but_its_own_connection(
        cuts in proptest::collection::vec(1..3_000_usize, 1..40),
        faults in proptest::collection::vec((0..6_000_usize, any::<u8>()), 0..4),
        says in any::<u64>(),
    ) {
        let mut line = Line::new(if says % 2 == 0 { &version::TLS13 } else { &version::TLS12 }, 1 << 20);
        if says % 3 > 0 {
            line.talk().unwrap();
        }
        line.client.writer().write_all(&[7; 4_000]).unwrap();
        let mut sent = Vec::new();
        while line.client.wants_write() {
            line.client.write_tls(&mut sent).unwrap();
        }
        for (at, byte) in faults {
            if let Some(place) = sent.get_mut(at) {
                *place = byte;
            }
        }
        let (mut rest, mut heard, mut out) = (&mut sent[..], Vec::new(), Vec::new());
        for (n, cut) in cuts.into_iter().cycle().enumerate() {
            if rest.is_empty() {
                break;
            }
            let cut = cut.min(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(cut);
            rest = later;
            let _ = line.ours.open(now, &mut heard, &mut out);
            if says >> (n % 64) & 1 == 1 {
                let _ = line.ours.seal(b"meanwhile", &mut out);
            }
            prop_assert!(line.ours.held_bytes() <= TLS_PARTIAL_BYTES);
        }
    }
}
