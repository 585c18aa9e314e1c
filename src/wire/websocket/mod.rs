//! RFC 6455 without sockets: the server's side, and the client's for our own tools and tests.
//!
//! Extensions are not offered, so no reserved bit is ever right. Everything a peer can make us hold is bounded by
//! [`Rules`] and, for all peers of a core together, by a [`PartialBudget`].

mod close;
mod export;
mod frame;
mod handshake;
mod header;
mod mask;
mod partial;
mod receiver;
mod remainder;
mod rules;
mod utf8;

pub use close::{CloseBytes, peer_close_code};
pub use export::BadExport;
pub use frame::{
    FrameStart, HEADER_MOST, Opcode, begin_text, header, write_close, write_frame, write_masked,
};
pub use handshake::{
    BadResponse, ClientKey, HandshakeError, Request, SUBPROTOCOL, Switched, Upgrade, check_response,
    check_upgrade, write_request, write_switching,
};
pub use receiver::{Event, Receiver};
pub use remainder::Remainder;
pub use rules::{PartialBudget, Rules};
