//! The certificate that clients are shown and its private key: where they are, and what is in them now. Read at the
//! start, by `check`, and on SIGHUP.
//!
//! TLS 1.2 and 1.3 with rustls' own choice of ciphers. A session is resumed by a ticket that any core can open and
//! nobody keeps; its keys are this process's and change every six hours.

use super::certificate::not_after_s;
use super::keyfiles::KeyFileMistake;
use super::raw::read_bounded;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, version};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that vouch for it, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// What was in them.
#[derive(Clone, Debug)]
pub struct Shown {
    /// How connections are secured.
    pub config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since 1970; not that of who vouches for it. `None`: it cannot be told.
    pub not_after_s: Option<u64>,
}

/// What is spoken inside: a WebSocket begins with a request of this version.
const ALPN: &[u8] = b"http/1.1";

impl TlsFiles {
    /// Of the two settings. One without the other is a mistake.
    pub(super) fn of(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Self>, KeyFileMistake> {
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(Self { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => {
                Err(mistake("tls_cert", "needs --tls-key FILE, the certificate's private key".into()))
            }
            (None, Some(_)) => Err(mistake("tls_key", "needs --tls-cert FILE, the key's certificate".into())),
        }
    }

    /// Reads both anew. Either both are good and belong together, or nothing of it should be used.
    pub fn read(&self) -> Result<Shown, Vec<KeyFileMistake>> {
        let (chain, key) = (self.chain(), self.private_key());
        let (chain, key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => return Err([chain.err(), key.err()].into_iter().flatten().collect()),
        };
        let not_after_s = not_after_s(&chain[0]);
        let refused = |error: rustls::Error| {
            let paths = (self.cert.display(), self.key.display());
            let problem = format!("{} cannot be used with the key in {}: {error}", paths.0, paths.1);
            vec![mistake("tls_cert", problem)]
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(refused)?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(refused)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new().map_err(refused)?;
        // One is enough: a phone that comes back gets another.
        config.send_tls13_tickets = 1;
        Ok(Shown { config: Arc::new(config), not_after_s })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, KeyFileMistake> {
        let chain = certificates(&self.cert).map_err(|problem| about("tls_cert", &self.cert, &problem))?;
        let none = "has no certificate; it must be PEM, with -----BEGIN CERTIFICATE-----";
        if chain.is_empty() { Err(about("tls_cert", &self.cert, none)) } else { Ok(chain) }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, KeyFileMistake> {
        let wrong = |problem: &str| about("tls_key", &self.key, problem);
        let bytes = read_bounded(&self.key).map_err(|problem| wrong(&problem))?;
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                wrong("has no private key; it must be PEM, PKCS#8, PKCS#1 or SEC1, without a password")
            }
            error => wrong(&format!("is no PEM: {error}")),
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read_bounded(path)?;
    CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("is no PEM: {error}"))
}

fn about(setting: &'static str, path: &Path, problem: &str) -> KeyFileMistake {
    mistake(setting, format!("{} {problem}", path.display()))
}

fn mistake(setting: &'static str, problem: String) -> KeyFileMistake {
    KeyFileMistake { setting, problem }
}

#[cfg(test)]
#[path = "tlsfiles_tests.rs"]
mod tests;
