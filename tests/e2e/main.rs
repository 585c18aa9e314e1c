//! End to end: a node in this process, real sockets, peers that behave and peers that do not.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod arrive;
mod close;
mod echo;
mod pressure;
mod sessions;
mod support;
