//! Bytes to meaning and back: WebSocket frames, the JSON in them, the records in the log.
//!
//! Pure: no sockets, no clock. What a peer sends is judged here once and is valid from then on; what we send is
//! written straight into the caller's buffer. Nothing on the paths of single messages allocates.

pub mod json;
pub mod record;
pub mod websocket;
