//! A way to a server that speaks TLS, for peers that do not: what comes in plainly goes on sealed, and back.

use super::{PATIENCE, Server};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// What one connection of a tunnel has in common for both ways.
type Line = Arc<Mutex<ClientConnection>>;

/// What a client believes that trusts this certificate alone.
pub fn trusting(cert: &Path, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_protocol_versions(versions).unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// A client's connection to a server that is called localhost.
pub fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap()
}

/// A connection whose handshake is over, with what was negotiated.
pub fn connect(
    server: &Server,
    config: &Arc<ClientConfig>,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = TcpStream::connect(server.addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = client(config);
    line.complete_io(&mut stream)?;
    Ok(StreamOwned::new(line, stream))
}

/// Where to connect plainly to reach `server` by TLS. Its threads end with its connections, and the last with the process.
pub fn tunnel(server: SocketAddr, config: Arc<ClientConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for plain in listener.incoming().map_while(Result::ok) {
            let Ok(sealed) = TcpStream::connect(server) else { continue };
            let line = Arc::new(Mutex::new(client(&config)));
            let (back, forth) = (streams(&plain, &sealed), (plain, sealed));
            let other = Arc::clone(&line);
            thread::spawn(move || unseal(&other, back));
            thread::spawn(move || seal(&line, forth));
        }
    });
    addr
}

fn streams(plain: &TcpStream, sealed: &TcpStream) -> (TcpStream, TcpStream) {
    [plain, sealed].into_iter().for_each(|stream| stream.set_nodelay(true).unwrap());
    (plain.try_clone().unwrap(), sealed.try_clone().unwrap())
}

/// What the peer says, to the server.
fn seal(line: &Line, (mut plain, mut sealed): (TcpStream, TcpStream)) {
    let mut buffer = vec![0; 16 << 10];
    let _ = send(&mut line.lock().unwrap(), &mut sealed);
    while let Ok(n @ 1..) = plain.read(&mut buffer) {
        let mut client = line.lock().unwrap();
        client.writer().write_all(&buffer[..n]).unwrap();
        if send(&mut client, &mut sealed).is_err() {
            return;
        }
    }
    let mut client = line.lock().unwrap();
    client.send_close_notify();
    let _ = send(&mut client, &mut sealed);
    let _ = sealed.shutdown(Shutdown::Write);
}

/// What the server says, to the peer.
fn unseal(line: &Line, (mut plain, mut sealed): (TcpStream, TcpStream)) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(n @ 1..) = sealed.read(&mut buffer) {
        let mut client = line.lock().unwrap();
        let (mut bytes, mut said) = (&buffer[..n], Vec::new());
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            let is_good = client.process_new_packets().is_ok();
            let _ = client.reader().read_to_end(&mut said);
            if !is_good {
                break;
            }
        }
        let is_sent = send(&mut client, &mut sealed).is_ok();
        drop(client);
        if plain.write_all(&said).is_err() || !is_sent {
            break;
        }
    }
    let _ = plain.shutdown(Shutdown::Both);
}

fn send(client: &mut ClientConnection, sealed: &mut TcpStream) -> std::io::Result<()> {
    while client.wants_write() {
        client.write_tls(sealed)?;
    }
    Ok(())
}
