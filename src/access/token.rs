//! Who a token says its holder is, for how long, and to whom it may send: the one door to the JWT library.
//!
//! A token proves nothing before its signature is checked: only then are its claims read, so `Expired` is said only
//! of tokens that were genuine. Time is passed in and there is no leeway, because the end of a token also ends the
//! session in its middle.

use super::keys::{Key, Keys, SigningKey};
use super::permits::{BadPermits, Permits};
use crate::limits::TOKEN_BYTES;
use crate::model::{BadId, ClientId, CloseCode, Now};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header, encode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// What a genuine token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who its holder is.
    pub client: ClientId,
    /// From this Unix second on it is worth nothing.
    pub exp_s: u64,
    /// When it was issued, Unix seconds.
    pub iat_s: Option<u64>,
    /// To whom its holder may send; `None` is everybody.
    pub permits: Option<Permits>,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It was good once: 4001, get a new one and reconnect.
    Expired,
    /// It never was, or is not yet: 4401, final.
    Bad(BadToken),
}

/// What is wrong with a token. Nothing of the token itself is in here, so it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// Longer than [`TOKEN_BYTES`].
    TooLong,
    /// Not three parts of base64url with JSON in them.
    Malformed,
    /// Its header has `crit`: it relies on an extension that we do not have.
    Critical,
    /// No key of ours is for its algorithm and key ID.
    NoKey,
    /// None of the keys it could be signed with has signed it.
    Signature,
    /// A claim is missing or of the wrong kind.
    Claim(&'static str),
    /// `sub` is no client ID.
    Subject(BadId),
    /// `nbf` lies in the future.
    NotYet,
    /// `send` is no list of permits.
    Permits(BadPermits),
}

/// The claims that we look at; whatever else is in a token is its issuer's affair.
#[derive(Deserialize)]
struct RawClaims {
    sub: Option<Lenient<String>>,
    exp: Option<Lenient<f64>>,
    iat: Option<Lenient<f64>>,
    nbf: Option<Lenient<f64>>,
    /// Absent means everybody, so nothing but absence may be taken for it: `null` is a claim of the wrong kind.
    #[serde(default, deserialize_with = "present")]
    send: Option<Lenient<Vec<String>>>,
}

/// A claim of the right kind or of another, so that the error can name it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Is(T),
    IsNot(IgnoredAny),
}

/// Of an optional claim that is there, whatever it is. (By itself `null` would be none.)
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(claim: D) -> Result<Option<T>, D::Error> {
    T::deserialize(claim).map(Some)
}

/// What we write into tokens of our own.
#[derive(Serialize)]
struct IssuedClaims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<Vec<&'a str>>,
}

impl Keys {
    /// What `token` says, if one of these keys signed it and it is valid now.
    ///
    /// Costs one signature check for each key of the token's algorithm and key ID: the caller bounds how many
    /// tokens a turn may bring.
    pub fn verify(&self, token: &str, now: Now) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES {
            return Err(TokenError::Bad(BadToken::TooLong));
        }
        let header = decode_header(token).map_err(|_| TokenError::Bad(BadToken::Malformed))?;
        if header.crit.is_some() {
            return Err(TokenError::Bad(BadToken::Critical));
        }
        let mut outcome = Err(BadToken::NoKey);
        for key in self.0.iter().filter(|key| key.could_have_signed(&header)) {
            outcome = key.open(token);
            // Only a wrong signature leaves the hope that it was another key's.
            if outcome.as_ref().err() != Some(&BadToken::Signature) {
                break;
            }
        }
        outcome.map_err(TokenError::Bad)?.judge(now)
    }
}

impl Key {
    fn could_have_signed(&self, header: &Header) -> bool {
        let named =
            self.kid.is_none() || header.kid.is_none() || self.kid.as_deref() == header.kid.as_deref();
        self.algorithm == header.alg && named
    }

