//! Corepost: a WebSocket message router in which a session is a cursor over a mailbox.

pub mod access;
#[cfg(feature = "serve")]
pub mod cli;
#[cfg(feature = "serve")]
pub mod config;
pub mod counters;
#[cfg(feature = "serve")]
pub mod host;
pub mod limits;
pub mod log;
pub mod model;
mod words;
