//! Writing one socket: what a turn produces is collected and handed to the kernel in one call at the turn's end.
//!
//! A buffer is lent only until the kernel has taken its bytes, which is at once as long as the peer keeps up. Where
//! it does not, the rest stays with the [`Writer`] and its core waits, by [`Writer::writable`], until there is room.

use super::socket::{borrow, send_now};
use super::{Pool, Reader, Size, Socket};
use monoio::net::UnixStream;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

/// What one socket still has to send.
pub struct Writer {
    /// Collected and not taken by the kernel. Has no memory while there is nothing.
    pending: Vec<u8>,
    stream: Rc<UnixStream>,
}

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has taken these bytes, and nothing is left.
    All(usize),
    /// The kernel has taken these and has no room for more: wait for [`Writer::writable`].
    Some(usize),
    /// The peer is gone.
    Broken,
}

impl Socket {
    /// For a session: a side to read, which its task owns, and one to write, which the core's table keeps.
    pub fn split(self) -> (Reader, Writer) {
        let stream = Rc::new(self.0);
        let writer = Writer { pending: Vec::new(), stream: Rc::clone(&stream) };
        (Reader(stream), writer)
    }
}

impl Writer {
    /// Where to append what shall be sent.
    pub fn buffer(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        if self.pending.capacity() == 0 {
            self.pending = pool.take(Size::Frame);
        }
        &mut self.pending
    }

    /// How many bytes the kernel has not taken.
    pub fn unsent(&self) -> usize {
        self.pending.len()
    }

    /// Those bytes, for the process that takes the socket.
    pub fn bytes(&self) -> &[u8] {
        &self.pending
    }

    /// Everything was taken by the kernel.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Hands the kernel what was collected, as far as it has room. The buffer goes back when it is empty.
    pub fn send(&mut self, pool: &mut Pool) -> Sent {
        let mut taken = 0;
        while taken < self.pending.len() {
            match send_now(borrow(&self.stream), &self.pending[taken..]) {
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The kernel says that it has room when a good part of its buffer is free, so the rest is moved
                    // a few times at most.
                    self.pending.drain(..taken);
                    return Sent::Some(taken);
                }
                Err(_) => return Sent::Broken,
            }
        }
        self.discard(pool);
        Sent::All(taken)
    }

    /// Waits until the kernel has room again, or the connection is over. May be dropped at any time.
    pub fn writable(&self) -> impl Future<Output = ()> + use<> {
        let stream = Rc::clone(&self.stream);
        async move {
            // The send that follows tells an error better.
            let _ = stream.writable(false).await;
        }
    }

    /// Forgets what was not sent.
    pub fn discard(&mut self, pool: &mut Pool) {
        pool.give(Size::Frame, std::mem::take(&mut self.pending));
    }
}

impl AsFd for Writer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(&self.stream)
    }
}
