//! Appending: order, heads, what each core hears and when, duplicates, quotas.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod store_support;

use corepost::log::{LogEvent, ReadFrom};
use corepost::model::{ErrorCode, IdRef, Position};
use store_support::*;

#[test]
fn appends_are_answered_in_order_and_read_again_after_a_restart() {
    let dir = TempDir::new("append");
    let log = TestLog::open(dir.path(), options());
    assert!(log.recovered.heads.iter().all(|&head| head == Position::START));
    let sent: Vec<_> = (0..100).map(|n| message("bob", &format!("m-{n}"), &format!("hi {n}"))).collect();
    let answers = log.append_all(&sent);
    let offsets: Vec<_> = answers.iter().map(|answer| answer.unwrap().offset).collect();
    assert_eq!(offsets, (0..100).collect::<Vec<_>>());
    assert!(answers.windows(2).all(|pair| pair[0].unwrap().at_ms <= pair[1].unwrap().at_ms));
    let expected: Vec<_> = (0..100).map(|n| format!("hi {n}")).collect();
    assert_eq!(log.mailbox("bob"), expected);
    assert_eq!(bodies(&log.records_told("bob")), expected);
    let (epoch, head) = (log.recovered.log_epoch, log.head(partition("bob")));
    assert_eq!(head.offset, 100);
    drop(log);

    let log = TestLog::open(dir.path(), options());
    assert_eq!(log.recovered.log_epoch, epoch);
    assert_eq!(log.recovered.heads[usize::from(partition("bob").0)], head);
    assert_eq!(log.mailbox("bob"), expected);
    assert_eq!(log.append_one(message("bob", "next", "next")).unwrap().offset, 100);
    assert_eq!(log.mailbox("bob").len(), 101);
}

#[test]
fn a_core_hears_records_then_answers_then_heads() {
    let dir = TempDir::new("order");
    let log = TestLog::open(dir.path(), options());
    let clients: Vec<_> = (0..40).map(|n| format!("client-{n}")).collect();
    for round in 0..5 {
        let sent: Vec<_> = clients.iter().map(|to| message(to, &format!("m-{round}"), "x")).collect();
        log.append_all(&sent);
    }
    // The cores are told one after the other; the last one hears of everything when it hears the next beat.
    log.wait("a beat", |events| matches!(events[2].last(), Some(LogEvent::Beat)).then_some(()));
    for core in 0..CORES {
        let mut newest = vec![0; usize::from(PARTITIONS)];
        let mut announced = vec![0; usize::from(PARTITIONS)];
        for event in log.told(core) {
            match event {
                LogEvent::Record(record) => {
                    let p = usize::from(record.partition.0);
                    assert_eq!(topology().place(record.envelope.to()).core, core);
                    assert!(record.offset >= announced[p], "a head was told before a record below it");
                    assert!(record.offset >= newest[p]);
                    newest[p] = record.offset + 1;
                }
                LogEvent::Appended(appended) => assert_eq!((appended.ticket.core, core), (0, 0)),
                LogEvent::Head(p, head) => {
                    assert!(head.offset >= announced[usize::from(p.0)]);
                    announced[usize::from(p.0)] = head.offset;
                }
                _ => {}
            }
        }
        let heads: Vec<_> = (0..PARTITIONS).map(|p| log.head(corepost::model::Partition(p)).offset).collect();
        assert_eq!(announced, heads, "core {core} knows every head");
    }
}

#[test]
fn a_beat_comes_often_enough_also_when_nothing_happens() {
    let dir = TempDir::new("beat");
    let log = TestLog::open(dir.path(), options());
    std::thread::sleep(std::time::Duration::from_millis(1_300));
    for core in 0..CORES {
        let beats = log.told(core).iter().filter(|event| matches!(event, LogEvent::Beat)).count();
        assert!((4..=8).contains(&beats), "{beats} beats in 1.3 s");
    }
}

#[test]
fn duplicates_take_an_offset_and_are_given_to_nobody_across_restarts_too() {
    let dir = TempDir::new("dedupe");
    let clock = TestClock::at(1_000_000);
    let with_clock = || corepost::backplane::Options { clock: clock.clock(), ..options() };
    let log = TestLog::open(dir.path(), with_clock());
    let first = log.append_one(message("bob", "m-1", "once")).unwrap();
    let again = log.append_one(message("bob", "m-1", "once")).unwrap();
    assert_eq!((first.offset, again.offset), (0, 1), "a duplicate is acknowledged where it stands");
    log.append_one(message("bob", "m-1", "same id, another body")).unwrap();
    assert_eq!(log.records_told("bob").len(), 2);
    drop(log);

    clock.set(1_000_000 + 600_000);
    let log = TestLog::open(dir.path(), with_clock());
    log.append_one(message("bob", "m-1", "once")).unwrap();
    assert!(log.records_told("bob").is_empty(), "the window is ten minutes and survives the restart");
    drop(log);

    clock.set(1_000_000 + 1_200_000);
    let log = TestLog::open(dir.path(), with_clock());
    log.append_one(message("bob", "m-1", "once")).unwrap();
    assert!(log.records_told("bob").is_empty(), "the duplicate opened a window of its own");
    clock.set(1_000_000 + 1_800_001);
    log.append_one(message("bob", "m-1", "once")).unwrap();
    assert_eq!(log.records_told("bob").len(), 1, "after it the same is a new message");
    assert_eq!(log.mailbox("bob"), ["once", "same id, another body", "once"]);
    assert_eq!(log.head(partition("bob")).offset, 6);
}

