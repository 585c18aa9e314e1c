//! A connection to a server, or why there is none, for people.

use super::stream::Stream;
use super::trust;
use super::url::Url;
use crate::limits::CONNECT_MS;
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Connects, in TLS where the URL asks for that. Reads and writes have the same time to wait.
pub(super) fn reach(url: &Url) -> Result<Stream, String> {
    let socket = connect(&url.authority)?;
    if !url.is_secure {
        return Ok(Stream::bare(socket));
    }
    let tls = trust::converse(url.host())?;
    Stream::secure(socket, tls).map_err(|error| trust::explain(&url.authority, &error))
}

/// Connects to `host:port`: tries each address of the host.
fn connect(authority: &str) -> Result<TcpStream, String> {
    let addresses = authority
        .to_socket_addrs()
        .map_err(|error| format!("cannot find {authority} ({error}); is the host right?"))?;
    let mut last = format!("{authority} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_millis(CONNECT_MS)) {
            Ok(stream) => {
                let timeout = Some(Duration::from_millis(CONNECT_MS));
                let prepared = stream
                    .set_nodelay(true)
                    .and_then(|()| stream.set_read_timeout(timeout))
                    .and_then(|()| stream.set_write_timeout(timeout));
                return prepared.map(|()| stream).map_err(|error| error.to_string());
            }
            Err(error) => {
                last = format!("cannot reach {address} ({error}); is `corepost serve` running there?");
            }
        }
    }
    Err(last)
}

/// Whether certainly nobody listens at `host:port`: its host says so.
pub fn is_deserted(authority: &str) -> bool {
    let refused = |address| match TcpStream::connect_timeout(&address, Duration::from_millis(CONNECT_MS)) {
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
    };
    authority.to_socket_addrs().is_ok_and(|mut addresses| addresses.all(refused))
}
