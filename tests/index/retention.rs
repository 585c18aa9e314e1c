//! Buckets go whole when all of them is too old, and so does the coverage of what they held.

use crate::stage::*;
use corepost::backplane::index::{Coverage, Cut, IndexOptions, Portion};
use corepost::log::{ReadFrom, Unreadable};
use corepost::model::Partition;

const HOUR: u64 = 3_600_000;

fn hours() -> IndexOptions {
    IndexOptions { retention_ms: 8 * HOUR, ..options() }
}

fn hourly(offsets: std::ops::Range<u64>) -> Vec<corepost::backplane::index::Put> {
    offsets.map(|offset| put(offset, offset * HOUR + 1, "bob", &offset.to_string())).collect()
}

fn keyspaces(dir: &TempDir) -> usize {
    std::fs::read_dir(dir.path().join("store/keyspaces")).unwrap().count()
}

#[test]
fn what_is_too_old_goes_in_whole_buckets_and_is_not_covered_any_more() {
    let dir = TempDir::new("index-retention");
    let mut stage = Stage::open(dir.path(), hours());
    let quiet = Portion { partition: Partition(5), ..portion(puts("eve", 0..2), 0, 9) };
    stage.index.commit(vec![portion(hourly(0..10), 0, 10), quiet]).unwrap();
    stage.commit(Portion { erases: vec![erased("carol", 3), erased("dave", 9)], ..portion(vec![], 0, 10) });
    let bytes = stage.index.bytes();
    assert_eq!(stage.index.expire(9 * HOUR - 1).unwrap(), [], "the oldest bucket has a millisecond to go");
    let cuts = stage.index.expire(12 * HOUR).unwrap();
    let cut = |partition, from| Cut { partition: Partition(partition), from };
    assert_eq!(cuts, [cut(3, 4), cut(5, 2)], "buckets 0 to 3 ended 8 hours ago");
    assert!(stage.index.bytes() < bytes);
    stage.from = 4;
    assert_eq!(stage.mailbox("bob", 10), numbers(4..10));
    assert_eq!(stage.read("bob", ReadFrom::After(at(3)), 10), Err(Unreadable::Unavailable));
    drop(stage);

    let mut stage = Stage::open(dir.path(), hours());
    let kept: Vec<_> = stage.kept.iter().map(|kept| (kept.partition.0, kept.coverage)).collect();
    assert_eq!(kept, [(3, Coverage { from: 4, next: 10 }), (5, Coverage { from: 2, next: 9 })]);
    assert_eq!(stage.kept[0].state, b"10", "what its writer keeps there is left alone");
    stage.show_all();
    assert_eq!(stage.mailbox("bob", 10), numbers(4..10));
    // The erase that stands counts; nobody can be before the other one.
    assert!(stage.read("dave", ReadFrom::After(at(5)), 10).is_err());
    assert!(stage.read("carol", ReadFrom::After(at(4)), 10).is_ok());
    assert_eq!(stage.index.expire(100 * HOUR).unwrap(), [cut(3, 10)]);
    stage.from = 10;
    assert_eq!((stage.mailbox("bob", 10), stage.index.bytes()), (numbers(0..0), 0));
    stage.commit(portion(hourly(10..12), 10, 12));
    assert_eq!(stage.mailbox("bob", 12), numbers(10..12));
    drop(stage);
    drop(Stage::open(dir.path(), hours()));
    // The one of what the index knows about itself, and those of two hours.
    assert!(keyspaces(&dir) <= 5, "{} keyspaces are left of 10 hours", keyspaces(&dir));
}

#[test]
fn there_are_not_more_buckets_than_there_may_be_whatever_times_rows_have() {
    let dir = TempDir::new("index-buckets");
    let mut stage = Stage::open(dir.path(), hours());
    let scattered = |offset: u64| put(offset, (offset * 37 % 100) * 5 * HOUR, "bob", &offset.to_string());
    for offset in 0..100 {
        stage.commit(portion(vec![scattered(offset)], 0, offset + 1));
    }
    assert!(keyspaces(&dir) <= 32 + 2, "{} keyspaces", keyspaces(&dir));
    for _ in 0..2 {
        assert_eq!(stage.mailbox("bob", 100), numbers(0..100));
        let last = stage.read("bob", ReadFrom::Last(30), 100).unwrap();
        assert_eq!(bodies(&last.records), numbers(70..100));
        drop(stage);
        stage = Stage::open(dir.path(), hours());
        stage.show_all();
    }
    stage.from = stage.index.expire(1_000 * HOUR).unwrap()[0].from;
    assert_eq!(stage.mailbox("bob", 100), numbers(0..0));
}

#[test]
fn another_retention_begins_buckets_of_another_length_beside_those_there_are() {
    let dir = TempDir::new("index-lengths");
    let mut next = 0;
    for retention_ms in [8 * HOUR, 80 * HOUR, HOUR] {
        let mut stage = Stage::open(dir.path(), IndexOptions { retention_ms, ..options() });
        stage.show_all();
        if next > 0 {
            assert_eq!(stage.mailbox("bob", next), numbers(0..next));
        }
        stage.commit(portion(hourly(next..next + 5), 0, next + 5));
        next += 5;
        assert_eq!(stage.mailbox("bob", next), numbers(0..next));
    }
}
