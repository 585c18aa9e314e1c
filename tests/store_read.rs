//! Reading: every way to begin, paging, counting, and every reason why a position does not lead to the present.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod store_support;

use corepost::backplane::Options;
use corepost::log::{Read, ReadFrom, Unreadable};
use corepost::model::{Position, Unresumed};
use std::path::Path;
use store_support::*;

/// Bob's messages 0..n, each a second after the last one, with messages of others in his partition between them.
fn filled(dir: &Path, clock: &TestClock, n: u64) -> TestLog {
    let log = TestLog::open(dir, Options { clock: clock.clock(), ..options() });
    let other =
        (0..).map(|n| format!("other-{n}")).find(|other| partition(other) == partition("bob")).unwrap();
    for at in 0..n {
        clock.set(10_000 + at * 1_000);
        log.append_all(&[
            message("bob", &format!("m-{at}"), &format!("{at}")),
            message(&other, &format!("o-{at}"), "not his"),
        ]);
    }
    log
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

fn reason(read: Result<corepost::log::Page, Unreadable>) -> Unresumed {
    match read {
        Err(Unreadable::Unresumed(why)) => why,
        other => panic!("expected a reason, got {other:?}"),
    }
}

#[test]
fn every_way_to_begin() {
    let dir = TempDir::new("begin");
    let log = filled(dir.path(), &TestClock::default(), 20);
    let read = |from| log.read_from("bob", from).unwrap();
    let at = |offset| Position { leader_epoch: u32::from(offset > 0), offset };

    let page = read(ReadFrom::Oldest);
    assert_eq!((bodies(&page.records), page.start), (numbers(0..20), at(0)));
    assert_eq!((page.through, page.counted, page.more), (at(40), 20, false));

    let page = read(ReadFrom::After(at(11)));
    assert_eq!((bodies(&page.records), page.start), (numbers(6..20), at(11)), "the one at offset 10 is had");

    let page = read(ReadFrom::Last(3));
    assert_eq!((bodies(&page.records), page.start), (numbers(17..20), at(34)));
    assert_eq!(bodies(&read(ReadFrom::Last(1_000)).records), numbers(0..20));
    assert_eq!(read(ReadFrom::Last(0)).start, at(40));

    for (since, first) in [(0, 0), (10_000, 0), (10_001, 1), (14_999, 5), (15_000, 5), (29_000, 19)] {
        let page = read(ReadFrom::Since(since));
        assert_eq!(bodies(&page.records), numbers(first..20), "since {since}");
        assert_eq!(page.start, at(first * 2));
    }
    let page = read(ReadFrom::Since(29_001));
    assert_eq!((page.records.len(), page.start, page.through), (0, at(40), at(40)));

    let page = log.read_from("nobody", ReadFrom::Oldest).unwrap();
    assert_eq!((page.records.len(), page.counted, page.start), (0, 0, log.head(partition("nobody"))));
}

#[test]
fn pages_follow_each_other_without_a_hole_and_count_as_asked() {
    let dir = TempDir::new("pages");
    let log = filled(dir.path(), &TestClock::default(), 20);
    let whole = log.whole("bob", ReadFrom::Oldest);
    let mut got = Vec::new();
    let mut from = ReadFrom::Oldest;
    loop {
        let page = log.read(Read { from, page_envelopes: 7, ..whole.clone() }).unwrap();
        got.extend(bodies(&page.records));
        from = ReadFrom::After(page.through);
        if page.through == whole.upto {
            assert!(!page.more);
            break;
        }
        assert_eq!((page.counted, page.more), (7, true), "not counted beyond the page");
    }
    assert_eq!(got, numbers(0..20));

    let counted = |read: Read| {
        let page = log.read(read).unwrap();
        (page.records.len(), page.counted, page.more)
    };
    assert_eq!(counted(Read { page_envelopes: 7, count_to: 20, ..whole.clone() }), (7, 20, false));
    assert_eq!(counted(Read { page_envelopes: 7, count_to: 19, ..whole.clone() }), (7, 19, true));
    assert_eq!(counted(Read { page_envelopes: 0, count_to: 10_000, ..whole.clone() }), (0, 20, false));
    assert_eq!(counted(Read { page_bytes: 1, ..whole.clone() }), (1, 1, true), "at least one");
    let page = log.read(Read { page_envelopes: 0, count_to: 5, ..whole.clone() }).unwrap();
    assert_eq!((page.through, page.start), (Position::START, Position::START), "nothing was given");

    let upto = Position { leader_epoch: 1, offset: 21 };
    let page = log.read(Read { upto, ..whole }).unwrap();
    assert_eq!((bodies(&page.records), page.through), (numbers(0..11), upto), "nothing beyond what is known");
}

#[test]
fn what_was_erased_is_not_served_and_who_is_before_it_is_told() {
    let dir = TempDir::new("erase");
    let clock = TestClock::default();
    let log = filled(dir.path(), &clock, 5);
    let before = log.head(partition("bob"));
    let erased = log.append_one(erase("bob")).unwrap().offset;
    log.append_one(message("bob", "new", "new")).unwrap();
    for after_a_restart in [false, true] {
        let log = if after_a_restart {
            TestLog::open(&dir.path().join("copy"), Options { clock: clock.clock(), ..options() })
        } else {
            copy_dir(dir.path(), &dir.path().join("copy"));
            TestLog::open(&dir.path().join("copy"), Options { clock: clock.clock(), ..options() })
        };
        for from in [ReadFrom::Oldest, ReadFrom::Since(0), ReadFrom::Last(100)] {
            assert_eq!(bodies(&log.read_from("bob", from).unwrap().records), ["new"], "{from:?}");
        }
        assert_eq!(reason(log.read_from("bob", ReadFrom::After(before))), Unresumed::Erased);
        let after = Position::after(1, erased);
        assert_eq!(bodies(&log.read_from("bob", ReadFrom::After(after)).unwrap().records), ["new"]);
        log.append_one(message("bob", "m-1", "1")).unwrap();
        assert_eq!(log.mailbox("bob"), ["new"], "dedupe does not know of erases");
    }
    // A core that has not heard of the erase skips what it took, and judges nobody by it.
    let read = Read { upto: before, ..log.whole("bob", ReadFrom::After(Position::START)) };
    let page = log.read(read).unwrap();
    assert_eq!((page.records.len(), page.through), (0, before));
}

#[test]
fn a_position_of_a_life_that_was_lost_is_truncated() {
    let dir = TempDir::new("truncated");
    let (live, lost) = (dir.path().join("live"), dir.path().join("lost"));
    drop(filled(&live, &TestClock::default(), 5));
    let log = TestLog::open(&live, options());
    log.append_one(message("bob", "a", "a")).unwrap();
    let kept = log.head(partition("bob"));
    // What a power cut leaves of a log that does not fsync: everything up to some moment.
    copy_dir(&live, &lost);
    log.append_one(message("bob", "b", "b")).unwrap();
    let gone = log.head(partition("bob"));
    drop(log);

    let log = TestLog::open(&lost, options());
    log.append_one(message("bob", "c", "c")).unwrap();
    log.append_one(message("bob", "d", "d")).unwrap();
    assert_eq!(reason(log.read_from("bob", ReadFrom::After(gone))), Unresumed::Truncated);
    assert_eq!(bodies(&log.read_from("bob", ReadFrom::After(kept)).unwrap().records), ["c", "d"]);
    assert!(
        log.head(partition("bob")) > gone,
        "positions of the new life are greater than those of the lost one"
    );
}

#[test]
fn a_damaged_table_is_a_hole_that_is_told_and_nothing_else() {
    let dir = TempDir::new("damaged");
    let small = || Options { memtable_bytes: 256 << 10, cache_bytes: 1 << 20, ..options() };
    let log = TestLog::open(dir.path(), small());
    let body = |n: u64| format!("{n:06}{}", "x".repeat(4_000));
    for n in 0..300 {
        log.append_one(message("bob", &format!("m-{n}"), &body(n))).unwrap();
    }
    await_table(dir.path());
    drop(log);
    damage_a_table(dir.path());

    let log = TestLog::open(dir.path(), small());
    assert_eq!(reason(log.read_from("bob", ReadFrom::After(Position::START))), Unresumed::Damaged);
    assert!(log.log.health().read().damaged > 0);
    let page = log.read_from("bob", ReadFrom::Oldest).expect("whoever claims nothing gets what is there");
    assert!(page.start.offset > 0 && !page.records.is_empty());
    let newest = page.records.last().unwrap().offset;
    assert!(page.records.windows(2).all(|pair| pair[0].offset + 1 == pair[1].offset), "without a hole");
    assert_eq!(newest, 299);
    let after = log.read_from("bob", ReadFrom::After(page.start)).unwrap();
    assert_eq!(after.records.len(), page.records.len(), "after the hole all is well");
    log.append_one(message("eve", "m", "x")).unwrap();
    assert_eq!(log.mailbox("eve"), ["x"]);
}

#[test]
fn what_was_erased_leaves_the_disk() {
    let dir = TempDir::new("sweep");
    let small = || Options { memtable_bytes: 64 << 10, ..options() };
    let log = TestLog::open(dir.path(), small());
    let secret = "nobody shall read this again";
    for n in 0..700 {
        log.append(&[message("bob", &format!("m-{n}"), &format!("{secret} {n}"))]);
    }
    log.append_one(erase("bob")).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while log.log.health().read().swept < 700 {
        assert!(std::time::Instant::now() < deadline, "{} rows were swept", log.log.health().read().swept);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(log.log.health().read().bytes, 0);
    log.append_one(message("bob", "new", "new")).unwrap();
    drop(log);
    let log = TestLog::open(dir.path(), small());
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(log.log.health().read().swept, 0, "nothing was left for a start to sweep");
    assert_eq!(log.mailbox("bob"), ["new"]);
}
