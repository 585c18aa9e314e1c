//! Requests: the head of each, what it asks for, and the answers before a connection becomes a WebSocket.
//!
//! No sockets here: bytes in, values and bytes out. Everything a peer sends is bounded before it is looked at.

pub mod head;
pub mod response;
pub mod upgrade;

pub use head::{Head, HeadError, Incoming};
pub use response::Status;
