//! A reader that stops: what waits for it must cost the server no memory, and nobody else any time.
//!
//! It reads again in the end and must find every message, in order. With `--reads` it never stops: the same run
//! against a new server is what to compare with. A live pair may run beside.

use super::pair::Schedule;
use super::{Bench, refusal};
use crate::report::Report;
use crate::server::Server;
use crate::target::Heard;
use std::time::{Duration, Instant};

/// The connections of this mode, and of its live pair.
const SENDER: usize = 0;
const READER: usize = 1;
const PAIR: usize = 2;
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

/// What the reader has got, and its sender's acks.
#[derive(Default)]
struct Got {
    acks: u64,
    count: u64,
    disorder: u64,
    last: u64,
}

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let mut dials = bench.dials(0..PAIR, "")?;
    // A small buffer in our kernel, so that what waits for the reader waits at the server.
    dials[READER].receive_bytes = Some(8 << 10);
    bench.fleet.dial_all(&dials, PAIR)?;
    let mut pair = live_pair(&mut bench)?;
    let before = bench.server.and_then(Server::rss_kib);
    if !bench.args.reads {
        bench.fleet.stop_reading(READER).map_err(|error| error.to_string())?;
    }
    let mut got = Got::default();
    let greatest = send_all(&mut bench, &mut pair, &mut got)?;
    let pair_times = pair.as_mut().map(|pair| std::mem::take(&mut pair.latency));
    if !bench.args.reads {
        bench.fleet.read_again(READER).map_err(|error| error.to_string())?;
    }
    let began = Instant::now();
    while got.count < bench.args.messages && began.elapsed() < PATIENCE {
        turn(&mut bench, &mut pair, &mut got)?;
    }

    let mut report = bench.report("slow");
    report.put("reads", bench.args.reads);
    report.put("messages", bench.args.messages);
    report.put("got", got.count);
    report.put("out_of_order", got.disorder);
    if let Some(before) = before {
        report.put("rss_before_kib", before);
        report.put("rss_grown_kib", greatest.saturating_sub(before));
    }
    report.put_rounded("took_it_in_seconds", Some(began.elapsed().as_secs_f64()));
    if let Some(times) = pair_times {
        report.put_times("pair", &times);
    }
    Ok(report)
}

/// Sends all messages and waits for their acks, and for their arrival at a reader that reads. Says the greatest
/// VmRSS seen, in KiB.
fn send_all(bench: &mut Bench, pair: &mut Option<Schedule>, got: &mut Got) -> Result<u64, String> {
    let template = bench.template(&[READER], true);
    let messages = bench.args.messages;
    let first_send = bench.reserve_sends(messages);
    let (mut sent, mut greatest) = (0, 0);
    let (began, mut looked) = (Instant::now(), Instant::now());
    while got.acks < messages || (bench.args.reads && got.count < messages) {
        while sent < messages && sent - got.acks < UNDER_WAY {
            sent += 1;
            template.write_numbered(sent, first_send + sent, bench.fleet.outs().of(SENDER));
        }
        turn(bench, pair, got)?;
        if looked.elapsed() > Duration::from_millis(20) {
            looked = Instant::now();
            greatest = greatest.max(bench.server.and_then(Server::rss_kib).unwrap_or(0));
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{} acks and {} messages of {messages} in a minute", got.acks, got.count));
        }
    }
    Ok(greatest.max(bench.server.and_then(Server::rss_kib).unwrap_or(0)))
}

fn turn(bench: &mut Bench, pair: &mut Option<Schedule>, got: &mut Got) -> Result<(), String> {
    let wait_ms = pair.as_mut().map_or(1, |pair| pair.send_due(&mut bench.fleet));
    let mut refused = None;
    let turned = bench.fleet.turn(wait_ms, |n, heard, _| match heard {
        heard if n >= PAIR => {
            if let Some(pair) = pair {
                pair.hear(heard);
            }
        }
        Heard::Ack { .. } => got.acks += 1,
        Heard::Message { number, .. } if n == READER => {
            got.disorder += u64::from(number <= got.last);
            (got.count, got.last) = (got.count + 1, number);
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
