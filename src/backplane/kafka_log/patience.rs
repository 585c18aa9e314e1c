//! How long Kafka is waited for where many partitions are asked about, one after the other.

use crate::limits::{KAFKA_ASK_MS, KAFKA_ASK_TOGETHER_MS};
use std::time::{Duration, Instant};

/// What questions that belong together may take: each, and all of them. A broker that is silent makes the others wait no longer.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    late: Instant,
}

impl Patience {
    /// All of them begin now.
    pub fn new() -> Self {
        Self { late: Instant::now() + Duration::from_millis(KAFKA_ASK_TOGETHER_MS) }
    }

    /// For the next question.
    pub fn next(self) -> Duration {
        self.late.saturating_duration_since(Instant::now()).min(Duration::from_millis(KAFKA_ASK_MS))
    }
}
