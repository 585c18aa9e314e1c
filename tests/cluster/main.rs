//! Whole nodes of a cluster as processes of the real program, against real Kafka, met by real WebSockets.
//!
//! Only with `COREPOST_TEST=all`, for Kafka needs a JRE and Maven. One broker serves most stories, each with topics of its
//! own; those that hurt brokers have three of their own.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod brokers;
mod cost;
mod crossing;
mod crowd;
mod device;
mod draining;
mod fleet;
#[path = "../kafka_support/mod.rs"]
mod kafka_support;
mod kills;
mod outside;
mod pauses;
mod placed;
mod profiled;
mod refused;
mod reloaded;
mod remade;
mod returning;
mod rolling;
#[path = "../e2e/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test uses a part")]
mod support;
#[path = "../placement/threads.rs"]
mod threads;
