//! Stories of a minute and more. Tests begin in the order of their names: so these begin first, and the others are told meanwhile.

use crate::support::Secured;
use crate::tls::{kept, record};
use corepost::limits::KEEP_ALIVE_MS;
use rustls::version::TLS13;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

#[test]
fn who_asks_nothing_more_is_not_kept_by_what_is_no_request() {
    if std::env::var("COREPOST_TEST").as_deref() != Ok("all") {
        eprintln!("not run: set COREPOST_TEST=all to wait for a minute and more");
        return;
    }
    let secured = Secured::new("tls-kept");
    let server = secured.place.start();
    let config = secured.trust(&[&TLS13]);
    let (mut slow, mut empty) = (kept(&server, &config), kept(&server, &config));
    let request = record(&mut slow, b"GET");
    for byte in &request[..3] {
        slow.sock.write_all(&[*byte]).unwrap();
        empty.write_all(b"\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(KEEP_ALIVE_MS / 3));
    }
    for (mut line, what) in [(slow, "a byte of a record"), (empty, "line ends")] {
        let ended = line.sock.read_to_end(&mut Vec::new());
        assert!(!matches!(ended, Err(error) if error.kind() == ErrorKind::WouldBlock), "{what} kept it");
    }
}
