//! TLS of one connection of the generator, around the same frames.

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Trusts this certificate alone. Each handshake is a whole one.
pub fn trusting(cert: &Path) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let cert = CertificateDer::from_pem_file(cert).map_err(|error| format!("{}: {error}", cert.display()))?;
    roots.add(cert).map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A client's side.
pub struct Secure(ClientConnection);

impl Secure {
    pub fn new(config: &Arc<ClientConfig>) -> Result<Self, String> {
        let name = "localhost".try_into().expect("it is a name");
        let mut line = ClientConnection::new(Arc::clone(config), name).map_err(|error| error.to_string())?;
        line.set_buffer_limit(None);
        Ok(Self(line))
    }

    /// Takes what is to be said from `plain`; what is to be sent is appended to `sealed`.
    pub fn seal(&mut self, plain: &mut Vec<u8>, sealed: &mut Vec<u8>) {
        self.0.writer().write_all(plain).expect("its buffer has no limit");
        plain.clear();
        while self.0.wants_write() {
            self.0.write_tls(sealed).expect("memory takes everything");
        }
    }

    /// What the server says in `came`, appended to `plain`.
    pub fn open(&mut self, mut came: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
        while !came.is_empty() {
            self.0.read_tls(&mut came).map_err(|error| error.to_string())?;
            self.0.process_new_packets().map_err(|error| error.to_string())?;
            // An error says that there is no more for now.
            let _ = self.0.reader().read_to_end(plain);
        }
        Ok(())
    }

    pub fn wants_to_speak(&self) -> bool {
        self.0.wants_write()
    }
}
