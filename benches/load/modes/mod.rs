//! One file for each thing that is measured, and what they share.

mod drain;
mod fanout;
mod hearing;
mod homes;
mod idle;
mod pair;
mod rate;
mod replay;
mod slow;
mod soak;
mod throughput;

use crate::args::{Args, Mode};
use crate::fleet::{Dial, Fleet};
use crate::report::Report;
use crate::secure;
use crate::server::Server;
use crate::sys;
use crate::target::Template;
use crate::token::Tokens;
use std::time::{Duration, Instant};

/// Runs one mode.
pub fn run(mode: Mode, args: &Args) -> Result<Report, String> {
    let bench = Bench::new(args)?;
    match mode {
        Mode::Throughput => throughput::run(bench),
        Mode::Rate => rate::run(bench),
        Mode::Fanout => fanout::run(bench),
        Mode::Idle => idle::run(bench),
        Mode::Storm => idle::storm(bench),
        Mode::Prepare => replay::prepare(bench),
        Mode::Replay => replay::run(bench),
        Mode::Drain => drain::run(bench),
        Mode::Slow => slow::run(bench),
        Mode::Soak => soak::run(bench),
    }
}

/// What every mode needs.
pub struct Bench {
    pub args: Args,
    pub server: Option<Server>,
    pub fleet: Fleet,
    /// IDs of those at home on the one node that was asked for; without one, IDs are consecutive.
    at_home: Vec<u64>,
    tokens: Option<Tokens>,
    first_id: u64,
    next_send: u64,
}

impl Bench {
    fn new(args: &Args) -> Result<Self, String> {
        if args.body < 2 + crate::target::DIGITS {
            return Err("--body must be at least 18: a number of 16 digits stands in it".into());
        }
        if args.durable && !args.target.is_durable() {
            return Err("only corepost and broadcast have durable messages".into());
        }
        if args.outstanding == 0 || args.sockets == 0 {
            return Err("--outstanding and --sockets must be at least 1".into());
        }
        if let Some(cpu) = args.cpu
            && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
        {
            return Err(format!("cannot run on CPU {cpu}"));
        }
        sys::raise_descriptors().map_err(|error| error.to_string())?;
        let first_id = u64::from_str_radix(&args.ids, 16).map_err(|_| "--ids is a hexadecimal number")?;
        let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        let tls = args.tls.as_deref().map(secure::trusting).transpose()?;
        Ok(Self {
            server: if args.pid.is_empty() { None } else { Some(Server::new(&args.pid)?) },
            fleet: Fleet::new(args.target, args.body, tls).map_err(|error| error.to_string())?,
            at_home: homes::at_home(args, first_id)?,
            tokens: args.hs256.as_deref().map(Tokens::new).transpose()?,
            first_id,
            // Message IDs of this run are those of no other: sends must not be taken for repetitions.
            next_send: nanos << 8,
            args: args.clone(),
        })
    }

    /// The ID of a client, as a number.
    pub fn id_number(&self, client: usize) -> u64 {
        self.at_home.get(client).copied().unwrap_or(self.first_id + client as u64)
    }

    pub fn id(&self, client: usize) -> String {
        format!("{:016x}", self.id_number(client))
    }

    /// The first of `count` message IDs that nobody used.
    pub fn reserve_sends(&mut self, count: u64) -> u64 {
        let first = self.next_send;
        self.next_send += count;
        first
    }

    pub fn dial(&self, client: usize, query: &str) -> Result<Dial, String> {
        let id = self.id(client);
        let token = self.tokens.as_ref().map(|tokens| tokens.of(&id)).transpose()?;
        let server = self.args.addr[client % self.args.addr.len()];
        Ok(Dial { server, number: client as u32, token, query: query.to_owned(), receive_bytes: None, id })
    }

    pub fn dials(&self, clients: std::ops::Range<usize>, query: &str) -> Result<Vec<Dial>, String> {
        clients.map(|client| self.dial(client, query)).collect()
    }

    /// Connects clients `0..count` as connections `0..count`: pairs, of which the even ones send and the odd ones receive.
    pub fn connect(&mut self, count: usize) -> Result<Duration, String> {
        let mut dials = self.dials(0..count, "")?;
        let (senders, receivers) = (&self.args.addr, &self.args.to_addr);
        let receivers = if receivers.is_empty() { senders } else { receivers };
        for (pair, both) in dials.chunks_exact_mut(2).enumerate() {
            both[0].server = senders[pair % senders.len()];
            both[1].server = receivers[pair % receivers.len()];
        }
        self.fleet.dial_all(&dials, self.args.at_once)
    }

    pub fn template(&self, to: &[usize], durable: bool) -> Template {
        let ids: Vec<String> = to.iter().map(|&client| self.id(client)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.args.target.message(&ids, to[0] as u32, self.args.body, durable)
    }

    pub fn report(&self, mode: &str) -> Report {
        let mut report = Report::new(mode, self.args.target.name());
        report.put("sockets", self.args.sockets);
        report.put("body_bytes", self.args.body);
        report.put("durable", self.args.durable);
        report
    }

    /// A connection that ended has no place in a measurement.
    pub fn all_alive(&self) -> Result<(), String> {
        match self.fleet.closed() {
            0 => Ok(()),
            n => Err(format!("{n} connections ended; the last: {}", self.fleet.last_end)),
        }
    }

    pub fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.args.warmup)
    }

    pub fn seconds(&self) -> Duration {
        Duration::from_secs_f64(self.args.seconds)
    }
}

/// Nanoseconds since `began`.
pub fn since(began: Instant) -> u64 {
    began.elapsed().as_nanos() as u64
}

/// A refusal in the middle of a measurement, as text for people.
pub fn refusal(payload: &[u8]) -> String {
    format!("the server refused: {}", String::from_utf8_lossy(payload))
}
