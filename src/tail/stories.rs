//! The sentences of DESIGN.md, one by one, on logs short enough to be read.

use super::world::{Log, MINUTE_MS, World};
use super::*;
use crate::limits::{DEDUPE_MS, DEDUPE_OFFSETS};
use crate::log::Epochs;
use crate::model::{Position, Unresumed};

const HOUR_MS: u64 = 60 * MINUTE_MS;
const A: Found = Found::Envelope(Some(DedupeKey(1)));
const PLAIN: Found = Found::Envelope(None);

/// So many records without IDs, a second apart.
fn log(records: usize) -> Log {
    let mut log = Log { now_ms: 1_000 * MINUTE_MS, leader_epoch: 3, ..Log::default() };
    (0..records).for_each(|_| log.append(0, 1_000, 0, PLAIN));
    log
}

/// A home that has read all there is.
fn home(log: Log) -> World {
    let mut world = World::new(log);
    world.reach_the_end();
    world.check();
    world
}

fn at(leader_epoch: u32, offset: u64) -> Position {
    Position { leader_epoch, offset }
}

fn place(offset: u64, leader_epoch: u32) -> Place {
    Place { offset, leader_epoch, at_ms: 0 }
}

/// An end as a broker tells it that names no leader.
fn told(offset: u64) -> End {
    End { offset, leader_epoch: None }
}

fn after(world: &World, position: Position) -> Judgement {
    world.tail.judge(ReadAt::After(position))
}

fn refused(why: Unresumed) -> Judgement {
    Judgement::Refused(why)
}

// --- the begin

#[test]
fn a_new_owner_begins_at_the_logs_end_and_reads_the_window_before_it_serves() {
    let mut world = World::new(log(2_000));
    assert_eq!(world.tail.read_from(), 1_399, "ten minutes before the last record, which is at 1,999");
    world.read(600);
    assert_eq!(world.tail.serving(), None, "the last record was not read");
    assert_eq!(world.tail.stored(), None);
    world.read(1);
    assert_eq!(world.tail.serving(), Some(at(3, 2_000)));
    assert_eq!(world.tail.coverage(), (2_000, 2_000));
    assert!(world.rows.is_empty(), "what is in the window alone is not indexed");
}

#[test]
fn where_the_window_in_offsets_is_shorter_it_is_read() {
    let mut log = log(1);
    for _ in 0..4 {
        log.append(50_000, 1, 0, PLAIN);
    }
    let world = World::new(log.clone());
    assert_eq!(world.tail.read_from(), log.end - DEDUPE_OFFSETS);
}

#[test]
fn what_comes_after_a_silence_is_read_from_one_record_before() {
    let mut log = log(5);
    log.append(3, 40 * MINUTE_MS, 0, PLAIN);
    let world = World::new(log.clone());
    assert_eq!(world.tail.read_from(), 8, "the window holds the last record alone");
    log.append(DEDUPE_OFFSETS + 7, 0, 0, PLAIN);
    log.mark(DEDUPE_OFFSETS + 9);
    let mut world = World::new(log.clone());
    assert_eq!(world.tail.read_from(), DEDUPE_OFFSETS + 16, "far from the end, behind a gap");
    world.read(1);
    assert_eq!(world.tail.serving(), Some(at(3, log.end)));
}

#[test]
fn in_an_empty_log_serving_begins_at_the_start() {
    let mut world = World::new(log(0));
    assert_eq!(world.tail.serving(), Some(Position::START));
    world.log.append(0, 0, 0, A);
    world.read(1);
    assert_eq!((world.tail.serving(), world.rows.len()), (Some(at(3, 1)), 1));
}

#[test]
fn where_everything_was_deleted_the_end_is_named_by_what_the_broker_gives_with_it() {
    let mut log = log(5);
    log.now_ms += 3 * HOUR_MS;
    log.retain(100);
    log.leader_epoch = 7;
    let world = World::new(log);
    assert_eq!(world.tail.serving(), Some(at(7, 5)));
    assert_eq!(after(&world, at(7, 5)), Judgement::Ready { from: 5 });
    assert_eq!(
        after(&world, at(3, 5)),
        Judgement::Ready { from: 5 },
        "as those are named who have read the last"
    );
}

