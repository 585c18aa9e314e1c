//! Clients that return to what they missed, spread over everything that the server retains.
//!
//! `prepare` lets each client connect once, notes its cursor, and then sends: most messages go to other clients,
//! and each returning client's lie evenly among them. `replay` presents the cursors and waits for the last message.

use super::pair::Schedule;
use super::{Bench, refusal, since};
use crate::histogram::Histogram;
use crate::report::Report;
use crate::server::Window;
use crate::target::{Heard, field};
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

/// Sockets that fill the log, and messages each has under way.
const FILLERS: usize = 64;
const UNDER_WAY: u64 = 256;
/// Other clients that the rest of the messages goes to: few enough to know, many enough for their quotas.
const OTHERS: u64 = 10_000;
/// Where the fillers' and the others' IDs begin, beyond those of the returning clients.
const BEYOND: usize = 1 << 32;
/// Connects between two looks at the sockets: all at once would keep this generator from its own pair for 200 ms.
const DIALS_A_TURN: usize = 32;
/// A client that has not got everything by then counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn prepare(mut bench: Bench) -> Result<Report, String> {
    let clients = bench.args.sockets;
    let cursors = cursors_of(&mut bench, clients)?;
    let mut file = String::new();
    for (client, cursor) in cursors.iter().enumerate() {
        writeln!(file, "{} {cursor}", bench.id(client)).map_err(|error| error.to_string())?;
    }
    fs::write(&bench.args.cursors, file)
        .map_err(|error| format!("{}: {error}", bench.args.cursors.display()))?;
    for client in 0..clients {
        bench.fleet.hang_up(client);
    }

    let wanted = clients as u64 * bench.args.missed;
    let retained = bench.args.retained.max(wanted);
    // One of every `stride` messages is a returning client's, and these go round: the last one early enough.
    let stride = retained / wanted;
    let window = Window::open(bench.server);
    fill(&mut bench, retained, |bench, n| {
        let turn = n / stride;
        if n % stride == 0 && turn < wanted {
            bench.id_number((turn % clients as u64) as usize)
        } else {
            bench.id_number(2 * BEYOND) + n % OTHERS
        }
    })?;
    let cost = window.close();
    let mut report = bench.report("prepare");
    report.put_work("retained", retained, cost);
    report.put("missed_each", bench.args.missed);
    Ok(report)
}

/// Connects clients and notes the cursor of each `welcome`.
fn cursors_of(bench: &mut Bench, clients: usize) -> Result<Vec<String>, String> {
    let mut cursors = vec![String::new(); clients];
    let mut next = 0;
    let mut found = 0;
    let began = Instant::now();
    while found < clients {
        while next < clients && next - found < bench.args.at_once {
            let dial = bench.dial(next, "")?;
            bench.fleet.dial(&dial).map_err(|error| error.to_string())?;
            next += 1;
        }
        let turned = bench.fleet.turn(10, |n, heard, _| {
            if let Heard::Up(welcome) = heard {
                cursors[n] = field(welcome, "cursor").unwrap_or_default().to_owned();
                found += 1;
            }
        });
        turned.map_err(|error| error.to_string())?;
        bench.all_alive()?;
        if began.elapsed() > PATIENCE {
            return Err(format!("only {found} of {clients} clients came to their welcome"));
        }
    }
    Ok(cursors)
}

/// Sends `count` durable messages, message `n` to `recipient(n)`, and waits for all acks.
fn fill(bench: &mut Bench, count: u64, recipient: impl Fn(&Bench, u64) -> u64) -> Result<(), String> {
    let first = bench.fleet.len();
    let dials = bench.dials(BEYOND..BEYOND + FILLERS, "")?;
    bench.fleet.dial_all(&dials, bench.args.at_once)?;
    let template = bench.template(&[0], true);
    let first_send = bench.reserve_sends(count);
    let (mut sent, mut acks) = (0, 0);
    let mut progress = Instant::now();
    while acks < count {
        while sent < count && sent - acks < UNDER_WAY * FILLERS as u64 {
            let to = recipient(bench, sent);
            // One recipient's messages always go through one socket, so that their order is the order of numbers.
            let filler = first + (to % FILLERS as u64) as usize;
            template.write_to(to, sent, first_send + sent, bench.fleet.outs().of(filler));
            sent += 1;
        }
        let (before, mut refused) = (acks, None);
        let turned = bench.fleet.turn(100, |_, heard, _| match heard {
            Heard::Ack { .. } => acks += 1,
            Heard::Error(payload) => refused = Some(refusal(payload)),
            _ => {}
        });
        turned.map_err(|error| error.to_string())?;
        if let Some(refused) = refused {
            return Err(format!("after {acks} messages {refused}"));
        }
        if acks > before {
            progress = Instant::now();
        } else if progress.elapsed() > PATIENCE {
            return Err(format!("no ack came for a minute, after {acks} of {count}"));
        }
        bench.all_alive()?;
    }
    Ok(())
}

