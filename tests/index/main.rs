//! The index of a home in a cluster, on real files: what it holds together, what it forgets, what it shows to whom.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

#[path = "../powercut/disk.rs"]
mod disk;
#[path = "../powercut/shim.rs"]
mod shim;
#[path = "../store_support/mod.rs"]
mod store_support;

mod coverage;
mod crashes;
mod directories;
mod model;
mod powercut;
mod reading;
mod retention;
mod stage;
mod trouble;
