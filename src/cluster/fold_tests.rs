//! Folds of one log agree, wherever they began.

use super::rig::{Entry, NODE_TIMEOUT_MS, says, settings};
use super::{Fold, Member, Record, Say, Since, Taken, Unreadable};
use crate::limits::{NODE_INCARNATIONS, NODES};
use proptest::prelude::*;

fn record(say: Say, ordinal: u16, incarnation: u64) -> Record {
    says(say, settings(ordinal, incarnation))
}

fn entry(append_ms: u64, say: Say, ordinal: u16, incarnation: u64) -> Entry {
    let value = record(say, ordinal, incarnation).value();
    Entry { append_ms: Some(append_ms), version: b"1", value }
}

/// A fold that began at `from`, as it is after each record.
fn folds(log: &[Entry], from: usize) -> impl Iterator<Item = (u64, Fold)> {
    let mut fold = Fold::new(NODE_TIMEOUT_MS);
    log.iter().enumerate().skip(from).map(move |(offset, entry)| {
        fold.take(entry.raw(offset as u64));
        fold.invariants();
        (offset as u64, fold.clone())
    })
}

fn fold(log: &[Entry], from: usize) -> Fold {
    folds(log, from).last().expect("a log with records").1
}

fn alive(fold: &Fold) -> Vec<(u16, u64)> {
    fold.view().members().iter().map(|member| (member.ordinal, member.incarnation.0)).collect()
}

/// Records of a few nodes with a few incarnations each, some unreadable, with steps of all lengths and backwards.
fn logs() -> impl Strategy<Value = Vec<Entry>> {
    let steps = prop_oneof![8 => -50..400i64, 2 => 1_500..2_500i64, 1 => -3_000..0i64, 1 => Just(90_000i64)];
    let says = prop_oneof![12 => Just(Some(Say::Alive)), 2 => Just(Some(Say::Look)), 2 => Just(Some(Say::Leave)), 1 => Just(None)];
    let one = (
        steps,
        says,
        0..4u16,
        0..3u64,
        prop::bool::weighted(0.02),
        prop::option::weighted(0.1, any::<bool>()),
    );
    prop::collection::vec(one, 1..150).prop_map(|records| {
        let mut now_ms = 1_000_000i64;
        // Whoever says that it leaves goes on saying so; that a record takes it back is nothing that a node writes.
        let mut leaving = std::collections::BTreeSet::new();
        let entries = records.into_iter().map(|(step, say, ordinal, incarnation, is_untimed, leaves)| {
            now_ms += step;
            match leaves {
                Some(true) => drop(leaving.insert((ordinal, incarnation))),
                Some(false) => drop(leaving.remove(&(ordinal, incarnation))),
                None => {}
            }
            let is_leaving = leaving.contains(&(ordinal, incarnation));
            let record = record(say.unwrap_or(Say::Alive), ordinal, incarnation);
            let value = Record { is_leaving, ..record }.value();
            let mut entry = Entry { append_ms: Some(now_ms as u64), version: b"1", value };
            if say.is_none() {
                entry.value = b"what?".to_vec();
            }
            if is_untimed {
                entry.append_ms = None;
            }
            entry
        });
        entries.collect()
    })
}

/// The same but for what only the older fold can know of `since`.
fn agree(full: &Member, late: &Member) -> bool {
    let since = match (full.since, late.since) {
        (Since::At(full), Since::At(late)) => full == late,
        (Since::AtOrBefore(_), Since::At(_)) => false,
        (full, Since::AtOrBefore(late)) => full.offset() <= late,
    };
    since && Member { since: full.since, ..*late } == *full
}