    /// Checks the signature and reads the claims; time, subject and permits are judged afterwards.
    fn open(&self, token: &str) -> Result<RawClaims, BadToken> {
        let mut validation = Validation::new(self.algorithm);
        // The library would read the clock. Whom else a token is for is not ours to judge: there is no audience
        // of ours in the configuration.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        match decode::<RawClaims>(token, &self.decoding, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => BadToken::Signature,
                ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::InvalidToken => BadToken::Malformed,
                _ => BadToken::NoKey,
            }),
        }
    }
}

impl RawClaims {
    fn judge(self, now: Now) -> Result<Claims, TokenError> {
        let bad = TokenError::Bad;
        let exp = number("exp", self.exp)?.ok_or(bad(BadToken::Claim("exp")))?;
        // The earliest whole second counts for the end and the latest for the start.
        let exp_s = exp.max(0.0).floor() as u64;
        let iat_s = number("iat", self.iat)?.map(|iat| iat.max(0.0).floor() as u64);
        let nbf_s = number("nbf", self.nbf)?.map(|nbf| nbf.max(0.0).ceil() as u64);
        let sub = kind("sub", self.sub)?.ok_or(bad(BadToken::Claim("sub")))?;
        let client = ClientId::new(&sub).map_err(|why| bad(BadToken::Subject(why)))?;
        let permits = kind("send", self.send)?
            .map(|send| Permits::new(send.iter().map(String::as_str)))
            .transpose()
            .map_err(|why| bad(BadToken::Permits(why)))?;
        if now.unix_ms >= exp_s.saturating_mul(1_000) {
            return Err(TokenError::Expired);
        }
        if nbf_s.is_some_and(|nbf_s| now.unix_ms < nbf_s.saturating_mul(1_000)) {
            return Err(bad(BadToken::NotYet));
        }
        Ok(Claims { client, exp_s, iat_s, permits })
    }
}

fn kind<T>(name: &'static str, claim: Option<Lenient<T>>) -> Result<Option<T>, TokenError> {
    match claim {
        None => Ok(None),
        Some(Lenient::Is(value)) => Ok(Some(value)),
        Some(Lenient::IsNot(_)) => Err(TokenError::Bad(BadToken::Claim(name))),
    }
}

fn number(name: &'static str, claim: Option<Lenient<f64>>) -> Result<Option<f64>, TokenError> {
    kind(name, claim)
}

impl SigningKey {
    /// A token for `sub` that ends `ttl_s` seconds from now. `None` on a key that its algorithm cannot sign with.
    pub fn issue(&self, sub: &ClientId, ttl_s: u64, send: Option<&Permits>, now: Now) -> Option<String> {
        let iat = now.unix_ms / 1_000;
        let claims = IssuedClaims {
            sub: sub.as_str(),
            iat,
            exp: iat.saturating_add(ttl_s),
            send: send.map(|permits| permits.iter().collect()),
        };
        encode(&Header::new(self.algorithm), &claims, &self.encoding).ok()
    }
}

impl TokenError {
    /// The code a WebSocket is closed with for it.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::Expired => CloseCode::Expired,
            Self::Bad(_) => CloseCode::BadToken,
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => write!(f, "the token has expired; get a new one"),
            Self::Bad(why) => write!(f, "the token {why}"),
        }
    }
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "is longer than {TOKEN_BYTES} bytes"),
            Self::Malformed => write!(f, "is no JWT"),
            Self::Critical => write!(f, "has `crit` in its header, an extension we do not have"),
            Self::NoKey => write!(f, "names an algorithm or key ID that no key of this server has"),
            Self::Signature => write!(f, "was not signed with a key of this server"),
            Self::Claim(name) => write!(f, "has no `{name}`, or one of the wrong kind"),
            Self::Subject(bad) => write!(f, "has a `sub` that {bad}"),
            Self::NotYet => write!(f, "is not valid yet (`nbf`); compare the clocks"),
            Self::Permits(bad) => write!(f, "has a `send` that {bad}"),
        }
    }
}

impl std::error::Error for TokenError {}
impl std::error::Error for BadToken {}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
