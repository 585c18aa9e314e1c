//! One stream socket of a core, plain or TLS, and what can be done to it without waiting.

use super::Handoff;
use super::tls::{Tls, TlsError};
use crate::limits::READ_BYTES;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::UnixStream;
use rustix::net::{self, RecvFlags, SendFlags, Shutdown};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

/// The peer sends no more, or the connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended;

/// A connected socket that nobody reads or writes at the moment.
///
/// monoio's `UnixStream` works on any stream socket and is 8 bytes; its `TcpStream` carries 72 bytes of cached
/// addresses, which an idle session would pay for.
pub struct Socket {
    pub(super) stream: UnixStream,
    /// `None`: what is written goes out as it is.
    pub(super) tls: Option<Box<Tls>>,
}

impl Socket {
    /// Makes a descriptor a socket of this core.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(fd);
        // On io_uring a waiting read is the kernel's, but only for a blocking descriptor; epoll needs the other kind.
        stream.set_nonblocking(monoio::utils::is_legacy())?;
        Ok(Self { stream: UnixStream::from_std(stream)?, tls: None })
    }

    /// The socket that another core has handed over, and what was read from it already.
    pub fn receive(handoff: Handoff) -> io::Result<(Self, Vec<u8>)> {
        let Handoff { fd, tls, unread } = handoff;
        Ok((Self { tls, ..Self::adopt(fd)? }, unread))
    }

    /// For another core, with what was read from it already. No operation is in flight, or this panics: whoever holds a
    /// `Socket` and no future of it has awaited them all.
    #[allow(unsafe_code)]
    pub fn hand_over(self, unread: Vec<u8>) -> Handoff {
        // SAFETY: `into_raw_fd` gives up the only owner of this descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(self.stream.into_raw_fd()) };
        Handoff { fd, tls: self.tls, unread }
    }

    /// From now on it is TLS. What came already is its beginning; what the peer said in it is appended to `plain`.
    pub fn secure(&mut self, tls: Tls, came: &mut [u8], plain: &mut Vec<u8>) -> Result<(), TlsError> {
        let tls = self.tls.insert(Box::new(tls));
        open(&self.stream, tls, came, plain)
    }

    /// There is TLS, or the beginning of it.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// It is plain, or the handshake came to its good end: what is written reaches the peer, if it is there.
    pub fn is_open(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.is_open())
    }

    /// Memory of what TLS holds of records that are not whole.
    pub fn held_bytes(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.held_bytes())
    }

    /// A peer that takes nothing of what was written for so long is gone (TCP_USER_TIMEOUT): a write that waits for
    /// it fails then.
    pub fn give_up_after(&self, ms: u32) {
        // Without it such a write waits for the kernel's own patience.
        let _ = net::sockopt::set_tcp_user_timeout(self, ms);
    }

    /// Waits until there is something to read, or the end. May be dropped at any time, but then the socket can
    /// not be released any more.
    pub async fn ready(&self) {
        let _ = self.stream.readable(false).await;
    }

    /// Reads into the empty `buffer`, which comes back either way. Await it to the end, after [`Socket::ready`].
    ///
    /// With TLS it may come back empty though the peer is there: what came says nothing yet.
    pub async fn read(&mut self, buffer: Vec<u8>) -> (Result<(), Ended>, Vec<u8>) {
        let (result, mut buffer) = self.stream.read(buffer).await;
        let came = if matches!(result, Ok(1..)) { Ok(()) } else { Err(Ended) };
        (came.and_then(|()| self.opened(&mut buffer)), buffer)
    }

    /// The same without waiting for the ring, so that what is computed of what came falls into the turn of who asks. The
    /// buffer may come back empty, for [`Socket::ready`] may have been wrong.
    pub fn read_now(&mut self, buffer: &mut Vec<u8>) -> Result<(), Ended> {
        buffer.resize(READ_BYTES, 0);
        let got = receive_now(&*self, buffer);
        buffer.truncate(*got.as_ref().unwrap_or(&0));
        match got {
            Ok(1..) => self.opened(buffer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            _ => Err(Ended),
        }
    }

    /// Puts what the peer said into the place of what came.
    fn opened(&mut self, buffer: &mut Vec<u8>) -> Result<(), Ended> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let mut plain = Vec::new();
        let opened = open(&self.stream, tls, buffer, &mut plain);
        buffer.clear();
        buffer.append(&mut plain);
        let is_over = opened.is_err() || (tls.has_heard_all() && buffer.is_empty());
        if is_over { Err(Ended) } else { Ok(()) }
    }

    /// Writes all of `bytes`. False: the peer is gone, or cannot be told anything yet.
    pub async fn write(&mut self, bytes: Vec<u8>) -> bool {
        let bytes = match &mut self.tls {
            None => bytes,
            Some(tls) => {
                let mut sealed = Vec::with_capacity(bytes.len() + 64);
                if !tls.seal(&bytes, &mut sealed) {
                    return false;
                }
                sealed
            }
        };
        self.stream.write_all(bytes).await.0.is_ok()
    }

    /// We send no more: the peer sees the end after what was written, with TLS also that nothing was cut off.
    pub fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            let mut sealed = Vec::new();
            tls.close(&mut sealed);
            // Whoever has no room even for this has stopped reading.
            let _ = send_now(borrow(&self.stream), &sealed);
        }
        half_close(&*self);
    }
}

/// Opens what came. What TLS itself must tell the peer is written at once: it is a few hundred bytes, or in a handshake
/// some thousand, for which a socket on which nothing else is written has room.
fn open(stream: &UnixStream, tls: &mut Tls, came: &mut [u8], plain: &mut Vec<u8>) -> Result<(), TlsError> {
    let mut answer = Vec::new();
    let opened = tls.open(came, plain, &mut answer);
    let is_told = answer.is_empty() || send_now(borrow(stream), &answer).is_ok_and(|it| it == answer.len());
    if is_told { opened } else { opened.and(Err(TlsError::Peer("the peer takes nothing".into()))) }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(&self.stream)
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
pub(super) fn receive_now(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (got, _) = net::recv(fd, buffer, RecvFlags::DONTWAIT)?;
    Ok(got)
}

/// Hands the kernel as much of `bytes` as it has room for, without waiting. A peer that is gone is an error, not a
/// signal.
pub(super) fn send_now(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
}

/// We send no more: the peer sees the end after what was written. It fails only when the peer is gone already.
pub fn half_close(fd: impl AsFd) {
    let _ = net::shutdown(fd, Shutdown::Write);
}

/// Nothing more, either way: a waiting read ends as at the end of the stream, a waiting write fails. That is how a
/// read is ended that is waited for, which cannot be cancelled from outside its task.
pub fn silence(fd: impl AsFd) {
    let _ = net::shutdown(fd, Shutdown::Both);
}
