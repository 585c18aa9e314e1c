//! The paths of single messages do not allocate: whole frame → command, push → frame, in buffers used again. Nor does
//! a count in a record from another node for which it has no bytes.

use corepost::model::{Command, Cursor, Envelope, EnvelopeParts, IdRef, Kind, Position, Push};
use corepost::wire::json::{Face, Parser};
use corepost::wire::node_record::{NodeRecord, Unreadable, VERSION};
use corepost::wire::websocket::{Event, Opcode, PartialBudget, Receiver, Rules, write_frame, write_masked};
use corepost::wire::write_push;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it is; counting touches no allocation.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `alloc` above with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: `at` came from `alloc` above with this layout, and the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of `work` once it has run a few times.
fn allocations(mut work: impl FnMut()) -> usize {
    for _ in 0..3 {
        work();
    }
    let before = COUNT.get();
    for _ in 0..100 {
        work();
    }
    COUNT.get() - before
}

#[test]
fn this_test_can_fail() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 100);
}

#[test]
fn a_message_in_is_a_command_without_an_allocation() {
    let list: Vec<String> = (0..500).map(|n| format!("\"client-{n}\"")).collect();
    let frames = [
        r#"{"type":"send","id":"m-1","to":"bob","body":{"text":"hi","n":[1,2,3]}}"#.to_owned(),
        format!(r#"{{"type":"send","id":"m-1","to":[{}],"copy":true,"body":"é\n"}}"#, list.join(",")),
        format!(r#"{{"body":[{}],"type":"send","t\u006f":"bob","id":"m-\u0031"}}"#, list.join(",")),
        r#"{"type":"send","to":"bob","ephemeral":true,"body":null}"#.to_owned(),
        r#"{"type":"ping"}"#.to_owned(),
    ];
    let mut wire = vec![];
    for frame in &frames {
        write_masked(Opcode::Text, frame.as_bytes(), [1, 2, 3, 4], &mut wire);
    }
    let (mut receiver, mut budget, mut parser) =
        (Receiver::default(), PartialBudget::default(), Parser::new());
    let mut buffer = wire.clone();
    let count = allocations(|| {
        buffer.copy_from_slice(&wire);
        let (mut input, mut recipients) = (&mut buffer[..], 0);
        while let Ok(Some(event)) = receiver.next(&mut input, &Rules::CLIENT, &mut budget, 0) {
            let Event::Message { data, .. } = event else { panic!("{event:?}") };
            if let Command::Send(send) = parser.command(data).expect("a command") {
                recipients += send.to.iter().count();
            }
        }
        assert_eq!(recipients, 1 + 500 + 1 + 1);
    });
    assert_eq!(count, 0);
}

#[test]
fn a_push_is_a_frame_without_an_allocation() {
    let id = |text| IdRef::new(text).expect("an ID");
    let envelope = Envelope::new(EnvelopeParts {
        kind: Kind::Message,
        to: Some(id("bob")),
        from: Some(id("alice")),
        id: Some(id("m-1")),
        copied_to: br#"["bob"]"#,
        body: br#"{"text":"hi"}"#,
    });
    let at = |offset| Position { leader_epoch: 1, offset };
    let pushes = [
        Push::Message { envelope: envelope.clone(), at_ms: 1_760_000_000_000, prev: at(1), cursor: at(2) },
        Push::Ack { of: envelope, at_ms: 1_760_000_000_000 },
        Push::Pong { cursor: Some(at(2)) },
        Push::Live { cursor: at(2) },
    ];
    let face = Face { log_epoch: 7, client: id("bob"), node: 0, incarnation: 1, limits_json: "{}" };
    let mut out = vec![];
    let count = allocations(|| {
        out.clear();
        for push in &pushes {
            write_push(push, &face, &mut out);
        }
        write_frame(Opcode::Pong, b"payload", &mut out);
    });
    assert_eq!(count, 0);
    let cursor = Cursor { log_epoch: 7, at: at(2) }.text(id("bob"));
    assert!(out.windows(41).any(|text| text == cursor.as_bytes()));
}

/// Hello, more, deliver, mark and whisper begin with a list or nearly so.
#[test]
fn a_count_without_bytes_behind_it_makes_no_room_for_anything() {
    for (kind, before) in [(1, 0), (2, 0), (0x45, 0), (0x46, 8), (0x80, 0)] {
        let mut value = vec![1; 2 + 8 + 8];
        value.push(kind);
        if kind < 0x80 {
            value.extend([1; 8]);
            value.extend(u64::from(kind != 1).to_le_bytes());
        }
        value.extend(vec![0; before]);
        let at = value.len();
        for count in [u32::MAX, 1_000] {
            value.truncate(at);
            value.extend(count.to_le_bytes());
            value.extend([0; 999]);
            let count = allocations(|| {
                let read = NodeRecord::read(Some(VERSION.as_bytes()), &value);
                assert!(matches!(read, Err(Unreadable::Damaged { at: there, .. }) if there == at), "{kind}");
            });
            assert_eq!(count, 0, "{kind}");
        }
    }
}
