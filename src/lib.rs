//! Corepost: a WebSocket message router in which a session is a cursor over a mailbox.

#[cfg(feature = "serve")]
pub mod backplane;
pub mod counters;
pub mod limits;
pub mod log;
pub mod model;
mod words;
