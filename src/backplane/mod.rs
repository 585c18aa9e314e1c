//! The log and, later, the way between nodes: what everything is appended to, read from and heard from.
//!
//! Speaks only the values of [`crate::log`]; knows neither cores nor sockets. What it has to tell a core it gives to
//! a function of the shell's, which never blocks.

mod embedded;
pub mod kafka;
mod log;

pub use embedded::{
    Clock, Embedded, Health, HealthReading, OnThread, OpenError, Options, Recovered, Trouble,
};
pub use log::Log;
