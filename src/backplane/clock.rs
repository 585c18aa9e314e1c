//! The wall clock, for what is told in its time: retention, tokens.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 before it.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