#[test]
fn a_log_that_was_cut_before_it_was_read_is_asked_about_again() {
    let mut world = World::new(log(5));
    world.log.cut(1);
    world.read(10);
    assert_eq!(world.tail.serving(), None, "the record that was the last one does not come");
    assert_eq!(world.tail.on_end(told(world.log.end), 0, 0), Some(Over::Truncated));
    let mut world = World::new(log(5));
    world.log.cut(1);
    world.log.append(0, 0, 0, PLAIN);
    world.read(10);
    assert_eq!(world.tally.get("over truncated"), Some(&1), "another one is in its place");
}

// --- the store

/// A home that has covered and written down 100 records of a log of 200, and what is there after.
fn stopped(then: impl FnOnce(&mut Log)) -> World {
    let mut world = home(log(100));
    (0..100).for_each(|_| world.log.append(0, 1_000, 0, A));
    world.read(100);
    world.save();
    then(&mut world.log);
    world.begin(Some(0), true);
    world
}

#[test]
fn a_store_is_gone_on_from_and_serves_what_it_had() {
    let mut world = stopped(|log| (0..50).for_each(|_| log.append(0, 1_000, 0, A)));
    assert_eq!(world.tail.read_from(), 0, "ten minutes before its last record is all of it");
    assert_eq!(world.tail.coverage(), (100, 200));
    world.read(200);
    assert_eq!(world.tail.serving(), None, "what was appended while nobody read comes first");
    assert!(world.tail.stored().is_some());
    world.read(50);
    assert_eq!(world.tail.serving(), Some(at(3, 250)));
    world.check();
    assert_eq!(after(&world, at(3, 100)), Judgement::Ready { from: 100 });
}

#[test]
fn a_store_is_read_on_with_the_window_before_its_own_end() {
    let world = stopped(|log| {
        log.append(0, 15 * MINUTE_MS, 0, A);
    });
    assert_eq!(world.tail.read_from(), 0, "not before the log's end, where the window holds one record");
}

#[test]
fn a_store_that_is_far_behind_is_dropped() {
    let at_most = stopped(|log| log.append(STORE_BEHIND - 1, 1_000, 0, A));
    assert_eq!(at_most.tally.get("warm"), Some(&1));
    let too_far = stopped(|log| log.append(STORE_BEHIND, 1_000, 0, A));
    assert_eq!((too_far.tally.get("store behind"), too_far.rows.len()), (Some(&1), 0));
}

#[test]
fn a_store_beyond_the_logs_end_is_dropped() {
    // Its last record was lost; it was, and offsets without records are there; it ends with such, and they were lost.
    let cuts: [fn(&mut Log); 3] = [
        |log| log.cut(1),
        |log| {
            log.cut(1);
            log.end += 8;
        },
        |log| log.end = 200,
    ];
    for cut in cuts {
        let mut world = stopped(|_| {});
        world.read(200);
        world.log.mark(5);
        world.reach_the_end();
        world.disk.clear();
        world.save();
        assert_eq!(world.disk[0].0.next, 205);
        cut(&mut world.log);
        world.begin(Some(0), true);
        assert_eq!((world.tally.get("store beyond"), world.rows.len()), (Some(&1), 0));
    }
}

#[test]
fn a_store_below_the_logs_floor_is_dropped() {
    let world = stopped(|log| {
        log.now_ms += 3 * HOUR_MS;
        log.append(0, 0, 0, PLAIN);
        log.retain(100);
    });
    assert_eq!((world.tally.get("store expired"), world.rows.len()), (Some(&1), 0));
}

#[test]
fn a_store_whose_own_window_was_deleted_is_dropped() {
    let mut log = Log { now_ms: 1_000 * MINUTE_MS, leader_epoch: 3, ..Log::default() };
    (0..10).for_each(|_| log.append(0, MINUTE_MS, 0, A));
    let mut world = home(log);
    world.save();
    (0..115).for_each(|_| world.log.append(0, MINUTE_MS, 0, A));
    world.log.retain(100);
    assert!(world.log.start < 9 && world.log.ground().floor() > 10);
    world.begin(Some(0), true);
    assert_eq!(world.tally.get("store expired"), Some(&1));
}

