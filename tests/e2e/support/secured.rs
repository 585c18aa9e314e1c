//! A server that speaks TLS.

use super::{Place, Server, trusting, tunnel};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// A place whose server shows a certificate of its own.
pub struct Secured {
    pub place: Place,
    pub cert: PathBuf,
}

impl Secured {
    pub fn new(name: &str) -> Self {
        let place = Place::new(name);
        let cert = place.path("cert.pem");
        let secured = Self { place, cert };
        let key = secured.renew();
        let Self { place, cert } = secured;
        let place = place.with("tls-cert", cert.display()).with("tls-key", key.display());
        Self { place, cert }
    }

    /// Another certificate and key in the place of those before; where the key is.
    pub fn renew(&self) -> PathBuf {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.place.write("cert.pem", cert.pem());
        self.place.write("key.pem", signing_key.serialize_pem())
    }

    pub fn trust(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        trusting(&self.cert, versions)
    }

    /// Where peers that speak no TLS reach it.
    pub fn plain(&self, server: &Server) -> SocketAddr {
        tunnel(server.addr, self.trust(&[&TLS13, &TLS12]))
    }
}
