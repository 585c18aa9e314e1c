//! Retention: buckets go whole when their newest record is too old, floors are told, and nothing younger goes.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod store_support;

use corepost::backplane::Options;
use corepost::log::{LogEvent, ReadFrom, Unreadable};
use corepost::model::{ErrorCode, Position, Unresumed};
use std::time::Duration;
use store_support::*;

const HOUR: u64 = 3_600_000;

fn floors_told(log: &TestLog) -> usize {
    log.told(1).iter().filter(|event| matches!(event, LogEvent::Floors(_))).count()
}

#[test]
fn what_is_too_old_goes_in_whole_buckets_and_is_said_to_be_expired() {
    let dir = TempDir::new("retention");
    let clock = TestClock::at(HOUR);
    let hours =
        || Options { clock: clock.clock(), retention_ms: 8 * HOUR, mailbox_envelopes: 12, ..options() };
    let log = TestLog::open(dir.path(), hours());
    let at_start = floors_told(&log);
    let mut refused = 0;
    for hour in 1..=30 {
        clock.set(hour * HOUR);
        // Expiring is done a few times a second of real time.
        std::thread::sleep(Duration::from_millis(450));
        let answer = log.append_one(message("bob", &format!("m-{hour}"), &format!("{hour}")));
        refused += usize::from(answer.is_err());
        let oldest = log.read_from("bob", ReadFrom::Oldest).unwrap();
        let first_at = oldest.records[0].at_ms;
        assert!(first_at + 10 * HOUR >= hour * HOUR, "hour {hour} still has {first_at}");
        if hour > 10 {
            assert!(oldest.records.len() >= 8, "what is younger than retention is there");
        }
    }
    assert_eq!(refused, 0, "expired envelopes make room in the quota");
    assert!(floors_told(&log) >= at_start + 15);
    let floor = log.read_from("bob", ReadFrom::Oldest).unwrap().start;
    for from in [Position::START, Position { leader_epoch: 1, offset: floor.offset - 1 }] {
        let read = log.read_from("bob", ReadFrom::After(from));
        assert_eq!(read, Err(Unreadable::Unresumed(Unresumed::Expired)));
    }
    assert!(log.read_from("bob", ReadFrom::After(floor)).is_ok());
    let kept = log.mailbox("bob");
    drop(log);

    let log = TestLog::open(dir.path(), hours());
    assert_eq!(log.mailbox("bob"), kept);
    assert_eq!(log.recovered.floors[usize::from(partition("bob").0)], floor.offset);
    drop(log);
    let keyspaces = std::fs::read_dir(dir.path().join("store/keyspaces")).unwrap().count();
    assert!(keyspaces <= 14, "{keyspaces} keyspaces are left of 30 hours");
}

#[test]
fn a_log_that_everything_has_left_goes_on_where_it_was() {
    let dir = TempDir::new("emptied");
    let clock = TestClock::at(HOUR);
    let hours =
        || Options { clock: clock.clock(), retention_ms: 8 * HOUR, retention_bytes: 2_000, ..options() };
    let log = TestLog::open(dir.path(), hours());
    for n in 0..3 {
        log.append_one(message("bob", &format!("{n}"), &"x".repeat(600))).unwrap();
    }
    assert_eq!(log.append_one(message("bob", "3", "x")).unwrap_or_else(|_| unreachable!()).offset, 3);
    let refused = log.append_one(message("bob", "4", &"x".repeat(600))).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unavailable);
    let head = log.head(partition("bob"));
    clock.set(10 * HOUR);
    log.wait("floors at the head", |events| {
        events[0].iter().rev().find_map(|event| match event {
            LogEvent::Floors(floors) => {
                (floors[usize::from(partition("bob").0)] == head.offset).then_some(())
            }
            _ => None,
        })
    });
    assert!(log.mailbox("bob").is_empty());
    assert!(log.read_from("bob", ReadFrom::After(head)).is_ok(), "whoever has everything has lost nothing");
    log.append_one(message("bob", "4", &"x".repeat(600))).expect("there is room again");
    assert_eq!(log.log.health().read().bytes / 100, 6);
    drop(log);
    let log = TestLog::open(dir.path(), hours());
    assert_eq!(log.mailbox("bob").len(), 1);
    assert_eq!(log.head(partition("bob")).offset, 5);
}
