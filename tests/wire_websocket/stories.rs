//! What a receiver does, told one by one.

use crate::{Seen, feed, frame, run};
use corepost::limits::{PARTIAL_STEP, SKIM_BYTES};
use corepost::model::CloseCode;
use corepost::wire::websocket::{
    Event, Opcode, PartialBudget, Receiver, Rules, write_close, write_frame, write_masked,
};

const TEXT: u8 = 0x81;
const TEXT_MORE: u8 = 0x01;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// All at once and byte by byte: the same.
fn see(stream: &[u8], rules: &Rules) -> Vec<Seen> {
    let whole = run(stream, &[stream.len()], rules);
    if stream.len() < 10_000 {
        assert_eq!(run(stream, &vec![1; stream.len()], rules), whole);
    }
    whole
}

#[test]
fn a_whole_frame_is_handed_out_in_place_and_nothing_is_remembered() {
    let mut bytes = [frame(TEXT, b"one"), frame(TEXT, b"two")].concat();
    let (mut receiver, mut budget) = (Receiver::default(), PartialBudget::new(0));
    let mut input = &mut bytes[..];
    let event = receiver.next(&mut input, &Rules::CLIENT, &mut budget, 0);
    assert_eq!(event, Ok(Some(Event::Message { text: true, data: &mut b"one".to_vec() })));
    // The caller may stop here: what is left is the rest of its own buffer.
    assert_eq!(input.len(), frame(TEXT, b"two").len());
    assert_eq!(receiver.pending_since(), None);
    let event = receiver.next(&mut input, &Rules::CLIENT, &mut budget, 0);
    assert_eq!(event, Ok(Some(Event::Message { text: true, data: &mut b"two".to_vec() })));
    assert_eq!(receiver.next(&mut input, &Rules::CLIENT, &mut budget, 0), Ok(None));
}

#[test]
fn control_frames_stand_between_fragments() {
    let stream = [
        frame(TEXT_MORE, "gr\u{fc}".as_bytes().split_at(3).0),
        frame(PING, b"there?"),
        frame(MORE, b""),
        frame(LAST, &"\u{fc}n".as_bytes()[1..]),
        frame(CLOSE, b"\x03\xe8bye"),
        frame(TEXT, b"not heard any more"),
    ];
    assert_eq!(
        see(&stream.concat(), &Rules::ECHO),
        [
            Seen::Ping(b"there?".to_vec()),
            Seen::Text("gr\u{fc}n".as_bytes().to_vec()),
            Seen::Close(Some(1000), b"bye".to_vec()),
        ]
    );
}

#[test]
fn violations_close_with_the_code_of_the_rfc() {
    use CloseCode::{BadUtf8, Protocol, TooBig, Unsupported};
    let unmasked = b"\x81\x00".to_vec();
    let cases: [(&str, Vec<u8>, CloseCode); 16] = [
        ("reserved bit", frame(TEXT | 0x40, b""), Protocol),
        ("reserved opcode", frame(0x83, b""), Protocol),
        ("unmasked", unmasked, Protocol),
        ("continuation of nothing", frame(LAST, b""), Protocol),
        ("text inside text", [frame(TEXT_MORE, b"a"), frame(TEXT, b"b")].concat(), Protocol),
        ("fragmented ping", frame(0x09, b""), Protocol),
        ("long ping", b"\x89\xfe".to_vec(), Protocol),
        ("length not minimal", b"\x81\xfe\x00\x7d".to_vec(), Protocol),
        ("long length not minimal", b"\x81\xff\0\0\0\0\0\0\xff\xff".to_vec(), Protocol),
        ("64th bit", b"\x81\xff\x80\0\0\0\0\x01\0\0".to_vec(), Protocol),
        ("declared too big", b"\x81\xff\0\0\0\0\x01\0\0\x01".to_vec(), TooBig),
        ("binary", frame(0x82, b""), Unsupported),
        ("close of one byte", frame(CLOSE, b"\x03"), Protocol),
        ("close with a code that is never sent", frame(CLOSE, b"\x03\xed"), Protocol),
        ("close with a broken reason", frame(CLOSE, b"\x03\xe8\xff"), BadUtf8),
        ("empty frames are no way around", frame(0x02, b""), Unsupported),
    ];
    for (what, stream, code) in cases {
        assert_eq!(see(&stream, &Rules::CLIENT), [Seen::Failed(code)], "{what}");
    }
    // Broken UTF-8 is refused at its first byte, long before its message ends.
    let mut begun = frame(TEXT_MORE, b"\xf4\x90");
    begun.extend_from_slice(&frame(MORE, b"more")[..3]);
    assert_eq!(see(&begun, &Rules::ECHO), [Seen::Failed(BadUtf8)]);
}

