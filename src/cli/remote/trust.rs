//! Whom we believe who a server is: the issuers that this system trusts, or those that `SSL_CERT_FILE` names.

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};
use std::io;
use std::sync::Arc;

/// The beginning of a conversation with the server of that name.
pub(super) fn converse(host: &str) -> Result<ClientConnection, String> {
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name =
        ServerName::try_from(name).map_err(|error| format!("{host} is no name of a server: {error}"))?;
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let why = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
        return Err(format!(
            "this system trusts no certificates{why}; install ca-certificates, or set SSL_CERT_FILE"
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())
}

/// Why there is no TLS with a server, and what to do.
pub(super) fn explain(authority: &str, error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let why = match tls {
        // The second: of an issuer with a name that is trusted, and another key.
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "its certificate is from nobody this system trusts; put its issuer's into a file and name that by SSL_CERT_FILE"
        }
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is for another name; use a name that it has",
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "its certificate has ended; the server needs a new one",
        Some(Error::AlertReceived(AlertDescription::InternalError)) => {
            "it takes nobody now: it is crowded, or something in it is broken; try again later"
        }
        Some(Error::InvalidMessage(_)) => {
            "it answers something that is no TLS; is it a plain port (ws://, http://)?"
        }
        _ => return format!("no TLS with {authority}: {error}"),
    };
    format!("no TLS with {authority}: {why}")
}
