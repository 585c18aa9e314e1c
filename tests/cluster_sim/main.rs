//! Whole clusters in one deterministic simulation, with a reference model beside each.
//!
//! The pure core of several nodes runs here as it ships: shards, posts, tails, clients. What is modelled is what lies
//! between: Kafka, the glue around the core, clocks, sockets, and whatever can go wrong with them.
//!
//! `COREPOST_SEEDS=5000 cargo test --release --no-default-features --test cluster_sim` runs many worlds, `COREPOST_SEED=n`
//! one of them again, with `COREPOST_TRACE=1` telling what happened in it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod acts;
#[path = "../sim/agenda.rs"]
mod agenda;
#[cfg(feature = "sabotage")]
mod canaries;
mod clock;
#[path = "../sim/conn.rs"]
#[allow(dead_code, reason = "a node alone has more to look at")]
mod conn;
mod cores;
mod costs;
#[path = "../sim/device.rs"]
#[allow(dead_code, reason = "a node alone has more to look at")]
mod device;
mod drains;
mod faults;
mod finale;
mod history;
mod kafka;
mod keeper;
mod network;
mod office;
mod pages;
mod plan;
mod process;
mod producers;
#[path = "../promises/mod.rs"]
#[allow(dead_code, reason = "a device writes down what it hears for those who perform them")]
mod promises;
mod remake;
#[path = "../sim/seeds.rs"]
mod seeds;
mod store;
mod tails;
mod truth;
mod upgrade;
#[path = "../sim/wanted.rs"]
mod wanted;
mod what;
mod world;

use plan::{Fault, Plan};
use world::World;

#[test]
fn every_promise_holds_in_every_cluster() {
    seeds::run("cluster_sim", wanted::wanted(40), |seed| World::new(Plan::of(seed)).run());
}

#[test]
fn every_promise_holds_where_views_flip_and_flip_back() {
    aim(Fault::Flip);
}

#[test]
fn every_promise_holds_where_a_node_stands_still_between_a_view_and_its_reading() {
    aim(Fault::Rift);
}

#[test]
fn every_promise_holds_where_the_last_record_before_a_silence_is_lost() {
    aim(Fault::Hush);
}

#[test]
fn every_promise_holds_where_a_home_moves_in_mid_replay() {
    aim(Fault::Overtake);
}

/// A tenth as many as of the random ones, or the one that is asked for.
fn aim(fault: Fault) {
    let wanted = wanted::wanted(150);
    let seeds = if wanted.end - wanted.start == 1 { wanted } else { 0..wanted.end.div_ceil(10) };
    seeds::run("cluster_sim", seeds, |seed| World::new(Plan::aimed(seed, fault)).run());
}
