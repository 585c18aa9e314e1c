//! What a TLS 1.3 handshake with an ECDSA P-256 certificate costs the server's side of rustls, in memory and nothing else:
//! the most that a core could do.

#![allow(clippy::unwrap_used, reason = "a bench: what is made here is good")]

use super::cases::Cases;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HANDSHAKES: u32 = 1_000;

pub fn all(cases: &Cases) {
    let name = "bare rustls, server side of a handshake";
    if cases.want(name) {
        let (server, client) = both();
        let _warm: Duration = (0..HANDSHAKES / 10).map(|_| handshake(&server, &client)).sum();
        let took: Duration = (0..HANDSHAKES).map(|_| handshake(&server, &client)).sum();
        let each = took / HANDSHAKES;
        println!("| {name} | {} | {:.0}/s |", each.as_nanos(), 1.0 / each.as_secs_f64());
    }
}

/// As `corepost serve` and `load --tls` have them.
fn both() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(default_provider());
    let server =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let mut server =
        server.unwrap().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.ticketer = Ticketer::new().unwrap();
    server.send_tls13_tickets = 1;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.resumption = Resumption::disabled();
    (Arc::new(server), Arc::new(client))
}

/// The time of the server's side.
fn handshake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Duration {
    let mut client = ClientConnection::new(Arc::clone(client), "localhost".try_into().unwrap()).unwrap();
    let mut took = Duration::ZERO;
    let mut server = timed(&mut took, || ServerConnection::new(Arc::clone(server)).unwrap());
    while client.is_handshaking() || server.is_handshaking() {
        let (mut forth, mut back) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut forth).unwrap();
        }
        timed(&mut took, || {
            let mut forth = &forth[..];
            while !forth.is_empty() {
                server.read_tls(&mut forth).unwrap();
                server.process_new_packets().unwrap();
            }
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
        });
        let mut back = &back[..];
        while !back.is_empty() {
            client.read_tls(&mut back).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    took
}

fn timed<T>(took: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *took += began.elapsed();
    done
}
