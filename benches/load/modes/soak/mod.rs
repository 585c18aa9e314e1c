//! A long time of everything at once: clients that come, go and are cut, readers that stop, floods, and a server that may be
//! killed and started again at any moment. At the end every connection and every message is accounted for.
//!
//! Each recipient's messages are numbered and go through one sender, in order; what is not acknowledged is said again by the
//! same ID. So in the end each has come exactly once and in order, or something is wrong.

mod churn;
mod sender;

use super::hearing::{Client, Faults};
use super::{Bench, refusal};
use crate::fleet::End;
use crate::report::Report;
use crate::target::{Heard, Template, control_or_text, field};
use churn::{Act, Churn, FLOOD, FLOODED, SLOW_FOR};
use sender::{Sender, Sent};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

const SENDERS: usize = 16;
/// Sockets that send, beyond the recipients' IDs.
const BEYOND: usize = 1 << 32;
/// Small, so that a reader that stops is noticed.
const RECEIVE_BYTES: i32 = 32 << 10;
/// What has not come so long after the end counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);
const MINUTE: Duration = Duration::from_secs(60);
/// How a connection ends that we give up.
const CUT: &str = "hung up";

struct Soak {
    bench: Bench,
    template: Template,
    /// Recipients.
    clients: Vec<Client>,
    senders: Vec<Sender>,
    /// By client, senders last: its connection, and whether that is up.
    seats: Vec<Option<(usize, bool)>>,
    /// By connection: whose it is.
    owners: Vec<usize>,
    /// Who comes back when.
    away: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Whoever goes now goes for good.
    is_over: bool,
    /// Which connections read again when.
    slow: VecDeque<(Instant, usize)>,
    churn: Churn,
    faults: Faults,
    tally: Tally,
    first_send: u64,
    began: Instant,
}

/// What there was.
#[derive(Default)]
struct Tally {
    sent: u64,
    acked: u64,
    came: u64,
    /// By code: sends that were refused and said again.
    refused: BTreeMap<String, u64>,
    /// Connections begun.
    dialled: u64,
    /// Those that there was nobody for.
    unreached: u64,
    /// How the others ended.
    ends: BTreeMap<String, u64>,
    floods: u64,
}

pub fn run(mut bench: Bench) -> Result<Report, String> {
    let (count, now) = (bench.args.sockets, Instant::now());
    if count < FLOODED * SENDERS {
        return Err(format!("--sockets must be at least {}", FLOODED * SENDERS));
    }
    // Nothing else could be accounted for.
    bench.args.durable = true;
    let mut soak = Soak {
        template: bench.template(&[0], true),
        clients: vec![Client::default(); count],
        senders: (0..SENDERS).map(|_| Sender::default()).collect(),
        seats: vec![None; count + SENDERS],
        owners: Vec::new(),
        away: (0..count + SENDERS).map(|client| Reverse((now, client))).collect(),
        is_over: false,
        slow: VecDeque::new(),
        churn: Churn::new(count + SENDERS, now),
        faults: Faults::default(),
        tally: Tally::default(),
        first_send: bench.reserve_sends(1 << 40),
        began: now,
        bench,
    };
    soak.all_come(now)?;
    (soak.began, soak.churn) = (Instant::now(), Churn::new(count + SENDERS, Instant::now()));
    let mut told = soak.began;
    while soak.began.elapsed() < soak.bench.seconds() {
        soak.live()?;
        if told.elapsed() >= MINUTE {
            told += MINUTE;
            eprintln!("minute {}: {}", soak.began.elapsed().as_secs() / 60, soak.line());
        }
    }
    soak.settle()?;
    soak.all_go()?;
    Ok(soak.report())
}

impl Soak {
    /// Everybody's first connection.
    fn all_come(&mut self, now: Instant) -> Result<(), String> {
        while self.seats.iter().any(|seat| seat.is_none_or(|(_, is_up)| !is_up)) {
            self.turn()?;
            if now.elapsed() > PATIENCE {
                return Err(format!("not all came: {}", self.line()));
            }
        }
        Ok(())
    }

