//! One stream socket of a core, and what can be done to it without waiting.

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::UnixStream;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

/// The peer sends no more, or the connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended;

/// A connected socket that nobody reads or writes at the moment.
///
/// monoio's `UnixStream` works on any stream socket and is 8 bytes; its `TcpStream` carries 72 bytes of cached
/// addresses, which an idle session would pay for.
pub struct Socket(pub(super) UnixStream);

impl Socket {
    /// Makes a descriptor a socket of this core.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(fd);
        // On io_uring a waiting read is the kernel's, but only for a blocking descriptor; epoll needs the other kind.
        stream.set_nonblocking(monoio::utils::is_legacy())?;
        Ok(Self(UnixStream::from_std(stream)?))
    }

    /// Back to a bare descriptor, for another core. No operation is in flight, or this panics: whoever holds a
    /// `Socket` and no future of it has awaited them all.
    #[allow(unsafe_code)]
    pub fn release(self) -> OwnedFd {
        // SAFETY: `into_raw_fd` gives up the only owner of this descriptor.
        unsafe { OwnedFd::from_raw_fd(self.0.into_raw_fd()) }
    }

    /// A peer that takes nothing of what was written for so long is gone (TCP_USER_TIMEOUT): a write that waits for
    /// it fails then.
    #[allow(unsafe_code)]
    pub fn give_up_after(&self, ms: u32) {
        use std::os::fd::AsRawFd;
        // SAFETY: a call on an open descriptor with a pointer to an integer and its size.
        unsafe {
            let (fd, value) = (self.0.as_raw_fd(), (&raw const ms).cast());
            libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, value, size_of::<u32>() as u32);
        }
    }

    /// Waits until there is something to read, or the end. May be dropped at any time, but then the socket can
    /// not be released any more.
    pub async fn ready(&self) {
        let _ = self.0.readable(false).await;
    }

    /// Reads into the empty `buffer`, which comes back either way. Await it to the end, after [`Socket::ready`].
    pub async fn read(&mut self, buffer: Vec<u8>) -> (Result<(), Ended>, Vec<u8>) {
        let (result, buffer) = self.0.read(buffer).await;
        (if matches!(result, Ok(1..)) { Ok(()) } else { Err(Ended) }, buffer)
    }

    /// Writes all of `bytes`. False: the peer is gone.
    pub async fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.0.write_all(bytes).await.0.is_ok()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(&self.0)
    }
}

/// monoio's streams have only the raw number.
#[allow(unsafe_code)]
pub(super) fn borrow(stream: &UnixStream) -> BorrowedFd<'_> {
    use std::os::fd::AsRawFd;
    // SAFETY: the stream owns the descriptor and outlives the borrow.
    unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) }
}

/// Reads what is there into `buffer`, without waiting.
#[allow(unsafe_code)]
pub(super) fn receive_now(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    use std::os::fd::AsRawFd;
    // SAFETY: a call on an open descriptor with a buffer and its length.
    let got = unsafe {
        libc::recv(fd.as_fd().as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
    };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

/// Hands the kernel as much of `bytes` as it has room for, without waiting. A peer that is gone is an error, not a
/// signal.
#[allow(unsafe_code)]
pub(super) fn send_now(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    use std::os::fd::AsRawFd;
    // SAFETY: a call on an open descriptor with a buffer and its length.
    let taken = unsafe {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        libc::send(fd.as_fd().as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags)
    };
    usize::try_from(taken).map_err(|_| io::Error::last_os_error())
}

/// We send no more: the peer sees the end after what was written.
pub fn half_close(fd: impl AsFd) {
    shutdown(fd, libc::SHUT_WR);
}

/// Nothing more, either way: a waiting read ends as at the end of the stream, a waiting write fails. That is how a
/// parked read is ended, which cannot be cancelled from outside its task.
pub fn silence(fd: impl AsFd) {
    shutdown(fd, libc::SHUT_RDWR);
}

#[allow(unsafe_code)]
fn shutdown(fd: impl AsFd, how: libc::c_int) {
    use std::os::fd::AsRawFd;
    // SAFETY: a call on an open descriptor with two integers. It fails only when the peer is gone already.
    let _ = unsafe { libc::shutdown(fd.as_fd().as_raw_fd(), how) };
}