#[test]
fn a_store_of_records_that_were_lost_is_dropped() {
    let mut world = stopped(|log| {
        log.cut(20);
        (0..50).for_each(|_| log.append(0, 1_000, 0, A));
    });
    assert_eq!(world.tally.get("warm"), Some(&1), "nothing shows it yet");
    world.read(200);
    assert_eq!((world.tally.get("over contradicted"), world.rows.len()), (Some(&1), 0));
}

#[test]
fn what_retention_takes_while_a_store_is_read_on_is_not_covered() {
    let mut world = stopped(|_| {});
    world.tail.on_ground(Ground { start: 150, ..world.log.ground() });
    assert_eq!((world.tail.coverage(), world.tail.drop_below()), ((150, 200), 150));
}

#[test]
fn a_store_that_contradicts_itself_is_dropped() {
    let mut world = home(log(100));
    world.log.append(0, 0, 0, A);
    world.read(1);
    let good = world.tail.stored().unwrap();
    let fit = |change: fn(&mut Stored)| {
        let mut stored = good.clone();
        change(&mut stored);
        Begin::new(Some(stored), world.log.bounds()).dropped()
    };
    assert_eq!(fit(|_| {}), None);
    let damages: [fn(&mut Stored); 6] = [
        |it| it.from = it.next + 1,
        |it| it.last.offset = it.next,
        |it| it.last.leader_epoch += 1,
        |it| it.epochs = Epochs::default(),
        |it| it.epochs.begin(9, 5_000),
        |it| it.hole = Some(it.from),
    ];
    for damage in damages {
        assert_eq!(fit(damage), Some(Unfit::Damaged));
    }
}

// --- records

#[test]
fn a_duplicate_is_dropped_and_one_in_the_window_counts() {
    let mut log = log(1);
    log.append(0, 0, 0, A);
    let mut world = home(log);
    for later_ms in [DEDUPE_MS, DEDUPE_MS, DEDUPE_MS + 1] {
        world.log.append(0, later_ms, 0, A);
    }
    world.reach_the_end();
    world.check();
    assert_eq!(world.rows.keys().copied().collect::<Vec<_>>(), [4], "a duplicate opens a window of its own");
}

#[test]
fn a_gap_in_the_offsets_is_no_hole() {
    let mut world = home(log(5));
    world.log.append(1_000, 0, 0, A);
    world.reach_the_end();
    world.check();
    assert_eq!(after(&world, at(3, 5)), Judgement::Ready { from: 5 });
    assert_eq!(world.tail.coverage(), (5, 1_006));
}

#[test]
fn what_is_nobodys_only_moves_the_head() {
    let mut world = home(log(5));
    world.log.append(0, 0, 0, Found::Nobodys);
    world.reach_the_end();
    assert_eq!((world.tail.serving(), world.rows.len()), (Some(at(3, 6)), 0));
    assert_eq!(after(&world, at(3, 5)), Judgement::Ready { from: 5 });
}

#[test]
fn who_stands_before_a_damaged_record_is_told() {
    let mut world = home(log(5));
    for found in [A, Found::Damaged, PLAIN, PLAIN] {
        world.log.append(0, 0, 0, found);
    }
    world.reach_the_end();
    world.check();
    assert_eq!(after(&world, at(3, 6)), refused(Unresumed::Damaged));
    assert_eq!(after(&world, at(3, 7)), Judgement::Ready { from: 7 });
    assert_eq!(world.tail.judge(ReadAt::Offset(0)), Judgement::Ready { from: 7 });
    assert_eq!((world.tail.drop_below(), world.tail.floor()), (7, 7));
    (0..2).for_each(|_| world.log.append(0, 20 * MINUTE_MS, 0, PLAIN));
    world.reach_the_end();
    world.save();
    world.begin(Some(0), true);
    assert!(world.tail.read_from() > 6, "it is not read again");
    world.reach_the_end();
    assert_eq!(world.tally.get("warm"), Some(&1));
    assert_eq!(after(&world, at(3, 6)), refused(Unresumed::Damaged), "a store remembers it");
}

#[test]
fn what_a_store_has_is_covered_though_it_cannot_be_read_again() {
    let mut world = stopped(|_| {});
    world.read(150);
    assert_eq!(world.tail.on_record(place(150, 3), Found::Damaged), Verdict::Window);
    world.read(200);
    assert_eq!((world.tail.coverage(), world.tail.drop_below()), ((100, 200), 0));
}

