//! Pairs of sockets, one sends and one receives, so many messages under way in each: closed loop, as fast as it goes.
//!
//! The arrival of an ephemeral message, or the ack of a durable one, lets its sender send the next. One way only:
//! with traffic both ways a read brings the partner's messages too, and "one outstanding" is no longer one. At the
//! end everything under way is waited for and anything missing said.

use super::{Bench, refusal};
use crate::report::Report;
use crate::server::Window;
use crate::target::{Heard, Template};
use std::time::{Duration, Instant};

/// Between the first messages of each sender.
const STAGGER: Duration = Duration::from_millis(10);

struct Pairs {
    templates: Vec<Template>,
    durable: bool,
    sending: bool,
    sent: u64,
    first_send: u64,
    delivered: u64,
    acks: u64,
    refused: Option<String>,
}

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let (count, outstanding) = (bench.args.sockets & !1, bench.args.outstanding);
    bench.connect(count)?;
    let durable = bench.args.durable;
    let mut pairs = Pairs {
        templates: (0..count).map(|n| bench.template(&[n ^ 1], durable)).collect(),
        durable,
        sending: true,
        sent: 0,
        first_send: bench.reserve_sends(1 << 40),
        delivered: 0,
        acks: 0,
        refused: None,
    };
    // One from each, then the next one from each: sixteen under way are not one burst of sixteen for ever.
    for _ in 0..outstanding {
        for n in (0..count).step_by(2) {
            pairs.send(n, bench.fleet.outs().of(n));
        }
        pairs.go_on(&mut bench, |_, began, _| began.elapsed() < STAGGER)?;
    }
    pairs.go_on(&mut bench, |bench, began, _| began.elapsed() < bench.warmup())?;
    let (delivered_before, acks_before, reads_before) = (pairs.delivered, pairs.acks, bench.fleet.reads);
    let window = Window::open(bench.server);
    pairs.go_on(&mut bench, |bench, began, _| began.elapsed() < bench.seconds())?;
    let (cost, delivered, acks) =
        (window.close(), pairs.delivered - delivered_before, pairs.acks - acks_before);

    let reads = bench.fleet.reads - reads_before;
    pairs.sending = false;
    pairs.go_on(&mut bench, |_, began, pairs| {
        !pairs.all_there() && began.elapsed() < Duration::from_secs(5)
    })?;
    let mut report = bench.report("throughput");
    report.put("outstanding", outstanding);
    report.put_work("delivered", delivered, cost);
    report.put_rounded("frames_per_read", Some((delivered + acks) as f64 / reads.max(1) as f64));
    if durable {
        report.put("acks", acks);
        report.put("unacknowledged", pairs.sent - pairs.acks);
    }
    report.put("undelivered", pairs.sent.saturating_sub(pairs.delivered));
    if let Some(rss) = bench.server.and_then(crate::server::Server::rss_kib) {
        report.put("server_rss_kib", rss);
    }
    Ok(report)
}

impl Pairs {
    fn all_there(&self) -> bool {
        self.delivered >= self.sent && (!self.durable || self.acks >= self.sent)
    }

    fn go_on(
        &mut self,
        bench: &mut Bench,
        more: impl Fn(&Bench, Instant, &Self) -> bool,
    ) -> Result<(), String> {
        let began = Instant::now();
        while more(bench, began, self) {
            bench
                .fleet
                .turn(100, |n, heard, outs| match heard {
                    Heard::Message { .. } => {
                        self.delivered += 1;
                        if !self.durable {
                            self.send(n, outs.of(n));
                        }
                    }
                    Heard::Ack { .. } => {
                        self.acks += 1;
                        self.send(n, outs.of(n));
                    }
                    Heard::Error(payload) => self.refused = Some(refusal(payload)),
                    _ => {}
                })
                .map_err(|error| error.to_string())?;
            if let Some(refused) = self.refused.take() {
                return Err(refused);
            }
            bench.all_alive()?;
        }
        Ok(())
    }

    fn send(&mut self, n: usize, out: &mut Vec<u8>) {
        if self.sending {
            if self.durable {
                self.templates[n].write_numbered(self.sent, self.first_send + self.sent, out);
            } else {
                self.templates[n].write(out);
            }
            self.sent += 1;
        }
    }
}
