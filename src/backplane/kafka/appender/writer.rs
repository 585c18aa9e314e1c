//! The thread that appends: takes, sends, hears, tells; and what it does when something does not come through.
//!
//! **What fails, fails together.** librdkafka would give up each record by its own age, and go on with those behind it: of
//! what one session sent, the first would be missing and the second there. So records are given up here, all that a
//! producer has at once, when the oldest is too old or one has failed; librdkafka's own time is a little longer. What
//! had been sent may then be in the log, but no later one without it: an idempotent producer's records are numbered, and a
//! broker takes none out of turn. After giving up it numbers anew, in a higher epoch, so that a broker that wakes up later
//! and finds old requests in its socket refuses them once it has seen the new epoch.
//!
//! **An acknowledgement without a place.** A broker that has a record already, and forgot where, acknowledges it without
//! offset and time. It is told with the greatest of both known of the partition: both are lower bounds, 0 at worst.

use super::ages::{Ages, STEPS};
use super::gate::Gate;
use super::health::AppendHealth;
use super::under_way::{Sent, UnderWay};
use super::{AppenderOptions, Deliver};
use crate::backplane::kafka::bell::Bell;
use crate::backplane::kafka::connection::Connection;
use crate::backplane::kafka::law;
use crate::backplane::kafka::producer::{Outgoing, Placed, Producer, Report};
use crate::backplane::kafka::trouble::Trouble;
use crate::limits::{
    KAFKA_APPEND_BYTES, KAFKA_APPENDS, KAFKA_BATCHES_PER_TURN, KAFKA_GIVE_UP_SLACK_MS, KAFKA_RECORD_EXTRA,
    KAFKA_STOP_MS, RETRY_UNAVAILABLE_MS,
};
use crate::log::{Append, Appended, LogEvent, Refused, Ticket};
use crate::model::ErrorCode;
use crate::wire::record;
use crossbeam_channel::{Receiver, select};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the thread is asked.
pub enum Command {
    /// Append these.
    Append(Vec<Append>),
    /// So many brokers lead a partition.
    Brokers(usize),
    /// That is all.
    Stop,
}

/// What is known of a partition's log from its acknowledgements.
#[derive(Clone, Copy, Default)]
struct Known {
    offset: u64,
    at_ms: u64,
}

/// A producer, and how old what it has is.
struct Slice {
    producer: Producer,
    ages: Ages,
}

pub struct Writer {
    connection: Connection,
    options: AppenderOptions,
    deliver: Deliver,
    health: Arc<AppendHealth>,
    bell: Bell,
    slices: Vec<Slice>,
    /// How many slices the law asks for; a partition moves when nothing of it is under way.
    wanted: usize,
    /// By partition: which slice has it.
    slice_of: Vec<usize>,
    known: Vec<Known>,
    gate: Gate,
    under_way: UnderWay,
    /// By core: what it is told at the end of this turn.
    answers: Vec<Vec<LogEvent>>,
    begun: Instant,
    next_tick: Instant,
    /// Why the last one failed, until one comes through.
    failure: Option<Trouble>,
}

impl Writer {
    pub fn open(
        connection: Connection,
        options: AppenderOptions,
        deliver: Deliver,
        brokers: usize,
        health: Arc<AppendHealth>,
        bell: Bell,
    ) -> Result<Self, Trouble> {
        let partitions = usize::from(options.topology.partitions());
        let now = Instant::now();
        let mut writer = Self {
            answers: (0..options.topology.cores()).map(|_| Vec::new()).collect(),
            connection,
            options,
            deliver,
            health,
            bell,
            slices: Vec::new(),
            wanted: 0,
            slice_of: vec![0; partitions],
            known: vec![Known::default(); partitions],
            gate: Gate::new(partitions),
            under_way: UnderWay::default(),
            begun: now,
            next_tick: now,
            failure: None,
        };
        writer.count(brokers)?;
        Ok(writer)
    }

    pub fn run(&mut self, commands: &Receiver<Command>, rung: &Receiver<()>) {
        loop {
            let wait = self.next_tick.saturating_duration_since(Instant::now());
            let first = select! {
                recv(commands) -> command => Some(command.unwrap_or(Command::Stop)),
                recv(rung) -> _ => None,
                default(wait) => None,
            };
            let more = commands.try_iter().take(KAFKA_BATCHES_PER_TURN);
            for command in first.into_iter().chain(more) {
                match command {
                    Command::Append(appends) => self.append(appends),
                    Command::Brokers(brokers) => self.recount(brokers),
                    Command::Stop => return self.end(rung),
                }
            }
            self.hear();
            self.tick();
            self.tell();
        }
    }

