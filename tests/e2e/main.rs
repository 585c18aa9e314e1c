//! End to end: a node in this process or the real program as a child, real sockets, peers that behave and peers that do not.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod a_minute;
mod api;
mod arrive;
#[path = "../balancer_support/mod.rs"]
mod balancer_support;
mod bounds;
mod chaos;
mod close;
mod commands;
mod doors;
mod drain;
mod echo;
mod exits;
mod greeting;
mod haproxy;
mod keys;
mod kills;
mod kubernetes;
mod lines;
mod losses;
mod mistakes;
mod nginx;
mod positions;
mod pressure;
mod promise_1_acknowledged_is_durable;
mod promise_2_one_order_per_mailbox;
mod promise_3_no_silent_gap;
mod promise_4_idempotent_send;
mod promise_5_bounded_memory;
mod promise_6_only_the_recipients_read;
mod promise_7_a_core_never_blocks;
mod promise_8_ephemeral_is_beside_the_log;
mod promises;
mod proxied;
mod pulls;
mod reload;
mod seccomp;
mod secure_commands;
mod sessions;
mod stage;
mod supervised;
mod support;
mod tls;
mod tls_storms;
mod tokens;
