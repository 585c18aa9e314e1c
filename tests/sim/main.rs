//! Whole nodes in one deterministic simulation, with a reference model beside each.
//!
//! `COREPOST_SEEDS=5000 cargo test --release --no-default-features --test sim` runs many worlds, `COREPOST_SEED=n` one
//! of them again, with `COREPOST_TRACE=1` telling what happened in it.

mod acts;
mod agenda;
mod conn;
mod device;
mod execute;
mod finale;
mod log;
mod network;
mod node;
mod plan;
mod seeds;
mod truth;
mod world;

use plan::Plan;

#[test]
fn every_promise_holds_in_every_world() {
    seeds::run(seeds::wanted(300), Plan::of);
}
