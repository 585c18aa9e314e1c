//! Tokens for clients, as an application's own server would make them.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
}

/// Signs with one secret.
pub struct Tokens {
    key: EncodingKey,
    now_s: u64,
}

impl Tokens {
    pub fn new(secret: &Path) -> Result<Self, String> {
        let secret = std::fs::read(secret).map_err(|error| format!("{}: {error}", secret.display()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        Ok(Self { key: EncodingKey::from_secret(&secret), now_s: now.as_secs() })
    }

    /// A token of an hour.
    pub fn of(&self, sub: &str) -> Result<String, String> {
        let claims = Claims { sub, iat: self.now_s, exp: self.now_s + 3_600 };
        encode(&Header::new(Algorithm::HS256), &claims, &self.key).map_err(|error| error.to_string())
    }
}
