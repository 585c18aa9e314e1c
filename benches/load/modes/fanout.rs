//! One sender, a list of recipients: the cost of each delivery when one message serves many.

use super::{Bench, refusal};
use crate::report::Report;
use crate::server::Window;
use crate::target::{Heard, Target};
use std::time::{Duration, Instant};

/// A list that has not arrived whole by then is given up and counted.
const STALL: Duration = Duration::from_secs(1);

pub fn run(mut bench: Bench) -> Result<Report, String> {
    if bench.args.target == Target::Relay {
        return Err("the relay knows no lists".into());
    }
    let recipients = bench.args.sockets;
    // The sender is the last connection; a tokio-router's list is its group.
    let group = if bench.args.target == Target::TokioRouter { "&g=1" } else { "" };
    let mut dials = bench.dials(0..recipients, group)?;
    dials.push(bench.dial(recipients, "")?);
    bench.fleet.dial_all(&dials, bench.args.at_once)?;
    let to: Vec<usize> = (0..recipients).collect();
    let template = bench.template(&to, bench.args.durable);
    let first_send = bench.reserve_sends(1 << 40);

    let (mut delivered, mut lists, mut stalls) = (0u64, 0u64, 0u64);
    let mut expected = 0;
    let mut window = None;
    let mut delivered_before = 0;
    let began = Instant::now();
    let mut last_progress = began;
    while began.elapsed() < bench.warmup() + bench.seconds() {
        if window.is_none() && began.elapsed() >= bench.warmup() {
            (window, delivered_before) = (Some(Window::open(bench.server)), delivered);
        }
        if last_progress.elapsed() > STALL {
            (stalls, expected, last_progress) = (stalls + 1, delivered, Instant::now());
        }
        while expected < delivered + (bench.args.outstanding * recipients) as u64 {
            template.write_numbered(lists, first_send + lists, bench.fleet.outs().of(recipients));
            lists += 1;
            expected += recipients as u64;
        }
        let (before, mut refused) = (delivered, None);
        let turned = bench.fleet.turn(100, |_, heard, _| match heard {
            Heard::Message { .. } => delivered += 1,
            Heard::Error(payload) => refused = Some(refusal(payload)),
            _ => {}
        });
        turned.map_err(|error| error.to_string())?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        if delivered > before {
            last_progress = Instant::now();
        }
        bench.all_alive()?;
    }
    let cost = window.map(|window| window.close()).unwrap_or_default();
    let mut report = bench.report("fanout");
    report.put("outstanding", bench.args.outstanding);
    report.put_work("delivered", delivered - delivered_before, cost);
    report.put("lists", lists);
    report.put("stalled_lists", stalls);
    Ok(report)
}
