//! What a core's loop counts of itself: plain numbers, of which the core shows a copy now and then.

use crate::counters::{COMMIT_US, Histogram, Refusal, TURN_US};
use crate::limits::TURN_MS;
use crate::model::CloseCode;
use std::time::Duration;

/// One core's figures since its start.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Turns by length; see [`TURN_US`].
    pub turns: [u64; TURN_US.len() + 1],
    /// Time spent in turns.
    pub busy: Duration,
    /// Turns longer than [`TURN_MS`].
    pub late_turns: u64,
    /// Of those, the ones that would have been in time had the thread been given a CPU whenever it was ready.
    pub starved_turns: u64,
    /// The longest turn.
    pub longest_turn: Duration,
    /// Connections accepted.
    pub accepted: u64,
    /// Times accepting paused because the system had no room.
    pub accept_pauses: u64,
    /// Sockets whose request head is not complete now.
    pub arrivals: usize,
    /// Bytes of those heads.
    pub arrival_bytes: usize,
    /// Connections open now that were upgraded.
    pub connections: usize,
    /// Connections handed to another core.
    pub handed_on: u64,
    /// Bytes read after the upgrade.
    pub bytes_read: u64,
    /// Bytes the kernel took from us.
    pub bytes_written: u64,
    /// Sends.
    pub writes: u64,
    /// Of those, the ones for which a socket had no room at first, by how long it had none; see [`COMMIT_US`].
    pub waits: [u64; COMMIT_US.len() + 1],
    /// How long that was together.
    pub waited: Duration,
    /// Bytes of buffers kept for the next who needs one.
    pub pool_bytes: usize,
    /// Bytes that connections of the HTTP API hold of their requests and of what they are answered.
    pub body_bytes: usize,
    /// Bytes of messages that are not complete.
    pub partial_bytes: usize,
    /// What was refused before a session began, by [`Refusal`].
    pub refusals: [u64; Refusal::ALL.len()],
}

impl Figures {
    /// A turn is over.
    pub fn turn(&mut self, took: Duration) {
        self.turns[TURN_US.bucket(micros(took))] += 1;
        self.busy += took;
        self.longest_turn = self.longest_turn.max(took);
        self.late_turns += u64::from(Self::is_late(took));
    }

    /// Whether a turn of that length is late.
    pub fn is_late(took: Duration) -> bool {
        took > Duration::from_millis(TURN_MS)
    }

    /// A socket has room again, for which a write has waited so long.
    pub fn wait(&mut self, took: Duration) {
        self.waits[COMMIT_US.bucket(micros(took))] += 1;
        self.waited += took;
    }

    /// How long writes took, microseconds: those that found room, which is nearly all, no time.
    pub fn writes_us(&self) -> Histogram {
        let (mut counts, waits) = (self.waits, self.waits.iter().sum());
        counts[0] += self.writes.saturating_sub(waits);
        Histogram::of(COMMIT_US, &counts, micros(self.waited))
    }

    /// A connection is closed with this code, for what its peer did.
    pub fn refuse_by_close(&mut self, code: CloseCode) {
        self.refuse(match code {
            CloseCode::Policy => Refusal::PartialTooSlow,
            CloseCode::TooBig => Refusal::TooBig,
            CloseCode::TryLater => Refusal::PartialBytes,
            CloseCode::Expired | CloseCode::BadToken => Refusal::Unauthorized,
            _ => Refusal::ProtocolViolation,
        });
    }

    /// Something was refused.
    pub fn refuse(&mut self, why: Refusal) {
        self.refusals[why as usize] += 1;
    }
}

fn micros(took: Duration) -> u64 {
    took.as_secs() * 1_000_000 + u64::from(took.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_found_room_took_no_time() {
        let mut figures = Figures { writes: 5, ..Figures::default() };
        figures.wait(Duration::from_millis(3));
        figures.wait(Duration::from_secs(9));
        let writes = figures.writes_us();
        assert_eq!((writes.count(), writes.sum()), (5, 9_003_000));
        assert_eq!(writes.cumulative().next().map(|(_, at_once)| at_once), Some(3));
        assert_eq!(writes.cumulative().last().map(|(_, in_five_seconds)| in_five_seconds), Some(4));
    }

    #[test]
    fn a_turn_falls_into_one_bucket_and_a_long_one_is_late() {
        let mut figures = Figures::default();
        for ms in [0, 1, 50, 51, 1_000] {
            figures.turn(Duration::from_millis(ms));
        }
        assert_eq!(figures.turns, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1]);
        assert_eq!((figures.late_turns, figures.longest_turn), (2, Duration::from_secs(1)));
    }
}