    fn append(&mut self, appends: Vec<Append>) {
        for append in appends {
            let bytes = record::size_of(&append.envelope) + KAFKA_RECORD_EXTRA;
            let partition = usize::from(append.partition.0);
            let is_sent = self.gate.admits(partition, bytes) && self.send(&append, bytes);
            if !is_sent {
                self.health.lock().refused_full += 1;
                self.refuse(append.ticket);
            }
        }
        self.gate.open();
    }

    /// Gives a record to its producer. What librdkafka does not take shuts the partition.
    fn send(&mut self, append: &Append, bytes: usize) -> bool {
        let partition = usize::from(append.partition.0);
        if self.gate.is_idle(partition) {
            self.slice_of[partition] = law::producer_of(partition, self.known.len(), self.wanted);
        }
        let slice = self.slice_of[partition];
        let at_us = self.now_us();
        let number = self.under_way.insert(Sent {
            ticket: append.ticket,
            partition: append.partition.0,
            producer: slice as u16,
            bytes: bytes as u32,
            at_us,
        });
        let (headers, value) = record::parts_of(&append.envelope);
        let outgoing = Outgoing {
            topic: &self.options.topic,
            partition: append.partition.0,
            key: Some(append.envelope.to().as_str().as_bytes()),
            headers,
            value,
        };
        let step = self.step(at_us);
        let slice = &mut self.slices[slice];
        if slice.producer.send(outgoing, number).is_err() {
            self.under_way.remove(number);
            self.gate.shut(partition);
            return false;
        }
        slice.ages.send(step);
        self.gate.enter(partition, bytes);
        true
    }

    /// Answers what was reported.
    fn hear(&mut self) {
        let mut reports = Vec::new();
        for slice in 0..self.slices.len() {
            self.slices[slice].producer.take_reports(&mut reports);
            let mut failure = None;
            for report in reports.drain(..) {
                failure = self.answer(report).or(failure);
            }
            if let Some(code) = failure {
                self.give_up(slice, code);
            }
        }
        self.gate.open();
    }

    /// A failure, unless it is of what was given up already.
    fn answer(&mut self, Report { token, outcome }: Report) -> Option<RDKafkaErrorCode> {
        let sent = self.under_way.remove(token)?;
        self.leave(&sent);
        match outcome {
            Ok(placed) => {
                self.appended(&sent, placed);
                None
            }
            Err(code) => {
                self.gate.shut(usize::from(sent.partition));
                self.health.lock().refused_failed += 1;
                self.refuse(sent.ticket);
                let is_given_up =
                    matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
                (!is_given_up).then_some(code)
            }
        }
    }

    fn leave(&mut self, sent: &Sent) {
        self.gate.leave(usize::from(sent.partition), sent.bytes as usize);
        let step = self.step(sent.at_us);
        self.slices[usize::from(sent.producer)].ages.answer(step);
    }

    fn appended(&mut self, sent: &Sent, placed: Placed) {
        let known = &mut self.known[usize::from(sent.partition)];
        known.offset = known.offset.max(placed.offset.unwrap_or(0));
        known.at_ms = known.at_ms.max(placed.at_ms.unwrap_or(0));
        let (offset, at_ms) = (placed.offset.unwrap_or(known.offset), placed.at_ms.unwrap_or(known.at_ms));
        self.failure = None;
        let us = self.now_us().saturating_sub(sent.at_us);
        let mut health = self.health.lock();
        health.commit_us.observe(us);
        health.written += 1;
        health.unplaced += u64::from(placed.offset.is_none());
        drop(health);
        let appended = Appended { ticket: sent.ticket, offset, at_ms };
        self.answers[usize::from(sent.ticket.core)].push(LogEvent::Appended(appended));
    }

    fn refuse(&mut self, ticket: Ticket) {
        let refused = Refused { ticket, code: ErrorCode::Unavailable, retry_after_ms: RETRY_UNAVAILABLE_MS };
        self.answers[usize::from(ticket.core)].push(LogEvent::Refused(refused));
    }

    /// Gives each core its share.
    fn tell(&mut self) {
        let told = self.answers.iter().map(Vec::len).sum::<usize>() as u64;
        if told > 0 {
            self.health.lock().commit_records.observe(told);
        }
        for (core, answers) in self.answers.iter_mut().enumerate() {
            if !answers.is_empty() {
                (self.deliver)(core as u16, std::mem::take(answers));
            }
        }
    }

