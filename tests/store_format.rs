//! Directories of every format there has been are opened by this version. `store_format/v1` was written by
//! `write_the_present_format`, which is run by hand when a format is made, never to make this test pass.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod store_support;

use corepost::backplane::Options;
use corepost::log::{LogEvent, ReadFrom};
use corepost::model::{Position, Unresumed};
use std::path::Path;
use store_support::*;

const THEN_MS: u64 = 1_767_225_600_000;

fn then() -> Options {
    Options { clock: TestClock::at(THEN_MS).clock(), memtable_bytes: 8 << 10, ..options() }
}

fn fixture() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store_format/v1"))
}

fn fill(dir: &Path) {
    let log = TestLog::open(dir, then());
    for n in 0..60 {
        log.append_one(message(
            &format!("c{}", n % 3),
            &format!("m-{n}"),
            &format!("{n} {}", "x".repeat(150)),
        ))
        .unwrap();
    }
    log.append_one(message("c0", "m-0", &format!("0 {}", "x".repeat(150)))).unwrap();
    log.append_one(erase("c1")).unwrap();
    log.append_one(message("c1", "after", "after")).unwrap();
    log.revoke("c2", 1_767_000_000).unwrap();
    drop(log);
    let log = TestLog::open(dir, then());
    log.append_one(message("c2", "second life", "second life")).unwrap();
}

#[test]
fn a_directory_of_format_1_is_opened_with_all_that_is_in_it() {
    let dir = TempDir::new("format-1");
    copy_dir(fixture(), dir.path());
    let log = TestLog::open(dir.path(), then());
    let ids = |client: &str| -> Vec<String> {
        let page = log.read_from(client, ReadFrom::Oldest).unwrap();
        page.records.iter().map(|record| record.envelope.id().unwrap().as_str().to_owned()).collect()
    };
    let every_third = |first: usize| (first..60).step_by(3).map(|n| format!("m-{n}")).collect::<Vec<_>>();
    assert_eq!(ids("c0"), every_third(0));
    assert_eq!(ids("c1"), ["after"]);
    assert_eq!(ids("c2"), [every_third(2), vec!["second life".to_owned()]].concat());
    let erased = log.read_from("c1", ReadFrom::After(Position { leader_epoch: 1, offset: 2 }));
    assert_eq!(erased, Err(corepost::log::Unreadable::Unresumed(Unresumed::Erased)));
    let is_revoked =
        |event: &LogEvent| matches!(event, LogEvent::Revoked(r) if r.issued_until_s == 1_767_000_000);
    assert!((0..CORES).any(|core| log.told(core).iter().any(is_revoked)));
    let head = log.head(partition("c2"));
    assert_eq!(log.append_one(message("c2", "second life", "second life")).unwrap().offset, head.offset);
    assert_eq!(ids("c2").len(), 21, "the dedupe window was kept");
    assert_eq!(log.append_one(message("c2", "third", "third")).unwrap().at_ms, THEN_MS);
}

#[test]
#[ignore = "writes the fixture anew"]
fn write_the_present_format() {
    let _ = std::fs::remove_dir_all(fixture());
    fill(fixture());
    // fjall makes room in its journal ahead of time; a fixture need not carry it.
    for entry in std::fs::read_dir(fixture().join("store")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let bytes = std::fs::read(&path).unwrap();
            let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
            std::fs::write(&path, &bytes[..end]).unwrap();
        }
    }
}
