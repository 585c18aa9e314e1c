//! Any log, begun anywhere, filled in in any order: what is covered is what the whole log says, and no position is
//! judged by anything less.

use super::world::{Log, MINUTE_MS, World};
use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Act {
    Append { gap: u64, later_ms: u64, behind_ms: u64, found: Found },
    Mark { offsets: u64 },
    Elect,
    Cut { lost: usize },
    Retain { percent: u64 },
    Pass { minutes: u64 },
    Read { most: usize },
    Reach,
    Ground,
    Save,
    Begin { disk: Option<prop::sample::Index>, asks: bool },
    Give { at: prop::sample::Index },
    Want { given: prop::sample::Index },
    WantOldest,
    Chunk { asks: bool },
    Fill { most: usize },
    Abort,
}

/// IDs that come again, some records without, a few that are nobody's or damaged.
fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        1 => Just(Found::Damaged),
        200 => (0..5u128).prop_map(|key| Found::Envelope(Some(DedupeKey(key)))),
        20 => Just(Found::Envelope(None)),
        9 => Just(Found::Nobodys),

    ]
}

/// Times at the edges of the window, and offsets; a log whose clocks go back has neither large gaps nor retention, for
/// what a clock has turned back must lie before what was read by offsets alone.
fn append(has_skew: bool) -> BoxedStrategy<Act> {
    let gap = if has_skew {
        (0..3u64).boxed()
    } else {
        prop_oneof![10 => Just(0u64), 3 => 0..40_000u64, 1 => Just(131_070u64), 1 => Just(131_071u64)].boxed()
    };
    let later = prop_oneof![
        4 => Just(0u64), 4 => 0..30_000u64, 2 => 0..10 * MINUTE_MS,
        1 => Just(5 * MINUTE_MS), 1 => (0..3u64).prop_map(|more| 10 * MINUTE_MS - 1 + more),
    ];
    let behind = if has_skew { prop_oneof![Just(0u64), 0..60_000u64].boxed() } else { Just(0).boxed() };
    (gap, later, behind, found())
        .prop_map(|(gap, later_ms, behind_ms, found)| Act::Append { gap, later_ms, behind_ms, found })
        .boxed()
}

fn act(has_skew: bool) -> BoxedStrategy<Act> {
    let index = any::<prop::sample::Index>;
    let disk = prop_oneof![2 => index().prop_map(Some), 1 => Just(None)];
    prop_oneof![
        30 => append(has_skew),
        1 => (1..4u64).prop_map(|offsets| Act::Mark { offsets }),
        2 => Just(Act::Elect),
        1 => (1..8usize).prop_map(|lost| Act::Cut { lost }),
        5 => (1..101u64).prop_map(move |percent| Act::Retain { percent: if has_skew { 0 } else { percent } }),
        1 => (1..40u64).prop_map(|minutes| Act::Pass { minutes }),
        10 => (1..30usize).prop_map(|most| Act::Read { most }),
        2 => Just(Act::Reach),
        3 => Just(Act::Ground),
        4 => Just(Act::Save),
        2 => (disk, any::<bool>()).prop_map(|(disk, asks)| Act::Begin { disk, asks }),
        6 => index().prop_map(|at| Act::Give { at }),
        3 => index().prop_map(|given| Act::Want { given }),
        1 => Just(Act::WantOldest),
        6 => prop_oneof![3 => Just(true), 1 => Just(false)].prop_map(|asks| Act::Chunk { asks }),
        8 => (1..40usize).prop_map(|most| Act::Fill { most }),
        1 => Just(Act::Abort),
    ]
    .boxed()
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop_oneof![3 => Just(false), 1 => Just(true)]
        .prop_flat_map(|has_skew| prop::collection::vec(act(has_skew), 1..400))
}

fn obey(world: &mut World, act: Act) {
    match act {
        Act::Append { gap, later_ms, behind_ms, found } => world.log.append(gap, later_ms, behind_ms, found),
        Act::Mark { offsets } => world.log.mark(offsets),
        Act::Elect => world.log.leader_epoch += 1,
        Act::Cut { lost } => world.log.cut(lost),
        Act::Retain { percent } => world.log.retain(percent),
        Act::Pass { minutes } => world.log.now_ms += minutes * MINUTE_MS,
        Act::Read { most } => world.read(most),
        Act::Reach => world.reach_the_end(),
        Act::Ground => world.refresh_ground(),
        Act::Save => world.save(),
        Act::Begin { disk, asks } => {
            let disk = disk.filter(|_| !world.disk.is_empty()).map(|disk| disk.index(world.disk.len()));
            world.begin(disk, asks);
        }
        Act::Give { at } if !world.log.records.is_empty() => world.give(at.index(world.log.records.len())),
        Act::Want { given } if !world.given.is_empty() => {
            let position = world.given[given.index(world.given.len())].position;
            want(world, ReadAt::After(position));
        }
        Act::WantOldest => want(world, ReadAt::Offset(0)),
        Act::Chunk { asks } => world.begin_chunk(asks),
        Act::Fill { most } => world.fill(most),
        Act::Abort => world.tail.abort(),
        Act::Give { .. } | Act::Want { .. } => {}
    }
}

fn want(world: &mut World, at: ReadAt) {
    if let Judgement::Fill { down_to } = world.tail.judge(at) {
        world.tail.want(down_to);
    }
}

#[test]
fn what_is_covered_is_what_the_whole_log_says() {
    let sum: RefCell<BTreeMap<String, u32>> = RefCell::default();
    let log = Log { now_ms: 1_000 * MINUTE_MS, leader_epoch: 3, ..Log::default() };
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let result = runner.run(&acts(), |acts| {
        let mut world = World::new(log.clone());
        for act in acts {
            obey(&mut world, act);
            world.check();
        }
        // Whatever happened, it ends well: everything that may be read is filled in at last.
        world.refresh_ground();
        world.reach_the_end();
        world.fill(usize::MAX);
        want(&mut world, ReadAt::Offset(0));
        world.fill_all();
        world.check();
        let oldest = world.tail.judge(ReadAt::Offset(0));
        assert!(
            matches!(oldest, Judgement::Ready { .. }),
            "{oldest:?} is left of {:?}",
            world.tail.coverage()
        );
        for (what, times) in world.tally {
            *sum.borrow_mut().entry(what).or_default() += times;
        }
        Ok(())
    });
    let sum = sum.into_inner();
    println!("{sum:?}");
    match result {
        Err(TestError::Fail(why, acts)) => panic!("{why}, by {acts:?}"),
        result => result.unwrap(),
    }
    for what in [
        "ready",
        "fill",
        "expired",
        "truncated",
        "damaged",
        "warm",
        "cold",
        "chunk",
        "chunk without its window",
        "chunk out of range",
        "over truncated",
        "over contradicted",
        "over range",
        "store behind",
        "store beyond",
        "store expired",
    ] {
        assert!(sum.get(what).is_some_and(|&times| times > 0), "{what} was never met: {sum:?}");
    }
}
