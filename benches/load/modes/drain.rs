//! A node of a cluster drains under load: when its sessions come back elsewhere, and whether they have everything.
//!
//! Clients are connected to all nodes in turn, and senders to those that stay. Each recipient's messages are numbered, so
//! that a missing one, one that comes twice and one that overtakes another are each seen. Who is sent away connects to
//! another node at once, with the cursor of the last thing that it heard.

use super::{Bench, refusal, since};
use crate::report::Report;
use crate::target::{Heard, Template, field};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Sockets that send, beyond the recipients' IDs.
const SENDERS: usize = 16;
const BEYOND: usize = 1 << 32;
const BUCKET_NS: u64 = 500_000_000;
/// Load goes on for so long after the last was sent away.
const AFTER: Duration = Duration::from_secs(2);
/// What has not come by then after the drain counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that receives.
#[derive(Clone, Default)]
struct Client {
    cursor: String,
    /// The number of the next message.
    next: u64,
    /// What it was sent.
    sent: u64,
}

/// What clients have seen that should not be.
#[derive(Default)]
struct Faults {
    missing: u64,
    twice: u64,
    refused: Option<String>,
}

struct Drain {
    bench: Bench,
    template: Template,
    clients: Vec<Client>,
    /// By connection: whose it is; senders have none.
    owners: Vec<Option<usize>>,
    faults: Faults,
    sent: u64,
    acks: u64,
    came: u64,
    first_send: u64,
}

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let admin = bench.args.admin.ok_or("--admin names the node that drains, which is the first of --addr")?;
    if bench.args.addr.len() < 2 {
        return Err("--addr names all nodes, the one that drains first".into());
    }
    let count = bench.args.sockets;
    let dials = bench.dials(0..count, "")?;
    bench.fleet.dial_all(&dials, bench.args.at_once)?;
    let mut senders = bench.dials(BEYOND..BEYOND + SENDERS, "")?;
    let nodes = bench.args.addr.clone();
    senders.iter_mut().enumerate().for_each(|(n, dial)| dial.server = nodes[1 + n % (nodes.len() - 1)]);
    bench.fleet.dial_all(&senders, bench.args.at_once)?;
    let template = bench.template(&[0], true);
    let first_send = bench.reserve_sends(1 << 40);
    let owners = (0..count).map(Some).chain((0..SENDERS).map(|_| None)).collect();
    let clients = vec![Client::default(); count];
    let faults = Faults::default();
    let mut drain = Drain { bench, template, clients, owners, faults, sent: 0, acks: 0, came: 0, first_send };

    let began = Instant::now();
    let warmup = drain.bench.warmup();
    drain.load_for(began, warmup)?;
    let sent_away = count.div_ceil(nodes.len());
    ask(admin)?;
    let mut back = Vec::new();
    let asked = Instant::now();
    let mut next_node = 0;
    while back.len() < sent_away {
        drain.turn(began, true)?;
        for connection in drain.bench.fleet.take_ended() {
            let Some(client) = drain.owners[connection] else {
                return Err(format!("a sender was sent away: {}", drain.bench.fleet.last_end));
            };
            next_node += 1;
            drain.dial_again(client, nodes[1 + next_node % (nodes.len() - 1)])?;
            back.push(since(asked));
        }
        if asked.elapsed() > PATIENCE {
            return Err(format!("only {} of {sent_away} were sent away", back.len()));
        }
    }
    let window_s = asked.elapsed().as_secs_f64();
    drain.load_for(began, AFTER)?;
    drain.settle()?;
    Ok(drain.report(&back, window_s))
}

/// Asks the node to drain.
fn ask(admin: std::net::SocketAddrV4) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{admin}: {error}");
    let mut stream = TcpStream::connect(admin).map_err(fail)?;
    let request =
        format!("POST /drain HTTP/1.1\r\nHost: {admin}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(fail)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(fail)?;
    if answer.starts_with("HTTP/1.1 202") { Ok(()) } else { Err(format!("{admin} does not drain: {answer}")) }
}

