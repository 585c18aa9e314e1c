//! A proxy that is trusted and broken: damaged headers, parts of them, and none.

use crate::support::{Dice, Server, Unharmed, ask, within};
use corepost::wire::proxy::SIGNATURE;
use std::io::Write;
use std::net::{Shutdown, TcpStream};

const API_KEY: &str = "an-api-key-for-tests-1234567890";

/// A good header of a client's connection, and a good request behind it.
fn good(client: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, client, 127, 0, 0, 1, 0xc0, 0x01, 0x1f, 0x90];
    let request = format!(
        "GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {API_KEY}\r\n\r\n"
    );
    [&SIGNATURE[..], b"\x21\x11\0\x10", &addresses, b"\x04\0\x01\0", request.as_bytes()].concat()
}

#[test]
fn damaged_headers_are_answered_and_silent_ones_leave_nothing() {
    let key_file = std::env::temp_dir().join(format!("corepost-proxies-{}", std::process::id()));
    std::fs::write(&key_file, API_KEY).unwrap();
    let keys = key_file.to_str().unwrap();
    for driver in ["auto", "epoll"] {
        let arguments = ["--driver", driver, "--proxy-from", "127.0.0.1", "--api-keys", keys];
        let limits = ["--max-connections-per-ip", "100", "--handshake-timeout", "1s"];
        let mut server = Server::with(&[&arguments[..], &limits[..]].concat());
        let mut dice = Dice::new(5);
        for round in 0..600 {
            let mut bytes = good(round as u8);
            for _ in 0..=dice.below(3) {
                let at = dice.below(40) as usize;
                match dice.below(4) {
                    0 => bytes[at] = dice.below(256) as u8,
                    1 => drop(bytes.drain(at..(at + 3).min(bytes.len()))),
                    2 => bytes.insert(at, bytes[at]),
                    _ => bytes.truncate(at.max(16)),
                }
                bytes.resize(bytes.len().max(40), 0);
            }
            let answer = ask(server.addr, &bytes, true);
            let status = answer.get(..10).unwrap_or_default();
            let fits = answer.is_empty() || status == b"HTTP/1.1 4" || status == b"HTTP/1.1 2";
            assert!(fits, "{:?}: {bytes:?}", String::from_utf8_lossy(&answer));
        }
        // More than an address may have, for whom nobody has said anything yet.
        let silent: Vec<TcpStream> = (0..500)
            .map(|n| {
                let mut stream = TcpStream::connect(server.addr).unwrap();
                stream.write_all(&good(1)[..n % 28]).unwrap();
                stream
            })
            .collect();
        let answer = ask(server.addr, &good(1), false);
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
        within(8, "all of them are refused", || server.metrics().refusals("proxy_header") >= 500.0);
        silent.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        drop(silent);
        assert!(server.is_alive());
        server.punctual("damaged PROXY headers");
        server.small("damaged PROXY headers", Unharmed::default());
        within(10, "no socket is left", || server.files() < 100);
    }
    let _ = std::fs::remove_file(key_file);
}
