//! Reads partitions of one topic as they grow: taken on and given up one by one, without waiting for a broker.
//!
//! Each partition has a queue of its own, since an error that librdkafka hands on does not say of which partition it
//! speaks. Who takes asks nothing of partitions that have nothing; the bell is rung when one comes to have something.
//!
//! A client that reads no more of a partition in which there is something is replaced ([`Silences`]); all partitions go on
//! behind the last record that they told.

use super::aside::drop_aside;
use super::bell::Bell;
use super::connection::Connection;
use super::consumer::{self, Client};
use super::ear::Ear;
use super::ends::{EndsOf, PartitionsAsker};
use super::seen::Seen;
use super::silences::Silences;
use super::trouble::{Trouble, code_of};
use crate::limits::{
    KAFKA_READ_AHEAD_BYTES, KAFKA_READ_AHEAD_LEAST, KAFKA_READ_AHEAD_MOST, KAFKA_READ_AHEAD_RECORDS,
    KAFKA_SWEEP_MS, KAFKA_TURN_RECORDS,
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// At the first record that is there when the broker is asked.
    Start,
    /// At this offset, at most the end of the log: beyond it the place is lost.
    Offset(u64),
}

/// What a reader tells.
pub enum Told<'m> {
    /// The next record of its partition.
    Record(Seen<'m>),
    /// The place of a partition is gone: its records were deleted unread, or the log was cut off before it. The partition
    /// is not read any more.
    Lost {
        /// Which.
        partition: u16,
    },
    /// A partition cannot be read now. librdkafka goes on trying.
    Trouble {
        /// Which.
        partition: u16,
        /// Why.
        code: RDKafkaErrorCode,
    },
}

/// What was read ahead of one partition.
type Queue = PartitionQueue<Ear>;

/// A partition that is read.
struct Read {
    queue: Queue,
    /// It stands among those that may have something.
    is_waiting: bool,
}

/// A consumer of one topic.
pub struct Reader {
    client: Arc<Client>,
    connection: Connection,
    config: ClientConfig,
    topic: String,
    bell: Bell,
    /// By partition; those that are read.
    read: BTreeMap<u16, Read>,
    /// Rung by librdkafka when a partition's queue is no longer empty. Unbounded: at most one waits for each time that a
    /// queue was emptied, and they are taken before any queue is.
    ring: Sender<u16>,
    rung: Receiver<u16>,
    /// Partitions that may have something, each once.
    waiting: VecDeque<u16>,
    next_sweep: Instant,
    silences: Silences,
    /// Where those end that are silent.
    asker: PartitionsAsker,
    /// What the times of `silences` are since.
    begun: Instant,
    made_anew: u64,
    /// The client that was replaced last, while it ends. At most one does: until it has, no other is replaced.
    replaced: Weak<Client>,
}

impl Reader {
    /// A reader of a topic of so many partitions; it reads none yet. `bell` is rung when [`Reader::take`] may have
    /// something. Its threads inherit the CPUs of the thread that calls this.
    pub fn open(connection: &Connection, topic: &str, partitions: u16, bell: &Bell) -> Result<Self, Trouble> {
        let share = KAFKA_READ_AHEAD_BYTES / u64::from(partitions.max(1));
        let share = share.clamp(KAFKA_READ_AHEAD_LEAST, KAFKA_READ_AHEAD_MOST);
        let (bytes, kbytes, records) =
            (share.to_string(), (share >> 10).to_string(), KAFKA_READ_AHEAD_RECORDS.to_string());
        // For each partition, as each has a queue of its own.
        let fixed = [("queued.max.messages.kbytes", kbytes.as_str()), ("enable.partition.eof", "false")];
        let usual = [("queued.min.messages", records.as_str()), ("fetch.message.max.bytes", bytes.as_str())];
        let config = consumer::config(connection, &fixed, &usual);
        let (ring, rung) = unbounded();
        let now = Instant::now();
        Ok(Self {
            client: create(connection, &config, bell)?,
            connection: connection.clone(),
            config,
            topic: topic.to_owned(),
            bell: bell.clone(),
            read: BTreeMap::new(),
            ring,
            rung,
            waiting: VecDeque::new(),
            next_sweep: now,
            silences: Silences::default(),
            asker: PartitionsAsker::of_partitions(connection, topic, bell)?,
            begun: now,
            made_anew: 0,
            replaced: Weak::new(),
        })
    }

    /// Reads these partitions from there on. One that is read already goes on from its new place. Waits for a thread of
    /// librdkafka's, not for a broker.
    pub fn assign(&mut self, partitions: &[(u16, ReadAt)]) -> Result<(), Trouble> {
        let known: Vec<_> =
            partitions.iter().map(|(p, _)| *p).filter(|p| self.read.contains_key(p)).collect();
        self.unassign(&known)?;
        let now_ms = self.now_ms();
        partitions.iter().for_each(|(partition, at)| self.silences.begin(*partition, *at, now_ms));
        self.assign_unread(partitions)
    }

