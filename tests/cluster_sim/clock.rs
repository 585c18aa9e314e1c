//! A process's clocks: neither is the world's.

use corepost::model::Now;

/// What a process thinks the time is.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The world's time at the process's start, and what the process calls it.
    pub began_ms: u64,
    pub base_ms: u64,
    /// How much faster than the world's it runs, in millionths.
    pub drift_ppm: i64,
    /// How far its wall clock is ahead.
    pub ahead_ms: i64,
}

impl Clock {
    /// The process's time when the world's is this.
    pub fn now(&self, world: Now) -> Now {
        let passed = world.mono_ms - self.began_ms;
        let drift = passed as i64 * self.drift_ppm / 1_000_000;
        Now {
            mono_ms: (self.base_ms + passed).saturating_add_signed(drift),
            unix_ms: world.unix_ms.saturating_add_signed(self.ahead_ms + drift),
        }
    }
}