#[test]
fn history_is_filled_in_down_to_a_damaged_record_and_not_beyond() {
    let mut log = log(5);
    log.append(0, 0, 0, Found::Damaged);
    log.append(0, 0, 0, A);
    (0..5).for_each(|_| log.append(0, 20 * MINUTE_MS, 0, PLAIN));
    let mut world = home(log);
    assert_eq!(after(&world, at(3, 2)), Judgement::Fill { down_to: 2 }, "nobody has met it yet");
    world.tail.want(2);
    world.fill_all();
    world.check();
    assert_eq!(world.tail.coverage(), (6, 12));
    assert_eq!(after(&world, at(3, 2)), refused(Unresumed::Damaged));
    assert_eq!(after(&world, at(3, 6)), Judgement::Ready { from: 6 });
}

#[test]
fn a_hole_that_was_deleted_is_forgotten() {
    let mut world = home(log(5));
    world.log.append(0, 0, 0, Found::Damaged);
    world.log.append(0, 3 * HOUR_MS, 0, PLAIN);
    world.reach_the_end();
    world.log.retain(100);
    world.refresh_ground();
    assert_eq!(world.log.start, 6);
    assert_eq!(after(&world, at(3, 5)), refused(Unresumed::Expired));
    assert_eq!(world.tail.stored().unwrap().hole, None);
}

#[test]
fn a_record_of_a_newer_version_gives_the_partition_up_rather_than_skip_it() {
    let mut world = home(log(5));
    let newer = Verdict::Over(Over::Newer);
    assert_eq!(world.tail.on_record(place(5, 3), Found::Newer), newer);
    assert_eq!(world.tail.on_record(place(6, 3), A), newer, "and nothing comes after it");
    assert_eq!((world.tail.serving(), world.tail.stored()), (None, None));
    let mut world = World::new(log(5));
    assert_eq!(world.tail.on_record(place(4, 3), Found::Newer), newer, "in the window just so");
}

#[test]
fn leaders_and_offsets_that_go_back_end_the_partition() {
    for (next, over) in [(place(4, 3), Over::Truncated), (place(5, 2), Over::Truncated)] {
        let mut world = home(log(5));
        assert_eq!(world.tail.on_record(next, A), Verdict::Over(over));
    }
}

// --- freshness

#[test]
fn a_partition_is_as_fresh_as_the_newest_question_whose_answer_was_reached() {
    let mut world = World::new(log(5));
    assert_eq!(
        (world.tail.on_end(told(5), 100, 0), world.tail.fresh_ms()),
        (None, None),
        "the window is not read"
    );
    world.read(5);
    assert_eq!(world.tail.fresh_ms(), Some(100));
    assert_eq!(world.tail.on_end(told(6), 200, 0), None);
    assert_eq!(world.tail.on_end(told(8), 300, 0), None);
    assert_eq!((world.tail.fresh_ms(), world.tail.lag()), (Some(100), 3));
    (0..2).for_each(|_| world.log.append(0, 0, 0, PLAIN));
    world.read(2);
    assert_eq!((world.tail.fresh_ms(), world.tail.lag()), (Some(200), 1));
    assert_eq!(world.tail.on_end(told(7), 400, 0), None);
    assert_eq!(world.tail.fresh_ms(), Some(400), "what is reached at once counts at once");
    assert_eq!(world.tail.on_reached(8), None);
    assert_eq!(world.tail.fresh_ms(), Some(400), "an older question does not make it older");
}

#[test]
fn an_end_before_what_had_been_read_makes_nothing_fresh() {
    let mut world = home(log(5));
    let (fresh_ms, read_then) = (world.tail.fresh_ms(), world.tail.read_from());
    let asked_ms = world.log.now_ms + 1;
    assert_eq!(world.tail.on_end(told(4), asked_ms, read_then), None, "its consumer will be told");
    assert_eq!(world.tail.fresh_ms(), fresh_ms, "a leader that lacks what was read knows of no end");
    world.log.append(0, 0, 0, PLAIN);
    world.read(1);
    assert_eq!(world.tail.on_end(told(5), asked_ms, read_then), None);
    assert_eq!(world.tail.fresh_ms(), Some(asked_ms), "more was read since it was asked");
}

