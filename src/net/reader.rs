//! Reading one socket: it waits for bytes without a buffer, and what is there is read at once into the core's own.
//!
//! Nothing is ever in flight with memory of ours in it, so a waiting reader may be dropped at any time.

use super::socket::receive_now;
use monoio::net::UnixStream;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

/// The reading side of a socket.
pub struct Reader(pub(super) Rc<UnixStream>);

/// What a read that does not wait has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// So many bytes, at the buffer's beginning.
    Bytes(usize),
    /// Nothing is there at the moment.
    Nothing,
    /// Nothing comes any more: the peer has closed, or the connection broke.
    End,
}

impl Reader {
    /// Waits until there is something to read, or the end.
    ///
    /// An error says what the read that follows says better. The future is the runtime's own, for every silent
    /// connection holds one.
    pub fn ready(&self) -> impl Future<Output = io::Result<()>> {
        self.0.readable(false)
    }

    /// Reads what is there, without waiting.
    pub fn take(&self, buffer: &mut [u8]) -> Took {
        match receive_now(self, buffer) {
            Ok(0) => Took::End,
            Ok(bytes) => Took::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Took::Nothing,
            Err(_) => Took::End,
        }
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        super::socket::borrow(&self.0)
    }
}