#[test]
fn a_message_over_the_limit_is_read_without_being_kept() {
    let rules = Rules { keep: 1_000, skim: 100_000, ..Rules::CLIENT };
    let large = vec![b'x'; 90_000];
    let expected = [Seen::Oversize(90_000), Seen::Text(b"next".to_vec())];
    let next = frame(TEXT, b"next");
    assert_eq!(see(&[frame(TEXT, &large), next.clone()].concat(), &rules), expected);

    // In many fragments: what was kept is let go as soon as the sum is too large.
    let (mut receiver, mut budget, mut seen) = (Receiver::default(), PartialBudget::default(), vec![]);
    let small = frame(TEXT_MORE, &large[..950]);
    feed(&mut receiver, &small, &rules, &mut budget, &mut seen);
    assert!(budget.used() > 900);
    for piece in large[950..].chunks(100) {
        feed(&mut receiver, &frame(MORE, piece), &rules, &mut budget, &mut seen);
        assert!(budget.used() < 900 || receiver.pending_since().is_none());
    }
    feed(&mut receiver, &[frame(LAST, b""), next].concat(), &rules, &mut budget, &mut seen);
    assert_eq!((&seen[..], budget.used()), (&expected[..], 0));

    // Beyond what is even skimmed, declared or summed.
    let parts = [frame(TEXT_MORE, &large), frame(LAST, &large[..10_001])].concat();
    assert_eq!(see(&parts, &rules), [Seen::Failed(CloseCode::TooBig)]);
    // Nobody parses a skimmed text, so its UTF-8 is checked here, also of what came before it was too large.
    let broken = [frame(TEXT_MORE, b"\xc3"), frame(LAST, &large)].concat();
    assert_eq!(see(&broken, &rules), [Seen::Failed(CloseCode::BadUtf8)]);
    let mut late = large;
    late[89_999] = 0xc3;
    assert_eq!(see(&frame(TEXT, &late), &rules), [Seen::Failed(CloseCode::BadUtf8)]);
}

#[test]
fn declared_lengths_take_no_memory_and_the_budget_is_one_for_all() {
    let mut budget = PartialBudget::new(100_000);
    let mut receivers: Vec<Receiver> = (0..100).map(|_| Receiver::default()).collect();
    // 100 peers declare 16 MiB each and send a few bytes.
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(SKIM_BYTES as u64).to_be_bytes());
    header.extend_from_slice(b"mask");
    let mut refused = 0;
    for receiver in &mut receivers {
        let mut seen = vec![];
        feed(receiver, &header, &Rules::ECHO, &mut budget, &mut seen);
        feed(receiver, &[0; 10], &Rules::ECHO, &mut budget, &mut seen);
        refused += usize::from(seen == [Seen::Failed(CloseCode::TryLater)]);
        assert!(budget.used() <= 100_000);
    }
    let held = 100 - refused;
    assert!((4..20).contains(&held), "{held} hold a step of {PARTIAL_STEP} each");
    for receiver in &mut receivers {
        receiver.release(&mut budget);
    }
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_slow_message_shows_its_age() {
    let (mut receiver, mut budget) = (Receiver::default(), PartialBudget::default());
    let mut step = |bytes: &[u8], now_ms: u64| {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        while receiver.next(&mut input, &Rules::CLIENT, &mut budget, now_ms).unwrap().is_some() {}
        receiver.pending_since()
    };
    assert_eq!(step(&frame(TEXT_MORE, b"a"), 100), Some(100));
    assert_eq!(step(&frame(PING, b""), 200), Some(100));
    assert_eq!(step(&frame(LAST, b"b"), 300), None);
    let (one, two) = (frame(TEXT, b"c"), frame(TEXT, b"d"));
    assert_eq!(step(&[&one, &two[..1]].concat(), 400), Some(400));
    assert_eq!(step(&[&two[1..], &one[..3]].concat(), 500), Some(500));
}

#[test]
fn our_client_hears_our_server_and_the_other_way_round() {
    let large = vec![b'y'; 70_000];
    let mut down = vec![];
    write_frame(Opcode::Text, b"hi", &mut down);
    write_frame(Opcode::Text, &large, &mut down);
    write_frame(Opcode::Ping, b"p", &mut down);
    write_close(Some(1012), "later", &mut down);
    let heard = [
        Seen::Text(b"hi".to_vec()),
        Seen::Text(large.clone()),
        Seen::Ping(b"p".to_vec()),
        Seen::Close(Some(1012), b"later".to_vec()),
    ];
    assert_eq!(run(&down, &[down.len()], &Rules::SERVER), heard);
    assert_eq!(run(&down, &vec![999; 80], &Rules::SERVER), heard);
    assert_eq!(run(&frame(TEXT, b"masked"), &[99], &Rules::SERVER), [Seen::Failed(CloseCode::Protocol)]);

    let mut up = vec![];
    for payload in [&b"hi"[..], &large] {
        write_masked(Opcode::Text, payload, [9, 8, 7, 6], &mut up);
    }
    assert_eq!(run(&up, &[up.len()], &Rules::ECHO), heard[..2]);
}
