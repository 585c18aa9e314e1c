//! Reading one socket: parked without a buffer while it is silent, with one in flight while it is not.
//!
//! A read is never raced with anything and never dropped: what ends it is bytes, the end of the stream, a cancel
//! from [`Quiet`] that is then awaited, or [`super::silence`].

use super::socket::borrow;
use monoio::io::{AsyncReadRent, CancelHandle, CancelableAsyncReadRent, Canceller, OwnedReadHalf};
use monoio::net::UnixStream;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The reading half of a socket.
pub struct Reader(OwnedReadHalf<UnixStream>);

/// Why a read brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadEnd {
    /// [`Quiet::give_back`] was called: park.
    GivenBack,
    /// The peer sends no more.
    End,
    /// The connection broke.
    Broken,
}

/// Held by the core while a socket has a buffer in flight, to take it back.
#[derive(Default)]
pub struct Quiet(Canceller);

impl Quiet {
    /// Cancels the read in flight. Bytes that were faster are still given to who awaits it.
    pub fn give_back(&mut self) {
        self.0 = std::mem::take(&mut self.0).cancel();
    }

    /// For [`Reader::read`].
    pub fn handle(&self) -> CancelHandle {
        self.0.handle()
    }
}

impl Reader {
    pub(super) fn new(half: OwnedReadHalf<UnixStream>) -> Self {
        Self(half)
    }

    /// Waits without a buffer until there is something to read, or the end. May be dropped at any time.
    ///
    /// An error says what the read that follows says better. The future is the runtime's own, for every silent
    /// connection holds one.
    pub fn ready(&self) -> impl Future<Output = io::Result<()>> {
        self.stream().readable(false)
    }

    /// Reads into the empty `buffer`, which comes back either way. Await it to the end.
    pub async fn read(&mut self, buffer: Vec<u8>, quiet: CancelHandle) -> (Result<(), ReadEnd>, Vec<u8>) {
        let (result, buffer) = self.0.cancelable_read(buffer, quiet).await;
        (judge(result), buffer)
    }

    /// The same right after [`Reader::ready`]: the bytes are there, so it need not be cancelled.
    pub async fn read_ready(&mut self, buffer: Vec<u8>) -> (Result<(), ReadEnd>, Vec<u8>) {
        let (result, buffer) = self.0.read(buffer).await;
        (judge(result), buffer)
    }

    #[allow(unsafe_code)]
    fn stream(&self) -> &UnixStream {
        // SAFETY: monoio shares the cell between the two halves the same way: each call borrows it only to clone
        // the descriptor's reference into an operation, on one thread, and nobody ever replaces the stream in it.
        unsafe { &*self.0.0.get() }
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(self.stream())
    }
}

pub(super) fn judge(result: io::Result<usize>) -> Result<(), ReadEnd> {
    match result {
        Ok(0) => Err(ReadEnd::End),
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Err(ReadEnd::GivenBack),
        Err(_) => Err(ReadEnd::Broken),
    }
}
