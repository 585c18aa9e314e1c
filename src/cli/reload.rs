//! SIGHUP: the configuration is read again, and what a running node can take over counts at once.
//!
//! All or nothing: with a mistake in it everything stays as it was. What needs a start is said, once for each setting.

use super::certificate::CertificateEnd;
use super::logging::Logging;
use crate::config::{Config, Effective, Given, resolve};
use crate::node::Running;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::{info, warn};

/// What a node runs with, and where that is written.
pub(super) struct Settings {
    given: Given,
    effective: Effective,
    log: Logging,
    /// For those who ask on other threads.
    drain_window_ms: Arc<AtomicU64>,
    certificate_end: CertificateEnd,
}

impl Settings {
    /// What was resolved from `given`.
    pub(super) fn new(given: Given, effective: Effective, log: Logging) -> Self {
        let drain_window_ms = Arc::new(AtomicU64::new(effective.config.drain_window_ms));
        let certificate_end = CertificateEnd::new(effective.config.tls_not_after_s);
        Self { given, effective, log, drain_window_ms, certificate_end }
    }

    /// What counts.
    pub(super) fn config(&self) -> &Config {
        &self.effective.config
    }

    /// Where lines go.
    pub(super) fn log(&self) -> &Logging {
        &self.log
    }

    /// The drain window that counts, now and later.
    pub(super) fn drain_window_ms(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.drain_window_ms)
    }

    /// When the certificate ends that counts, now and later.
    pub(super) fn certificate_end(&self) -> &CertificateEnd {
        &self.certificate_end
    }

    /// Reads it again.
    pub(super) fn reload(&mut self, running: &Running) {
        let later = match resolve(&self.given) {
            Ok(later) => later,
            Err(mistakes) => {
                for mistake in mistakes.0 {
                    warn!(place = mistake.place, "{}; all settings stay as they were", mistake.problem);
                }
                return;
            }
        };
        let dormant = self.effective.dormant(&later);
        for it in &dormant {
            warn!(setting = it.setting, "it is written otherwise now; {}", it.why);
        }
        let is_dormant = |setting| dormant.iter().any(|it| it.setting == setting);
        let (now, config) = (&mut self.effective.config, later.config);
        if !is_dormant("jwt_key") {
            (now.access, now.key_files) = (config.access, config.key_files);
            running.renew_access(now.access.clone());
        }
        if let Some(tls) = config.tls.filter(|_| !is_dormant("tls_cert")) {
            running.renew_tls(tls);
            self.certificate_end.renew(config.tls_not_after_s);
        }
        now.drain_window_ms = config.drain_window_ms;
        self.drain_window_ms.store(now.drain_window_ms, Ordering::Relaxed);
        now.log.level = config.log.level;
        self.log.show_from(config.log.level);
        info!(
            "settings were read again; sessions stay until their tokens expire, connections keep their certificate"
        );
    }
}