#[test]
fn a_log_that_ends_with_a_gap_is_reached_all_the_same() {
    let mut world = home(log(5));
    let asked_ms = world.log.now_ms + 1;
    world.log.mark(2);
    assert_eq!(world.tail.on_end(told(7), asked_ms, 0), None);
    assert_eq!(
        world.tail.fresh_ms(),
        Some(asked_ms - 1),
        "the last record was read, and nobody says that it was the last"
    );
    assert_eq!(world.tail.on_reached(7), None);
    assert_eq!((world.tail.fresh_ms(), world.tail.serving()), (Some(asked_ms), Some(at(3, 7))));
}

#[test]
fn a_record_that_is_lost_before_it_was_read_is_not_waited_for() {
    let mut world = World::new(log(5));
    world.log.cut(3);
    world.log.append(0, 0, 0, PLAIN);
    world.log.mark(6);
    assert_eq!(world.tail.on_end(told(9), 0, 0), None, "the last record could be there still");
    world.read(5);
    assert_eq!(world.tail.serving(), None);
    assert_eq!(world.tail.on_reached(9), Some(Over::Truncated), "everything was read, and it was not there");
}

#[test]
fn of_too_many_questions_the_oldest_are_waited_for() {
    let mut world = home(log(5));
    let now_ms = world.log.now_ms;
    for asked in 1..=END_QUESTIONS as u64 + 1 {
        assert_eq!(world.tail.on_end(told(5 + asked), now_ms + asked, 0), None);
    }
    assert_eq!(world.tail.fresh_ms(), Some(now_ms));
    assert_eq!(world.tail.on_end(told(5), now_ms + 1, 0), None);
    assert_eq!(world.tail.fresh_ms(), Some(now_ms + 1), "what is reached at once is not waited for");
    assert_eq!(world.tail.on_reached(1_000), None);
    assert_eq!(world.tail.fresh_ms(), Some(now_ms + END_QUESTIONS as u64));
}

/// The home of five records of leader 3, an end that leader 4 told, and who is to vouch for it.
fn doubting() -> (World, u64, Witness) {
    let mut world = home(log(5));
    let asked_ms = world.log.now_ms + 1;
    assert_eq!(world.tail.on_end(End { offset: 5, leader_epoch: Some(4) }, asked_ms, 5), None);
    assert_eq!(
        world.tail.fresh_ms(),
        Some(asked_ms - 1),
        "it may have lost what was read and taken as many others"
    );
    let witness = world.tail.witness().expect("the newest record is looked for");
    assert_eq!((witness.record.offset, witness.record.leader_epoch, witness.leader_epoch), (4, 3, 4));
    (world, asked_ms, witness)
}

#[test]
fn a_new_leader_is_believed_once_it_is_known_to_have_what_was_read() {
    let (mut world, asked_ms, witness) = doubting();
    assert_eq!(world.tail.on_witness(witness, Some(3)), None);
    assert_eq!((world.tail.fresh_ms(), world.tail.witness()), (Some(asked_ms), None));
    let by_leader = |leader_epoch| End { offset: 5, leader_epoch: Some(leader_epoch) };
    assert_eq!(world.tail.on_end(by_leader(4), asked_ms + 1, 5), None);
    assert_eq!(world.tail.fresh_ms(), Some(asked_ms + 1), "it is believed from then on");
    world.log.leader_epoch = 4;
    world.log.append(0, 0, 0, PLAIN);
    world.read(1);
    assert_eq!(world.tail.on_end(End { offset: 6, ..by_leader(4) }, asked_ms + 2, 5), None);
    assert_eq!(world.tail.fresh_ms(), Some(asked_ms + 2), "whoever wrote the newest record has it");
    assert_eq!(world.tail.on_end(End { offset: 6, ..by_leader(3) }, asked_ms + 3, 5), None);
    assert_eq!((world.tail.fresh_ms(), world.tail.witness()), (Some(asked_ms + 2), None), "it was followed");
}

