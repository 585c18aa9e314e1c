//! Writing one socket: what a turn produces is collected and leaves in one send, and the next send waits for it.
//!
//! A [`Writer`] is plain state; the core sends for it at the end of a turn ([`Writer::start`]) and gives it back the
//! half when that is done ([`Writer::finish`]). While a send is in flight the half is with it, so there is never
//! a second one.

use super::{Pool, Reader, Size, Socket};
use monoio::buf::IoBuf;
use monoio::io::{AsyncWriteRent, OwnedReadHalf, OwnedWriteHalf, Splitable};
use monoio::net::UnixStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

/// What one socket still has to send.
pub struct Writer {
    /// Collected since the last send began. Has no memory while it is empty.
    pending: Vec<u8>,
    /// `None` while a send is in flight.
    half: Option<OwnedWriteHalf<UnixStream>>,
    /// The same socket, to shut it down whatever is in flight.
    control: Reader,
    /// Bytes of the send in flight that the kernel has not taken.
    in_flight: u32,
}

/// A send in flight: its half of the socket and its buffer.
pub struct Sending {
    half: OwnedWriteHalf<UnixStream>,
    buffer: Vec<u8>,
    sent: usize,
    /// What its owner counts it as.
    pub cost: u32,
}

impl Socket {
    /// For a session: a half to read, which its task owns, and a writer, which the core's table keeps.
    pub fn split(self) -> (Reader, Writer) {
        let (read, write) = self.0.into_split();
        let control = Reader::new(OwnedReadHalf(Rc::clone(&read.0)));
        let writer = Writer { pending: Vec::new(), half: Some(write), control, in_flight: 0 };
        (Reader::new(read), writer)
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

    /// Bytes accepted and not taken by the kernel.
    pub fn unsent(&self) -> usize {
        self.pending.len() + self.in_flight as usize
    }

    /// A send is in flight.
    pub fn is_sending(&self) -> bool {
        self.half.is_none()
    }

    /// Everything was taken by the kernel.
    pub fn is_idle(&self) -> bool {
        self.half.is_some() && self.pending.is_empty()
    }

    /// Begins to send what was collected, unless nothing was or a send is in flight. It takes its cost with it.
    pub fn start(&mut self, cost: &mut u32) -> Option<Sending> {
        if self.pending.is_empty() {
            return None;
        }
        let half = self.half.take()?;
        let buffer = std::mem::take(&mut self.pending);
        // One send is at most one message beyond a budget.
        self.in_flight = buffer.len() as u32;
        Some(Sending { half, buffer, sent: 0, cost: std::mem::take(cost) })
    }

    /// The kernel has taken so many more bytes of the send in flight.
    pub fn progress(&mut self, bytes: usize) {
        self.in_flight = self.in_flight.saturating_sub(bytes as u32);
    }

    /// The send is over, whole or not.
    pub fn finish(&mut self, sending: Sending, pool: &mut Pool) {
        pool.give(sending.buffer);
        self.half = Some(sending.half);
        self.in_flight = 0;
    }

    /// Forgets what was not sent, for the peer is gone.
    pub fn discard(&mut self, pool: &mut Pool) {
        pool.give(std::mem::take(&mut self.pending));
    }
}

impl AsFd for Writer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

impl Sending {
    /// Sends once. How many bytes the kernel took; 0: the connection is broken.
    pub async fn send(&mut self) -> usize {
        let buffer = std::mem::take(&mut self.buffer);
        let (result, buffer) = if self.sent == 0 {
            self.half.write(buffer).await
        } else {
            let (result, rest) = self.half.write(buffer.slice(self.sent..)).await;
            (result, rest.into_inner())
        };
        self.buffer = buffer;
        let taken = result.unwrap_or(0);
        self.sent += taken;
        taken
    }

    /// Everything was taken.
    pub fn is_done(&self) -> bool {
        self.sent == self.buffer.len()
    }
}
