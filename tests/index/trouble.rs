//! A disk that is full or fails: the writer is told, reading goes on, and what was not committed can be committed later.

use crate::shim::with_a_failing_disk;
use crate::stage::*;
use corepost::backplane::index::{IndexError, IndexOptions};
use corepost::log::{ReadFrom, Unreadable};
use std::path::Path;
use std::time::{Duration, Instant};

fn survives(flag: &Path, dir: &Path, failure: &str, is_expected: fn(&IndexError) -> bool) {
    let small = || IndexOptions { memtable_bytes: 128 << 10, ..options() };
    let mut stage = Stage::open(dir, small());
    let body = "x".repeat(3_000);
    let mut next = 0;
    let one = |n: u64| portion(vec![put(n, n, "bob", &body)], 0, n + 1);
    for round in 0..4 {
        for _ in 0..60 {
            stage.commit(one(next));
            next += 1;
        }
        std::fs::write(flag, failure).unwrap();
        let began = next;
        let error = loop {
            match stage.index.commit(vec![one(next)]) {
                Ok(()) => next += 1,
                Err(error) => break error,
            }
            assert!(next < began + 2_000, "a failing disk was not noticed");
        };
        assert!(is_expected(&error), "round {round}: {error:?}");
        assert!(
            !stage.index.is_open() && matches!(stage.index.commit(vec![one(next)]), Err(IndexError::Closed))
        );
        assert_eq!(stage.mailbox("bob", next).len() as u64, next, "reading goes on");
        if round == 3 {
            assert!(matches!(stage.index.drop_partitions(&[P]), Err(IndexError::Closed)));
            assert_eq!(
                stage.read("bob", ReadFrom::Oldest, next),
                Err(Unreadable::Unavailable),
                "gone at once"
            );
        }
        assert!(stage.index.reopen().is_err(), "it does not heal by itself");
        std::fs::remove_file(flag).unwrap();
        let healed = Instant::now();
        let opened = loop {
            match stage.index.reopen() {
                Ok(opened) => break opened,
                Err(error) => assert!(healed.elapsed() < Duration::from_secs(20), "{error}"),
            }
        };
        assert_eq!(opened.wiped, None);
        // It goes on with what is there, and whatever is missing comes from Kafka again.
        let there = opened.kept[0].coverage.next;
        assert!(there <= next + 1 && there + 200 > next, "{there} of {next}");
        next = there;
        stage.index.show(P, epochs());
        assert_eq!(stage.mailbox("bob", next).len() as u64, next);
    }
    stage.commit(one(next));
    drop(stage);
    let mut stage = Stage::open(dir, small());
    stage.show_all();
    assert_eq!(stage.mailbox("bob", next + 1).len() as u64, next + 1);
}

#[test]
fn a_full_disk() {
    let dir = TempDir::new("index-full");
    let Some(flag) = with_a_failing_disk("trouble::a_full_disk", dir.path()) else { return };
    survives(&flag, dir.path(), "F", |error| matches!(error, IndexError::DiskFull));
}

#[test]
fn a_disk_that_cannot_fsync() {
    let dir = TempDir::new("index-failing");
    let Some(flag) = with_a_failing_disk("trouble::a_disk_that_cannot_fsync", dir.path()) else { return };
    survives(&flag, dir.path(), "S", |error| matches!(error, IndexError::Io(_)));
}
