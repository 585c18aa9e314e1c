//! The few system calls that the standard library does not offer: epoll, sockets that connect without waiting, limits.
//!
//! The only unsafe code of the load generator is here, each call behind a safe function.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Something happened to the socket of this number.
#[derive(Clone, Copy)]
pub struct Ready {
    pub token: usize,
    pub readable: bool,
    pub writable: bool,
}

/// An epoll instance, level-triggered.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    #[allow(unsafe_code)]
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor that comes back is ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; 1024] })
    }

    /// Watches `stream` for reading, and for writing while `writes`.
    pub fn watch(&self, stream: &TcpStream, token: usize, writes: bool, new: bool) -> io::Result<()> {
        let events = libc::EPOLLIN | if writes { libc::EPOLLOUT } else { 0 };
        let operation = if new { libc::EPOLL_CTL_ADD } else { libc::EPOLL_CTL_MOD };
        self.control(operation, stream, events as u32, token)
    }

    /// Stops watching for reading: the socket's buffers fill up.
    pub fn ignore(&self, stream: &TcpStream, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, stream, 0, token)
    }

    /// Hears nothing more of it, not even that it is over.
    pub fn forget(&self, stream: &TcpStream, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, stream, 0, token)
    }

    #[allow(unsafe_code)]
    fn control(&self, operation: i32, stream: &TcpStream, events: u32, token: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token as u64 };
        // SAFETY: both descriptors are open while borrowed; the event lives through the call.
        let done =
            unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, stream.as_raw_fd(), &raw mut event) };
        check(done).map(|_| ())
    }

    /// Waits so many milliseconds (0: not at all) and appends what is ready.
    #[allow(unsafe_code)]
    pub fn wait(&mut self, timeout_ms: i32, ready: &mut Vec<Ready>) -> io::Result<()> {
        let room = self.events.len() as i32;
        // SAFETY: the kernel writes at most `room` events into a buffer of that many.
        let found =
            unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), room, timeout_ms) };
        let found = match check(found) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => other? as usize,
        };
        ready.extend(self.events[..found].iter().map(|event| {
            let (bits, token) = (event.events as i32, event.u64 as usize);
            let broken = bits & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
            Ready {
                token,
                readable: bits & libc::EPOLLIN != 0 || broken,
                writable: bits & libc::EPOLLOUT != 0,
            }
        }));
        Ok(())
    }
}

/// Begins to connect to `to` from address `from` (loopback has many, each with its own 28,000 ports).
#[allow(unsafe_code)]
pub fn connect(
    to: SocketAddrV4,
    from: Option<Ipv4Addr>,
    receive_bytes: Option<i32>,
) -> io::Result<TcpStream> {
    let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; the new descriptor is owned by the stream at once.
    let stream = unsafe { TcpStream::from_raw_fd(check(libc::socket(libc::AF_INET, flags, 0))?) };
    let fd = stream.as_raw_fd();
    let size = size_of::<libc::sockaddr_in>() as u32;
    let option = |level: i32, name: i32, value: i32| {
        let bytes = size_of::<i32>() as u32;
        // SAFETY: `value` is an int and lives through the call.
        check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), bytes) })
    };
    option(libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    if let Some(bytes) = receive_bytes {
        option(libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)?;
    }
    if let Some(from) = from {
        option(libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        let address = address(SocketAddrV4::new(from, 0));
        // SAFETY: the address lives through the call and has that size.
        check(unsafe { libc::bind(fd, (&raw const address).cast(), size) })?;
    }
    let address = address(to);
    // SAFETY: the address lives through the call and has that size.
    match check(unsafe { libc::connect(fd, (&raw const address).cast(), size) }) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(stream),
    }
}

fn address(of: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: of.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(of.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// Raises the limit of open descriptors as far as it goes; says how far.
#[allow(unsafe_code)]
pub fn raise_descriptors() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives through both calls.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
    }
    Ok(limit.rlim_cur)
}

/// Clock ticks per second, the unit of CPU times in /proc.
#[allow(unsafe_code)]
pub fn ticks_per_second() -> u64 {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