#[test]
fn a_log_that_was_cut_and_has_grown_to_where_it_ended_is_not_taken_for_what_it_was() {
    let (mut world, _, witness) = doubting();
    assert_eq!(world.tail.on_witness(witness, Some(4)), Some(Over::Truncated));
    let (mut world, asked_ms, witness) = doubting();
    assert_eq!(world.tail.on_witness(witness, None), None, "it was deleted since, and all before it");
    assert_eq!(world.tail.fresh_ms(), Some(asked_ms));
    let (mut world, asked_ms, witness) = doubting();
    world.log.append(0, 0, 0, PLAIN);
    world.read(1);
    assert_eq!(world.tail.on_witness(witness, Some(3)), None);
    assert_eq!(world.tail.fresh_ms(), Some(asked_ms - 1), "it says nothing about what was read since");
}

// --- the floor

#[test]
fn the_floor_is_the_start_plus_the_window_in_time_or_in_offsets_whichever_is_first() {
    let ground = Ground { start: 100, settled: Some(5_000), young: None };
    assert_eq!(ground.floor(), 5_000);
    assert_eq!(Ground { settled: Some(900_000), ..ground }.floor(), 100 + DEDUPE_OFFSETS);
    assert_eq!(Ground { settled: None, ..ground }.floor(), 100 + DEDUPE_OFFSETS);
    assert_eq!(
        Ground::settled_from(1_000),
        1_000 + DEDUPE_MS + 1,
        "the deleted one may be as young as the first"
    );
}

#[test]
fn the_floor_is_nothing_where_the_log_still_begins_there() {
    assert_eq!(Ground { start: 0, settled: Some(5_000), young: None }.floor(), 0);
}

#[test]
fn the_floor_is_the_first_record_younger_than_retention_less_window_less_an_hour_if_that_is_earlier() {
    let ground = Ground { start: 100, settled: Some(5_000), young: Some(300) };
    assert_eq!(ground.floor(), 300);
    assert_eq!(Ground { young: Some(7_000), ..ground }.floor(), 5_000);
    assert_eq!(Ground { young: Some(50), ..ground }.floor(), 100, "asked before the start moved");
    let day_ms = 24 * HOUR_MS;
    assert_eq!(Ground::young_from(10 * day_ms, 7 * day_ms), 3 * day_ms + DEDUPE_MS + HOUR_MS);
    assert_eq!(
        Ground::young_from(10 * day_ms, HOUR_MS),
        10 * day_ms,
        "a short retention makes nothing young"
    );
    assert_eq!(Ground::young_from(10 * day_ms, u64::MAX), 0);
}

/// A log of a record each minute for three hours, of which what is older than two hours was deleted.
fn aged() -> Log {
    let mut log = Log { now_ms: 1_000 * MINUTE_MS, leader_epoch: 3, ..Log::default() };
    (0..180).for_each(|_| log.append(0, MINUTE_MS, 0, A));
    log.retain(100);
    assert_eq!(log.start, 59);
    log
}

#[test]
fn below_the_floor_everybody_has_expired_and_history_is_filled_in_to_it() {
    let mut world = home(aged());
    let floor = 59 + 11;
    assert_eq!(after(&world, at(3, floor - 1)), refused(Unresumed::Expired));
    assert_eq!(after(&world, at(3, floor)), Judgement::Fill { down_to: floor });
    assert_eq!(world.tail.judge(ReadAt::Offset(0)), Judgement::Fill { down_to: floor });
    world.tail.want(0);
    world.fill_all();
    world.check();
    assert_eq!(world.tail.coverage().0, floor);
    assert_eq!(world.tail.judge(ReadAt::Offset(0)), Judgement::Ready { from: floor });
}

#[test]
fn what_is_covered_is_served_also_below_the_floor() {
    let mut log = log(0);
    log.append(0, 0, 0, PLAIN);
    let mut world = home(log);
    (0..180).for_each(|_| world.log.append(0, MINUTE_MS, 0, PLAIN));
    world.reach_the_end();
    world.log.retain(100);
    world.refresh_ground();
    let start = world.log.start;
    assert!(world.log.ground().floor() > start);
    assert_eq!(world.tail.floor(), start);
    assert_eq!(after(&world, at(3, start)), Judgement::Ready { from: start });
    assert_eq!(after(&world, at(3, start - 1)), refused(Unresumed::Expired), "but not what was deleted");
    assert_eq!(world.tail.drop_below(), start);
    world.check();
}

