//! Two to five nodes' memberships around one cluster log, in a deterministic simulation.
//!
//! `COREPOST_SEEDS=5000 cargo test --release --no-default-features --test cluster_members` runs many worlds,
//! `COREPOST_SEED=n` one of them again, with `COREPOST_TRACE=1` telling what happened in it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod log;
mod process;
#[path = "../sim/wanted.rs"]
mod wanted;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use world::{Tally, Weather, World};

fn run(few: u64, weather: Weather) -> Tally {
    let (mut sum, seeds) = (Tally::default(), wanted::wanted(few));
    for seed in seeds.clone() {
        match catch_unwind(AssertUnwindSafe(|| World::new(seed, weather).run())) {
            Ok(tally) => sum.add(&tally),
            Err(panic) => {
                println!("{weather:?}, seed {seed}; again: COREPOST_SEED={seed} COREPOST_TRACE=1 cargo test");
                println!("  --no-default-features --test cluster_members");
                resume_unwind(panic);
            }
        }
    }
    println!("{weather:?}, {} seeds: {sum:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start >= 100 {
        sum.must_have_seen(weather);
    }
    sum
}

/// Kills, pauses, stalls, leader changes, lost acks, second processes: nobody shares an ordinal for longer than the log
/// takes to tell, and when all is quiet everybody who lives is in everybody's view.
#[test]
fn membership_survives_every_storm() {
    run(300, Weather::Storm);
}

/// Kafka may be away for as long as it likes, if everybody gets a word in before it is away again.
#[test]
fn nobody_dies_of_a_kafka_that_stands_still() {
    run(200, Weather::Stalls);
}

/// Log time survives leaders whose clocks differ.
#[test]
fn nobody_dies_where_nothing_happens() {
    run(50, Weather::Fair);
}