    /// One turn, and what is due of messages and of chance.
    fn live(&mut self) -> Result<(), String> {
        let now = Instant::now();
        let due = (now - self.began).as_nanos() * u128::from(self.bench.args.rate) / 1_000_000_000;
        let usual = self.tally.sent - self.tally.floods * FLOOD;
        for n in usual..due as u64 {
            self.say(n as usize % self.clients.len())?;
        }
        while let Some(act) = self.churn.next(now) {
            match act {
                Act::Leave { client, politely } => self.leave(client, politely),
                Act::Flood => self.flood(now)?,
            }
        }
        self.turn()
    }

    /// The next message to this recipient.
    fn say(&mut self, to: usize) -> Result<(), String> {
        let (id, number) = (self.first_send + self.tally.sent, self.clients[to].sent);
        let (sender, sent) = (to % SENDERS, Sent { to: self.bench.id_number(to), number });
        self.senders[sender].say(id, sent)?;
        if let Some((connection, true)) = self.seats[self.clients.len() + sender] {
            self.template.write_to(sent.to, number, id, self.bench.fleet.outs().of(connection));
        }
        self.clients[to].sent += 1;
        self.tally.sent += 1;
        Ok(())
    }

    /// Some recipients of one sender stop reading and are told very much.
    fn flood(&mut self, now: Instant) -> Result<(), String> {
        let first = self.churn.below((self.clients.len() / SENDERS - FLOODED) as u64) as usize;
        let sender = self.churn.below(SENDERS as u64) as usize;
        let flooded = |n: usize| (first + n % FLOODED) * SENDERS + sender;
        for client in (0..FLOODED).map(flooded) {
            if let Some((connection, true)) = self.seats[client] {
                self.bench.fleet.stop_reading(connection).map_err(|error| error.to_string())?;
                self.slow.push_back((now + SLOW_FOR, connection));
            }
        }
        self.tally.floods += 1;
        (0..FLOOD as usize).try_for_each(|n| self.say(flooded(n)))
    }

    /// This client gives its connection up, if it has one.
    fn leave(&mut self, client: usize, politely: bool) {
        match self.seats[client] {
            Some((connection, true)) if politely => {
                control_or_text(0x88, &1_000_u16.to_be_bytes(), self.bench.fleet.outs().of(connection));
            }
            Some((connection, _)) => self.bench.fleet.hang_up(connection),
            None => {}
        }
    }