    /// Reads these, of which none is read.
    fn assign_unread(&mut self, partitions: &[(u16, ReadAt)]) -> Result<(), Trouble> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for &(partition, at) in partitions {
            // Before it is assigned, so that nothing of it goes into the common queue.
            let Some(queue) = self.client.split_partition_queue(&self.topic, i32::from(partition)) else {
                return Err(failed("read a topic of this name", "it has a zero byte"));
            };
            let queue = self.with_ring(partition, queue);
            self.read.insert(partition, Read { queue, is_waiting: true });
            self.waiting.push_back(partition);
            let added = list.add_partition_offset(&self.topic, i32::from(partition), offset_of(at));
            added.map_err(|error| failed("read a partition", &error.to_string()))?;
        }
        if partitions.is_empty() {
            return Ok(());
        }
        self.bell.ring();
        self.client.incremental_assign(&list).map_err(|error| {
            for (partition, _) in partitions {
                self.read.remove(partition);
                self.silences.end(*partition);
            }
            self.waiting.retain(|partition| self.read.contains_key(partition));
            failed("read partitions", &error.to_string())
        })
    }

    /// Reads these partitions no longer; nothing of them is told after this.
    pub fn unassign(&mut self, partitions: &[u16]) -> Result<(), Trouble> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        let gone: Vec<_> = partitions
            .iter()
            .filter_map(|partition| Some((*partition, self.read.remove(partition)?)))
            .collect();
        for (partition, _) in &gone {
            self.silences.end(*partition);
            list.add_partition(&self.topic, i32::from(*partition));
        }
        self.waiting.retain(|partition| self.read.contains_key(partition));
        if gone.is_empty() {
            return Ok(());
        }
        let done = self.client.incremental_unassign(&list);
        // What had come already would stay in memory until the partition is read again, if ever.
        for (_, read) in &gone {
            while read.queue.poll(Duration::ZERO).is_some() {}
        }
        done.map_err(|error| failed("stop reading partitions", &error.to_string()))
    }

    /// Tells at most so many records without waiting, of each partition in order and of none for long; how many. To be called
    /// when the bell was rung, and once a second at least.
    pub fn take(&mut self, most: usize, mut tell: impl FnMut(Told<'_>)) -> usize {
        for partition in self.gather() {
            let _ = self.unassign(&[partition]);
            tell(Told::Lost { partition });
        }
        let (mut taken, now_ms) = (0, self.now_ms());
        while taken < most
            && let Some(partition) = self.waiting.pop_front()
        {
            let share = KAFKA_TURN_RECORDS.min(most - taken);
            let Some(read) = self.read.get_mut(&partition) else { continue };
            let turn = take_turn(&read.queue, partition, share, &mut tell);
            taken += turn.taken;
            read.is_waiting = turn.has_more;
            if turn.taken > 0 {
                self.silences.told(partition, turn.last, now_ms);
            }
            if turn.is_lost {
                // That it cannot be unassigned means that it is not assigned.
                let _ = self.unassign(&[partition]);
                tell(Told::Lost { partition });
            } else if turn.has_more {
                self.waiting.push_back(partition);
            }
        }
        // After the records: whoever is silent now has nothing that was read.
        for partition in self.listen_to_silence(now_ms) {
            tell(Told::Lost { partition });
        }
        if !self.waiting.is_empty() {
            self.bell.ring();
        }
        taken
    }

    /// How often its client was replaced, for it read no more of a partition in which there was something.
    pub fn made_anew(&self) -> u64 {
        self.made_anew
    }

    /// A trouble with the connections that will not pass by itself, such as a password that is refused.
    pub fn trouble(&self) -> Option<Trouble> {
        self.client.context().trouble()
    }

    /// Asks for the ends of those that are silent, and replaces a client that is deaf. Partitions that are not read any more.
    fn listen_to_silence(&mut self, now_ms: u64) -> Vec<u16> {
        let mut deaf = Vec::new();
        for EndsOf { asked_ms, ends } in self.asker.answers().collect::<Vec<_>>() {
            deaf = self.silences.answered(asked_ms, &ends, now_ms);
        }
        let silent = self.silences.due(now_ms);
        if !silent.is_empty() && !self.asker.ask((now_ms, silent)) {
            tracing::error!("nobody asks for the ends of silent partitions any more");
        }
        // Who only waits for its turn has been read, also if that was while others were told.
        let rung: Vec<_> = self.rung.try_iter().collect();
        self.mark(rung);
        deaf.retain(|(partition, _)| self.read.get(partition).is_some_and(|read| !read.is_waiting));
        if deaf.is_empty() || self.replaced.strong_count() > 0 { Vec::new() } else { self.make_anew(&deaf) }
    }

    /// A new client in place of one that is deaf: whatever is the matter with it is its own. All go on where they stood;
    /// partitions of which that cannot be.
    fn make_anew(&mut self, deaf: &[(u16, u64)]) -> Vec<u16> {
        let client = match create(&self.connection, &self.config, &self.bell) {
            Ok(client) => client,
            Err(trouble) => {
                tracing::error!(%trouble, "no reader can be made in place of one that is deaf");
                return Vec::new();
            }
        };
        self.made_anew += 1;
        tracing::warn!(
            topic = self.topic,
            ?deaf,
            "partitions go on and were not read: the reader was made anew"
        );
        let read = std::mem::take(&mut self.read);
        self.waiting.clear();
        let places = self.silences.begin_again(deaf, self.now_ms());
        let client = std::mem::replace(&mut self.client, client);
        self.replaced = Arc::downgrade(&client);
        // Queues before their client, which waits for its threads.
        drop_aside((read, client));
        match self.assign_unread(&places) {
            Ok(()) => Vec::new(),
            Err(trouble) => {
                tracing::error!(%trouble, "partitions cannot be read on");
                places.into_iter().map(|(partition, _)| partition).collect()
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// librdkafka reads nothing more of it and says nothing: like what was seen, if not by the same cause.
    #[cfg(test)]
    pub(super) fn deafen(&self, partition: u16) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, i32::from(partition));
        self.client.pause(&list)
    }

    fn with_ring(&self, partition: u16, mut queue: Queue) -> Queue {
        let (ring, bell) = (self.ring.clone(), self.bell.clone());
        queue.set_nonempty_callback(move || {
            let _ = ring.send(partition);
            bell.ring();
        });
        queue
    }

    /// Who may have something: who has rung, and now and then everybody, since an event that is none for us looks to
    /// rdkafka's users as if a queue were empty. Those whose records came by the common queue, to nobody: librdkafka has put
    /// another partition in the place of the one whose queue we have, as when a topic is made again.
    fn gather(&mut self) -> Vec<u16> {
        let mut strays = Vec::new();
        while let Some(event) = self.client.poll(Duration::ZERO) {
            // Other events are of no partition; what they say is heard by the ear.
            if let Ok(message) = event {
                strays.push(Seen::new(&message).partition());
            }
        }
        strays.sort_unstable();
        strays.dedup();
        strays.retain(|partition| self.read.contains_key(partition));
        let mut marks: Vec<u16> = self.rung.try_iter().collect();
        let now = Instant::now();
        if now >= self.next_sweep {
            self.next_sweep = now + Duration::from_millis(KAFKA_SWEEP_MS);
            marks.extend(self.read.keys());
        }
        self.mark(marks);
        strays
    }

    /// These may have something.
    fn mark(&mut self, partitions: Vec<u16>) {
        for partition in partitions {
            if let Some(read) = self.read.get_mut(&partition)
                && !std::mem::replace(&mut read.is_waiting, true)
            {
                self.waiting.push_back(partition);
            }
        }
    }
}

fn create(connection: &Connection, config: &ClientConfig, bell: &Bell) -> Result<Arc<Client>, Trouble> {
    let mut client = consumer::create(connection, config)?;
    consumer::ring_for_events(&mut client, bell);
    Ok(Arc::new(client))
}

struct Turn {
    taken: usize,
    /// The offset of its last record.
    last: Option<u64>,
    has_more: bool,
    is_lost: bool,
}

fn take_turn(queue: &Queue, partition: u16, share: usize, tell: &mut impl FnMut(Told<'_>)) -> Turn {
    let mut turn = Turn { taken: 0, last: None, has_more: true, is_lost: false };
    while turn.taken < share {
        match queue.poll(Duration::ZERO) {
            None => return Turn { has_more: false, ..turn },
            Some(Ok(message)) => {
                let seen = Seen::new(&message);
                turn.last = Some(seen.offset());
                tell(Told::Record(seen));
            }
            Some(Err(error)) if is_lost_place(&error) => {
                return Turn { has_more: false, is_lost: true, ..turn };
            }
            Some(Err(error)) => {
                let code = code_of(&error).unwrap_or(RDKafkaErrorCode::Fail);
                tell(Told::Trouble { partition, code });
            }
        }
        turn.taken += 1;
    }
    turn
}

/// There is nothing at the place from which was to be read.
pub(super) fn is_lost_place(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, LogTruncation, OffsetOutOfRange};
    matches!(code_of(error), Some(AutoOffsetReset | LogTruncation | OffsetOutOfRange))
}

pub(super) fn offset_of(at: ReadAt) -> Offset {
    match at {
        ReadAt::Start => Offset::Beginning,
        ReadAt::Offset(offset) => Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX)),
    }
}

pub(super) fn failed(doing: &'static str, reason: &str) -> Trouble {
    Trouble::Failed { doing, reason: reason.to_owned() }
}