impl Drain {
    /// Sends and hears for so long.
    fn load_for(&mut self, began: Instant, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(began, true)?;
        }
        Ok(())
    }

    /// Nothing more is sent; what was sent arrives.
    fn settle(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while (self.came < self.sent || self.acks < self.sent) && began.elapsed() < PATIENCE {
            self.turn(began, false)?;
        }
        self.faults.missing +=
            self.clients.iter().map(|client| client.sent.saturating_sub(client.next)).sum::<u64>();
        Ok(())
    }

    /// One turn of the sockets, and what is due of the rate.
    fn turn(&mut self, began: Instant, sends: bool) -> Result<(), String> {
        let due = since(began) as u128 * u128::from(self.bench.args.rate) / 1_000_000_000;
        while sends && u128::from(self.sent) < due {
            let to = self.sent as usize % self.clients.len();
            // One recipient's messages go through one socket, in the order of their numbers.
            let sender = self.clients.len() + to % SENDERS;
            let (id, number) = (self.first_send + self.sent, self.clients[to].sent);
            let recipient = self.bench.id_number(to);
            self.template.write_to(recipient, number, id, self.bench.fleet.outs().of(sender));
            self.clients[to].sent += 1;
            self.sent += 1;
        }
        let Self { bench, clients, owners, faults, acks, came, .. } = self;
        let turned = bench.fleet.turn(1, |connection, heard, _| match (owners[connection], heard) {
            (Some(client), heard) => *came += clients[client].hear(heard, faults),
            (None, Heard::Ack { .. }) => *acks += 1,
            (None, Heard::Error(payload)) => faults.refused = Some(refusal(payload)),
            _ => {}
        });
        turned.map_err(|error| error.to_string())?;
        self.faults.refused.take().map_or(Ok(()), Err)
    }

    fn dial_again(&mut self, client: usize, node: std::net::SocketAddrV4) -> Result<(), String> {
        let mut dial = self.bench.dial(client, &format!("&cursor={}", self.clients[client].cursor))?;
        dial.server = node;
        self.bench.fleet.dial(&dial).map_err(|error| error.to_string())?;
        self.owners.push(Some(client));
        Ok(())
    }

    fn report(&self, back: &[u64], window_s: f64) -> Report {
        let most = (0..back.len())
            .map(|first| back[first..].iter().take_while(|at| **at < back[first] + BUCKET_NS).count())
            .max()
            .unwrap_or(0);
        let even = back.len() as f64 * BUCKET_NS as f64 / 1e9 / window_s;
        let mut report = self.bench.report("drain");
        report.put("sent_away", back.len());
        report.put_rounded("window_s", Some(window_s));
        report.put("most_in_500_ms", most);
        report.put_rounded("most_of_even", Some(most as f64 / even));
        report.put("sent", self.sent);
        report.put("acks", self.acks);
        report.put("came", self.came);
        report.put("missing", self.faults.missing);
        report.put("twice_or_late", self.faults.twice);
        report
    }
}

impl Client {
    /// How many messages that was.
    fn hear(&mut self, heard: Heard<'_>, faults: &mut Faults) -> u64 {
        match heard {
            Heard::Message { number, payload } => {
                self.hold(payload);
                if number < self.next {
                    faults.twice += 1;
                    return 0;
                }
                faults.missing += number - self.next;
                self.next = number + 1;
                1
            }
            Heard::Up(welcome) => {
                if field(welcome, "reason").is_some() {
                    faults.refused = Some(refusal(welcome));
                }
                self.hold(welcome);
                0
            }
            Heard::Error(payload) => {
                faults.refused = Some(refusal(payload));
                0
            }
            _ => 0,
        }
    }

    fn hold(&mut self, payload: &[u8]) {
        if let Some(cursor) = field(payload, "cursor") {
            self.cursor.clear();
            self.cursor.push_str(cursor);
        }
    }
}
