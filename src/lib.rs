//! Corepost: a WebSocket message router in which a session is a cursor over a mailbox.

pub mod access;
pub mod client;
pub mod counters;
pub mod limits;
pub mod log;
pub mod model;
pub mod router;
pub mod wire;
mod words;
