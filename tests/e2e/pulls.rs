//! Who pulls and does not read holds no more than a core gives to all bodies.

use crate::support::{API_KEY, Api, Place, Server, Session, eventually, token};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};

/// More than [`corepost::limits::BODY_BYTES`] in pages of [`corepost::limits::PULL_BYTES`].
const MANY: usize = corepost::limits::BODY_BYTES / corepost::limits::PULL_BYTES + 16;
/// A page of more than a megabyte.
pub const PULL: &str = "/v1/clients/bob/messages?from=start&limit=1000";

/// A connection whose two kernels take little of what its peer does not read: the window is small from the first
/// segment on, and so is the segment that the server's buffer is measured by.
#[allow(unsafe_code)]
fn narrow(addr: SocketAddr) -> TcpStream {
    let SocketAddr::V4(addr) = addr else { panic!("a server of a test listens on IPv4") };
    let to = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: addr.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(addr.ip().octets()) },
        sin_zero: [0; 8],
    };
    // A balancer that is started later must not inherit it, for then it would stay open.
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; the stream owns the new descriptor.
    let stream = unsafe { TcpStream::from_raw_fd(libc::socket(libc::AF_INET, kind, 0)) };
    let fd = stream.as_raw_fd();
    for (level, name, value) in
        [(libc::SOL_SOCKET, libc::SO_RCVBUF, 4_096), (libc::IPPROTO_TCP, libc::TCP_MAXSEG, 536)]
    {
        let value: libc::c_int = value;
        // SAFETY: the value is an integer, lives through the call and has that size.
        let set = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), 4) };
        assert_eq!(set, 0);
    }
    // SAFETY: the address lives through the call and has that size.
    let connected = unsafe { libc::connect(fd, (&raw const to).cast(), size_of_val(&to) as u32) };
    assert_eq!(connected, 0);
    stream
}

/// Asks for more answers than a core holds and takes none of them, until this is dropped. Of a [`Place::keyed`] server.
pub fn hoard(server: &Server) -> Vec<Api> {
    let ask = || server.api().with_key(API_KEY);
    let body = "x".repeat(60_000);
    let all: Value =
        (0..18).map(|n| json!({"from": "app", "to": "bob", "id": n.to_string(), "body": body})).collect();
    assert_eq!(ask().publish(&all).status, 200);
    server.settle();
    let page = ask().get(PULL);
    assert!(page.status == 200 && page.body.len() > 1_000_000, "{} bytes", page.body.len());
    let mut deaf: Vec<Api> = (0..MANY).map(|_| Api::over(narrow(server.addr))).collect();
    let head = format!("GET {PULL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {API_KEY}\r\n\r\n");
    for api in &mut deaf {
        api.raw(head.as_bytes()).unwrap();
    }
    eventually("the core holds all it may", || ask().get(PULL).status == 503);
    deaf
}

#[test]
fn answers_that_nobody_takes_are_bounded() {
    let place = Place::keyed("pulls-untaken");
    let server = place.start();
    let ask = || server.api().with_key(API_KEY);
    let deaf = hoard(&server);
    let held = server.metrics().sum("corepost_memory_bytes", "requests");
    assert!(held > (corepost::limits::BODY_BYTES / 2) as f64, "and says so: {held} bytes");
    let before = server.metrics().sum("corepost_refusals_total", "unavailable");
    let refused = ask().get(PULL);
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    assert!(server.metrics().sum("corepost_refusals_total", "unavailable") > before);
    // Sessions go on, and so does everybody when the deaf have gone.
    Session::open(server.addr, &format!("token={}", token("alice"))).deliver("carol", "1", 1);
    drop(deaf);
    eventually("the core takes requests again", || ask().get(PULL).status == 200);
}