proptest! {
    #[test]
    fn folds_agree_wherever_they_began_once_they_have_seen_node_timeout(log in logs(), part in 0..100usize) {
        let from = log.len() * part / 100;
        let full = folds(&log, 0).skip(from);
        for ((offset, full), (_, late)) in full.zip(folds(&log, from)).filter(|(_, (_, late))| late.is_whole()) {
            prop_assert!(full.is_whole());
            let (full, late) = (full.view().members(), late.view().members());
            prop_assert_eq!(full.len(), late.len(), "at {}: {:?} and {:?}", offset, full, late);
            for (full, late) in full.iter().zip(late) {
                prop_assert!(agree(full, late), "at {}: {:?} and {:?}", offset, full, late);
            }
        }
    }

    /// Against a plain reading of the text, record by record.
    #[test]
    fn an_incarnation_lives_as_the_text_says(log in logs()) {
        let steps: Vec<u64> = (1..log.len()).map(|at| match (log[at - 1].append_ms, log[at].append_ms) {
            (Some(before), Some(now)) => now.saturating_sub(before).min(2_000),
            _ => 0,
        }).collect();
        let records: Vec<_> = log.iter().map(|entry| Record::read(Some(b"1"), &entry.value)).collect();
        for (offset, fold) in folds(&log, 0).skip(log.len() * 3 / 4) {
            let mut expected = Vec::new();
            for ordinal in 0..4 {
                let lives = |incarnation: u64| {
                    let is = |say, record: &Record| {
                        (record.say, record.ordinal, record.incarnation.0) == (say, ordinal, incarnation)
                    };
                    let read = &records[..=offset as usize];
                    let last = |say| read.iter().rposition(|it| it.as_ref().is_ok_and(|it| is(say, it)));
                    let alive = last(Say::Alive)?;
                    let age = steps[alive..offset as usize].iter().sum::<u64>();
                    let lives =
                        age <= u64::from(NODE_TIMEOUT_MS) && last(Say::Leave).is_none_or(|leave| leave < alive);
                    lives.then(|| (ordinal, incarnation, read[alive].is_ok_and(|it| it.is_leaving)))
                };
                expected.extend((0..3u64).rev().find_map(lives));
            }
            let members = fold.view().members().iter();
            let lives: Vec<_> = members.map(|it| (it.ordinal, it.incarnation.0, it.is_leaving)).collect();
            prop_assert_eq!(lives, expected, "at {}", offset);
        }
    }
}

#[test]
fn an_alive_counts_for_node_timeout_and_not_a_millisecond_longer() {
    let mut log =
        vec![entry(0, Say::Alive, 1, 7), entry(2_000, Say::Look, 2, 1), entry(4_000, Say::Look, 2, 1)];
    log.push(entry(5_000, Say::Look, 2, 1));
    assert_eq!(alive(&fold(&log, 0)), [(1, 7)]);
    log.push(entry(5_001, Say::Look, 2, 1));
    assert_eq!(alive(&fold(&log, 0)), []);
}

/// An `alive` just before the beginning, in the same millisecond, is as old as the beginning.
#[test]
fn a_fold_that_has_seen_exactly_node_timeout_does_not_count_yet() {
    let log = [
        entry(0, Say::Alive, 1, 7),
        entry(0, Say::Look, 2, 1),
        entry(2_000, Say::Look, 2, 1),
        entry(4_000, Say::Look, 2, 1),
        entry(5_000, Say::Look, 2, 1),
        entry(5_001, Say::Look, 2, 1),
    ];
    assert_eq!((alive(&fold(&log[..5], 0)), fold(&log[..5], 1).is_whole()), (vec![(1, 7)], false));
    assert_eq!((alive(&fold(&log, 0)), fold(&log, 1).is_whole()), (vec![], true));
}

#[test]
fn a_node_is_live_since_the_record_that_made_it_so_as_far_as_a_fold_can_know() {
    let mut log: Vec<Entry> = (0..20).map(|n| entry(n * 1_000, Say::Alive, 1, 7)).collect();
    log.push(entry(19_500, Say::Leave, 1, 7));
    log.push(entry(19_900, Say::Alive, 1, 7));
    let since = |upto: usize, from| fold(&log[..upto], from).view().holder(1).map(|member| member.since);
    assert_eq!(since(20, 0), Some(Since::At(0)));
    assert_eq!(since(20, 5), Some(Since::AtOrBefore(5)), "it may have lived before");
    assert_eq!(since(21, 0), None);
    assert_eq!((since(22, 0), since(22, 5)), (Some(Since::At(21)), Some(Since::At(21))), "both saw it begin");
}