    /// What came, who ended, who is back.
    fn turn(&mut self) -> Result<(), String> {
        let now = Instant::now();
        self.hear(now)?;
        while self.slow.front().is_some_and(|(at, _)| *at <= now) {
            let (_, connection) = self.slow.pop_front().expect("it was just looked at");
            self.bench.fleet.read_again(connection).map_err(|error| error.to_string())?;
        }
        for End { connection, why } in self.bench.fleet.take_ended() {
            let client = self.owners[connection];
            self.seats[client] = None;
            if !self.is_over {
                let is_ours = why == CUT || why.ends_with("code Some(1000)");
                let at = if is_ours { self.churn.back_at(now) } else { self.churn.again_at(now) };
                self.away.push(Reverse((at, client)));
            }
            *self.tally.ends.entry(why).or_default() += 1;
        }
        while self.away.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((_, client)) = self.away.pop().expect("it was just looked at");
            self.dial(client, now)?;
        }
        Ok(())
    }

    /// Everything that came in one turn of the sockets.
    fn hear(&mut self, now: Instant) -> Result<(), String> {
        let Self { bench, clients, senders, owners, seats, faults, tally, template, .. } = self;
        let turned = bench.fleet.turn(1, |connection, heard, outs| {
            let client = owners[connection];
            let sender = client.checked_sub(clients.len());
            if let Heard::Up(welcome) = heard {
                seats[client] = Some((connection, true));
                if let (Some(sender), None) = (sender, field(welcome, "reason")) {
                    senders[sender].say_again(template, outs.of(connection));
                }
            }
            match (sender, heard) {
                (None, heard) => tally.came += clients[client].hear(heard, faults),
                (Some(sender), Heard::Ack { number }) => {
                    tally.acked += u64::from(senders[sender].acked(number))
                }
                (Some(sender), Heard::Error(payload)) => {
                    let code = field(payload, "code").map_or_else(|| refusal(payload), str::to_owned);
                    *tally.refused.entry(code).or_default() += 1;
                    senders[sender].refused(now);
                }
                _ => {}
            }
        });
        turned.map_err(|error| error.to_string())?;
        for (sender, seat) in senders.iter_mut().zip(&seats[clients.len()..]) {
            if let (Some((connection, true)), true) = (seat, sender.is_due(now)) {
                sender.say_again(template, bench.fleet.outs().of(*connection));
            }
        }
        self.faults.refused.take().map_or(Ok(()), Err)
    }

    /// Who was away connects, a recipient with its cursor.
    fn dial(&mut self, client: usize, now: Instant) -> Result<(), String> {
        let (id, query) = match client.checked_sub(self.clients.len()) {
            Some(sender) => (BEYOND + sender, String::new()),
            None if self.clients[client].cursor.is_empty() => (client, String::new()),
            None => (client, format!("&cursor={}", self.clients[client].cursor)),
        };
        let mut dial = self.bench.dial(id, &query)?;
        dial.receive_bytes = Some(RECEIVE_BYTES);
        match self.bench.fleet.dial(&dial) {
            Ok(connection) => {
                assert_eq!(
                    connection,
                    self.owners.len(),
                    "connections are numbered in the order of their dials"
                );
                self.owners.push(client);
                self.seats[client] = Some((connection, false));
                self.tally.dialled += 1;
            }
            Err(_) => {
                self.tally.unreached += 1;
                let at = self.churn.again_at(now);
                self.away.push(Reverse((at, client)));
            }
        }
        Ok(())
    }

    /// Nothing more is sent, nobody goes, all come back; what was sent is acknowledged and arrives.
    fn settle(&mut self) -> Result<(), String> {
        let began = Instant::now();
        self.away = std::mem::take(&mut self.away)
            .into_iter()
            .map(|Reverse((_, who))| Reverse((began, who)))
            .collect();
        while self.tally.acked < self.tally.sent || self.tally.came < self.tally.sent {
            self.turn()?;
            if began.elapsed() > PATIENCE {
                break;
            }
        }
        self.faults.missing += self.clients.iter().map(Client::missing).sum::<u64>();
        Ok(())
    }

    /// Everybody takes leave, and nobody comes back: also not who would have been away for less than a turn.
    fn all_go(&mut self) -> Result<(), String> {
        let began = Instant::now();
        self.is_over = true;
        self.away.clear();
        for client in 0..self.seats.len() {
            self.leave(client, true);
        }
        while self.seats.iter().any(Option::is_some) && began.elapsed() < PATIENCE {
            self.turn()?;
        }
        Ok(())
    }

    fn unanswered(&self) -> usize {
        self.senders.iter().map(Sender::unanswered).sum()
    }

    fn line(&self) -> String {
        let up = self.seats.iter().flatten().filter(|(_, is_up)| *is_up).count();
        let Tally { sent, acked, came, dialled, refused, .. } = &self.tally;
        let Faults { missing, twice, .. } = &self.faults;
        format!(
            "{up} up of {}, {dialled} connections so far; {sent} sent, {acked} acknowledged, {came} came, {missing} missing, \
             {twice} twice or late; refused {refused:?}",
            self.seats.len()
        )
    }

    fn report(&self) -> Report {
        let Tally { sent, acked, came, refused, dialled, unreached, ends, floods } = &self.tally;
        let mut report = self.bench.report("soak");
        report.put_rounded("seconds", Some(self.began.elapsed().as_secs_f64()));
        report.put("floods", *floods);
        report.put("sent", *sent);
        report.put("acked", *acked);
        report.put("came", *came);
        report.put("missing", self.faults.missing);
        report.put("twice_or_late", self.faults.twice);
        report.put("unanswered", self.unanswered());
        report.put("refused_and_said_again", serde_json::json!(refused));
        report.put("dialled", *dialled);
        report.put("unreached", *unreached);
        report.put("ends", serde_json::json!(ends));
        report.put("unaccounted_connections", *dialled as i64 - ends.values().sum::<u64>() as i64);
        report
    }
}
