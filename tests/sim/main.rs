//! Whole nodes in one deterministic simulation, with a reference model beside each.
//!
//! `COREPOST_SEEDS=5000 cargo test --release --no-default-features --test sim` runs many worlds, `COREPOST_SEED=n` one
//! of them again, with `COREPOST_TRACE=1` telling what happened in it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod acts;
mod agenda;
#[cfg(feature = "sabotage")]
mod canaries;
mod conn;
mod device;
mod execute;
mod finale;
mod log;
mod network;
mod node;
mod plan;
#[path = "../promises/mod.rs"]
mod promises;
mod seeds;
mod stage;
mod stories;
mod truth;
mod wanted;
mod what;
mod world;

use plan::Plan;
use world::World;

#[test]
fn every_promise_holds_in_every_world() {
    seeds::run("sim", wanted::wanted(300), |seed| World::new(Plan::of(seed)).run());
}

/// Each promise's text, on one core and on three, with the sessions at home and away from it.
macro_rules! promises {
    ($($name:ident: $nth:literal,)*) => {$(
        #[test]
        fn $name() {
            let (name, text) = promises::TEXTS[$nth - 1];
            for (cores, wrong_core) in [(1, false), (3, false), (3, true)] {
                promises::perform(name, text, || stage::SimStage::new(cores, wrong_core));
            }
        }
    )*};
}

promises! {
    promise_1_acknowledged_is_durable: 1,
    promise_2_one_order_per_mailbox: 2,
    promise_3_no_silent_gap: 3,
    promise_4_idempotent_send: 4,
    promise_5_bounded_memory: 5,
    promise_6_only_the_recipient_reads: 6,
    promise_7_a_core_never_blocks: 7,
    promise_8_ephemeral: 8,
}
