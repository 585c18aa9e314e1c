//! One connection's line, both ways: what comes is read as it is there, and what a turn produces is collected and handed to
//! the kernel in one call at the turn's end.
//!
//! A buffer is lent only until the kernel has taken its bytes, which is at once as long as the peer keeps up. Where
//! it does not, the rest stays with the [`Line`] and its core waits, by [`Line::writable`], until there is room.
//!
//! With TLS the connection's keys live here, for both ways. What is collected is sealed as it is sent, in the order in
//! which it was collected.

use super::socket::{borrow, receive_now, send_now};
use super::tls::Tls;
use super::{Ended, Pool, Size, Socket};
use crate::limits::TLS_KEYS_BYTES;
use monoio::net::UnixStream;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

/// One socket, and what it still has to send.
pub struct Line {
    /// Collected and not taken by the kernel. Has no memory while there is nothing.
    pending: Vec<u8>,
    stream: Rc<UnixStream>,
    secure: Option<Box<Secure>>,
}

/// What only a connection with TLS needs.
struct Secure {
    tls: Tls,
    /// So many bytes at the beginning of `pending` are sealed.
    sealed: usize,
    /// Since when a record is not whole.
    partial_since_ms: Option<u64>,
    /// Bytes of that which somebody has counted.
    counted: usize,
}

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has taken these bytes, and nothing is left.
    All(usize),
    /// The kernel has taken these and has no room for more: wait for [`Line::writable`].
    Some(usize),
    /// The peer is gone.
    Broken,
}

/// What a read has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// So many bytes, at the buffer's beginning.
    Bytes(usize),
    /// Nothing is there at the moment.
    Nothing,
    /// Nothing comes any more: the peer has closed, or the connection broke.
    End,
}

impl Socket {
    /// For a connection, whose core knows by its [`super::Watch`] when there is something to read.
    pub fn into_line(self) -> Line {
        let secure =
            self.tls.map(|tls| Box::new(Secure { tls: *tls, sealed: 0, partial_since_ms: None, counted: 0 }));
        Line { pending: Vec::new(), stream: Rc::new(self.stream), secure }
    }
}

/// What a peer has said in the bytes that came.
pub struct Opened<'b> {
    /// What it said.
    pub plain: &'b mut [u8],
    /// It says no more, or cannot be understood.
    pub is_end: bool,
}

impl Line {
    /// Where to append what shall be sent.
    pub fn buffer(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        if self.pending.capacity() == 0 {
            self.pending = pool.take(Size::Frame);
        }
        &mut self.pending
    }

    /// Reads what is there as it came, without waiting.
    pub fn take(&self, buffer: &mut [u8]) -> Took {
        match receive_now(self, buffer) {
            Ok(0) => Took::End,
            Ok(bytes) => Took::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Took::Nothing,
            Err(_) => Took::End,
        }
    }

    /// What the peer says in `came`, which is read into `room` if it was sealed.
    pub fn open<'b>(&mut self, came: &'b mut [u8], room: &'b mut Vec<u8>, now_ms: u64) -> Opened<'b> {
        let Some(secure) = &mut self.secure else { return Opened { plain: came, is_end: false } };
        let mut answer = Vec::new();
        room.clear();
        let opened = secure.tls.open(came, room, &mut answer);
        let has_partial = secure.tls.held_bytes() > 0;
        secure.partial_since_ms = since(secure.partial_since_ms, has_partial, !room.is_empty(), now_ms);
        // It was sealed before what is collected and not sealed yet, so it leaves before that.
        self.pending.splice(secure.sealed..secure.sealed, answer.iter().copied());
        secure.sealed += answer.len();
        Opened { plain: room, is_end: opened.is_err() || secure.tls.has_heard_all() }
    }

    /// The peer has said that it says no more.
    pub fn has_heard_all(&self) -> bool {
        self.secure.as_ref().is_some_and(|secure| secure.tls.has_heard_all())
    }

    /// Memory of its keys, about.
    pub fn key_bytes(&self) -> usize {
        self.secure.as_ref().map_or(0, |_| size_of::<Secure>() + TLS_KEYS_BYTES)
    }

    /// Has the memory of a record that is not whole counted: `change` is told what was counted and what is held now. An
    /// error of it leaves the count as it was.
    pub fn count_held<E>(&mut self, change: impl FnOnce(usize, usize) -> Result<(), E>) -> Result<(), E> {
        let Some(secure) = self.secure.as_mut() else { return Ok(()) };
        let held = secure.tls.held_bytes();
        change(secure.counted, held)?;
        secure.counted = held;
        Ok(())
    }

    /// What was counted and is not any more: the connection goes.
    pub fn uncount_held(&mut self) -> usize {
        self.secure.as_mut().map_or(0, |secure| std::mem::take(&mut secure.counted))
    }

    /// Since when a record is not whole.
    pub fn incomplete_since(&self) -> Option<u64> {
        self.secure.as_ref()?.partial_since_ms
    }

    /// Makes what was collected ready to be sent; `is_last`: nothing is collected after it.
    pub fn seal(&mut self, is_last: bool, pool: &mut Pool) -> Result<(), Ended> {
        let Self { pending, secure: Some(secure), .. } = self else { return Ok(()) };
        let plain = &pending[secure.sealed..];
        if plain.is_empty() {
            return Ok(());
        }
        let mut sealed = pool.take(Size::Frame);
        let is_sealed = secure.tls.seal(plain, &mut sealed);
        if is_last {
            secure.tls.close(&mut sealed);
        }
        if secure.sealed == 0 {
            std::mem::swap(pending, &mut sealed);
        } else {
            pending.truncate(secure.sealed);
            pending.extend_from_slice(&sealed);
        }
        secure.sealed = pending.len();
        pool.give(Size::Frame, sealed);
        if is_sealed { Ok(()) } else { Err(Ended) }
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

    /// Hands the kernel what was collected and sealed, as far as it has room. The buffer goes back when it is empty.
    pub fn send(&mut self, pool: &mut Pool) -> Sent {
        let mut taken = 0;
        while taken < self.pending.len() {
            match send_now(borrow(&self.stream), &self.pending[taken..]) {
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The kernel says that it has room when a good part of its buffer is free, so the rest is moved
                    // a few times at most.
                    self.pending.drain(..taken);
                    if let Some(secure) = &mut self.secure {
                        secure.sealed -= taken;
                    }
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
        if let Some(secure) = &mut self.secure {
            secure.sealed = 0;
        }
        pool.give(Size::Frame, std::mem::take(&mut self.pending));
    }
}

/// Since when the record is not whole that is not whole now. What was said meanwhile ended the one before: who sends without
/// a pause is in the middle of one whenever we look.
fn since(before: Option<u64>, has_partial: bool, has_said: bool, now_ms: u64) -> Option<u64> {
    has_partial.then(|| before.filter(|_| !has_said).unwrap_or(now_ms))
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(&self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_record_that_makes_no_progress_grows_old() {
        assert_eq!(since(None, false, true, 5), None);
        assert_eq!(since(None, true, false, 5), Some(5), "it begins");
        assert_eq!(since(Some(5), true, false, 9), Some(5), "more of it has come, not all");
        assert_eq!(since(Some(5), true, true, 9), Some(9), "it has ended, and another one has begun");
        assert_eq!(since(Some(5), false, true, 9), None);
    }
}
