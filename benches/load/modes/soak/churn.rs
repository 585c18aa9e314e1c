//! What happens to whom, and when: by chance, but at known rates.

use std::time::{Duration, Instant};

/// Connections a second that their clients give up, half of them with a close frame.
const LEAVE_PER_SECOND: u64 = 20;
/// Most come back within this time, to what is still in memory.
const AWAY_MS: u64 = 5_000;
/// One in ten stays away so long, and is served from the disk. Far less than what is retained: nobody may miss anything.
const LONG_AWAY_MS: std::ops::Range<u64> = 30_000..150_000;
/// Time between two floods.
const FLOOD_EVERY: Duration = Duration::from_secs(30);
/// Messages of a flood, and those they are for: they have stopped reading.
pub const FLOOD: u64 = 5_000;
pub const FLOODED: usize = 10;
/// Then they read on.
pub const SLOW_FOR: Duration = Duration::from_secs(15);

/// What is to happen now.
pub enum Act {
    /// This client goes, with a close frame or without a word.
    Leave { client: usize, politely: bool },
    /// So many messages come at once to recipients that do not read.
    Flood,
}

/// Chance and the clock.
pub struct Churn {
    began: Instant,
    clients: u64,
    left: u64,
    flood_at: Instant,
    state: u64,
}

impl Churn {
    pub fn new(clients: usize, now: Instant) -> Self {
        Self {
            began: now,
            clients: clients as u64,
            left: 0,
            flood_at: now + FLOOD_EVERY,
            state: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// The next that is due.
    pub fn next(&mut self, now: Instant) -> Option<Act> {
        if now >= self.flood_at {
            self.flood_at = now + FLOOD_EVERY;
            return Some(Act::Flood);
        }
        if self.left >= (now - self.began).as_millis() as u64 * LEAVE_PER_SECOND / 1_000 {
            return None;
        }
        self.left += 1;
        Some(Act::Leave { client: self.below(self.clients) as usize, politely: self.below(2) == 0 })
    }

    /// When somebody comes back who went by itself.
    pub fn back_at(&mut self, now: Instant) -> Instant {
        let away_ms = match self.below(10) {
            0 => LONG_AWAY_MS.start + self.below(LONG_AWAY_MS.end - LONG_AWAY_MS.start),
            _ => self.below(AWAY_MS),
        };
        now + Duration::from_millis(away_ms)
    }

    /// And who was sent away, or could not come: with jitter, as a client should.
    pub fn again_at(&mut self, now: Instant) -> Instant {
        now + Duration::from_millis(100 + self.below(900))
    }

    /// A number below `bound` (xorshift64).
    pub fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % bound
    }
}
