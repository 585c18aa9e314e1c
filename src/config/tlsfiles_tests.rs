//! Certificates that are good, and each way in which they are not.

use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedKey, IsCa, Issuer, KeyPair, date_time_ymd,
    generate_simple_self_signed,
};

struct Files(PathBuf);

impl Files {
    /// A certificate and its key, `cert.pem` and `key.pem`.
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("corepost-tlsfiles-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let files = Self(dir);
        files.renew();
        files
    }

    fn renew(&self) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write("cert.pem", &cert.pem());
        self.write("key.pem", &signing_key.serialize_pem());
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.join(name), content).unwrap();
    }

    fn mistakes(&self) -> Vec<KeyFileMistake> {
        self.tls().read().unwrap_err()
    }

    fn tls(&self) -> TlsFiles {
        TlsFiles { cert: self.0.join("cert.pem"), key: self.0.join("key.pem") }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_certificate_and_its_key_are_taken() {
    let files = Files::new("good");
    let config = files.tls().read().unwrap().config;
    assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    assert!(config.ticketer.enabled() && config.max_early_data_size == 0);
}

#[test]
fn what_is_wrong_is_said_of_each_file() {
    let files = Files::new("wrong");
    files.write("cert.pem", "not PEM at all");
    files.write("key.pem", "");
    let told = files.mistakes();
    assert_eq!(told.iter().map(|it| it.setting).collect::<Vec<_>>(), ["tls_cert", "tls_key"]);
    assert!(told[0].problem.contains("cert.pem has no certificate"), "{told:?}");
    assert!(told[1].problem.contains("key.pem has no private key"), "{told:?}");

    std::fs::remove_file(files.0.join("cert.pem")).unwrap();
    assert!(files.mistakes()[0].problem.contains("cannot be read"), "{:?}", files.mistakes());
}

#[test]
fn a_key_of_another_certificate_is_a_mistake() {
    let files = Files::new("foreign");
    let before = std::fs::read_to_string(files.0.join("key.pem")).unwrap();
    files.renew();
    files.write("key.pem", &before);
    let told = files.mistakes();
    assert!(told.len() == 1 && told[0].problem.contains("cannot be used with the key in"), "{told:?}");
}

/// Who signed it has time until long after.
#[test]
fn of_a_chain_the_end_of_the_first_counts() {
    let files = Files::new("chain");
    let (issuer_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut issuer = CertificateParams::new([]).unwrap();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    issuer.not_after = date_time_ymd(2050, 1, 1);
    let issuer_cert = issuer.self_signed(&issuer_key).unwrap();
    let mut leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
    leaf.not_after = date_time_ymd(2030, 1, 1);
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&issuer, &issuer_key)).unwrap();
    files.write("cert.pem", &format!("{}{}", leaf.pem(), issuer_cert.pem()));
    files.write("key.pem", &key.serialize_pem());
    assert_eq!(files.tls().read().unwrap().not_after_s, Some(1_893_456_000));
}

#[test]
fn one_needs_the_other() {
    let path = || Some(PathBuf::from("x.pem"));
    assert_eq!(TlsFiles::of(path(), None).unwrap_err().setting, "tls_cert");
    assert_eq!(TlsFiles::of(None, path()).unwrap_err().setting, "tls_key");
    assert_eq!(TlsFiles::of(None, None), Ok(None));
}