    /// What is done now and then: giving up what is too old, and producers that are not needed or broken.
    fn tick(&mut self) {
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + Duration::from_millis((self.options.give_up_ms / STEPS).clamp(1, 1_000));
        let step = self.step(self.now_us());
        for slice in 0..self.slices.len() {
            if self.slices[slice].producer.fatal_error().is_some() {
                self.make_anew(slice);
            } else if self.slices[slice].ages.is_overdue(step) {
                self.give_up(slice, RDKafkaErrorCode::MessageTimedOut);
            }
        }
        while self.slices.len() > self.wanted && self.slices.last().is_some_and(|slice| slice.ages.is_idle())
        {
            self.slices.pop().into_iter().for_each(|slice| slice.producer.drop_aside());
        }
        let mut health = self.health.lock();
        health.trouble =
            self.slices.iter().find_map(|slice| slice.producer.trouble()).or_else(|| self.failure.clone());
        (health.under_way, health.under_way_bytes) = (self.gate.records(), self.gate.bytes());
        health.producers = self.slices.len();
    }

    /// Refuses all that a producer has; what has set out already is reported soon.
    fn give_up(&mut self, slice: usize, code: RDKafkaErrorCode) {
        for partition in 0..self.slice_of.len() {
            if self.slice_of[partition] == slice && !self.gate.is_idle(partition) {
                self.gate.shut(partition);
            }
        }
        self.slices[slice].producer.purge();
        self.bell.ring();
        self.health.lock().given_up += 1;
        self.failure = Some(Trouble::of_code("append", "Write on topics with this prefix", code));
        tracing::warn!(slice, %code, "records were not acknowledged: all that were under way are refused");
    }

    /// In place of a producer that will never send again.
    fn make_anew(&mut self, slice: usize) {
        let code = self.slices[slice].producer.fatal_error();
        tracing::warn!(slice, ?code, "a producer has failed for good: it is made anew");
        let producer = match self.producer() {
            Ok(producer) => producer,
            // Its sends are refused until one can be made.
            Err(trouble) => return tracing::error!(slice, %trouble, "no producer can be made"),
        };
        let old = std::mem::replace(&mut self.slices[slice].producer, producer);
        for sent in self.under_way.remove_all_of(slice as u16) {
            self.leave(&sent);
            self.gate.shut(usize::from(sent.partition));
            self.health.lock().refused_failed += 1;
            self.refuse(sent.ticket);
        }
        self.health.lock().made_anew += 1;
        old.drop_aside();
    }

    fn count(&mut self, brokers: usize) -> Result<(), Trouble> {
        self.wanted = law::producers(self.known.len(), brokers);
        while self.slices.len() < self.wanted {
            self.slices.push(Slice { producer: self.producer()?, ages: Ages::default() });
        }
        let mut health = self.health.lock();
        (health.brokers, health.producers) = (brokers, self.slices.len());
        Ok(())
    }

    fn recount(&mut self, brokers: usize) {
        let wanted = self.wanted;
        if let Err(trouble) = self.count(brokers) {
            tracing::error!(%trouble, "no further producer can be made");
            self.wanted = wanted.min(self.slices.len());
        }
    }

    fn producer(&self) -> Result<Producer, Trouble> {
        let config = config(&self.connection, self.options.give_up_ms);
        Producer::new(&config, &self.connection, &self.bell)
    }

    /// The end: what is under way gets a little time.
    fn end(&mut self, rung: &Receiver<()>) {
        let deadline = Instant::now() + Duration::from_millis(KAFKA_STOP_MS.min(self.options.give_up_ms));
        while self.gate.records() > 0 && Instant::now() < deadline {
            let _ = rung.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            self.hear();
            self.tell();
        }
        for slice in 0..self.slices.len() {
            for sent in self.under_way.remove_all_of(slice as u16) {
                self.refuse(sent.ticket);
            }
        }
        self.tell();
    }

    fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    fn step(&self, at_us: u64) -> u64 {
        at_us / (self.options.give_up_ms * 1_000 / STEPS).max(1)
    }
}

fn config(connection: &Connection, give_up_ms: u64) -> rdkafka::ClientConfig {
    let records = KAFKA_APPENDS.to_string();
    let kbytes = (KAFKA_APPEND_BYTES >> 10).to_string();
    let give_up = (give_up_ms + KAFKA_GIVE_UP_SLACK_MS).to_string();
    let fixed = [
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("message.timeout.ms", give_up.as_str()),
        // Ours is the bound; librdkafka's is never reached before.
        ("queue.buffering.max.messages", records.as_str()),
        ("queue.buffering.max.kbytes", kbytes.as_str()),
        // What the topic may allow (`kafka/topics.json`); how large a request becomes is another property's.
        ("message.max.bytes", "16777216"),
    ];
    // Not 0: at 20,000 records a second a millisecond halves what is waited for (FINDINGS.md §4), and a producer cannot
    // be told another time while it runs.
    let usual = [("linger.ms", "1"), ("compression.type", "lz4")];
    connection.config_of(&fixed, &usual)
}
