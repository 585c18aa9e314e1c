//! What has changed between the configuration that a node runs with and the one that is written now.

use super::resolve::Effective;
use super::settings::{LIVE_SETTINGS, all};

/// Settings that are written otherwise now and need a start, with why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dormant {
    /// Which.
    pub setting: &'static str,
    /// Why it cannot change under a running node.
    pub why: &'static str,
}

impl Effective {
    /// What of `later` cannot be taken over by a node that runs with this. All else can.
    pub fn dormant(&self, later: &Self) -> Vec<Dormant> {
        let written = |of: &Self, key| of.raw.get(key).map(|written| written.texts.clone());
        let mut dormant: Vec<_> = all()
            .map(|setting| setting.key)
            .filter(|key| !LIVE_SETTINGS.contains(key) && written(self, key) != written(later, key))
            .map(|setting| Dormant { setting, why: "it counts from the next start" })
            .collect();
        let is_open = |of: &Self| of.config.access.is_development();
        if is_open(self) != is_open(later) {
            let why = "a running node neither enters nor leaves development mode";
            dormant.push(Dormant { setting: "jwt_key", why });
        }
        if self.config.tls.is_some() != later.config.tls.is_some() {
            let why = "a running node neither begins nor ends to speak TLS";
            dormant.push(Dormant { setting: "tls_cert", why });
        }
        dormant
    }
}
