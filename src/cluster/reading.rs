//! Whether a node knows enough of the cluster log to speak.
//!
//! Who starts, and who was late, asks for the log's end and reads up to it before it says anything. Requests are
//! numbered: an answer to an older one was worked out before the delay that made the newer, and says nothing. Late is a
//! loop whose tick is overdue by more than half of `node_timeout`, checked before every input is obeyed.

use crate::limits::ALIVE_MS;

/// Where a node is in reading to the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    late_ms: u64,
    last_tick_ms: u64,
    asked: u64,
    upto: Upto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upto {
    /// The end is asked for.
    Asked,
    /// It is known, and not reached.
    Offset(u64),
    /// It was reached.
    Done,
}

impl Reading {
    /// A start: nothing is read. The first request is 1.
    pub fn new(node_timeout_ms: u32, now_ms: u64) -> Self {
        let late_ms = ALIVE_MS + u64::from(node_timeout_ms) / 2;
        Self { late_ms, last_tick_ms: now_ms, asked: 1, upto: Upto::Asked }
    }

    /// An input comes. True if the loop was late: the end has to be asked for again.
    pub fn is_late(&mut self, now_ms: u64) -> bool {
        let is_late = now_ms.saturating_sub(self.last_tick_ms) > self.late_ms;
        if is_late {
            self.ask();
            // The inputs that follow at once are not late again; the tick itself is due.
            self.last_tick_ms = now_ms - ALIVE_MS;
        }
        is_late
    }

    /// The tick came.
    pub fn tick(&mut self, now_ms: u64) {
        self.last_tick_ms = now_ms;
    }

    /// All must be read again up to an end that is asked for now.
    pub fn ask(&mut self) {
        self.asked += 1;
        self.upto = Upto::Asked;
    }

    /// The number of the newest request.
    pub fn request(&self) -> u64 {
        self.asked
    }

    /// A request was answered with the log's end. False if it was not the newest.
    pub fn answer(&mut self, request: u64, end: u64) -> bool {
        let is_asked = request == self.asked && self.upto == Upto::Asked;
        if is_asked {
            self.upto = Upto::Offset(end);
        }
        is_asked
    }

    /// All below `next` is read. The end if this reaches it just now.
    pub fn reach(&mut self, next: u64) -> Option<u64> {
        let Upto::Offset(end) = self.upto else { return None };
        if next < end {
            return None;
        }
        self.upto = Upto::Done;
        Some(end)
    }

    /// Whether the end was reached and nothing was late since.
    pub fn is_done(&self) -> bool {
        self.upto == Upto::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_request_counts() {
        let mut reading = Reading::new(5_000, 0);
        assert!(!reading.is_late(3_500) && reading.is_late(3_501), "a tick is late by more than 2,500");
        assert!(!reading.is_late(3_501), "what follows at once is not late again");
        assert!(!reading.answer(1, 10), "it was worked out before the delay");
        assert!(reading.answer(2, 10) && !reading.answer(2, 11));
        assert_eq!((reading.reach(9), reading.is_done()), (None, false));
        assert_eq!((reading.reach(12), reading.is_done()), (Some(10), true));
        reading.tick(4_000);
        assert!(!reading.is_late(7_500) && reading.is_late(7_501) && !reading.is_done());
    }
}
