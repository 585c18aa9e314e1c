//! Hostile input as data, against the real program: after each the process lives, its memory is back within its bound,
//! other clients are unharmed, and no turn of a core was late by its own doing.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod api;
mod crowds;
mod cursors;
mod floods;
mod frames;
mod handshakes;
mod json;
mod limits;
mod proxies;
mod readers;
mod slow;
mod support;
mod tokens;
