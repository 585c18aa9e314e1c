//! End to end: a node in this process, real sockets, peers that behave and peers that do not.
#![cfg(feature = "serve")]

mod arrive;
mod close;
mod echo;
mod pressure;
mod promise_1_acknowledged_is_durable;
mod sessions;
mod support;
