//! A disk that is full or fails: sends are refused, reading goes on, nothing acknowledged is lost, and the log takes
//! records again by itself when the disk does.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

#[path = "powercut/shim.rs"]
mod shim;
mod store_support;

use corepost::backplane::{Options, Trouble};
use corepost::log::ReadFrom;
use corepost::model::{ErrorCode, Position};
use shim::with_a_failing_disk;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use store_support::*;

fn small() -> Options {
    Options { memtable_bytes: 128 << 10, ..options() }
}

fn send(log: &TestLog, n: u64) -> Answer {
    log.append_one(message(&format!("c{}", n % 7), &format!("m-{n}"), &"x".repeat(3_000)))
}

/// Fails the disk in mid-load, heals it, again and again; everything acknowledged is there at the end and after.
fn survives(flag: &Path, dir: &Path, failure: &str, trouble: Trouble) {
    let log = TestLog::open(dir, small());
    let mut acknowledged = Vec::new();
    let mut n = 0;
    for round in 0..4 {
        for _ in 0..60 {
            acknowledged.push((n, send(&log, n).expect("the disk is well").offset));
            n += 1;
        }
        std::fs::write(flag, failure).unwrap();
        let refused_from = n;
        let refused = loop {
            match send(&log, n) {
                Ok(appended) => acknowledged.push((n, appended.offset)),
                Err(refused) => break refused,
            }
            n += 1;
            assert!(n < refused_from + 2_000, "a failing disk was not noticed");
        };
        assert_eq!(refused.code, ErrorCode::Unavailable);
        assert!(refused.retry_after_ms > 0);
        assert_eq!(log.log.health().trouble(), trouble, "round {round}");
        assert!(!log.mailbox("c1").is_empty(), "reading goes on");
        std::thread::sleep(Duration::from_millis(700));
        assert!(send(&log, n).is_err(), "it does not heal by itself");
        std::fs::remove_file(flag).unwrap();
        let healed = Instant::now();
        while log.log.health().trouble() != Trouble::None {
            assert!(healed.elapsed() < Duration::from_secs(20), "it did not come back");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(log.log.health().read().reopened >= 4);
    all_there(&log, &acknowledged);
    // A session that was live all the time has been told of everything there is, in order.
    for c in 0..7 {
        let client = format!("c{c}");
        let told: Vec<_> = log.records_told(&client).iter().map(|record| record.offset).collect();
        let there: Vec<_> = log
            .read_from(&client, ReadFrom::Oldest)
            .unwrap()
            .records
            .iter()
            .map(|record| record.offset)
            .collect();
        assert_eq!(told, there, "{client}");
        let leader_epoch = log.head(partition(&client)).leader_epoch;
        assert!(log.read_from(&client, ReadFrom::After(Position { leader_epoch, offset: 3 })).is_ok());
    }
    drop(log);
    all_there(&TestLog::open(dir, small()), &acknowledged);
}

fn all_there(log: &TestLog, acknowledged: &[(u64, u64)]) {
    for c in 0..7 {
        let records = log.read_from(&format!("c{c}"), ReadFrom::Oldest).unwrap().records;
        for (n, offset) in acknowledged.iter().filter(|(n, _)| n % 7 == c) {
            // A send that was refused may be in the log all the same: the next try is then its duplicate.
            let id = format!("m-{n}");
            let found: Vec<_> = records.iter().filter(|r| r.envelope.id().unwrap().as_str() == id).collect();
            assert_eq!(found.len(), 1, "{id}");
            assert!(found[0].offset <= *offset, "{id}");
        }
    }
}

#[test]
fn a_full_disk() {
    let dir = TempDir::new("disk-full");
    let Some(flag) = with_a_failing_disk("a_full_disk", dir.path()) else { return };
    survives(&flag, dir.path(), "F", Trouble::DiskFull);
}

#[test]
fn a_disk_that_cannot_fsync() {
    let dir = TempDir::new("disk-failing");
    let Some(flag) = with_a_failing_disk("a_disk_that_cannot_fsync", dir.path()) else { return };
    survives(&flag, dir.path(), "S", Trouble::Io);
}

#[test]
fn a_kill_in_mid_load_loses_nothing_acknowledged_with_either_durability() {
    if std::env::var("STORE_CHILD").is_ok() {
        return;
    }
    for durability in ["fsync", "process"] {
        let dir = TempDir::new("kill");
        let mut acknowledged = Vec::new();
        for life in 0..8u64 {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["child_under_load", "--exact", "--nocapture", "--test-threads=1"]);
            child
                .env("STORE_CHILD", dir.path())
                .env("STORE_LIFE", life.to_string())
                .env("DURABILITY", durability);
            let mut child = child.stdout(std::process::Stdio::piped()).spawn().unwrap();
            let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
            let mut count = 0;
            for line in lines.map_while(Result::ok) {
                if let Some(ack) = line.strip_prefix("ack ")
                    && let Some((n, offset)) = ack.split_once(' ')
                {
                    acknowledged.push((n.parse().unwrap(), offset.parse().unwrap()));
                    count += 1;
                }
                if count == 100 + life * 37 {
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
        }
        let log = TestLog::open(dir.path(), small());
        all_there(&log, &acknowledged);
        assert!(acknowledged.len() > 8 * 100);
    }
}

/// Not a test of its own: the process that is killed.
#[test]
fn child_under_load() {
    let Ok(dir) = std::env::var("STORE_CHILD") else { return };
    let durability = match std::env::var("DURABILITY").unwrap().as_str() {
        "fsync" => corepost::model::Durability::Fsync,
        _ => corepost::model::Durability::Process,
    };
    let life: u64 = std::env::var("STORE_LIFE").unwrap().parse().unwrap();
    let log = TestLog::open(Path::new(&dir), Options { durability, ..small() });
    for n in (0..).map(|n| life * 7_000_000 + n) {
        let offset = send(&log, n).unwrap().offset;
        println!("ack {n} {offset}");
    }
}
