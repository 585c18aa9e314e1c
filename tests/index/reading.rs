//! Every way to begin, paging, counting, erases, and damage.

use crate::stage::*;
use crate::store_support::{await_table, damage_a_table};
use corepost::backplane::index::Portion;
use corepost::log::{Read, ReadFrom, Unreadable};
use corepost::model::Unresumed;

/// Bob's rows at even offsets, a second apart; another's between them.
fn filled(dir: &TempDir, n: u64) -> Stage {
    let mut stage = Stage::open(dir.path(), options());
    let rows = (0..n).flat_map(|i| {
        let at_ms = 10_000 + i * 1_000;
        [put(i * 2, at_ms, "bob", &i.to_string()), put(i * 2 + 1, at_ms, "carol", "not his")]
    });
    stage.commit(portion(rows.collect(), 0, n * 2));
    stage
}

#[test]
fn every_way_to_begin() {
    let dir = TempDir::new("index-begin");
    let stage = filled(&dir, 20);
    let read = |from| stage.read("bob", from, 40).unwrap();
    for (from, first) in [
        (ReadFrom::Oldest, 0),
        (ReadFrom::After(at(11)), 6),
        (ReadFrom::Last(3), 17),
        (ReadFrom::Last(1_000), 0),
        (ReadFrom::Since(0), 0),
        (ReadFrom::Since(10_001), 1),
        (ReadFrom::Since(15_000), 5),
        (ReadFrom::Since(29_000), 19),
    ] {
        let page = read(from);
        let start = if let ReadFrom::After(position) = from { position } else { at(first * 2) };
        assert_eq!((bodies(&page.records), page.start), (numbers(first..20), start), "{from:?}");
        assert_eq!((page.through, page.counted, page.more), (at(40), 20 - first as u32, false));
    }
    for from in [ReadFrom::Since(29_001), ReadFrom::Last(0)] {
        let page = read(from);
        assert_eq!((page.records.len(), page.start, page.through), (0, at(40), at(40)), "{from:?}");
    }
}

#[test]
fn pages_follow_each_other_without_a_hole_and_count_as_asked() {
    let dir = TempDir::new("index-pages");
    let stage = filled(&dir, 20);
    let all = whole("bob", ReadFrom::Oldest, 40);
    let (mut got, mut from) = (Vec::new(), ReadFrom::Oldest);
    loop {
        let page =
            stage.reader.read(&Read { from, page_envelopes: 7, ..all.clone() }, begin(from, 0)).unwrap();
        got.extend(bodies(&page.records));
        from = ReadFrom::After(page.through);
        if page.through == all.upto {
            break;
        }
        assert_eq!((page.counted, page.more), (7, true));
    }
    assert_eq!(got, numbers(0..20));
    let counted = |read: Read| {
        let page = stage.reader.read(&read, 0).unwrap();
        (page.records.len(), page.counted, page.more)
    };
    assert_eq!(counted(Read { page_envelopes: 7, count_to: 20, ..all.clone() }), (7, 20, false));
    assert_eq!(counted(Read { page_envelopes: 7, count_to: 19, ..all.clone() }), (7, 19, true));
    assert_eq!(counted(Read { page_envelopes: 0, count_to: 10_000, ..all.clone() }), (0, 20, false));
    assert_eq!(counted(Read { page_bytes: 1, ..all }), (1, 1, true), "at least one");
}

#[test]
fn what_was_erased_is_not_served_and_who_is_before_it_is_told() {
    let dir = TempDir::new("index-erase");
    let mut stage = filled(&dir, 5);
    let new = put(11, 16_000, "bob", "new");
    // The newest erase stands, whichever comes first and last: history may bring older ones.
    let erases = vec![erased("bob", 10), erased("bob", 3), erased("dave", 4)];
    stage.commit(Portion { erases, ..portion(vec![new], 0, 12) });
    stage.commit(Portion { erases: vec![erased("bob", 7)], ..portion(vec![], 0, 12) });
    for _ in 0..2 {
        for from in [ReadFrom::Oldest, ReadFrom::Since(0), ReadFrom::Last(100), ReadFrom::After(at(11))] {
            assert_eq!(bodies(&stage.read("bob", from, 12).unwrap().records), ["new"], "{from:?}");
        }
        let before = stage.read("bob", ReadFrom::After(at(10)), 12);
        assert_eq!(before, Err(Unreadable::Unresumed(Unresumed::Erased)));
        // A core that has not heard of the erase skips what it took, and judges nobody by it.
        let page = stage.read("bob", ReadFrom::After(at(4)), 10).unwrap();
        assert_eq!((page.records.len(), page.through), (0, at(10)));
        assert_eq!(stage.mailbox("carol", 12).len(), 5);
        drop(stage);
        stage = Stage::open_and_show(dir.path());
    }
}

#[test]
fn rows_are_in_order_of_offsets_where_log_time_steps_back() {
    let dir = TempDir::new("index-skew");
    let mut stage = Stage::open(dir.path(), options());
    let bucket_ms = options().retention_ms / 8;
    // A new leader's clock is two seconds behind, just where a bucket ends; another one's where the next one does.
    let time = |offset: u64| match offset {
        10..20 => bucket_ms - 2_000 + offset * 100,
        40..45 => 2 * bucket_ms - 1,
        _ => bucket_ms - 500 + offset * 60 + if offset > 40 { bucket_ms } else { 0 },
    };
    let rows = (0..60).map(|offset| put(offset, time(offset), "bob", &offset.to_string())).collect();
    stage.commit(portion(rows, 0, 60));
    for _ in 0..2 {
        assert_eq!(stage.mailbox("bob", 60), numbers(0..60));
        for n in 0..60 {
            let last = stage.read("bob", ReadFrom::Last(n), 60).unwrap();
            assert_eq!(bodies(&last.records), numbers(60 - u64::from(n)..60), "the last {n}");
            let n = u64::from(n);
            let after = stage.read("bob", ReadFrom::After(at(n)), 60 - n / 2).unwrap();
            assert_eq!(bodies(&after.records), numbers(n..60 - n / 2), "{n}");
        }
        drop(stage);
        stage = Stage::open_and_show(dir.path());
    }
}

#[test]
fn a_damaged_table_is_a_hole_that_is_told_and_nothing_else() {
    let dir = TempDir::new("index-hole");
    let mut stage = Stage::open(dir.path(), options());
    let body = |n: u64| format!("{n:06}{}", "x".repeat(4_000));
    for n in 0..300 {
        stage.commit(portion(vec![put(n, n, "bob", &body(n))], 0, n + 1));
    }
    await_table(dir.path());
    drop(stage);
    damage_a_table(dir.path());

    let mut stage = Stage::open_and_show(dir.path());
    let over_it = stage.read("bob", ReadFrom::After(at(0)), 300);
    assert_eq!(over_it, Err(Unreadable::Unresumed(Unresumed::Damaged)));
    let page = stage.read("bob", ReadFrom::Oldest, 300).expect("whoever claims nothing gets what is there");
    assert!(page.start.offset > 0 && page.records.last().unwrap().offset == 299);
    assert!(page.records.windows(2).all(|pair| pair[0].offset + 1 == pair[1].offset), "without a hole");
    let after = stage.read("bob", ReadFrom::After(page.start), 300).unwrap();
    assert_eq!(after.records.len(), page.records.len(), "after the hole all is well");
    stage.commit(portion(puts("eve", 300..301), 0, 301));
    assert_eq!(stage.mailbox("eve", 301), ["300"]);
}
