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

#[cfg(feature = "serve")]
pub mod admin;
#[cfg(feature = "serve")]
pub mod http;
#[cfg(feature = "serve")]
pub mod mesh;
#[cfg(feature = "serve")]
pub mod net;
#[cfg(feature = "serve")]
pub mod node;
