//! The keys that tokens are checked and signed with, read from a key file or a JWKS document.
//!
//! Each key has exactly one algorithm, fixed when it is read and never taken from a token: a public key can
//! therefore not be abused as an HMAC secret. A key that could never accept a signature (too small, on another
//! curve, not on its curve) is a mistake when it is read, not a riddle at the first login.

use crate::limits::{HS256_SECRET_BYTES, JWT_KEYS};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use serde::Deserialize;
use std::fmt;

/// The keys that a token may be signed with.
#[derive(Clone, Debug, Default)]
pub struct Keys(pub(super) Vec<Key>);

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Its name in a JWKS document; a key without one answers to every name.
    pub(super) kid: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// A key that signs tokens: the `token` command's.
pub struct SigningKey {
    pub(super) algorithm: Algorithm,
    pub(super) encoding: EncodingKey,
}

/// Why a file holds no usable key. Whose fault: of who wrote the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// A raw secret that could be guessed.
    ShortSecret {
        /// How many bytes it has.
        bytes: usize,
    },
    /// A PEM block of a kind that is not wanted here.
    Pem(&'static str),
    /// A PEM block that cannot be read as a key, or as one of a kind we check.
    Unreadable,
    /// A key that no signature could pass.
    Unusable(&'static str),
    /// Not a JWKS document; where it stops being one.
    NotJwks {
        /// Line number from 1.
        line: usize,
        /// Column from 1.
        column: usize,
    },
    /// A JWKS document in which no key can be used; why not the first of them.
    NoneUsable(Option<&'static str>),
    /// More than [`JWT_KEYS`].
    TooMany,
}

const PEM: &[u8] = b"-----BEGIN ";

impl Keys {
    /// Reads a key file: PEM public keys, one or several, or else the raw bytes of a secret.
    pub fn parse_file(file: &[u8]) -> Result<Self, BadKey> {
        if !file.trim_ascii_start().starts_with(PEM) {
            return Ok(Self(vec![Key {
                kid: None,
                algorithm: Algorithm::HS256,
                decoding: DecodingKey::from_secret(secret(file)?),
            }]));
        }
        let keys: Vec<Key> = pem_blocks(file)?.into_iter().map(Key::from_pem).collect::<Result<_, _>>()?;
        Self::default().and(Self(keys))
    }

    /// Reads a JWKS document. Keys for other purposes and of other kinds are passed over, as RFC 7517 §5 asks; a
    /// key that is meant for us and broken is a mistake.
    pub fn parse_jwks(document: &[u8]) -> Result<Self, BadKey> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(document)
            .map_err(|error| BadKey::NotJwks { line: error.line(), column: error.column() })?;
        let (mut keys, mut passed_over) = (Self::default(), None);
        for value in document.keys {
            let jwk: Jwk = match serde_json::from_value(value) {
                Ok(jwk) => jwk,
                Err(_) => {
                    passed_over = passed_over.or(Some("a field is missing or of the wrong kind"));
                    continue;
                }
            };
            match purpose(&jwk) {
                Ok(algorithm) => keys = keys.and(Self(vec![Key::from_jwk(&jwk, algorithm)?]))?,
                Err(why) => passed_over = passed_over.or(Some(why)),
            }
        }
        if keys.0.is_empty() { Err(BadKey::NoneUsable(passed_over)) } else { Ok(keys) }
    }

    /// Both: those of the key file and those of the JWKS document.
    pub fn and(mut self, more: Self) -> Result<Self, BadKey> {
        self.0.extend(more.0);
        if self.0.len() > JWT_KEYS { Err(BadKey::TooMany) } else { Ok(self) }
    }

    /// For people: `HS256`, or `RS256 r1, ES256 e1`. Nothing secret.
    pub fn describe(&self) -> String {
        let one = |key: &Key| match &key.kid {
            None => format!("{:?}", key.algorithm),
            Some(kid) => format!("{:?} {kid:?}", key.algorithm),
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

impl Key {
    fn from_pem(block: &[u8]) -> Result<Self, BadKey> {
        let read = [
            (Algorithm::RS256, DecodingKey::from_rsa_pem(block)),
            (Algorithm::ES256, DecodingKey::from_ec_pem(block)),
            (Algorithm::EdDSA, DecodingKey::from_ed_pem(block)),
        ];
        let (algorithm, decoding) =
            read.into_iter().find_map(|(a, key)| Some((a, key.ok()?))).ok_or(BadKey::Unreadable)?;
        Self { kid: None, algorithm, decoding }.tried()
    }

    fn from_jwk(jwk: &Jwk, algorithm: Algorithm) -> Result<Self, BadKey> {
        let decoding = DecodingKey::from_jwk(jwk).map_err(|_| BadKey::Unusable("it is not in base64url"))?;
        Self { kid: jwk.common.key_id.as_deref().map(Box::from), algorithm, decoding }.tried()
    }

    /// Itself, if a signature could ever pass it.
    fn tried(self) -> Result<Self, BadKey> {
        let bytes = self.decoding.try_get_as_bytes().unwrap_or_default();
        match self.algorithm {
            Algorithm::HS256 => secret(bytes).map(|_| ())?,
            Algorithm::RS256 => try_rsa(&self.decoding)?,
            Algorithm::ES256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes)
                .map(|_| ())
                .map_err(|_| BadKey::Unusable("it is not on the curve P-256, which ES256 needs"))?,
            _ => ParsedPublicKey::new(&ED25519, bytes)
                .map(|_| ())
                .map_err(|_| BadKey::Unusable("it is no Ed25519 key"))?,
        }
        Ok(self)
    }
}

fn try_rsa(key: &DecodingKey) -> Result<(), BadKey> {
    const SMALL: BadKey = BadKey::Unusable("it is no RSA key of 2048 to 8192 bits");
    let components = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => RsaPublicKeyComponents { n: n.clone(), e: e.clone() },
        DecodingKeyKind::SecretOrDer(der) => {
            ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).map_err(|_| SMALL)?;
            let key = aws_lc_rs::rsa::PublicKey::from_der(der).map_err(|_| SMALL)?;
            RsaPublicKeyComponents::from(&key)
        }
    };
    let significant =
        components.n.iter().position(|&byte| byte != 0).map_or(&[][..], |at| &components.n[at..]);
    let bits = significant.len() * 8 - significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if (2048..=8192).contains(&bits) && !components.e.is_empty() { Ok(()) } else { Err(SMALL) }
}

/// What a key of a JWKS document is for: its algorithm, or why it is not for us.
fn purpose(jwk: &Jwk) -> Result<Algorithm, &'static str> {
    let common = &jwk.common;
    if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return Err("its `use` is not `sig`");
    }
    if common.key_operations.as_ref().is_some_and(|ops| !ops.contains(&KeyOperations::Verify)) {
        return Err("its `key_ops` are without `verify`");
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return Err("its `kty` or `crv` is none of RSA, oct, EC with P-256, OKP with Ed25519"),
    };
    match common.key_algorithm {
        Some(stated) if stated != KeyAlgorithm::from(algorithm) => {
            Err("its `alg` is none of RS256, ES256, EdDSA, HS256, or not that of its `kty`")
        }
        _ => Ok(algorithm),
    }
}

