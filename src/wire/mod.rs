//! Bytes to meaning and back: WebSocket frames, the JSON in them, the records in the log, beside it and between nodes, a
//! proxy's word for a client.
//!
//! Pure: no sockets, no clock. What a peer sends is judged here once and is valid from then on; what we send is
//! written straight into the caller's buffer. Nothing on the paths of single messages allocates.

pub mod json;
pub mod node_record;
pub mod proxy;
pub mod record;
pub mod state_record;
pub mod websocket;

use crate::model::Push;

/// Appends what a client is told as a whole WebSocket frame, written into its place.
#[inline]
pub fn write_push(push: &Push, face: &json::Face<'_>, out: &mut Vec<u8>) {
    let frame = websocket::begin_text(json::size_hint(push), out);
    json::encode(push, face, out);
    frame.finish(out);
}
