//! What is covered is found; what is not, is not, whatever lies there.

use crate::stage::*;
use corepost::backplane::index::{Coverage, Kept, Portion};
use corepost::log::{ReadFrom, Unreadable};
use corepost::model::Partition;

#[test]
fn what_was_committed_is_read_and_comes_back_with_its_state() {
    let dir = TempDir::new("index-back");
    let mut stage = Stage::open(dir.path(), options());
    assert_eq!((stage.kept.len(), &stage.wiped), (0, &None));
    stage.commit(portion(puts("bob", 10..20), 10, 20));
    let other = Portion { partition: Partition(5), ..portion(puts("eve", 0..3), 0, 3) };
    stage.index.commit(vec![portion(puts("bob", 20..25), 10, 26), other]).unwrap();
    assert_eq!(stage.mailbox("bob", 26), numbers(10..25));
    assert_eq!(stage.mailbox("nobody", 26), numbers(0..0));
    let bytes = stage.index.bytes();
    assert!(bytes > 18 * 10, "{bytes}");
    drop(stage);

    let mut stage = Stage::open(dir.path(), options());
    let kept = |partition, from, next, state: &str| Kept {
        partition: Partition(partition),
        coverage: Coverage { from, next },
        state: state.as_bytes().to_vec(),
    };
    assert_eq!(stage.kept, [kept(3, 10, 26, "26"), kept(5, 0, 3, "3")]);
    assert_eq!(stage.read("bob", ReadFrom::Oldest, 26), Err(Unreadable::Unavailable), "not shown yet");
    stage.show_all();
    assert_eq!(stage.mailbox("bob", 26), numbers(10..25));
    assert_eq!(stage.index.bytes(), bytes);
    stage.index.hide(P);
    assert_eq!(stage.read("bob", ReadFrom::Oldest, 26), Err(Unreadable::Unavailable), "hidden again");
}

#[test]
fn history_is_found_once_it_is_covered_and_lies_in_the_buckets_of_its_own_time() {
    let dir = TempDir::new("index-history");
    let day = 24 * 3_600_000;
    let of_day = |offset: u64| put(offset, (100 + offset) * day, "bob", &offset.to_string());
    let mut stage = Stage::open(dir.path(), options());
    stage.commit(portion((50..60).map(of_day).collect(), 50, 60));
    for begin in (0..5).rev().map(|chunk| chunk * 10) {
        // A chunk comes oldest first, and counts when it has come as a whole.
        let chunk = |offsets: std::ops::Range<u64>| offsets.map(of_day).collect();
        stage.commit(portion(chunk(begin..begin + 5), begin + 10, 60));
        assert_eq!(stage.mailbox("bob", 60), numbers(begin + 10..60));
        let below = stage.read("bob", ReadFrom::After(at(begin + 2)), 60);
        assert_eq!(below, Err(Unreadable::Unavailable), "it lies there, but is not covered");
        for from in [ReadFrom::Since(0), ReadFrom::Last(1_000)] {
            assert_eq!(bodies(&stage.read("bob", from, 60).unwrap().records), numbers(begin + 10..60));
        }
        stage.commit(portion(chunk(begin + 5..begin + 10), begin, 60));
        assert_eq!(stage.mailbox("bob", 60), numbers(begin..60));
    }
    drop(stage);
    let stage = Stage::open_and_show(dir.path());
    assert_eq!(stage.mailbox("bob", 60), numbers(0..60));
    let page = stage.read("bob", ReadFrom::After(at(17)), 60).unwrap();
    assert_eq!((bodies(&page.records), page.start, page.through), (numbers(17..60), at(17), at(60)));
    assert_eq!(stage.mailbox("bob", 30), numbers(0..30), "nothing beyond what is known");
}

