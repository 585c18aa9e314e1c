//! Tokens good, bad and forged, against every kind of key.

use super::*;
use crate::limits::PERMITS;
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: Now = Now { mono_ms: 5, unix_ms: 1_760_000_000_500 };
const NOW_S: u64 = 1_760_000_000;

macro_rules! key_file {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/keys/", $name)).as_slice()
    };
}

fn keys() -> Keys {
    Keys::parse_file(SECRET).unwrap()
}

fn signed(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

fn judged(claims: Value) -> Result<Claims, TokenError> {
    keys().verify(&signed(&claims), NOW)
}

#[test]
fn a_token_of_ours_says_what_was_put_into_it() {
    let permits = Permits::new(["bob", "team/*"]).unwrap();
    let alice = ClientId::new("alice").unwrap();
    for (private, public) in [
        (SECRET, SECRET),
        (key_file!("rsa.pem"), key_file!("rsa.pub.pem")),
        (key_file!("p256.pem"), key_file!("p256.pub.pem")),
        (key_file!("ed25519.pem"), key_file!("ed25519.pub.pem")),
    ] {
        let token = SigningKey::parse_file(private).unwrap().issue(&alice, 60, Some(&permits), NOW).unwrap();
        let claims = Keys::parse_file(public).unwrap().verify(&token, NOW).unwrap();
        let expected = Claims {
            client: alice.clone(),
            exp_s: NOW_S + 60,
            iat_s: Some(NOW_S),
            permits: Some(permits.clone()),
        };
        assert_eq!(claims, expected);
    }
}

#[test]
fn it_ends_exactly_at_exp_and_begins_exactly_at_nbf() {
    let at = |unix_ms| Now { mono_ms: 0, unix_ms };
    let token = signed(&json!({"sub": "a", "exp": 100, "nbf": 50}));
    assert_eq!(keys().verify(&token, at(49_999)), Err(TokenError::Bad(BadToken::NotYet)));
    assert!(keys().verify(&token, at(50_000)).is_ok());
    assert!(keys().verify(&token, at(99_999)).is_ok());
    assert_eq!(keys().verify(&token, at(100_000)), Err(TokenError::Expired));
    // Fractions are allowed by the RFC and never lengthen a token's life.
    let token = signed(&json!({"sub": "a", "exp": 100.9, "nbf": 49.1}));
    assert_eq!(keys().verify(&token, at(100_000)), Err(TokenError::Expired));
    assert_eq!(keys().verify(&token, at(49_999)), Err(TokenError::Bad(BadToken::NotYet)));
}

#[test]
fn each_claim_is_judged_by_name() {
    let bad = |claims| match judged(claims) {
        Err(TokenError::Bad(why)) => why,
        other => panic!("{other:?}"),
    };
    let far = NOW_S + 9;
    assert_eq!(bad(json!({"sub": "a"})), BadToken::Claim("exp"));
    assert_eq!(bad(json!({"sub": "a", "exp": null})), BadToken::Claim("exp"));
    assert_eq!(bad(json!({"sub": "a", "exp": far.to_string()})), BadToken::Claim("exp"));
    assert_eq!(bad(json!({"exp": far})), BadToken::Claim("sub"));
    assert_eq!(bad(json!({"exp": far, "sub": 7})), BadToken::Claim("sub"));
    assert_eq!(bad(json!({"exp": far, "sub": ""})), BadToken::Subject(BadId::Empty));
    assert_eq!(bad(json!({"exp": far, "sub": "a\"b"})), BadToken::Subject(BadId::Character { at: 1 }));
    assert_eq!(bad(json!({"exp": far, "sub": "a", "nbf": "x"})), BadToken::Claim("nbf"));
    assert_eq!(bad(json!({"exp": far, "sub": "a", "iat": {}})), BadToken::Claim("iat"));
    assert_eq!(bad(json!({"exp": far, "sub": "a", "send": "bob"})), BadToken::Claim("send"));
    for no_list in [json!(null), json!([null]), json!(["bob", 1]), json!(true), json!({}), json!("*")] {
        let claims = json!({"exp": far, "sub": "a", "send": no_list});
        assert_eq!(bad(claims), BadToken::Claim("send"), "{no_list}");
    }
    let empty = BadToken::Permits(BadPermits::Pattern(BadId::Empty));
    assert_eq!(bad(json!({"exp": far, "sub": "a", "send": [""]})), empty);
    let many: Vec<String> = (0..=PERMITS).map(|n| n.to_string()).collect();
    assert_eq!(bad(json!({"exp": far, "sub": "a", "send": many})), BadToken::Permits(BadPermits::TooMany));
    assert_eq!(bad(json!(["no", "claims"])), BadToken::Malformed);
    assert_eq!(judged(json!({"sub": "a", "exp": -5})), Err(TokenError::Expired));
    assert_eq!(judged(json!({"sub": "a", "exp": 1e300})).unwrap().exp_s, u64::MAX);
}

#[test]
fn what_others_put_in_does_not_matter() {
    let claims =
        judged(json!({"sub": "a", "exp": NOW_S + 1, "aud": "shop", "iss": "idp", "x": {"y": 1}})).unwrap();
    assert_eq!((claims.permits, claims.iat_s), (None, None));
    let none = judged(json!({"sub": "a", "exp": NOW_S + 1, "send": []})).unwrap();
    assert!(!none.permits.unwrap().allows(ClientId::new("bob").unwrap().as_ref()));
}

#[test]
fn a_jwks_document_is_asked_by_key_id_and_without_one_by_algorithm() {
    let keys = Keys::parse_jwks(key_file!("jwks.json")).unwrap();
    let claims = json!({"sub": "a", "exp": NOW_S + 9});
    let sign = |kid: Option<&str>, algorithm, key: EncodingKey| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        keys.verify(&encode(&header, &claims, &key).unwrap(), NOW)
    };
    let (rsa, ed) = (key_file!("rsa.pem"), key_file!("ed25519.pem"));
    for kid in [Some("r1"), None] {
        assert!(sign(kid, Algorithm::RS256, EncodingKey::from_rsa_pem(rsa).unwrap()).is_ok(), "{kid:?}");
    }
    assert!(sign(Some("d1"), Algorithm::EdDSA, EncodingKey::from_ed_pem(ed).unwrap()).is_ok());
    for (kid, algorithm) in
        [(Some("e1"), Algorithm::RS256), (Some("nobody"), Algorithm::RS256), (None, Algorithm::RS384)]
    {
        let refused = sign(kid, algorithm, EncodingKey::from_rsa_pem(rsa).unwrap());
        assert_eq!(refused, Err(TokenError::Bad(BadToken::NoKey)), "{kid:?} {algorithm:?}");
    }
}

