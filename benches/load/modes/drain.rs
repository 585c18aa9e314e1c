//! A node of a cluster drains under load: when its sessions come back elsewhere, and whether they have everything.
//!
//! Clients are connected to all nodes in turn, and senders to those that stay. Each recipient's messages are numbered, so
//! that a missing one, one that comes twice and one that overtakes another are each seen. Who is sent away connects to
//! another node at once, with the cursor of the last thing that it heard.

use super::hearing::{Client, Faults};
use super::{Bench, refusal, since};
use crate::fleet::End;
use crate::report::Report;
use crate::target::{Heard, Template};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

/// Sockets that send, beyond the recipients' IDs.
const SENDERS: usize = 16;
const BEYOND: usize = 1 << 32;
const BUCKET_NS: u64 = 500_000_000;
/// Load goes on for so long after the last was sent away.
const AFTER: Duration = Duration::from_secs(2);
/// What has not come by then after the drain counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who is turned away at the other node, too, tries again after this time.
const AGAIN: Duration = Duration::from_millis(200);

struct Drain {
    bench: Bench,
    template: Template,
    clients: Vec<Client>,
    /// By connection: whose it is; senders have none.
    owners: Vec<Option<usize>>,
    nodes: Vec<SocketAddrV4>,
    next_node: usize,
    began: Instant,
    asked: Option<Instant>,
    /// When the draining node has sent each away, since it was asked.
    back: Vec<u64>,
    /// Why connections to the other nodes ended, and who waits to connect once more.
    again: BTreeMap<String, u64>,
    waiting: VecDeque<(Instant, usize)>,
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
    let (mut clients, mut faults) = (vec![Client::default(); count], Faults::default());
    bench.fleet.dial_all_hearing(&dials, bench.args.at_once, |client, heard, _| {
        clients[client].hear(heard, &mut faults);
    })?;
    let mut senders = bench.dials(BEYOND..BEYOND + SENDERS, "")?;
    let nodes = bench.args.addr.clone();
    senders.iter_mut().enumerate().for_each(|(n, dial)| dial.server = nodes[1 + n % (nodes.len() - 1)]);
    bench.fleet.dial_all(&senders, bench.args.at_once)?;
    let template = bench.template(&[0], true);
    let first_send = bench.reserve_sends(1 << 40);
    let owners = (0..count).map(Some).chain((0..SENDERS).map(|_| None)).collect();
    let mut drain = Drain {
        bench,
        template,
        clients,
        owners,
        nodes,
        next_node: 0,
        began: Instant::now(),
        asked: None,
        back: Vec::new(),
        again: BTreeMap::new(),
        waiting: VecDeque::new(),
        faults,
        sent: 0,
        acks: 0,
        came: 0,
        first_send,
    };
    let warmup = drain.bench.warmup();
    drain.load_for(warmup)?;
    ask(admin)?;
    let (asked, sent_away) = (Instant::now(), count.div_ceil(drain.nodes.len()));
    drain.asked = Some(asked);
    while drain.back.len() < sent_away {
        drain.turn(true)?;
        if asked.elapsed() > PATIENCE {
            return Err(format!("only {} of {sent_away} were sent away", drain.back.len()));
        }
    }
    let window_s = asked.elapsed().as_secs_f64();
    drain.load_for(AFTER)?;
    drain.settle()?;
    Ok(drain.report(window_s))
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
    fn load_for(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(true)?;
        }
        Ok(())
    }

    /// Nothing more is sent; what was sent arrives.
    fn settle(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while (self.came < self.sent || self.acks < self.sent) && began.elapsed() < PATIENCE {
            self.turn(false)?;
        }
        for (client, it) in self.clients.iter().enumerate().filter(|(_, it)| it.missing() > 0) {
            self.faults.missing += it.missing();
            let was_sent_away = self.owners.iter().filter(|owner| **owner == Some(client)).count() > 1;
            let (id, Client { next, sent, cursor, .. }) = (self.bench.id(client), it);
            eprintln!("{id} has {next} of {sent} after {cursor}; sent away: {was_sent_away}");
        }
        Ok(())
    }

    /// One turn of the sockets, and what is due of the rate.
    fn turn(&mut self, sends: bool) -> Result<(), String> {
        let due = since(self.began) as u128 * u128::from(self.bench.args.rate) / 1_000_000_000;
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
        self.faults.refused.take().map_or(Ok(()), Err)?;
        self.come_back()
    }

    /// Who was sent away connects to another node at once, and who is turned away there a moment later.
    fn come_back(&mut self) -> Result<(), String> {
        for End { connection, why } in self.bench.fleet.take_ended() {
            let Some(client) = self.owners[connection] else {
                return Err(format!("a sender was sent away: {why}"));
            };
            match self.asked {
                Some(asked) if connection < self.clients.len() => {
                    self.back.push(since(asked));
                    self.dial_again(client)?;
                }
                _ => {
                    *self.again.entry(why).or_default() += 1;
                    self.waiting.push_back((Instant::now() + AGAIN, client));
                }
            }
        }
        while self.waiting.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let (_, client) = self.waiting.pop_front().expect("it was just looked at");
            self.dial_again(client)?;
        }
        Ok(())
    }

    fn dial_again(&mut self, client: usize) -> Result<(), String> {
        let mut dial = self.bench.dial(client, &format!("&cursor={}", self.clients[client].cursor))?;
        self.next_node += 1;
        dial.server = self.nodes[1 + self.next_node % (self.nodes.len() - 1)];
        self.bench.fleet.dial(&dial).map_err(|error| error.to_string())?;
        self.owners.push(Some(client));
        Ok(())
    }

    fn report(&self, window_s: f64) -> Report {
        let back = &self.back;
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
        report.put("sent_away_again", serde_json::json!(self.again));
        report.put("sent", self.sent);
        report.put("acks", self.acks);
        report.put("came", self.came);
        report.put("missing", self.faults.missing);
        report.put("twice_or_late", self.faults.twice);
        report
    }
}
