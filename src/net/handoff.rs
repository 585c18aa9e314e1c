//! A socket on its way to the core it belongs to: the descriptor and what was read from it already.

use super::Socket;
use std::os::fd::OwnedFd;

/// May cross threads, as a stream of the runtime may not.
#[derive(Debug)]
pub struct Handoff {
    /// The socket.
    pub fd: OwnedFd,
    /// Bytes that came after the request head: the first to be obeyed.
    pub unread: Vec<u8>,
}

impl Handoff {
    /// Takes a socket off this core. Its last read and write have returned.
    pub fn new(socket: Socket, unread: Vec<u8>) -> Self {
        Self { fd: socket.release(), unread }
    }
}
