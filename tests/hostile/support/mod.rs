//! What the stories are told with.

mod metrics;
mod peer;
mod server;
mod stalls;

pub use metrics::Metrics;
pub use peer::{Got, Peer, ask, frame, http, masked, upgrade};
pub use server::{Server, Unharmed, is_slow};

use std::time::{Duration, Instant};

/// Bytes of a mebibyte.
pub const MIB: usize = 1 << 20;

/// Waits until `holds`, or fails after so long.
pub fn within(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "never within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Numbers that look like chance and are the same each time.
pub struct Dice(u64);

impl Dice {
    /// By seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }
}
