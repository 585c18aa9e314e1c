//! Requests: the head of each, what it asks for, and the answers before a connection becomes a WebSocket.
//!
//! No sockets here: bytes in, values and bytes out. Everything a peer sends is bounded before it is looked at.
//! A connection to the HTTP API is an [`Exchange`]: bytes go in, [`ApiRequest`]s come out, [`Reply`]s go back.

pub mod api;
mod body;
pub mod clients;
pub mod exchange;
mod gate;
pub mod head;
pub mod publish;
pub mod pull;
pub mod reply;
pub mod response;
mod route;
pub mod upgrade;

pub use api::ApiRequest;
pub use exchange::{CONTINUE, Exchange, Step};
pub use head::{Head, HeadError, Incoming};
pub use publish::{Outcome, Publish, PublishAnswer, Reading, command_of};
pub use pull::{Pulled, pulled};
pub use reply::{Manner, Reply};
pub use response::Status;
