//! A reader that stops: what waits for it must cost the server no memory, and nobody else any time.
//!
//! The same messages are sent first to a reader that keeps up, then to one that stops; afterwards it reads again and
//! must find all of them, in order. A live pair runs beside both.

use super::pair::Schedule;
use super::{Bench, refusal};
use crate::report::Report;
use crate::server::Server;
use crate::target::Heard;
use std::time::{Duration, Instant};

/// The connections of this mode, and of its live pair.
const SENDER: usize = 0;
const KEEPS_UP: usize = 1;
const STOPS: usize = 2;
const PAIR: usize = 3;
/// Messages the sender has under way.
const UNDER_WAY: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(60);

/// A pair beside other work, at `--pair-rate`; its connections are the next two of the fleet.
pub fn live_pair(bench: &mut Bench) -> Result<Option<Schedule>, String> {
    if bench.args.pair_rate == 0 {
        return Ok(None);
    }
    // Client numbers far from those of any mode.
    let (first, ids) = (bench.fleet.len(), 1 << 40);
    let dials = bench.dials(ids..ids + 2, "")?;
    bench.fleet.dial_all(&dials, 2)?;
    let templates = vec![bench.template(&[ids + 1], false), bench.template(&[ids], false)];
    Ok(Some(Schedule::new(first, templates, bench.args.pair_rate, 0)))
}

/// What one reader has got.
#[derive(Default)]
struct Got {
    count: u64,
    disorder: u64,
    last: u64,
}

struct Phase {
    greatest_rss_kib: u64,
    got: Got,
}

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let mut dials = bench.dials(0..PAIR, "")?;
    // A small buffer in our kernel, so that what waits for the reader waits at the server.
    dials[STOPS].receive_bytes = Some(8 << 10);
    bench.fleet.dial_all(&dials, PAIR)?;
    let mut pair = live_pair(&mut bench)?;
    let before = bench.server.and_then(Server::rss_kib);

    let keeps_up = phase(&mut bench, &mut pair, KEEPS_UP, true)?;
    let pair_before = pair.as_mut().map(|pair| std::mem::take(&mut pair.latency));
    bench.fleet.stop_reading(STOPS).map_err(|error| error.to_string())?;
    let mut stops = phase(&mut bench, &mut pair, STOPS, false)?;
    let pair_beside = pair.as_mut().map(|pair| std::mem::take(&mut pair.latency));
    bench.fleet.read_again(STOPS).map_err(|error| error.to_string())?;
    let messages = bench.args.messages;
    let began = Instant::now();
    while stops.got.count < messages && began.elapsed() < PATIENCE {
        turn(&mut bench, &mut pair, STOPS, &mut stops, &mut 0)?;
    }

    let mut report = bench.report("slow");
    report.put("messages", messages);
    for (name, phase) in [("keeping_up", &keeps_up), ("stopped", &stops)] {
        report.put(&format!("{name}_got"), phase.got.count);
        report.put(&format!("{name}_out_of_order"), phase.got.disorder);
        report.put(&format!("{name}_rss_max_kib"), phase.greatest_rss_kib);
    }
    if let Some(before) = before {
        report.put("rss_before_kib", before);
        let above = stops.greatest_rss_kib.saturating_sub(keeps_up.greatest_rss_kib);
        report.put("stopped_rss_above_kib", above);
    }
    report.put_rounded("took_it_in_seconds", Some(began.elapsed().as_secs_f64()));
    for (name, times) in [("pair_keeping_up", pair_before), ("pair_stopped", pair_beside)] {
        if let Some(times) = times {
            report.put_times(name, &times);
        }
    }
    Ok(report)
}

/// Sends all messages to one reader, waits for their acks, and for their arrival if it reads.
fn phase(
    bench: &mut Bench,
    pair: &mut Option<Schedule>,
    reader: usize,
    reads: bool,
) -> Result<Phase, String> {
    let template = bench.template(&[reader], true);
    let messages = bench.args.messages;
    let first_send = bench.reserve_sends(messages);
    let mut phase = Phase { greatest_rss_kib: 0, got: Got::default() };
    let (mut sent, mut acks) = (0, 0);
    let (began, mut looked) = (Instant::now(), Instant::now());
    while acks < messages || (reads && phase.got.count < messages) {
        while sent < messages && sent - acks < UNDER_WAY {
            sent += 1;
            template.write_numbered(sent, first_send + sent, bench.fleet.outs().of(SENDER));
        }
        turn(bench, pair, reader, &mut phase, &mut acks)?;
        if looked.elapsed() > Duration::from_millis(20) {
            looked = Instant::now();
            let rss = bench.server.and_then(Server::rss_kib).unwrap_or(0);
            phase.greatest_rss_kib = phase.greatest_rss_kib.max(rss);
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{acks} acks and {} messages of {messages} in a minute", phase.got.count));
        }
    }
    let rss = bench.server.and_then(Server::rss_kib).unwrap_or(0);
    phase.greatest_rss_kib = phase.greatest_rss_kib.max(rss);
    Ok(phase)
}

fn turn(
    bench: &mut Bench,
    pair: &mut Option<Schedule>,
    reader: usize,
    phase: &mut Phase,
    acks: &mut u64,
) -> Result<(), String> {
    let wait_ms = pair.as_mut().map_or(1, |pair| pair.send_due(&mut bench.fleet));
    let mut refused = None;
    let turned = bench.fleet.turn(wait_ms, |n, heard, _| match heard {
        heard if n >= PAIR => {
            if let Some(pair) = pair {
                pair.hear(heard);
            }
        }
        Heard::Ack { .. } => *acks += 1,
        Heard::Message { number, .. } if n == reader => {
            phase.got.disorder += u64::from(number <= phase.got.last);
            (phase.got.count, phase.got.last) = (phase.got.count + 1, number);
        }
        Heard::Error(payload) => refused = Some(refusal(payload)),
        _ => {}
    });
    turned.map_err(|error| error.to_string())?;
    if let Some(refused) = refused {
        return Err(refused);
    }
    bench.all_alive()
}
