//! One listening socket per core on the same port, so that the kernel spreads connections and no core asks another.

use crate::limits::BACKLOG;
use monoio::net::UnixStream;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{fmt, io};

/// A bound port: the sockets of all cores, listening.
#[derive(Debug)]
pub struct Bound {
    /// Where, with the real port.
    pub addr: SocketAddr,
    /// One per core.
    pub sockets: Vec<TcpListener>,
}

/// Why a port could not be had.
#[derive(Debug)]
pub struct ListenError {
    /// Which.
    pub addr: SocketAddr,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "{addr} is in use by another process; stop it or listen elsewhere")
            }
            _ => write!(f, "cannot listen on {addr}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {}

/// Binds `addr` once per core. A port that anybody else listens on is an error, though SO_REUSEPORT would share it
/// with a process of the same user: a plain bind asks first.
pub fn bind(addr: SocketAddr, cores: usize) -> Result<Bound, ListenError> {
    let failed = |error| ListenError { addr, error };
    let probe = TcpListener::bind(addr).map_err(failed)?;
    // Port 0 is chosen by the probe, or each core would get a port of its own.
    let addr = probe.local_addr().map_err(failed)?;
    drop(probe);
    let sockets = (0..cores).map(|_| listen(addr)).collect::<io::Result<_>>().map_err(failed)?;
    Ok(Bound { addr, sockets })
}

/// A listening socket with SO_REUSEPORT, close-on-exec, non-blocking: accepting is done by plain calls, many a turn.
#[allow(unsafe_code)]
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let (family, name, len) = name_of(addr);
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: each call gets an open descriptor and pointers to live values of the lengths given; the descriptor is
    // owned from the moment it is known to be one.
    unsafe {
        let fd = check(libc::socket(family, kind, 0))?;
        let socket = TcpListener::from(OwnedFd::from_raw_fd(fd));
        let on: libc::c_int = 1;
        for option in [libc::SO_REUSEADDR, libc::SO_REUSEPORT] {
            let value = (&raw const on).cast();
            check(libc::setsockopt(fd, libc::SOL_SOCKET, option, value, size_of::<libc::c_int>() as u32))?;
        }
        check(libc::bind(fd, (&raw const name).cast(), len))?;
        check(libc::listen(fd, BACKLOG))?;
        Ok(socket)
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// An address as the kernel wants it.
#[allow(unsafe_code)]
fn name_of(addr: SocketAddr) -> (libc::c_int, libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeroes is a valid value; the casts are to the types that the family says are stored there, which
    // are no larger and no more aligned than the storage.
    unsafe {
        let mut name: libc::sockaddr_storage = std::mem::zeroed();
        match addr {
            SocketAddr::V4(v4) => {
                let at = &mut *(&raw mut name).cast::<libc::sockaddr_in>();
                at.sin_family = libc::AF_INET as libc::sa_family_t;
                at.sin_port = v4.port().to_be();
                at.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                (libc::AF_INET, name, size_of::<libc::sockaddr_in>() as u32)
            }
            SocketAddr::V6(v6) => {
                let at = &mut *(&raw mut name).cast::<libc::sockaddr_in6>();
                at.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                at.sin6_port = v6.port().to_be();
                at.sin6_flowinfo = v6.flowinfo();
                at.sin6_addr.s6_addr = v6.ip().octets();
                at.sin6_scope_id = v6.scope_id();
                (libc::AF_INET6, name, size_of::<libc::sockaddr_in6>() as u32)
            }
        }
    }
}

/// A core's listening socket on its own ring.
pub struct Listener {
    /// To accept from, by plain non-blocking calls: many for one wake, and each with close-on-exec.
    socket: TcpListener,
    /// The same socket, to wait on.
    waiting: UnixStream,
}

/// Why nothing could be accepted.
#[derive(Debug)]
pub enum AcceptError {
    /// That one connection failed before we had it; the next may be well.
    Gone,
    /// No descriptor or memory for one more: pause, or it fails again at once for ever.
    Exhausted(io::Error),
}

impl Listener {
    /// Takes one of [`Bound::sockets`] to this core.
    pub fn adopt(socket: TcpListener) -> io::Result<Self> {
        let waiting = std::os::unix::net::UnixStream::from(OwnedFd::from(socket.try_clone()?));
        Ok(Self { socket, waiting: UnixStream::from_std(waiting)? })
    }

    /// Waits until somebody connects.
    pub async fn ready(&self) {
        // An error of the wait shows again, with its reason, in `accept`.
        let _ = self.waiting.readable(false).await;
    }

    /// The next connection; `None`: all were taken. It is close-on-exec and sends without delay.
    pub fn accept(&self) -> Result<Option<(OwnedFd, SocketAddr)>, AcceptError> {
        match self.socket.accept() {
            Ok((stream, peer)) => {
                no_delay(&stream);
                Ok(Some((stream.into(), peer)))
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => Ok(None),
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    Err(AcceptError::Exhausted(error))
                }
                _ => Err(AcceptError::Gone),
            },
        }
    }

    /// Takes no more connections; those in the backlog are refused. Wakes [`Listener::ready`].
    pub fn close(&self) {
        super::silence(&self.socket);
    }

    /// The descriptor's number, for logs.
    pub fn number(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

/// Coalescing is our own, at the end of each turn; the kernel's would only add delay.
fn no_delay(stream: &TcpStream) {
    // It fails only on a connection that is gone already, which its first read will tell.
    let _ = stream.set_nodelay(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_core_listens_on_the_same_port() {
        let bound = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(bound.addr.port(), 0);
        assert!(bound.sockets.iter().all(|socket| socket.local_addr().unwrap() == bound.addr));
    }

    #[test]
    fn a_port_in_use_is_an_error_even_where_it_could_be_shared() {
        let taken = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let error = bind(taken.addr, 1).unwrap_err();
        assert!(error.to_string().contains("is in use"), "{error}");
    }

    #[test]
    fn ipv6_works_where_the_host_has_it() {
        if TcpListener::bind("[::1]:0").is_ok() {
            let bound = bind("[::1]:0".parse().unwrap(), 2).unwrap();
            assert!(bound.addr.is_ipv6());
        }
    }
}
