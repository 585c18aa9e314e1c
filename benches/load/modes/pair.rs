//! Sends at a fixed rate whatever comes back: each message has its intended time, and lateness counts from there.

use crate::fleet::Fleet;
use crate::histogram::Histogram;
use crate::target::{Heard, Template};
use std::time::Instant;

/// A schedule of messages over a range of connections, in pairs.
pub struct Schedule {
    first: usize,
    templates: Vec<Template>,
    began: Instant,
    period_ns: u64,
    next: u64,
    first_send: u64,
    record_from_ns: u64,
    is_over: bool,
    pub delivered: u64,
    /// Arrivals since the beginning.
    pub arrived: u64,
    pub latency: Histogram,
    pub ack_latency: Histogram,
}

impl Schedule {
    /// Of connections `first..`, one for each template.
    pub fn new(first: usize, templates: Vec<Template>, rate: u64, first_send: u64) -> Self {
        Self {
            first,
            templates,
            began: Instant::now(),
            period_ns: 1_000_000_000 / rate.max(1),
            next: 0,
            first_send,
            record_from_ns: 0,
            is_over: false,
            delivered: 0,
            arrived: 0,
            latency: Histogram::default(),
            ack_latency: Histogram::default(),
        }
    }

    /// From now on times are recorded, of messages that are intended from now on.
    pub fn record_from_now(&mut self) {
        self.record_from_ns = super::since(self.began);
        (self.latency, self.ack_latency, self.delivered) = Default::default();
    }

    /// Nothing is sent any more; what is under way still counts.
    pub fn stop(&mut self) {
        self.is_over = true;
    }

    /// Messages that were sent and have not arrived.
    pub fn under_way(&self) -> u64 {
        self.next.saturating_sub(self.arrived)
    }

    /// Sends what is due. Says how many milliseconds may be waited for the next: 0 is "do not sleep".
    pub fn send_due(&mut self, fleet: &mut Fleet) -> i32 {
        if self.is_over {
            return 10;
        }
        let now = super::since(self.began);
        while self.next * self.period_ns <= now {
            let n = (self.next % self.templates.len() as u64) as usize;
            let out = fleet.outs().of(self.first + n);
            self.templates[n].write_numbered(self.next, self.first_send + self.next, out);
            self.next += 1;
        }
        // A sleep wakes late by up to a millisecond, so short waits are spent awake.
        ((self.next * self.period_ns - now) / 1_000_000).saturating_sub(1).min(100) as i32
    }

    /// Whether a connection is one of the schedule's.
    pub fn owns(&self, connection: usize) -> bool {
        (self.first..self.first + self.templates.len()).contains(&connection)
    }

    pub fn hear(&mut self, heard: Heard<'_>) {
        let (times, number) = match heard {
            Heard::Message { number, .. } => {
                (self.delivered, self.arrived) = (self.delivered + 1, self.arrived + 1);
                (&mut self.latency, number)
            }
            Heard::Ack { number } => (&mut self.ack_latency, number.wrapping_sub(self.first_send)),
            _ => return,
        };
        let intended_ns = number.saturating_mul(self.period_ns);
        if intended_ns >= self.record_from_ns {
            times.record(super::since(self.began).saturating_sub(intended_ns));
        }
    }
}