// --- whose position fits

#[test]
fn a_position_whose_leader_was_followed_at_or_before_it_is_truncated() {
    let mut world = home(log(100));
    world.log.cut(10);
    (0..30).for_each(|_| world.log.append(0, 0, 0, PLAIN));
    world.read(1);
    assert_eq!(world.tally.get("over truncated"), Some(&1));
    world.reach_the_end();
    world.tail.want(80);
    world.fill_all();
    world.check();
    assert_eq!(after(&world, at(3, 90)), Judgement::Ready { from: 90 });
    assert_eq!(after(&world, at(3, 91)), refused(Unresumed::Truncated));
    assert_eq!(after(&world, at(4, 91)), Judgement::Ready { from: 91 });
}

#[test]
fn what_is_known_of_leaders_before_coverage_refuses_without_reading() {
    let mut log = log(90);
    log.leader_epoch = 4;
    (0..30).for_each(|_| log.append(0, 0, 0, PLAIN));
    let world = home(log);
    assert_eq!(world.tail.coverage().0, 120);
    assert_eq!(after(&world, at(3, 100)), refused(Unresumed::Truncated));
    assert_eq!(after(&world, at(3, 90)), Judgement::Fill { down_to: 90 });
}

#[test]
fn a_position_beyond_the_head_is_the_routers_to_judge() {
    let mut world = home(log(5));
    assert_eq!(after(&world, at(3, u64::MAX)), Judgement::Ready { from: u64::MAX });
    assert_eq!(after(&world, at(2, u64::MAX)), refused(Unresumed::Truncated));
    world.tail.want(u64::MAX);
    assert_eq!(world.tail.chunk(), None);
}

#[test]
fn the_lower_end_of_coverage_is_named_by_the_record_before_it() {
    let mut log = log(10);
    log.leader_epoch = 5;
    log.append(0, 0, 0, PLAIN);
    let world = home(log);
    assert_eq!(world.tail.position(11), at(5, 11));
    assert_eq!(world.tail.stored().unwrap().epochs.of(10), Some(5));
    let world = home(aged());
    assert_eq!(world.tail.position(180), at(3, 180));
}

// --- history

/// A log of two hundred records a minute apart, far apart by offsets, and a home that covers nothing of it. One ID comes
/// each five minutes, the others each thirteen.
fn long() -> World {
    let mut log = Log { now_ms: 1_000 * MINUTE_MS, leader_epoch: 3, ..Log::default() };
    for n in 0..200u128 {
        let key = if n % 5 == 0 { 99 } else { n % 13 };
        log.append(1_000, MINUTE_MS, 0, Found::Envelope(Some(DedupeKey(key))));
    }
    home(log)
}

#[test]
fn history_is_filled_in_backwards_in_chunks_each_with_its_window() {
    let mut world = long();
    let end = world.log.end;
    world.tail.want(100_000);
    let first = world.tail.chunk().unwrap();
    assert_eq!(first, Chunk { rows_from: end - CHUNK_OFFSETS, upto: end });
    world.begin_chunk(true);
    let read_from = world.tail.filling().unwrap().read_from;
    let minutes = (first.rows_from - read_from) / 1_001;
    assert!((9..=10).contains(&minutes), "the window is {minutes} records of a minute each");
    world.fill(usize::MAX);
    world.check();
    assert!(world.tail.coverage().0 <= first.rows_from);
    let second = world.tail.chunk().unwrap();
    assert_eq!(second, Chunk { rows_from: 100_000, upto: world.tail.coverage().0 });
    world.fill_all();
    world.check();
    assert!(world.tail.coverage().0 <= 100_000);
    assert_eq!(world.tail.chunk(), None, "and only for that");
}

