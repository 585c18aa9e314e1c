//! The floor of replay: where the log begins, and from where on each record's dedupe window is known to be in it.

use super::RETENTION_SLACK_MS;
use crate::limits::{DEDUPE_MS, DEDUPE_OFFSETS};

/// What the broker says about the log's beginning. Asked at the begin and, as retention moves it, every minute or so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// The log's start: the lowest offset that was not deleted.
    pub start: u64,
    /// The first offset at or after [`Ground::settled_from`], if there is one.
    pub settled: Option<u64>,
    /// The first offset at or after [`Ground::young_from`], if there is one.
    pub young: Option<u64>,
}

impl Ground {
    /// The log time to ask [`Ground::settled`] for, given that of the log's first record: what was deleted before that
    /// lies in no window from there on.
    pub fn settled_from(first_ms: u64) -> u64 {
        first_ms.saturating_add(DEDUPE_MS + 1)
    }

    /// The log time to ask [`Ground::young`] for, given the wall clock and the topic's retention (`u64::MAX`: for ever):
    /// nothing has been deleted yet that lies in a window from there on.
    pub fn young_from(now_ms: u64, retention_ms: u64) -> u64 {
        now_ms.saturating_sub(retention_ms.saturating_sub(DEDUPE_MS + RETENTION_SLACK_MS))
    }

    /// The first offset whose whole window is known to be in the log. Beyond its end, if there is none yet.
    pub fn floor(&self) -> u64 {
        if self.start == 0 {
            return 0;
        }
        let settled = self.settled.unwrap_or(u64::MAX).min(self.start.saturating_add(DEDUPE_OFFSETS));
        settled.min(self.young.unwrap_or(u64::MAX)).max(self.start)
    }
}
