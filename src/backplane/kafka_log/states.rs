//! What is true of clients beyond their messages: revocations, which any node writes and the home of the client obeys.
//!
//! Always holds: a partition is served only after all of its state that was there when it began was told to the cores, and
//! what is written later is told as it comes. What was told stays true: the greatest time counts, whatever is read again.
//! A revocation counts from its log append time at least, so that of two nodes whose clocks differ the later word is never
//! the weaker.

use super::KafkaLogOptions;
use super::hands::Hands;
use super::health::StateTrouble;
use super::past_states::{self, Past, Task};
use crate::backplane::kafka::{Bell, Kept, ReadAt, Reader, Seen, StateWriter, Told as Read, Trouble};
use crate::limits::{KAFKA_BEGIN_AGAIN_MS, KAFKA_FOLLOW_RECORDS, RETRY_UNAVAILABLE_MS};
use crate::log::{LogEvent, Revocation, Ticket};
use crate::model::{ErrorCode, Partition, Topology};
use crate::tail::Over;
use crate::wire::state_record::{self, StateError, StateRecord};
use crossbeam_channel::{Receiver, Sender};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// What a record of the state topic says, and when it was written.
pub(super) struct Told {
    record: Result<StateRecord, StateError>,
    at_s: u64,
}

impl Told {
    pub fn of(seen: Seen<'_>) -> Self {
        let record = StateRecord::read(seen.header("v"), seen.key(), seen.value());
        Self { record, at_s: seen.at().map_or(0, |at| at.ms / 1_000) }
    }
}

/// The state of one partition.
struct Part {
    /// Which beginning of it.
    attempt: u64,
    /// Its past was told.
    is_known: bool,
    /// Its past is being read.
    is_asked: bool,
    /// What comes is read.
    is_followed: bool,
}

/// The state of the partitions that are followed.
pub(super) struct States {
    writer: StateWriter,
    reader: Reader,
    ask: Sender<Task>,
    past: Receiver<Past>,
    parts: BTreeMap<u16, Part>,
    attempts: u64,
    next_begin: Instant,
    /// Why its past cannot be read, where that will not pass by itself, until some of it was.
    failure: Option<Trouble>,
}

impl States {
    pub fn open(options: &KafkaLogOptions, bell: &Bell) -> Result<Self, Trouble> {
        let (topic, partitions) = (&options.state_topic, options.topology.partitions());
        let (ask, past) = past_states::start(options, bell)?;
        Ok(Self {
            writer: StateWriter::open(&options.connection, topic, bell)?,
            reader: Reader::open(&options.connection, topic, partitions, bell)?,
            ask,
            past,
            parts: BTreeMap::new(),
            attempts: 0,
            next_begin: Instant::now(),
            failure: None,
        })
    }

    /// A partition is followed from now on. One that is already goes on.
    pub fn begin(&mut self, partition: u16) {
        if !self.parts.contains_key(&partition) {
            self.ask(partition);
        }
    }

    /// A partition is followed no longer.
    pub fn end(&mut self, partition: u16) {
        self.parts.remove(&partition);
        if let Err(trouble) = self.reader.unassign(&[partition]) {
            tracing::error!(%trouble, "a partition of the state topic cannot be let go");
        }
    }

    /// What keeps it from being read or written, where that will not pass by itself.
    pub fn trouble(&self) -> Option<Trouble> {
        let connections = self.reader.trouble().or_else(|| self.writer.trouble());
        connections.or_else(|| self.failure.clone())
    }

    /// Whether all that was there when it began was told.
    pub fn is_known(&self, partition: u16) -> bool {
        self.parts.get(&partition).is_some_and(|part| part.is_known)
    }

    fn ask(&mut self, partition: u16) {
        self.attempts += 1;
        let attempt = self.attempts;
        // Who was served goes on: what was told stays true.
        let is_known = self.is_known(partition);
        self.parts.insert(partition, Part { attempt, is_known, is_asked: true, is_followed: false });
        let _ = self.ask.send(Task { partition, attempt });
    }

    /// Those that could not be read are asked for again, now and then.
    fn ask_again(&mut self) {
        let now = Instant::now();
        if now < self.next_begin {
            return;
        }
        self.next_begin = now + Duration::from_millis(KAFKA_BEGIN_AGAIN_MS);
        let failed = self.parts.iter().filter(|(_, part)| !part.is_followed && !part.is_asked);
        for partition in failed.map(|(&partition, _)| partition).collect::<Vec<_>>() {
            self.ask(partition);
        }
    }

