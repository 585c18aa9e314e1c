//! What the follower holds, and what it does with it in each turn.

use super::asker::{self, Answer, Question};
use super::filler::Task;
use super::follower::Command;
use super::health::Reread;
use super::kept;
use super::looked::{Looked, Wrong};
use super::part::Part;
use super::readers::Sought;
use super::states::States;
use super::watch;
use super::{Deliver, KafkaHealth, KafkaLogOptions};
use crate::backplane::index::{Index, IndexError, Kept, Opened};
use crate::backplane::kafka::{Bell, ReadAt, Told, Trouble};
use crate::backplane::store::memory;
use crate::backplane::tidings::Tidings;
use crate::counters::LogMemory;
use crate::host::{mono_ms, unix_ms};
use crate::limits::{
    FRESH_MS, KAFKA_BEGIN_AGAIN_MS, KAFKA_GROUND_MS, KAFKA_WATCH_MS, RETRY_UNAVAILABLE_MS, STORE_REOPEN_MS,
};
use crate::log::{LogEvent, Read};
use crate::model::{ErrorCode, Topology};
use crate::tail::{self, End, Found, Ground, Over, Stored, Verdict, Witness};
use crate::wire::record::RecordError;
use crossbeam_channel::Sender;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::Discriminant;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Everything of it but what records are read from.
pub(super) struct Hands {
    pub topology: Topology,
    pub parts: BTreeMap<u16, Part>,
    /// What the index has of partitions that are not followed.
    pub kept: BTreeMap<u16, Stored>,
    pub states: States,
    pub index: Index,
    pub next_reopen: Instant,
    pub next_ground: Instant,
    pub next_lags: Instant,
    /// When those are begun that could not be.
    pub next_begin: Instant,
    pub attempts: u64,
    /// Kinds of bad records that were told in this node's messages. At most as many as there are.
    pub told_wrong: HashSet<Option<Discriminant<RecordError>>>,
    /// Where a newer version has written: they are served by whoever can read that.
    pub given_up: BTreeSet<u16>,
    pub terms: u64,
    pub tidings: Tidings,
    /// Reads that have not been judged yet.
    pub reads: Vec<(Read, bool)>,
    /// Partitions to be read from there on, and not any more.
    pub assign: Vec<(u16, ReadAt)>,
    pub unassign: Vec<u16>,
    pub deliver: Deliver,
    pub health: Arc<KafkaHealth>,
    pub ask: Sender<Question>,
    pub watch: Sender<Vec<u16>>,
    pub fill: Sender<Task>,
    pub pages: Sender<Sought>,
}

pub(super) fn kept_in(opened: Opened) -> BTreeMap<u16, Stored> {
    let stored = |kept: &Kept| {
        let stored = kept::decode(&kept.state)?;
        // Retention may have cut what the state says.
        Some(Stored { from: kept.coverage.from, next: kept.coverage.next, ..stored })
    };
    opened.kept.iter().filter_map(|kept| Some((kept.partition.0, stored(kept)?))).collect()
}

impl Hands {
    /// With an index that was just opened.
    pub fn open(
        options: &KafkaLogOptions,
        (index, opened): (Index, Opened),
        bell: &Bell,
        commands: &Sender<Command>,
        (fill, pages): (Sender<Task>, Sender<Sought>),
        deliver: &Deliver,
        health: &Arc<KafkaHealth>,
    ) -> Result<Self, Trouble> {
        let (now, topology) = (Instant::now(), options.topology);
        Ok(Self {
            topology,
            parts: BTreeMap::new(),
            kept: kept_in(opened),
            index,
            next_reopen: now,
            next_ground: now + Duration::from_millis(KAFKA_GROUND_MS),
            next_lags: now,
            next_begin: now,
            attempts: 0,
            told_wrong: HashSet::new(),
            given_up: BTreeSet::new(),
            terms: 0,
            tidings: Tidings::new(topology.cores()),
            reads: Vec::new(),
            assign: Vec::new(),
            unassign: Vec::new(),
            deliver: deliver.clone(),
            health: health.clone(),
            states: States::open(options, bell)?,
            ask: asker::start(options, bell, commands)?,
            watch: watch::start(options, bell, commands)?,
            fill,
            pages,
        })
    }

    pub fn obey(&mut self, command: Command) {
        match command {
            Command::Own { owned, standby } => self.own(&owned, &standby),
            Command::Read(read) => self.reads.push((read, false)),
            Command::Short(read) => self.reads.push((read, true)),
            Command::Refuse(tickets) => tickets.into_iter().for_each(|ticket| {
                self.tidings.refused(ticket, ErrorCode::Unavailable, RETRY_UNAVAILABLE_MS);
            }),
            Command::Revoke(ticket, revocation) => self.revoke(ticket, &revocation),
            Command::Answer(answer) => self.answered(answer),
            Command::Ends { asked_ms, ends } => {
                ends.into_iter().for_each(|(partition, end)| self.ended_at(partition, end, asked_ms));
            }
            Command::Stop => unreachable!("the thread ends by it"),
        }
    }

