//! A socket on its way to the core it belongs to: the descriptor, its TLS, and what was read from it already.

use super::tls::Tls;
use std::os::fd::OwnedFd;

/// May cross threads, as a stream of the runtime may not: `Socket::hand_over`, then `Socket::receive`.
#[derive(Debug)]
pub struct Handoff {
    /// The socket.
    pub(super) fd: OwnedFd,
    /// Its keys, and what is not whole.
    pub(super) tls: Option<Box<Tls>>,
    /// Bytes that came after the request head: the first to be obeyed.
    pub(super) unread: Vec<u8>,
}
