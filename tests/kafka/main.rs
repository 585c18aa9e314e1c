//! The program and real Kafka, where no cluster of nodes is needed: the topics it makes, and the tokens it shows.
//!
//! Only with `COREPOST_TEST=all`. These stories wait most of their time, so they are one program and told at once; what
//! measures its own process (`tests/kafka_io.rs`) is another.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../kafka_support/mod.rs"]
mod kafka_support;
#[cfg(feature = "kafka-tls")]
#[path = "../e2e/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test uses a part")]
mod support;
#[cfg(feature = "kafka-tls")]
mod tokens;
mod topics;