#[test]
fn a_dropped_partition_is_gone_at_once_and_its_offsets_may_come_again_with_other_content() {
    let dir = TempDir::new("index-drop");
    let mut stage = Stage::open(dir.path(), options());
    let other = Portion { partition: Partition(5), ..portion(puts("eve", 0..3), 0, 3) };
    stage.index.commit(vec![portion(puts("bob", 0..20), 0, 20), other]).unwrap();
    stage.commit(Portion { erases: vec![erased("carol", 20)], ..portion(vec![], 0, 21) });
    stage.index.drop_partitions(&[P, Partition(6)]).unwrap();
    assert_eq!(stage.read("bob", ReadFrom::Oldest, 20), Err(Unreadable::Unavailable));
    stage.index.show(P, epochs());
    assert_eq!(stage.read("bob", ReadFrom::Oldest, 20), Err(Unreadable::Unavailable), "nothing is held");

    // A crash comes here, and its copy goes on in the same way as the one that did not crash.
    let crashed = dir.path().join("crashed");
    copy_dir(dir.path(), &crashed);
    drop(stage);
    for dir in [dir.path(), &crashed] {
        let mut stage = Stage::open(dir, options());
        assert_eq!(stage.kept.iter().map(|kept| kept.partition).collect::<Vec<_>>(), [Partition(5)]);
        let anew = [put(1, 5_000, "bob", "other one"), put(2, 5_000, "eve", "other two")];
        stage.commit(portion(anew.to_vec(), 0, 30));
        for _ in 0..2 {
            assert_eq!(stage.mailbox("bob", 30), ["other one"]);
            assert_eq!(stage.mailbox("eve", 30), ["other two"]);
            let before = stage.read("carol", ReadFrom::After(at(3)), 30);
            assert!(before.is_ok(), "the erase went with the partition: {before:?}");
            drop(stage);
            stage = Stage::open_and_show(dir);
        }
    }
}

#[test]
fn only_what_is_covered_is_read_and_nothing_below_what_was_judged() {
    let dir = TempDir::new("index-judged");
    let mut stage = Stage::open(dir.path(), options());
    stage.commit(portion(puts("bob", 10..20), 10, 20));
    let from = |stage: &Stage, lowest| stage.reader.read(&whole("bob", ReadFrom::Oldest, 20), lowest);
    assert_eq!(from(&stage, 9), Err(Unreadable::Unavailable), "judged by what was covered once");
    assert_eq!(bodies(&from(&stage, 10).unwrap().records), numbers(10..20));
    let page = from(&stage, 15).unwrap();
    assert_eq!((bodies(&page.records), page.start), (numbers(15..20), at(15)));
    for begin in [ReadFrom::Since(0), ReadFrom::Last(9)] {
        let page = stage.reader.read(&whole("bob", begin, 20), 15).unwrap();
        assert_eq!(bodies(&page.records), numbers(15..20), "{begin:?}");
    }
    assert_eq!(stage.read("bob", ReadFrom::After(at(9)), 20), Err(Unreadable::Unavailable));
    assert_eq!(stage.read("bob", ReadFrom::Oldest, 21), Err(Unreadable::Unavailable), "beyond the coverage");
    assert_eq!(stage.read("bob", ReadFrom::Oldest, 9), Err(Unreadable::Unavailable), "before it");
    let page = stage.read("bob", ReadFrom::After(at(20)), 20).unwrap();
    assert_eq!((page.records.len(), page.through), (0, at(20)));
}

#[test]
fn who_asks_for_the_last_so_many_learns_whether_there_may_be_more_before() {
    let dir = TempDir::new("index-has-last");
    let mut stage = Stage::open(dir.path(), options());
    stage.commit(portion(puts("bob", 10..20), 10, 20));
    let has = |stage: &Stage, from, n| {
        stage.reader.has_last(&whole("bob", ReadFrom::Last(n), 20), from, n).unwrap()
    };
    assert!(has(&stage, 10, 10) && !has(&stage, 10, 11) && !has(&stage, 15, 6) && has(&stage, 15, 5));
    stage.commit(Portion { erases: vec![erased("bob", 12)], ..portion(vec![], 10, 20) });
    assert!(has(&stage, 10, 100), "there is nothing before an erase");
    assert!(!has(&stage, 15, 6), "which is not known to be there where nobody looks");
}
