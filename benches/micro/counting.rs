//! What is counted of a message, alone: the bar is 60 instructions for each that is routed.
//!
//! That it is what the shard counts is not believed: a message is routed and its counters compared.

use super::cases::Cases;
use corepost::counters::{Counters, Stage};
#[cfg(feature = "serve")]
use corepost::node::Figures;
use std::hint::black_box;
#[cfg(feature = "serve")]
use std::time::Duration;

/// As long as it takes on a server that is not idle.
const ACK_MS: u64 = 3;
const DELIVER_MS: u64 = 2;

/// All that a durable message to one live session has counted on its core.
pub fn durable(counters: &mut Counters, ack_ms: u64, deliver_ms: u64) {
    counters.received_durable += 1;
    counters.records_read += 1;
    counters.took(Stage::Deliver, deliver_ms);
    counters.delivered_durable += 1;
    counters.took(Stage::Ack, ack_ms);
    counters.acks += 1;
}

pub fn all(cases: &mut Cases) {
    let mut counters = Counters::default();
    cases.case("counting nothing, which is in the next as well", 1, || {
        black_box(&mut counters);
        black_box((ACK_MS, DELIVER_MS));
    });
    cases.case("counting a durable message, in the shard", 1, || {
        let (ack_ms, deliver_ms) = black_box((ACK_MS, DELIVER_MS));
        durable(black_box(&mut counters), ack_ms, deliver_ms);
    });
    #[cfg(feature = "serve")]
    {
        let mut figures = Figures::default();
        cases.case("counting its read and its two writes", 1, || {
            let figures = black_box(&mut figures);
            figures.bytes_read += 200;
            for bytes in [300, 80] {
                figures.writes += 1;
                figures.bytes_written += bytes;
            }
        });
        cases.case("counting a turn, all of its messages together", 1, || {
            black_box(&mut figures).turn(black_box(Duration::from_micros(120)));
        });
    }
}
