//! A node of three is killed under load: how long its clients are away, and for how long the others' mailboxes stand still.
//!
//! `cargo bench --bench takeover -- --json` starts a broker of its own and three nodes, as tests/cluster does and with its
//! devices: the client's machine of the product, with its own back-off, and a balancer that knows at once who is gone. They
//! look around every ten milliseconds, which is how exact the times are.
#![allow(clippy::unwrap_used, reason = "it stands on the tests' devices, which fail by panics")]

#[path = "../../tests/cluster/device.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod device;
#[path = "../../tests/cluster/fleet.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod fleet;
#[path = "../../tests/kafka_support/mod.rs"]
mod kafka_support;
#[path = "../../tests/e2e/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
mod support;

use clap::Parser;
use device::{Device, all_live};
use fleet::{Fleet, NODE_TIMEOUT, PARTITIONS, client_in};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The node that is killed.
const KILLED: usize = 1;
/// How often everybody is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Kills a node and looks.
#[derive(Parser)]
#[command(name = "takeover")]
struct Args {
    /// Start anything at all: `cargo bench` runs every bench, and not every machine has Kafka.
    #[arg(long)]
    json: bool,
    /// Clients of each node.
    #[arg(long, default_value_t = 24)]
    clients: usize,
    /// Messages a second, to all clients in turn.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How long after the kill is looked.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One client, and what was seen of it.
struct Watched {
    device: Device,
    /// It was connected to the node that is killed.
    is_moved: bool,
    given: usize,
    last: Instant,
    /// The longest time in which nothing came.
    pause: Duration,
    /// From the kill until it was live elsewhere.
    live_after: Option<Duration>,
}

fn main() {
    let args = Args::parse();
    if !args.json {
        println!("takeover: starts Kafka and kills a node with `-- --json`");
        return;
    }
    let mut fleet = Fleet::start("takeover", 3);
    let mut watched = connect(&fleet, &args);
    let sender = Device::new(&fleet.balancer, 0, "sender").live();
    all_live(watched.iter().map(|watched| &watched.device), Duration::from_secs(60));
    let mut load = Load { begun: Instant::now(), rate: args.rate, sent: 0 };
    // The pause of a client counts from a flow, not from the beginning.
    watch_for(Duration::from_secs(3), &mut load, &sender, &mut watched, None);
    for watched in &mut watched {
        watched.pause = Duration::ZERO;
    }
    let killed = Instant::now();
    fleet.kill(KILLED);
    let seconds = Duration::from_secs_f64(args.seconds);
    watch_for(seconds, &mut load, &sender, &mut watched, Some(killed));
    println!("{}", report(&watched));
}

/// Clients of every node, at home in every partition.
fn connect(fleet: &Fleet, args: &Args) -> Vec<Watched> {
    let now = Instant::now();
    let on = |node: usize, n: usize| Watched {
        device: Device::new(
            &fleet.balancer,
            node,
            &client_in(n % usize::from(PARTITIONS), &format!("c{node}-{n}")),
        ),
        is_moved: node == KILLED,
        given: 0,
        last: now,
        pause: Duration::ZERO,
        live_after: None,
    };
    (0..3).flat_map(|node| (0..args.clients).map(move |n| on(node, n))).collect()
}

/// Messages at a rate, to all in turn.
struct Load {
    begun: Instant,
    rate: u32,
    sent: usize,
}

impl Load {
    fn send_due(&mut self, sender: &Device, to: &[Watched]) {
        let due = (self.begun.elapsed().as_secs_f64() * f64::from(self.rate)) as usize;
        while self.sent < due {
            let client = &to[self.sent % to.len()].device.client;
            sender.send(client, &self.sent.to_string(), &json!(self.sent));
            self.sent += 1;
        }
    }
}

fn watch_for(
    length: Duration,
    load: &mut Load,
    sender: &Device,
    all: &mut [Watched],
    killed: Option<Instant>,
) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        load.send_due(sender, all);
        all.iter_mut().for_each(|watched| watched.look(killed));
        std::thread::sleep(LOOK);
    }
}

impl Watched {
    fn look(&mut self, killed: Option<Instant>) {
        let (given, is_elsewhere) = {
            let life = self.device.life();
            let node = life.welcomes.last().map(|welcome| welcome.node as usize);
            (life.given.len(), life.is_live && node.is_some_and(|node| node != KILLED))
        };
        let now = Instant::now();
        self.pause = self.pause.max(now - self.last);
        if given > self.given {
            (self.given, self.last) = (given, now);
        }
        if let Some(killed) = killed
            && self.is_moved
            && is_elsewhere
        {
            self.live_after.get_or_insert(now - killed);
        }
    }
}

fn report(watched: &[Watched]) -> Value {
    let moved = watched.iter().filter(|watched| watched.is_moved);
    let mut live: Vec<f64> =
        moved.clone().filter_map(|it| it.live_after).map(|it| it.as_secs_f64()).collect();
    let mut pauses: Vec<f64> =
        watched.iter().filter(|it| !it.is_moved).map(|it| it.pause.as_secs_f64()).collect();
    live.sort_by(f64::total_cmp);
    pauses.sort_by(f64::total_cmp);
    json!({
        "node_timeout_s": NODE_TIMEOUT.as_secs_f64(),
        "killed_clients": moved.count(),
        "live_again": live.len(),
        "live_p50_s": live.get(live.len() / 2),
        "live_max_s": live.last(),
        "others": pauses.len(),
        "others_pause_p50_s": pauses.get(pauses.len() / 2),
        "others_pause_max_s": pauses.last(),
    })
}
