//! Sockets that say nothing, and how fast they come.

use super::Bench;
use crate::report::Report;
use crate::server::{Server, Window};
use std::time::Instant;

/// Connects all, holds them, and reads what each costs.
pub fn run(mut bench: Bench) -> Result<Report, String> {
    let before = bench.server.and_then(Server::rss_kib);
    let connecting = Window::open(bench.server);
    bench.connect(bench.args.sockets)?;
    let connected = connecting.close();
    let at_connect = bench.server.and_then(Server::rss_kib);
    let window = Window::open(bench.server);
    let began = Instant::now();
    while began.elapsed() < bench.seconds() {
        bench.fleet.turn(100, |_, _, _| {}).map_err(|error| error.to_string())?;
        bench.all_alive()?;
    }
    let (cost, after) = (window.close(), bench.server.and_then(Server::rss_kib));

    let mut report = bench.report("idle");
    report.put("tokens", bench.args.hs256.is_some());
    report.put_rounded("connects_per_second", Some(bench.args.sockets as f64 / connected.wall.as_secs_f64()));
    report.put_rounded("seconds", Some(cost.wall.as_secs_f64()));
    report.put_rounded("server_cpu_share", cost.cpu_share());
    if let (Some(before), Some(at_connect), Some(after)) = (before, at_connect, after) {
        let each = |kib: u64| (kib.saturating_sub(before) * 1024) as f64 / bench.args.sockets as f64;
        report.put("server_rss_before_kib", before);
        report.put("server_rss_after_kib", after);
        report.put_rounded("bytes_each_at_connect", Some(each(at_connect)));
        report.put_rounded("bytes_each", Some(each(after)));
    }
    Ok(report)
}

/// Connects all and leaves.
pub fn storm(mut bench: Bench) -> Result<Report, String> {
    // Tokens are made beforehand: it is the server's speed that is looked for.
    let dials = bench.dials(0..bench.args.sockets, "")?;
    let window = Window::open(bench.server);
    bench.fleet.dial_all(&dials, bench.args.at_once)?;
    let cost = window.close();
    let mut report = bench.report("storm");
    report.put("tokens", bench.args.hs256.is_some());
    report.put("at_once", bench.args.at_once);
    report.put_work("connects", bench.args.sockets as u64, cost);
    Ok(report)
}
