//! The certificate's end, looked at as the node starts, when its files were read again, and every hour.

use crate::config::Expiry;
use crate::host::unix_ms;
use crate::limits::CERTIFICATE_LOOK_MS;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tracing::{error, warn};

/// When it ends, for those who ask on other threads.
#[derive(Clone, Debug)]
pub(super) struct CertificateEnd(Arc<AtomicU64>);

/// There is no certificate, or none whose end can be told.
const UNKNOWN: u64 = u64::MAX;

impl CertificateEnd {
    pub(super) fn new(not_after_s: Option<u64>) -> Self {
        Self(Arc::new(AtomicU64::new(not_after_s.unwrap_or(UNKNOWN))))
    }

    /// The files were read again.
    pub(super) fn renew(&self, not_after_s: Option<u64>) {
        self.0.store(not_after_s.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.look();
    }

    /// Seconds since 1970.
    pub(super) fn not_after_s(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|end_s| *end_s != UNKNOWN)
    }

    /// Looks now, and every hour for as long as the process lives. A node without one needs no thread for it: it cannot
    /// have one before its next start.
    pub(super) fn watch(&self) {
        if self.not_after_s().is_none() {
            return;
        }
        let watched = self.clone();
        let watching = std::thread::Builder::new().name("corepost-cert".into()).spawn(move || {
            loop {
                watched.look();
                std::thread::sleep(Duration::from_millis(CERTIFICATE_LOOK_MS));
            }
        });
        if let Err(error) = watching {
            warn!("nobody will warn of the certificate's end: {error}");
        }
    }

    fn look(&self) {
        match self.not_after_s().and_then(|end_s| Expiry::at(end_s, unix_ms() / 1_000)) {
            Some(soon @ Expiry::Soon(_)) => warn!("{soon}"),
            Some(over @ Expiry::Over(_)) => error!("{over}"),
            None => {}
        }
    }
}
