//! Who may come in, what they may do, and how fast: pure, with time passed in.
//!
//! [`Access`] is what the configuration's key files mean. It is read as one value and replaced as one when the
//! files are read again, so that no request sees half of a change.

mod addresses;
mod apikeys;
mod keys;
mod origin;
mod permits;
mod proxies;
mod rates;
mod token;

pub use addresses::{Addresses, TooManyOfAddress};
pub use apikeys::{ApiKeys, BadApiKeys};
pub use keys::{BadKey, Keys, SigningKey};
pub use origin::{BadOrigin, Origins, is_local_host};
pub use permits::{BadPermits, Permits};
pub use proxies::{BadNetwork, Proxies};
pub use rates::{Bucket, Rate, SendBuckets, SendRates};
pub use token::{BadToken, Claims, TokenError};

/// Everything that a connection or request is judged by.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// What tokens are checked with; `None` when neither a key file nor a JWKS document is configured.
    pub keys: Option<Keys>,
    /// What opens the HTTP API; `None` when no file of them is configured.
    pub api_keys: Option<ApiKeys>,
    /// Which web pages may connect.
    pub origins: Origins,
}

impl Access {
    /// No key of any kind is configured: clients say who they are and are believed, on this machine alone.
    pub fn is_development(&self) -> bool {
        self.keys.is_none() && self.api_keys.is_none()
    }

    /// Whether a web page of this `Origin` may connect.
    pub fn allows_origin(&self, origin: &str) -> bool {
        if self.is_development() {
            self.origins.allow_in_development(origin)
        } else {
            self.origins.allow(origin)
        }
    }
}