fn secret(bytes: &[u8]) -> Result<&[u8], BadKey> {
    if bytes.len() < HS256_SECRET_BYTES { Err(BadKey::ShortSecret { bytes: bytes.len() }) } else { Ok(bytes) }
}

/// The blocks of a PEM file, each a public key.
fn pem_blocks(file: &[u8]) -> Result<Vec<&[u8]>, BadKey> {
    let starts: Vec<usize> =
        (0..file.len()).filter(|&at| file[at] == b'-' && file[at..].starts_with(PEM)).collect();
    if starts.len() > JWT_KEYS {
        return Err(BadKey::TooMany);
    }
    let ends = starts.iter().skip(1).copied().chain([file.len()]);
    let blocks = starts.iter().zip(ends).map(|(&start, end)| &file[start..end]);
    blocks
        .map(|block| {
            let label = &block[PEM.len()..block.len().min(PEM.len() + 24)];
            let is = |kind: &str| label.windows(kind.len()).any(|w| w == kind.as_bytes());
            if is("PRIVATE KEY") {
                Err(BadKey::Pem(
                    "is a private key, which a server must not have; give it the public one: \
                     openssl pkey -in FILE -pubout",
                ))
            } else if is("CERTIFICATE") {
                Err(BadKey::Pem("is a certificate; give its key: openssl x509 -in FILE -noout -pubkey"))
            } else {
                Ok(block)
            }
        })
        .collect()
}