/// One client on its way back.
#[derive(Clone, Copy, Default)]
struct Return {
    dialled_ns: u64,
    got: u64,
    last_number: u64,
    live: bool,
}

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let file = fs::read_to_string(&bench.args.cursors)
        .map_err(|error| format!("{}: {error}; run `prepare` first", bench.args.cursors.display()))?;
    let clients: Vec<&str> = file.lines().skip(bench.args.skip).take(bench.args.sockets).collect();
    if clients.len() < bench.args.sockets {
        return Err(format!(
            "the file has only {} clients after the {} skipped",
            clients.len(),
            bench.args.skip
        ));
    }
    let mut pair = super::slow::live_pair(&mut bench)?;
    if let Some(pair) = &mut pair {
        settle(&mut bench, pair)?;
    }

    let first = bench.fleet.len();
    let (missed, at_once) = (bench.args.missed, bench.args.at_once);
    let mut returns = vec![Return::default(); clients.len()];
    let (mut next, mut done, mut disorder) = (0, 0, 0u64);
    let mut times = Histogram::default();
    let window = Window::open(bench.server);
    let began = Instant::now();
    while done < clients.len() {
        let ready = clients.len().min(done + at_once) - next;
        for _ in 0..ready.min(DIALS_A_TURN) {
            let cursor = clients[next].split_once(' ').map_or("", |(_, cursor)| cursor);
            let dial = bench.dial(bench.args.skip + next, &format!("&cursor={cursor}"))?;
            returns[next].dialled_ns = since(began);
            bench.fleet.dial(&dial).map_err(|error| error.to_string())?;
            next += 1;
        }
        let due_ms = pair.as_mut().map_or(1, |pair| pair.send_due(&mut bench.fleet));
        let wait_ms = if ready > DIALS_A_TURN { 0 } else { due_ms };
        let mut refused = None;
        let turned = bench.fleet.turn(wait_ms, |n, heard, _| {
            if let Some(pair) = pair.as_mut().filter(|pair| pair.owns(n)) {
                return pair.hear(heard);
            }
            let back = &mut returns[n - first];
            match heard {
                Heard::Message { number, .. } => {
                    disorder += u64::from(back.got > 0 && number <= back.last_number);
                    (back.got, back.last_number) = (back.got + 1, number);
                    if back.got == missed {
                        times.record(since(began) - back.dialled_ns);
                        done += 1;
                    }
                }
                Heard::Up(welcome) if field(welcome, "reason").is_some() => refused = Some(refusal(welcome)),
                Heard::Live => back.live = true,
                Heard::Error(payload) => refused = Some(refusal(payload)),
                _ => {}
            }
        });
        turned.map_err(|error| error.to_string())?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        bench.all_alive()?;
        if began.elapsed() > PATIENCE {
            return Err(format!("only {done} of {} clients got everything within a minute", clients.len()));
        }
    }
    let cost = window.close();
    let mut report = bench.report("replay");
    report.put("at_once", at_once);
    report.put("missed_each", missed);
    report.put_work("replayed", returns.iter().map(|back| back.got).sum(), cost);
    report.put("out_of_order", disorder);
    report.put_times("replay", &times);
    if let Some(pair) = pair {
        report.put_times("pair", &pair.latency);
    }
    Ok(report)
}

/// Lets a live pair come to rest before anything else begins.
fn settle(bench: &mut Bench, pair: &mut Schedule) -> Result<(), String> {
    let began = Instant::now();
    while began.elapsed() < bench.warmup() {
        let wait_ms = pair.send_due(&mut bench.fleet);
        bench.fleet.turn(wait_ms, |_, heard, _| pair.hear(heard)).map_err(|error| error.to_string())?;
    }
    pair.record_from_now();
    Ok(())
}
