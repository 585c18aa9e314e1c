//! Corepost: a WebSocket message router in which a session is a cursor over a mailbox.

pub mod counters;
pub mod limits;
pub mod log;
#[cfg(feature = "serve")]
pub mod mesh;
pub mod model;
#[cfg(feature = "serve")]
pub mod net;
mod words;
