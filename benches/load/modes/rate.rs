//! Latency at a fixed rate, from the time each message was intended to be sent.

use super::pair::Schedule;
use super::{Bench, refusal};
use crate::report::Report;
use crate::server::Window;
use crate::target::Heard;
use std::time::{Duration, Instant};

/// How long what is under way in the end is waited for.
const LAST: Duration = Duration::from_secs(10);

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let count = bench.args.sockets & !1;
    bench.connect(count)?;
    let templates = (0..count).map(|n| bench.template(&[n ^ 1], bench.args.durable)).collect();
    let first_send = bench.reserve_sends(1 << 40);
    let mut schedule = Schedule::new(0, templates, bench.args.rate, first_send);
    let (warmup, seconds) = (bench.warmup(), bench.seconds());
    go_on(&mut bench, &mut schedule, warmup, |_| false)?;
    schedule.record_from_now();
    let window = Window::open(bench.server);
    go_on(&mut bench, &mut schedule, seconds, |_| false)?;
    let (cost, delivered) = (window.close(), schedule.delivered);
    // The slowest are those that are still under way.
    schedule.stop();
    go_on(&mut bench, &mut schedule, LAST, |schedule| schedule.under_way() == 0)?;

    let mut report = bench.report("rate");
    report.put("rate", bench.args.rate);
    report.put_work("delivered", delivered, cost);
    report.put("arrived", schedule.arrived);
    report.put("undelivered", schedule.under_way());
    report.put_times("latency", &schedule.latency);
    if bench.args.durable {
        report.put_times("ack", &schedule.ack_latency);
    }
    Ok(report)
}

fn go_on(
    bench: &mut Bench,
    schedule: &mut Schedule,
    length: Duration,
    is_enough: impl Fn(&Schedule) -> bool,
) -> Result<(), String> {
    let began = Instant::now();
    let mut refused = None;
    while began.elapsed() < length && !is_enough(schedule) {
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