    /// Where a partition's log ends.
    fn ended_at(&mut self, partition: u16, end: End, asked_ms: u64) {
        let Some(part) = self.parts.get_mut(&partition) else { return };
        let Some(tail) = &mut part.tail else { return };
        // It was asked after the answer before this one was heard.
        let read_then = std::mem::replace(&mut part.read_then, tail.read_from());
        if let Some(over) = tail.on_end(end, asked_ms, read_then) {
            self.over(partition, over);
        } else if let Some(witness) = part.witness_to_ask() {
            let _ = self.ask.send(Question::Witness { partition, attempt: part.attempt, witness });
        }
    }

    /// A record that was read was looked for at a new leader. Where nobody knows, the next end asks again.
    fn witnessed(&mut self, partition: u16, attempt: u64, witness: Witness, found: Option<Option<u32>>) {
        let part = self.parts.get_mut(&partition).filter(|part| part.attempt == attempt);
        let Some(part) = part else { return };
        part.is_asking_witness = false;
        let Some((tail, found)) = part.tail.as_mut().zip(found) else { return };
        if let Some(over) = tail.on_witness(witness, found) {
            self.over(partition, over);
        }
    }

    pub fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Begin { partition, attempt, begin } => {
                // Where nobody answered, the tick asks again.
                if let Some((begin, window)) = begin.map(|begin| *begin) {
                    self.begun(partition, attempt, begin, window);
                }
            }
            Answer::Ground { partition, ground } => {
                if let Some(part) = self.parts.get_mut(&partition)
                    && let Some(tail) = &mut part.tail
                {
                    tail.on_ground(ground);
                    (part.is_touched, part.is_asking_ground) = (true, false);
                    self.next_chunk(partition);
                }
            }
            Answer::Witness { partition, attempt, witness, found } => {
                self.witnessed(partition, attempt, witness, found);
            }
            Answer::Since { read, offset } => {
                let Some(offset) = offset else { return self.refuse(read) };
                let offset = offset.unwrap_or(read.upto.offset);
                self.judge(read, tail::ReadAt::Offset(offset));
            }
        }
    }

    /// Something was read at the end of a log.
    pub fn told(&mut self, told: Told<'_>) {
        match told {
            Told::Record(seen) => {
                let partition = seen.partition();
                self.follow(partition, Looked::at(seen, self.topology));
            }
            Told::Lost { partition } => {
                if self.parts.get(&partition).is_some_and(|part| part.tail.is_some()) {
                    self.over(partition, Over::Range);
                }
            }
            Told::Trouble { partition, code } => {
                tracing::debug!(partition, %code, "a partition cannot be read now");
            }
        }
    }

    pub fn follow(&mut self, partition: u16, looked: Looked) {
        let reread = self.parts.get(&partition).map_or(Some(Reread::Late), Part::rereads);
        match reread {
            Some(why) => self.health.reread(why, 1),
            None => drop(self.health.records.fetch_add(1, Relaxed)),
        }
        self.count(partition, &looked);
        let Some(part) = self.parts.get_mut(&partition) else { return };
        let (verdict, record) = part.follow(looked);
        if let Some(record) = record {
            let core = self.topology.core(record.envelope.to());
            self.tidings.record(core, record);
        }
        match verdict {
            Some(Verdict::Over(over)) => return self.over(partition, over),
            Some(Verdict::Duplicate) => drop(self.health.duplicates.fetch_add(1, Relaxed)),
            _ => {}
        }
        self.begin_term(partition);
    }

    pub fn count(&mut self, partition: u16, looked: &Looked) {
        let Some(wrong) = looked.wrong else { return };
        let counter = match looked.found {
            Found::Damaged => &self.health.damaged,
            _ => &self.health.nobodys,
        };
        counter.fetch_add(1, Relaxed);
        if self.told_wrong.insert(wrong.kind()) {
            let offset = looked.place.offset;
            let what = match wrong {
                Wrong::Rule(error) => error.to_string(),
                Wrong::Partition => "is in another partition than its key's".to_owned(),
            };
            tracing::warn!(partition, offset, "a record {what}; further ones of this kind are counted only");
        }
    }

    /// What is done now and then.
    pub fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.next_ground {
            self.next_ground = now + Duration::from_millis(KAFKA_GROUND_MS);
            let _ = self.ask.send(Question::Grounds(self.parts.keys().copied().collect()));
            self.expire();
        }
        self.parts.values_mut().for_each(|part| part.give_up_wants(now));
        if now >= self.next_lags {
            self.next_lags = now + Duration::from_millis(KAFKA_WATCH_MS);
            *self.health.lags() = self.parts.values().filter_map(Part::lag).collect();
            self.health.troubled(self.states.trouble());
            self.health.memory.set(self.memory());
        }
        if now >= self.next_begin {
            self.next_begin = now + Duration::from_millis(KAFKA_BEGIN_AGAIN_MS);
            for (&partition, part) in &self.parts {
                if part.tail.is_none() && !self.given_up.contains(&partition) {
                    let stored = self.kept.get(&partition).cloned();
                    let _ = self.ask.send(Question::Begin { partition, attempt: part.attempt, stored });
                }
            }
        }
        if !self.index.is_open() && now >= self.next_reopen {
            self.next_reopen = now + Duration::from_millis(STORE_REOPEN_MS);
            self.reopen();
        }
    }

    fn memory(&self) -> memory::Bytes {
        let mut bytes = self.index.memory();
        let tails = self.parts.values().filter_map(|part| part.tail.as_ref());
        bytes[LogMemory::Windows as usize] = tails.map(|tail| tail.window_bytes() as u64).sum();
        bytes
    }

    /// Buckets that are older than retention go.
    pub fn expire(&mut self) {
        match self.index.expire(unix_ms()) {
            Ok(cuts) => {
                for cut in cuts {
                    if let Some(stored) = self.kept.get_mut(&cut.partition.0) {
                        stored.from = stored.from.max(cut.from);
                    }
                    let ground = Ground { start: cut.from, settled: None, young: None };
                    self.answered(Answer::Ground { partition: cut.partition.0, ground });
                    self.ask_anew(cut.partition.0);
                }
            }
            Err(error) => self.index_failed(&error),
        }
        self.health.bytes.store(self.index.bytes(), Relaxed);
    }

    /// Tells the cores what there is, and of which partitions nothing is missing.
    pub fn tell(&mut self) {
        let now_ms = mono_ms();
        let (mut fresh, mut oldest_ms, mut served, mut are_fresh) = (Vec::new(), now_ms, 0, 0);
        for part in self.parts.values_mut().filter(|part| part.term.is_some()) {
            served += 1;
            let Some(tail) = &part.tail else { continue };
            let (Some(head), Some(fresh_ms)) = (tail.serving(), tail.fresh_ms()) else { continue };
            if fresh_ms + FRESH_MS <= now_ms {
                continue;
            }
            are_fresh += 1;
            if part.told_fresh_ms >= Some(fresh_ms) {
                continue;
            }
            part.told_fresh_ms = Some(fresh_ms);
            oldest_ms = oldest_ms.min(fresh_ms);
            fresh.push(part.partition);
            if part.told_head < head {
                part.told_head = head;
                self.tidings.head(part.partition, head);
            }
        }
        self.health.served.store(served, Relaxed);
        self.health.fresh.store(are_fresh, Relaxed);
        if !fresh.is_empty() && !self.health.suspended.load(Relaxed) {
            self.tidings.say_to_all(LogEvent::Fresh { partitions: fresh.into(), asked_ms: oldest_ms });
        }
        let tidings = std::mem::replace(&mut self.tidings, Tidings::new(self.topology.cores()));
        tidings.tell(&*self.deliver);
    }

    /// Puts what was read into the index.
    pub fn commit(&mut self) {
        if !self.index.is_open() {
            // They are read again once it is open.
            return self.parts.values_mut().for_each(Part::forget_rows);
        }
        let rows: usize = self.parts.values().map(Part::rows).sum();
        let portions: Vec<_> = self.parts.values_mut().filter_map(Part::portion).collect();
        if portions.is_empty() {
            return;
        }
        match self.index.commit(portions) {
            Ok(()) => drop(self.health.rows.fetch_add(rows as u64, Relaxed)),
            Err(error) => self.index_failed(&error),
        }
    }

    pub fn index_failed(&mut self, error: &IndexError) {
        self.health.index_errors.fetch_add(1, Relaxed);
        if !self.health.index_failed.swap(true, Relaxed) {
            tracing::error!(%error, "what is missed cannot be replayed until the index is open again");
        }
        self.next_reopen = Instant::now() + Duration::from_millis(STORE_REOPEN_MS);
    }

    /// Opens the index again. What it holds may be less than was put into it, so every partition begins anew.
    pub fn reopen(&mut self) {
        match self.index.reopen() {
            Ok(opened) => {
                self.kept = kept_in(opened);
                self.health.index_failed.store(false, Relaxed);
                tracing::info!("the index is open again");
                for (partition, role) in
                    self.parts.iter().map(|(&it, part)| (it, part.role)).collect::<Vec<_>>()
                {
                    self.end_term(partition);
                    self.unassign.push(partition);
                    self.parts.remove(&partition);
                    self.begin(partition, role);
                }
            }
            Err(error) => tracing::debug!(%error, "the index cannot be opened yet"),
        }
    }
}