#[test]
fn log_time_never_steps_back() {
    let dir = TempDir::new("clock");
    let clock = TestClock::at(5_000);
    let with_clock = || corepost::backplane::Options { clock: clock.clock(), ..options() };
    let log = TestLog::open(dir.path(), with_clock());
    assert_eq!(log.append_one(message("bob", "a", "a")).unwrap().at_ms, 5_000);
    clock.set(1_000);
    assert_eq!(log.append_one(message("bob", "b", "b")).unwrap().at_ms, 5_000);
    drop(log);
    let log = TestLog::open(dir.path(), with_clock());
    assert_eq!(log.append_one(message("eve", "c", "c")).unwrap().at_ms, 5_000);
}

#[test]
fn a_full_mailbox_refuses_until_it_is_erased_and_others_go_on() {
    let dir = TempDir::new("quota");
    let small = || corepost::backplane::Options { mailbox_envelopes: 5, mailbox_bytes: 4_000, ..options() };
    let log = TestLog::open(dir.path(), small());
    let sent: Vec<_> = (0..8).map(|n| message("bob", &format!("m-{n}"), "x")).collect();
    let answers = log.append_all(&sent);
    assert!(answers[..5].iter().all(Result::is_ok));
    for refused in &answers[5..] {
        assert_eq!(refused.unwrap_err().code, ErrorCode::MailboxFull);
    }
    assert_eq!(log.head(partition("bob")).offset, 5, "refused is not in the log");
    log.append_one(message("bob", "m-0", "x")).expect("a duplicate of what is there takes no room");
    log.append_one(message("eve", "m-0", "x")).expect("others have room");
    drop(log);

    let log = TestLog::open(dir.path(), small());
    assert_eq!(log.append_one(message("bob", "m-9", "x")).unwrap_err().code, ErrorCode::MailboxFull);
    log.append_one(erase("bob")).expect("an erase is never refused for want of room");
    log.append_one(message("bob", "m-10", "x")).unwrap();
    drop(log);

    let log = TestLog::open(dir.path(), small());
    let answers = log.append_all(&(0..5).map(|n| message("bob", &format!("n-{n}"), "y")).collect::<Vec<_>>());
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4, "one was there since the erase");
}

#[test]
fn a_small_message_does_not_overtake_a_large_one_that_found_no_room() {
    let dir = TempDir::new("quota-bytes");
    let small = corepost::backplane::Options { mailbox_bytes: 1_000, ..options() };
    let log = TestLog::open(dir.path(), small);
    let sent = [
        message("bob", "a", &"a".repeat(600)),
        message("bob", "b", &"b".repeat(600)),
        message("bob", "c", "c"),
    ];
    let answers = log.append_all(&sent);
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_err(), "{answers:?}");
    log.append_one(message("bob", "c", "c")).expect("it fits when sent on its own");
}

#[test]
fn a_full_log_refuses_everything_and_evicts_nothing() {
    let dir = TempDir::new("full");
    let small = corepost::backplane::Options { retention_bytes: 10_000, ..options() };
    let log = TestLog::open(dir.path(), small);
    let sent: Vec<_> = (0..30).map(|n| message(&format!("c-{n}"), "m", &"x".repeat(970))).collect();
    let answers = log.append_all(&sent);
    let taken = answers.iter().take_while(|answer| answer.is_ok()).count();
    assert!((8..=10).contains(&taken), "{taken}");
    assert!(answers[taken..].iter().all(|answer| answer.unwrap_err().code == ErrorCode::Unavailable));
    assert_eq!(log.log.health().trouble(), corepost::backplane::Trouble::Full);
    for n in 0..taken {
        assert_eq!(log.mailbox(&format!("c-{n}")).len(), 1);
    }
}

#[test]
fn a_revocation_is_told_at_once_and_first_thing_after_a_restart() {
    let dir = TempDir::new("revoke");
    let log = TestLog::open(dir.path(), options());
    log.revoke("bob", 100).unwrap();
    log.revoke("bob", 50).unwrap();
    log.revoke("eve", 7).unwrap();
    log.append_one(message("bob", "m", "x")).unwrap();
    drop(log);
    let log = TestLog::open(dir.path(), options());
    for (client, until) in [("bob", 100), ("eve", 7)] {
        let told = log.told(topology().place(IdRef::new(client).unwrap()).core);
        let at = told.iter().position(|event| match event {
            LogEvent::Revoked(revocation) => {
                revocation.client.as_str() == client && revocation.issued_until_s == until
            }
            _ => false,
        });
        let at = at.unwrap_or_else(|| panic!("{client} was not told: {told:?}"));
        assert!(told[..at].iter().all(|event| matches!(event, LogEvent::Revoked(_))));
    }
    assert_eq!(log.read_from("bob", ReadFrom::Oldest).unwrap().records.len(), 1);
}