#[test]
fn a_public_key_is_no_secret_and_no_algorithm_is_none() {
    let public = key_file!("rsa.pub.pem");
    let forged = encode(
        &Header::new(Algorithm::HS256),
        &json!({"sub": "root", "exp": NOW_S + 9}),
        &EncodingKey::from_secret(public),
    )
    .unwrap();
    let refused = Keys::parse_file(public).unwrap().verify(&forged, NOW);
    assert_eq!(refused, Err(TokenError::Bad(BadToken::NoKey)));
    // {"alg":"none"} with the claims of a good token and no signature.
    let good = signed(&json!({"sub": "root", "exp": NOW_S + 9}));
    let claims = good.split('.').nth(1).unwrap();
    for head in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOT05FIn0"] {
        let refused = keys().verify(&format!("{head}.{claims}."), NOW);
        assert_eq!(refused, Err(TokenError::Bad(BadToken::Malformed)));
    }
}

#[test]
fn an_expired_forgery_is_bad_not_expired() {
    let other = EncodingKey::from_secret(&[9; 32]);
    let forged = encode(&Header::new(Algorithm::HS256), &json!({"sub": "a", "exp": 1}), &other).unwrap();
    assert_eq!(keys().verify(&forged, NOW), Err(TokenError::Bad(BadToken::Signature)));
    assert_eq!(TokenError::Expired.close_code() as u16, 4001);
    assert_eq!(TokenError::Bad(BadToken::Signature).close_code() as u16, 4401);
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    let header = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
    let claims = json!({"sub": "a", "exp": NOW_S + 9});
    let token = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap();
    assert_eq!(keys().verify(&token, NOW), Err(TokenError::Bad(BadToken::Critical)));
}

#[test]
fn nonsense_is_refused_and_length_before_anything_else() {
    for text in ["", ".", "..", "...", "a.b.c", "a.b", "eyJhbGciOiJIUzI1NiJ9.e30", "\u{0}.\u{0}.\u{0}"] {
        assert!(matches!(keys().verify(text, NOW), Err(TokenError::Bad(_))), "{text:?}");
    }
    let long = signed(&json!({"sub": "a", "exp": NOW_S + 9, "x": "y".repeat(TOKEN_BYTES)}));
    assert_eq!(keys().verify(&long, NOW), Err(TokenError::Bad(BadToken::TooLong)));
    assert_eq!(Keys::default().verify(&signed(&json!({})), NOW), Err(TokenError::Bad(BadToken::NoKey)));
}

proptest! {
    /// Whichever byte of a good token is changed, it opens nothing.
    #[test]
    fn a_changed_token_opens_nothing(at in any::<proptest::sample::Index>(), byte in 33u8..127) {
        let good = signed(&json!({"sub": "alice", "exp": NOW_S + 9, "send": ["bob"]}));
        let mut bytes = good.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(keys().verify(&changed, NOW).is_err(), "{changed}");
    }
}
