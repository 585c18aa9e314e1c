//! The data directory: who may open it, and what is said to who may not.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod store_support;

use corepost::backplane::{OpenError, Options};
use corepost::model::Topology;
use std::collections::BTreeSet;
use std::path::Path;
use store_support::*;

fn refusal(dir: &Path, options: Options) -> OpenError {
    match TestLog::try_open(dir, options) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[test]
fn a_second_one_on_the_directory_is_told_so() {
    let dir = TempDir::new("in-use");
    let log = TestLog::open(dir.path(), options());
    let error = refusal(dir.path(), options());
    assert_eq!((error.exit_code(), matches!(error, OpenError::InUse { .. })), (3, true));
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    log.append_one(message("bob", "m", "still mine")).unwrap();
    drop(log);
    assert_eq!(TestLog::open(dir.path(), options()).mailbox("bob"), ["still mine"]);
}

#[test]
fn a_newer_format_is_left_alone() {
    let dir = TempDir::new("newer");
    drop(TestLog::open(dir.path(), options()));
    std::fs::write(dir.path().join("format"), "corepost-log 2\n").unwrap();
    let error = refusal(dir.path(), options());
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("has format 2, this version reads up to 1"), "{error}");
    for nonsense in ["", "corepost-log", "corepost-log x", "something 1"] {
        std::fs::write(dir.path().join("format"), nonsense).unwrap();
        assert!(matches!(refusal(dir.path(), options()), OpenError::Damaged { .. }), "{nonsense:?}");
    }
}

#[test]
fn a_directory_with_other_things_in_it_is_not_taken() {
    let dir = TempDir::new("not-ours");
    std::fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let error = refusal(dir.path(), options());
    assert!(matches!(error, OpenError::NotOurs { .. }) && error.exit_code() == 1, "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was put there");
}

#[test]
fn a_log_keeps_its_number_of_partitions() {
    let dir = TempDir::new("partitions");
    drop(TestLog::open(dir.path(), options()));
    let error = refusal(dir.path(), Options { topology: Topology::new(PARTITIONS + 1, CORES), ..options() });
    assert!(matches!(error, OpenError::Partitions { found: PARTITIONS, asked: 9, .. }), "{error}");
    TestLog::open(dir.path(), Options { topology: Topology::new(PARTITIONS, CORES + 2), ..options() });
}

#[test]
fn a_start_that_was_cut_short_is_begun_again() {
    let dir = TempDir::new("unfinished");
    drop(TestLog::open(dir.path(), options()));
    std::fs::remove_file(dir.path().join("store/version")).unwrap();
    let log = TestLog::open(dir.path(), options());
    log.append_one(message("bob", "m", "x")).unwrap();
}

#[test]
fn an_idle_log_holds_few_descriptors_and_threads() {
    let dir = TempDir::new("idle");
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let log = TestLog::open(dir.path(), Options { memtable_bytes: 64 << 10, ..options() });
    for n in 0..2_000 {
        log.append(&[message(&format!("c-{n}"), "m", &"x".repeat(1_000))]);
    }
    log.append_one(message("bob", "m", "x")).unwrap();
    let held = std::fs::read_dir("/proc/self/fd").unwrap().count().saturating_sub(before);
    // Tests run beside each other in one process; one log alone stays under 60.
    assert!(held < 300, "{held} descriptors");
}

/// Lives that follow from one backup do not know of each other; their positions must not be taken for each other's.
#[test]
fn lives_from_one_backup_are_named_apart_also_by_a_clock_that_is_wrong() {
    let (dir, hour_ms) = (TempDir::new("backup"), 3_600_000);
    let clock = TestClock::at(500_000 * hour_ms);
    let life = |dir: &Path| {
        let log = TestLog::open(dir, Options { clock: clock.clock(), ..options() });
        log.append_one(message("bob", "m", "written in this life")).unwrap();
        log.head(partition("bob")).leader_epoch
    };
    let backup = dir.path().join("backup");
    let first = life(&backup);
    assert_eq!(life(&backup), first + 1, "another one of the same second");
    // A second later, and a year before: the clock that made the backup was wrong, or this one is.
    clock.set(500_000 * hour_ms + 5_000);
    let mut lives = BTreeSet::new();
    for (n, behind_hours) in [0, 9_000, 9_000, 9_000, 9_000].into_iter().enumerate() {
        clock.set((500_000 - behind_hours) * hour_ms + 5_000 + n as u64 * 1_000);
        let restored = dir.path().join(format!("restored-{n}"));
        copy_dir(&backup, &restored);
        let epoch = life(&restored);
        assert!(epoch > first + 1, "{epoch} after {first}");
        lives.insert(epoch);
    }
    // By chance two share a name in one run of ten thousand; three, or two pairs, in none.
    assert!(lives.len() >= 4, "five lives: {lives:?}");
}
