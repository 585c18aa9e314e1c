//! Latency at a fixed rate, from the time each message was intended to be sent.

use super::pair::Schedule;
use super::{Bench, refusal};
use crate::report::Report;
use crate::server::Window;
use crate::target::Heard;
use std::time::{Duration, Instant};

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let count = bench.args.sockets & !1;
    bench.connect(count)?;
    let templates = (0..count).map(|n| bench.template(&[n ^ 1], bench.args.durable)).collect();
    let first_send = bench.reserve_sends(1 << 40);
    let mut schedule = Schedule::new(0, templates, bench.args.rate, first_send);
    let (warmup, seconds) = (bench.warmup(), bench.seconds());
    go_on(&mut bench, &mut schedule, warmup)?;
    schedule.record_from_now();
    let window = Window::open(bench.server);
    go_on(&mut bench, &mut schedule, seconds)?;
    let (cost, delivered) = (window.close(), schedule.delivered);

    let mut report = bench.report("rate");
    report.put("rate", bench.args.rate);
    report.put_work("delivered", delivered, cost);
    report.put_times("latency", &schedule.latency);
    if bench.args.durable {
        report.put_times("ack", &schedule.ack_latency);
    }
    Ok(report)
}

fn go_on(bench: &mut Bench, schedule: &mut Schedule, length: Duration) -> Result<(), String> {
    let began = Instant::now();
    let mut refused = None;
    while began.elapsed() < length {
        let wait_ms = schedule.send_due(&mut bench.fleet);
        let heard = bench.fleet.turn(wait_ms, |_, heard, _| match heard {
            Heard::Error(payload) => refused = Some(refusal(payload)),
            heard => schedule.hear(heard),
        });
        heard.map_err(|error| error.to_string())?;
        if let Some(refused) = refused.take() {
            return Err(refused);
        }
        bench.all_alive()?;
    }
    Ok(())
}