    /// Writes a revocation. False: it was not taken.
    fn write(&mut self, ticket: Ticket, revocation: &Revocation, topology: Topology) -> bool {
        let client = revocation.client.as_ref();
        let Partition(partition) = topology.place(client).partition;
        let (key, value) = state_record::revocation(client, revocation.issued_until_s);
        self.writer.write(partition, state_record::VERSION, (&key, &value), ticket)
    }
}

impl Hands {
    /// A revocation of any client: it is answered when it is durable, and obeyed where it is read.
    pub fn revoke(&mut self, ticket: Ticket, revocation: &Revocation) {
        if !self.states.write(ticket, revocation, self.topology) {
            self.health.state_trouble(StateTrouble::Refused);
            self.tidings.refused(ticket, ErrorCode::Unavailable, RETRY_UNAVAILABLE_MS);
        }
    }

    /// Tells the cores what is new in the state topic, and what became of what was written.
    pub fn follow_states(&mut self) {
        for Past { task, told, more, through, failure } in self.states.past.try_iter().collect::<Vec<_>>() {
            let is_ours = |part: &&mut Part| part.attempt == task.attempt;
            if self.states.parts.get_mut(&task.partition).filter(is_ours).is_none() {
                continue;
            }
            told.into_iter().for_each(|told| self.tell_state(task.partition, told));
            if !more {
                self.states.failure = failure;
                self.known(task.partition, through);
            }
        }
        let (mut told, mut lost) = (Vec::new(), Vec::new());
        self.states.reader.take(KAFKA_FOLLOW_RECORDS, |read| match read {
            Read::Record(seen) => told.push((seen.partition(), Told::of(seen))),
            Read::Lost { partition } => lost.push(partition),
            Read::Trouble { partition, code } => {
                tracing::debug!(partition, %code, "the state topic cannot be read now");
            }
        });
        told.into_iter().for_each(|(partition, told)| self.tell_state(partition, told));
        lost.into_iter().for_each(|partition| self.states.ask(partition));
        self.states.ask_again();
        let mut answers = Vec::new();
        self.states.writer.take(|kept| answers.push(kept));
        for Kept { ticket, at } in answers {
            match at {
                Some((offset, at_ms)) => {
                    self.health.states_written.fetch_add(1, Relaxed);
                    self.tidings.appended(ticket, offset, at_ms);
                }
                None => {
                    self.health.state_trouble(StateTrouble::Refused);
                    self.tidings.refused(ticket, ErrorCode::Unavailable, RETRY_UNAVAILABLE_MS);
                }
            }
        }
        let made_anew = self.states.writer.made_anew();
        self.health.state_troubles[StateTrouble::MadeAnew as usize].store(made_anew, Relaxed);
        self.health.readers_made_anew[1].store(self.states.reader.made_anew(), Relaxed);
    }

    /// A partition's past was read, or could not be.
    fn known(&mut self, partition: u16, through: Option<u64>) {
        let Some(part) = self.states.parts.get_mut(&partition) else { return };
        part.is_asked = false;
        let Some(through) = through else { return self.health.state_trouble(StateTrouble::Unread) };
        if let Err(trouble) = self.states.reader.assign(&[(partition, ReadAt::Offset(through))]) {
            return tracing::error!(%trouble, "a partition of the state topic cannot be followed");
        }
        (part.is_known, part.is_followed) = (true, true);
        self.begin_term(partition);
    }

    fn tell_state(&mut self, partition: u16, told: Told) {
        match told.record {
            Ok(StateRecord::Revoked { client, issued_until_s }) => {
                let place = self.topology.place(client.as_ref());
                if place.partition != Partition(partition) {
                    self.health.states_passed.fetch_add(1, Relaxed);
                    return;
                }
                self.health.revocations.fetch_add(1, Relaxed);
                let revocation = Revocation { client, issued_until_s: issued_until_s.max(told.at_s) };
                self.tidings.say(place.core, LogEvent::Revoked(revocation));
            }
            Ok(StateRecord::Forgotten { .. } | StateRecord::Other) => {
                self.health.states_passed.fetch_add(1, Relaxed);
            }
            Err(StateError::NewerVersion) => self.over(partition, Over::Newer),
            Err(error) => {
                if self.health.states_passed.fetch_add(1, Relaxed) == 0 {
                    tracing::warn!(
                        partition,
                        "a record of the state topic {error}; further ones are counted only"
                    );
                }
            }
        }
    }
}