impl SigningKey {
    /// Reads a key file that can sign: the raw bytes of a secret, or a PEM private key in PKCS#8.
    pub fn parse_file(file: &[u8]) -> Result<Self, BadKey> {
        if !file.trim_ascii_start().starts_with(PEM) {
            let encoding = EncodingKey::from_secret(secret(file)?);
            return Ok(Self { algorithm: Algorithm::HS256, encoding });
        }
        let read = [
            (Algorithm::RS256, EncodingKey::from_rsa_pem(file)),
            (Algorithm::ES256, EncodingKey::from_ec_pem(file)),
            (Algorithm::EdDSA, EncodingKey::from_ed_pem(file)),
        ];
        let public = Self::looks_public(file);
        let found = read.into_iter().find_map(|(algorithm, key)| Some((algorithm, key.ok()?)));
        match found {
            Some((algorithm, encoding)) if !public => Ok(Self { algorithm, encoding }),
            _ if public => Err(BadKey::Pem(
                "is a public key, which cannot sign; give `token` the private one, or the raw secret",
            )),
            _ => Err(BadKey::Pem(
                "cannot be read; a private key is wanted in PKCS#8: openssl pkcs8 -topk8 -nocrypt -in FILE",
            )),
        }
    }

    fn looks_public(file: &[u8]) -> bool {
        let head = file.trim_ascii_start();
        head[PEM.len()..].starts_with(b"PUBLIC") || head[PEM.len()..].starts_with(b"RSA PUBLIC")
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortSecret { bytes } => write!(
                f,
                "holds a secret of {bytes} bytes; HS256 needs {HS256_SECRET_BYTES}: openssl rand 32 > FILE"
            ),
            Self::Pem(what) => f.write_str(what),
            Self::Unreadable => write!(
                f,
                "holds a PEM block that is no public key of RSA, P-256 or Ed25519 (`-----BEGIN PUBLIC KEY-----`)"
            ),
            Self::Unusable(why) => write!(f, "holds a key that no token could pass: {why}"),
            Self::NotJwks { line, column } => {
                write!(f, "is no JWKS document ({{\"keys\":[…]}}) at line {line}, column {column}")
            }
            Self::NoneUsable(None) => write!(f, "has no keys in it"),
            Self::NoneUsable(Some(why)) => write!(f, "has no key that can be used; of the first, {why}"),
            Self::TooMany => write!(f, "makes more than {JWT_KEYS} keys; remove retired ones"),
        }
    }
}