#[test]
fn coverage_moves_when_a_chunk_is_complete_and_not_before() {
    let mut world = long();
    let before = world.tail.coverage();
    world.tail.want(0);
    world.begin_chunk(true);
    world.fill(30);
    assert_eq!(world.tail.coverage(), before);
    assert!(!world.rows.is_empty());
    world.check();
    let fill = world.tail.filling().unwrap();
    world.tail.abort();
    assert_eq!((world.tail.coverage(), world.tail.filling()), (before, None));
    assert_eq!(world.tail.chunk(), None, "what made it impossible is looked at first");
    world.refresh_ground();
    world.begin_chunk(true);
    assert_eq!(world.tail.on_history(fill, place(5, 3), A), Verdict::Void, "a record of the aborted one");
    world.fill(usize::MAX);
    world.check();
    assert!(world.tail.coverage().0 < before.0);
}

#[test]
fn of_several_who_wait_the_lowest_counts() {
    let mut world = long();
    for down_to in [150_000, 140_000, 160_000] {
        world.tail.want(down_to);
    }
    assert_eq!(world.tail.chunk().unwrap().rows_from, 140_000);
    world.tail.want_nothing();
    assert_eq!(world.tail.chunk(), None);
}

#[test]
fn a_chunk_behind_a_gap_is_read_from_further_back_until_a_record_names_its_beginning() {
    let mut log = log(3);
    log.append(30_000, 60 * MINUTE_MS, 0, PLAIN);
    (0..3).for_each(|_| log.append(0, 60 * MINUTE_MS, 0, PLAIN));
    let mut world = home(log);
    world.tail.want(20_000);
    world.fill_all();
    world.check();
    assert_eq!(world.tail.coverage().0, 3, "nothing lies between 3 and 20,000");
    assert_eq!(after(&world, at(3, 20_000)), Judgement::Ready { from: 20_000 });
    assert!(world.tally["chunk"] > 1);
}

#[test]
fn a_chunk_that_does_not_join_ends_the_partition() {
    let mut world = long();
    world.tail.want(0);
    world.log.cut(5);
    (0..9).for_each(|_| world.log.append(0, 0, 0, PLAIN));
    world.begin_chunk(true);
    world.fill(usize::MAX);
    assert_eq!(world.tally.get("over truncated"), Some(&1), "the record before coverage is another one");
}

#[test]
fn a_chunk_that_passes_the_record_before_coverage_ends_the_partition() {
    let mut world = long();
    world.tail.want(0);
    world.begin_chunk(true);
    let fill = world.tail.filling().unwrap();
    assert_eq!(world.tail.on_history(fill, place(fill.upto, 3), A), Verdict::Over(Over::Truncated));
}

#[test]
fn retention_that_passes_a_chunk_takes_it_away() {
    let mut world = long();
    world.tail.want(0);
    world.begin_chunk(true);
    world.log.start = world.tail.filling().unwrap().read_from + 1;
    world.refresh_ground();
    assert_eq!(world.tail.filling(), None);
    world.fill_all();
    world.check();
}

#[test]
fn a_chunk_whose_window_has_lost_something_since_the_ground_was_looked_at_is_not_read() {
    let mut world = long();
    world.tail.want(0);
    let Chunk { rows_from, .. } = world.tail.chunk().unwrap();
    // What is left of the window can be read, and says of a duplicate that it is none.
    world.log.start = rows_from - 1_500;
    world.begin_chunk(true);
    assert_eq!((world.tail.filling(), world.tail.chunk()), (None, None));
    assert!(world.tail.doubts_ground());
    world.refresh_ground();
    let next = world.tail.chunk().unwrap();
    assert!(next.rows_from > rows_from, "{next:?} begins where its whole window is there");
    world.fill_all();
    world.check();
    assert!(world.tail.coverage().0 > rows_from);
}

#[test]
fn further_back_ends_at_the_floor() {
    let mut world = home(aged());
    assert_eq!(world.tail.judge(ReadAt::Further), Judgement::Fill { down_to: 70 });
    world.tail.want(70);
    world.fill_all();
    assert_eq!(world.tail.judge(ReadAt::Further), Judgement::Ready { from: 70 });
}

#[test]
fn a_read_since_a_time_needs_history_from_there() {
    let world = home(aged());
    let since = world.log.first_at(world.log.now_ms - 30 * MINUTE_MS).unwrap();
    assert_eq!(world.tail.judge(ReadAt::Offset(since)), Judgement::Fill { down_to: since });
    assert_eq!(world.tail.judge(ReadAt::Offset(180)), Judgement::Ready { from: 180 });
}
