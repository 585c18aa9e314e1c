//! Keys of others: tokens signed by an issuer whose public key the server has, from PEM and from a JWKS document, and
//! the change from one key to the next.

use crate::support::{Knock, Place, Server, eventually, eventually_on_every_core, now_s, token};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// An issuer: its algorithm, its key in the JWKS document, its files in `tests/keys`.
#[derive(Clone, Copy)]
struct Issuer {
    algorithm: Algorithm,
    key_id: &'static str,
    file: &'static str,
}

const RSA: Issuer = Issuer { algorithm: Algorithm::RS256, key_id: "r1", file: "rsa" };
const EC: Issuer = Issuer { algorithm: Algorithm::ES256, key_id: "e1", file: "p256" };
const ED: Issuer = Issuer { algorithm: Algorithm::EdDSA, key_id: "d1", file: "ed25519" };
const ISSUERS: [Issuer; 3] = [RSA, EC, ED];

impl Issuer {
    /// A token for alice, for an hour, that names its key or not.
    fn token(self, names_key: bool) -> String {
        let pem = std::fs::read(keys(&format!("{}.pem", self.file))).unwrap();
        let key = match self.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(&pem),
            Algorithm::ES256 => EncodingKey::from_ec_pem(&pem),
            _ => EncodingKey::from_ed_pem(&pem),
        };
        let kid = names_key.then(|| self.key_id.to_owned());
        let claims = json!({"sub": "alice", "iat": now_s(), "exp": now_s() + 3_600});
        jsonwebtoken::encode(&Header { kid, ..Header::new(self.algorithm) }, &claims, &key.unwrap()).unwrap()
    }

    fn public_pem(self) -> Vec<u8> {
        std::fs::read(keys(&format!("{}.pub.pem", self.file))).unwrap()
    }

    /// A JWKS document of this key alone.
    fn jwks(self) -> Vec<u8> {
        let all: Value = serde_json::from_slice(&std::fs::read(keys("jwks.json")).unwrap()).unwrap();
        let own = all["keys"].as_array().unwrap().iter().find(|key| key["kid"] == self.key_id).unwrap();
        json!({"keys": [own]}).to_string().into_bytes()
    }
}

fn keys(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

fn knock(token: &str) -> Knock {
    Knock::new("").header("Authorization", &format!("Bearer {token}"))
}

#[test]
fn a_public_key_in_pem_takes_tokens_of_its_own_private_key_alone() {
    for issuer in ISSUERS {
        let pem = keys(&format!("{}.pub.pem", issuer.file));
        let place = Place::new("keys-pem").with("jwt-key", pem.display());
        let server = place.start();
        for other in ISSUERS {
            // The file does not say what its key is called, so a token may say anything.
            for token in [other.token(false), other.token(true)] {
                match other.algorithm == issuer.algorithm {
                    true => drop(knock(&token).enter(server.addr).unwrap()),
                    false => assert_eq!(knock(&token).refused(server.addr), 401),
                }
            }
        }
        // The old trick: the public key, which everybody has, as the secret of an HMAC.
        let secret = EncodingKey::from_secret(&issuer.public_pem());
        let claims = json!({"sub": "alice", "exp": now_s() + 60});
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap();
        assert_eq!(knock(&forged).refused(server.addr), 401);
    }
}

#[test]
fn a_jwks_document_takes_tokens_of_each_of_its_keys() {
    let place = Place::new("keys-jwks").with("jwks", keys("jwks.json").display());
    let server = place.start();
    for issuer in ISSUERS {
        for token in [issuer.token(true), issuer.token(false)] {
            assert_eq!(knock(&token).enter(server.addr).unwrap().welcome["client"], "alice");
        }
        // The right key under another one's name is not looked for.
        let stranger = Issuer { key_id: "unknown", ..issuer };
        assert_eq!(knock(&stranger.token(true)).refused(server.addr), 401);
        // Nor is a signature good for other claims, or none for any.
        let (good, eves) = (issuer.token(true), token("eve"));
        let [head, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
        let other = eves.split('.').nth(1).unwrap();
        assert_eq!(knock(&format!("{head}.{other}.{signature}")).refused(server.addr), 401);
        assert_eq!(knock(&format!("{head}.{claims}.")).refused(server.addr), 401);
    }
}

#[test]
fn one_file_of_pem_holds_several_keys_and_a_jwks_may_stand_beside_it() {
    let place = Place::new("keys-both");
    let pem = place.write("both.pem", [RSA.public_pem(), EC.public_pem()].concat());
    let jwks = place.write("jwks.json", ED.jwks());
    let place = place.with("jwt-key", pem.display()).with("jwks", jwks.display());
    let server = place.start();
    for issuer in ISSUERS {
        knock(&issuer.token(false)).enter(server.addr).unwrap();
    }
}

/// The old key goes, the new one comes, without a restart.
fn change_keys(server: &Server, write: impl Fn(Issuer)) {
    for (old, new) in [(RSA, EC), (EC, ED), (ED, RSA)] {
        let mut sessions = [(); 3].map(|()| knock(&old.token(true)).enter(server.addr).unwrap());
        assert_eq!(knock(&new.token(true)).refused(server.addr), 401, "not yet");
        write(new);
        server.signal("HUP");
        let (by_old, by_new) = (knock(&old.token(true)), knock(&new.token(true)));
        eventually_on_every_core("the new key opens", || by_new.enter(server.addr).is_ok());
        assert_eq!(by_old.refused(server.addr), 401, "the old one does not any more");
        let [alice, renewed, late] = &mut sessions;
        assert!(alice.is_quiet(), "who is there stays");
        alice.deliver("bob", "1", 1);
        renewed.say(&json!({"type": "auth", "token": new.token(true)}));
        assert!(renewed.is_quiet(), "and goes on with the new key");
        late.say(&json!({"type": "auth", "token": old.token(true)}));
        assert_eq!(late.close_code(), 4401, "but not with the old one");
    }
}

#[test]
fn a_pem_file_is_read_again_when_told() {
    let place = Place::new("keys-pem-hup");
    let pem = place.write("jwt.pem", RSA.public_pem());
    let place = place.with("jwt-key", pem.display());
    change_keys(&place.start(), |issuer| drop(place.write("jwt.pem", issuer.public_pem())));
}

#[test]
fn a_jwks_document_is_read_again_when_told() {
    let place = Place::new("keys-jwks-hup");
    let jwks = place.write("jwks.json", RSA.jwks());
    let place = place.with("jwks", jwks.display());
    let server = place.start();
    change_keys(&server, |issuer| drop(place.write("jwks.json", issuer.jwks())));
    // What cannot be read changes nothing.
    place.write("jwks.json", r#"{"keys":[]}"#);
    server.signal("HUP");
    eventually("it complains", || server.log().contains("stay as they were"));
    knock(&RSA.token(true)).enter(server.addr).unwrap();
}