impl std::error::Error for BadKey {}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! key_file {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/keys/", $name)).as_slice()
        };
    }

    #[test]
    fn reads_each_kind_of_public_key_and_several() {
        let describe = |file: &[u8]| Keys::parse_file(file).unwrap().describe();
        assert_eq!(describe(key_file!("rsa.pub.pem")), "RS256");
        assert_eq!(describe(key_file!("p256.pub.pem")), "ES256");
        assert_eq!(describe(key_file!("ed25519.pub.pem")), "EdDSA");
        assert_eq!(describe(&[0u8; 32]), "HS256");
        let both = [key_file!("rsa.pub.pem"), b"\n", key_file!("p256.pub.pem")].concat();
        assert_eq!(describe(&both), "RS256, ES256");
    }

    #[test]
    fn says_what_is_wrong_with_a_key_file() {
        let bad = |file: &[u8]| Keys::parse_file(file).unwrap_err();
        assert_eq!(bad(b""), BadKey::ShortSecret { bytes: 0 });
        assert_eq!(bad(&[7; 31]), BadKey::ShortSecret { bytes: 31 });
        assert_eq!(
            bad(b"-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n"),
            BadKey::Unreadable
        );
        assert!(matches!(bad(key_file!("rsa.pem")), BadKey::Pem(what) if what.contains("private")));
        assert!(matches!(bad(b"-----BEGIN CERTIFICATE-----\n"), BadKey::Pem(what) if what.contains("x509")));
        assert!(matches!(bad(key_file!("rsa_1024.pub.pem")), BadKey::Unusable(why) if why.contains("2048")));
        assert!(matches!(bad(key_file!("p384.pub.pem")), BadKey::Unusable(why) if why.contains("P-256")));
        assert!(
            matches!(bad(key_file!("secp256k1.pub.pem")), BadKey::Unusable(why) if why.contains("P-256"))
        );
        assert_eq!(bad(&key_file!("ed25519.pub.pem").repeat(JWT_KEYS + 1)), BadKey::TooMany);
    }

    #[test]
    fn takes_from_a_jwks_document_what_is_for_us() {
        let keys = Keys::parse_jwks(key_file!("jwks.json")).unwrap();
        assert_eq!(keys.describe(), r#"RS256 "r1", ES256 "e1", EdDSA "d1""#);
    }

    #[test]
    fn says_what_is_wrong_with_a_jwks_document() {
        let bad = |text: &str| Keys::parse_jwks(text.as_bytes()).unwrap_err();
        assert!(matches!(bad("{\"keys\":\n"), BadKey::NotJwks { line: 2, .. }));
        assert!(matches!(bad("[]"), BadKey::NotJwks { line: 1, .. }));
        assert_eq!(bad(r#"{"keys":[]}"#), BadKey::NoneUsable(None));
        let other = r#"{"keys":[{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},{"kty":"RSA"}]}"#;
        assert_eq!(bad(other), BadKey::NoneUsable(Some("its `use` is not `sig`")));
        let short = r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#;
        assert_eq!(bad(short), BadKey::ShortSecret { bytes: 3 });
        let small = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
        assert!(matches!(bad(small), BadKey::Unusable(_)));
        let off_curve = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}"#;
        assert!(matches!(bad(off_curve), BadKey::Unusable(_)));
        // An RSA key that claims HMAC is the start of the classic confusion.
        let confused = r#"{"keys":[{"kty":"RSA","alg":"HS256","n":"AQAB","e":"AQAB"}]}"#;
        assert!(matches!(bad(confused), BadKey::NoneUsable(Some(why)) if why.contains("`alg`")));
    }

    #[test]
    fn signs_only_with_what_can_sign() {
        for file in [key_file!("rsa.pem"), key_file!("p256.pem"), key_file!("ed25519.pem"), &[1; 32]] {
            assert!(SigningKey::parse_file(file).is_ok());
        }
        let bad = |file: &[u8]| SigningKey::parse_file(file).err().unwrap().to_string();
        assert!(bad(key_file!("rsa.pub.pem")).contains("public"));
        assert!(bad(key_file!("p256.pub.pem")).contains("public"));
        assert!(bad(b"short").contains("5 bytes"));
        assert!(bad(b"-----BEGIN EC PRIVATE KEY-----\n").contains("pkcs8"));
    }

    #[test]
    fn shows_no_secret() {
        let keys = Keys::parse_file(b"correct horse battery staple 123").unwrap();
        assert!(!format!("{keys:?} {}", keys.describe()).contains("horse"));
    }
}
