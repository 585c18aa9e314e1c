//! What the store costs. Decides nothing; prints. By hand:
//! `STORE_ROWS=5000000 CARGO_PROFILE_RELEASE_LTO=off cargo test --release --test store_figures -- --ignored --nocapture`
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod store_support;

use corepost::backplane::{Embedded, Options};
use corepost::log::{Append, LogEvent, Read, ReadFrom, ReadTicket, Ticket};
use corepost::model::{ClientId, Durability, Envelope, EnvelopeParts, IdRef, Kind, Position, Topology};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::Receiver;
use std::time::Instant;
use store_support::TempDir;

fn topology() -> Topology {
    Topology::new(64, 1)
}

fn rows() -> u64 {
    std::env::var("STORE_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

fn open(dir: &TempDir, durability: Durability) -> (Embedded, Vec<Position>, Receiver<LogEvent>) {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let options = Options { durability, ..Options::new(topology()) };
    let (log, recovered) = Embedded::open(dir.path(), options, move |_, events| {
        let tell = tell.lock().unwrap();
        events.into_iter().filter(|e| !matches!(e, LogEvent::Beat)).for_each(|event| drop(tell.send(event)));
    })
    .unwrap();
    (log, recovered.heads, told)
}

fn envelope(to: &str, n: u64) -> Envelope {
    Envelope::new(EnvelopeParts {
        kind: Kind::Message,
        to: IdRef::new(to).ok(),
        from: IdRef::new("sender-00000001").ok(),
        id: IdRef::new(&format!("m-{n:013}")).ok(),
        copied_to: b"",
        body: format!("{:?}", "x".repeat(126)).as_bytes(),
    })
}

/// CPU seconds of this process's threads by name.
fn cpu() -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        let fields: Vec<_> = rest.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        *all.entry(name.to_owned()).or_insert(0.0) += ticks / 100.0;
    }
    all
}

fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// Sends `total` with `in_flight` unanswered, `batch` in one go; recipients by number.
fn load(
    log: &Embedded,
    told: &Receiver<LogEvent>,
    first: u64,
    total: u64,
    batch: u64,
    in_flight: u64,
    to: impl Fn(u64) -> String,
) {
    let (mut sent, mut answered) = (0, 0);
    while answered < total {
        while sent < total && sent - answered + batch <= in_flight {
            let appends = (sent..(sent + batch).min(total)).map(|n| {
                let client = to(first + n);
                let partition = topology().place(IdRef::new(&client).unwrap()).partition;
                let ticket = Ticket { core: 0, send: n as u32, recipient: 0 };
                Append { ticket, partition, envelope: envelope(&client, first + n) }
            });
            log.append(appends.collect());
            sent += batch.min(total - sent);
        }
        match told.recv().unwrap() {
            LogEvent::Appended(_) => answered += 1,
            LogEvent::Refused(refused) => panic!("{refused:?}"),
            _ => {}
        }
    }
}

#[test]
#[ignore = "takes minutes; prints figures"]
fn figures() {
    for (durability, spread) in
        [(Durability::Process, 1_000), (Durability::Fsync, 1_000), (Durability::Process, 1_000_000)]
    {
        let dir = TempDir::new("figures");
        let (log, _, told) = open(&dir, durability);
        let total = rows();
        let (before, began) = (cpu(), Instant::now());
        // One in `total / 10,000` goes to one of a hundred clients that will replay a hundred each.
        let every = total / 10_000;
        let to = |n: u64| match n % every {
            0 => format!("replayer-{:04}", n / every % 100),
            _ => format!("client-{:07}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % spread),
        };
        load(&log, &told, 0, total, 500, 1_000, to);
        let (s, after) = (began.elapsed().as_secs_f64(), cpu());
        let us = |name: &str| (after[name] - before.get(name).unwrap_or(&0.0)) * 1e6 / total as f64;
        println!(
            "{durability:?}, {spread} mailboxes: {:.0} rows/s; CPU µs a row: store {:.2} + worker {:.2}; RSS {} MB; disk {} MB",
            total as f64 / s,
            us("store"),
            us("fjall:worker"),
            rss_mb(),
            disk_mb(&dir)
        );
        let health = log.health().read();
        println!(
            "  commits {}, mean {:.0} µs",
            health.commit_us.iter().sum::<u64>(),
            health.commit_us_sum as f64 / health.commit_us.iter().sum::<u64>() as f64
        );
        latencies(&log, &told, total);
        println!("  replay, open:      {}", replay(&log, &told));
        log.stop();
        drop(log);
        let began = Instant::now();
        let (log, _, told) = open(&dir, durability);
        println!("  opened again in {:.0} ms, RSS {} MB", began.elapsed().as_secs_f64() * 1e3, rss_mb());
        println!("  replay, restarted: {}", replay(&log, &told));
        log.stop();
    }
}

fn latencies(log: &Embedded, told: &Receiver<LogEvent>, total: u64) {
    let mut acks = Vec::new();
    for n in 0..2_000 {
        let began = Instant::now();
        load(log, told, total + n, 1, 1, 1, |_| "client-0000001".to_owned());
        acks.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let file = TempDir::new("bare");
    let mut bare = std::fs::File::create(file.path().join("file")).unwrap();
    let mut writes = Vec::new();
    for _ in 0..2_000 {
        let began = Instant::now();
        bare.write_all(&[7; 400]).unwrap();
        bare.sync_data().unwrap();
        writes.push(began.elapsed().as_secs_f64() * 1e6);
    }
    println!("  one at a time, ack: {}; bare write + fdatasync: {}", percentiles(acks), percentiles(writes));
}

fn replay(log: &Embedded, told: &Receiver<LogEvent>) -> String {
    let mut times = Vec::new();
    let before = cpu();
    let mut messages = 0;
    for n in 0..100u32 {
        let client = ClientId::new(&format!("replayer-{n:04}")).unwrap();
        let partition = topology().place(client.as_ref()).partition;
        let began = Instant::now();
        log.read(Read {
            ticket: ReadTicket { core: 0, read: n },
            client,
            partition,
            from: ReadFrom::After(Position::START),
            upto: Position { leader_epoch: 9, offset: u64::MAX },
            page_bytes: 64 << 10,
            page_envelopes: 256,
            count_to: 10_000,
        });
        loop {
            if let LogEvent::Page(_, page) = told.recv().unwrap() {
                messages += page.unwrap().records.len();
                break;
            }
        }
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let us: f64 = ["store-read-0", "store-read-1"]
        .iter()
        .map(|name| cpu().get(*name).unwrap_or(&0.0) - before.get(*name).unwrap_or(&0.0))
        .sum();
    format!(
        "{}; first {:.0} µs; {messages} messages, {:.2} µs CPU each",
        percentiles(times.clone()),
        times[0],
        us * 1e6 / messages as f64
    )
}

fn percentiles(mut us: Vec<f64>) -> String {
    us.sort_by(f64::total_cmp);
    let at = |p: f64| us[((us.len() - 1) as f64 * p) as usize];
    format!("p50 {:.0} µs, p99 {:.0} µs", at(0.5), at(0.99))
}

fn disk_mb(dir: &TempDir) -> u64 {
    let out = std::process::Command::new("du").arg("-sm").arg(dir.path()).output().unwrap();
    String::from_utf8(out.stdout).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}