#[test]
fn the_newest_of_several_live_incarnations_holds_the_ordinal() {
    let log = [
        entry(0, Say::Alive, 1, 7),
        entry(100, Say::Alive, 1, 9),
        entry(200, Say::Alive, 1, 8),
        entry(300, Say::Leave, 1, 9),
    ];
    assert_eq!(alive(&fold(&log[..3], 0)), [(1, 9)]);
    assert_eq!(alive(&fold(&log, 0)), [(1, 8)], "it left, and the next newest was there all the time");
}

#[test]
fn what_cannot_be_read_moves_log_time_and_says_nothing() {
    let mut fold = Fold::new(NODE_TIMEOUT_MS);
    let mut log = vec![entry(0, Say::Alive, 1, 7)];
    let value = says(Say::Alive, settings(2, 1)).value();
    log.push(Entry { append_ms: Some(1_000), version: b"1", value: b"{".to_vec() });
    log.push(Entry { append_ms: Some(2_000), version: b"2", value });
    let taken: Vec<Taken> = (0..).zip(&log).map(|(offset, entry)| fold.take(entry.raw(offset))).collect();
    assert_eq!(taken[1].said, Err(Unreadable::NotJson));
    assert_eq!(taken[2].said, Err(Unreadable::NewerVersion));
    assert_eq!((fold.time_ms(), alive(&fold), fold.newer()), (2_000, vec![(1, 7)], Some(2)));
    let counts = fold.counts();
    assert_eq!((counts.records, counts.newer, counts.unreadable), (3, 1, 1));
    for (offset, at_ms) in [(3, 4_000), (4, 6_000), (5, 7_000)] {
        fold.take(entry(at_ms, Say::Look, 1, 7).raw(offset));
    }
    assert_eq!(fold.newer(), Some(2), "it is five seconds old");
    fold.take(entry(7_001, Say::Look, 1, 7).raw(6));
    assert_eq!(fold.newer(), None);
}

#[test]
fn a_ninth_live_incarnation_makes_the_lowest_be_forgotten() {
    let most = NODE_INCARNATIONS as u64;
    let mut log: Vec<Entry> = (0..most).map(|n| entry(n, Say::Alive, 1, 100 + n)).collect();
    assert_eq!(fold(&log, 0).counts().forgotten, 0);
    log.push(entry(most, Say::Alive, 1, 50));
    let kept = fold(&log, 0);
    assert_eq!((alive(&kept), kept.counts().forgotten), (vec![(1, 107)], 1), "the newest is never the one");
    log.push(entry(most + 1, Say::Alive, 1, 200));
    let kept = fold(&log, 0);
    assert_eq!((alive(&kept), kept.counts().forgotten), (vec![(1, 200)], 2));
}

#[test]
fn a_full_house_is_held_and_nothing_beyond() {
    let log: Vec<Entry> = (0..2 * NODES as u64).map(|n| entry(n, Say::Alive, n as u16, 1)).collect();
    let fold = fold(&log, 0);
    assert_eq!((fold.view().members().len(), fold.counts().unreadable), (NODES, NODES as u64));
}

#[test]
fn a_fold_begins_anew_where_records_are_missing() {
    let mut fold = Fold::new(NODE_TIMEOUT_MS);
    fold.take(entry(0, Say::Alive, 1, 7).raw(0));
    assert!(fold.is_whole());
    let taken = fold.take(entry(1_000, Say::Look, 2, 1).raw(2));
    assert!(taken.is_new_view && !fold.is_whole());
    assert_eq!(
        (alive(&fold), fold.time_ms(), fold.counts().begun_anew),
        (vec![], 0, 1),
        "the step is not known"
    );
    fold.lose_place();
    fold.take(entry(2_000, Say::Alive, 1, 8).raw(0));
    assert!(fold.is_whole(), "the log was made anew, and is read from its beginning");
    fold.invariants();
}
