//! Questions about where logs begin and end, each with a time to wait: how fresh a node is, and where it begins to read.
//!
//! One question goes to all brokers at once, and is answered by all or not at all. So after a question without answer each
//! broker's partitions are asked about apart, those last that were silent, until all answer again: a broker
//! that has died makes only its own partitions' answers late.

use super::connection::Connection;
use super::consumer::{self, Client};
use super::trouble::{Trouble, code_of};
use rdkafka::bindings as native;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// An offset.
    pub offset: u64,
    /// Of an end: the epoch of the partition's leader, which may be newer than that of its last record. Otherwise that of
    /// the record there. None if the broker does not say.
    pub leader_epoch: Option<u32>,
}

/// Answers by partition; who was not answered in time is missing.
pub type Places = BTreeMap<u16, Place>;

/// Asks about the partitions of one topic. Blocks: not for a core's thread.
pub struct Offsets {
    connection: Connection,
    client: Client,
    topic: String,
    /// Brokers of whose partitions there was no answer the last time; `None` while one question does for all.
    silent: Option<BTreeSet<i32>>,
}

/// Between two questions of which the first met no broker.
const AGAIN: Duration = Duration::from_millis(50);
const DOING: &str = "tell a topic's partitions";
const NEEDED: &str = "Describe on topics with this prefix";
/// As a time, Kafka's words for both ends of a log.
const START: i64 = -2;
const END: i64 = -1;

impl Offsets {
    /// Its threads inherit the CPUs of the thread that calls this.
    pub fn open(connection: &Connection, topic: &str) -> Result<Self, Trouble> {
        // An end is that of all records, not of those whose transactions are over.
        let config = connection.config_of(&[("isolation.level", "read_uncommitted")], &[]);
        let client = consumer::create(connection, &config)?;
        Ok(Self { connection: connection.clone(), client, topic: topic.to_owned(), silent: None })
    }

    /// Where the logs begin: the first offset that is not deleted.
    pub fn starts(&mut self, partitions: &[u16], time: Duration) -> Places {
        self.ask(&partitions.iter().map(|p| (*p, START)).collect::<Vec<_>>(), time)
    }

    /// Where the logs end: the offset of the next record.
    pub fn ends(&mut self, partitions: &[u16], time: Duration) -> Places {
        self.ask(&partitions.iter().map(|p| (*p, END)).collect::<Vec<_>>(), time)
    }

    /// The first record of each at or after a Unix millisecond. `None`: there is none yet.
    pub fn firsts_since(&mut self, since: &[(u16, u64)], time: Duration) -> BTreeMap<u16, Option<Place>> {
        let questions: Vec<_> =
            since.iter().map(|(p, ms)| (*p, i64::try_from(*ms).unwrap_or(i64::MAX))).collect();
        let deadline = Instant::now() + time;
        let found = self.ask_raw(&questions, deadline);
        found.into_iter().map(|(partition, found)| (partition, place_of(found))).collect()
    }

    /// How many brokers lead a partition of the topic; at least 1.
    pub fn brokers(&self, time: Duration) -> Result<usize, Trouble> {
        Ok(self.leaders(time)?.values().collect::<BTreeSet<_>>().len().max(1))
    }

    /// How many partitions the topic has; 0 where it is not there.
    pub fn partitions(&self, time: Duration) -> Result<usize, Trouble> {
        Ok(self.leaders(time)?.len())
    }

    /// The topic's name.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// For questions of other kinds; it is connected once one of ours was answered.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A trouble with the connections that will not pass by itself.
    pub fn trouble(&self) -> Option<Trouble> {
        self.client.context().trouble()
    }

    fn ask(&mut self, questions: &[(u16, i64)], time: Duration) -> Places {
        let found = self.ask_raw(questions, Instant::now() + time);
        found.into_iter().filter_map(|(partition, found)| Some((partition, place_of(found)?))).collect()
    }

    fn ask_raw(&mut self, questions: &[(u16, i64)], deadline: Instant) -> BTreeMap<u16, Raw> {
        self.listen();
        if questions.is_empty() {
            return BTreeMap::new();
        }
        if self.silent.is_none() {
            match self.ask_at_once(questions, deadline) {
                Some(found) => return found,
                None => self.silent = Some(BTreeSet::new()),
            }
        }
        self.ask_apart(questions, deadline)
    }

    /// One question to each broker, those that were silent last.
    fn ask_apart(&mut self, questions: &[(u16, i64)], deadline: Instant) -> BTreeMap<u16, Raw> {
        let Ok(leaders) = self.leaders(left(deadline)) else { return BTreeMap::new() };
        let mut by_broker: BTreeMap<i32, Vec<(u16, i64)>> = BTreeMap::new();
        for question in questions {
            let leader = leaders.get(&question.0).copied().unwrap_or(-1);
            by_broker.entry(leader).or_default().push(*question);
        }
        let were_silent = self.silent.take().unwrap_or_default();
        let mut order: Vec<_> = by_broker.into_iter().collect();
        order.sort_by_key(|(broker, _)| (*broker < 0, were_silent.contains(broker)));
        let (mut found, mut silent, groups) = (BTreeMap::new(), BTreeSet::new(), order.len());
        for (nth, (broker, questions)) in order.into_iter().enumerate() {
            // An equal share of what is left, so that one that is silent for the first time leaves some for the others.
            let share = left(deadline) / u32::try_from(groups - nth).unwrap_or(1);
            match self.ask_at_once(&questions, Instant::now() + share) {
                Some(answers) => found.extend(answers),
                None => drop(silent.insert(broker)),
            }
        }
        self.silent = (!silent.is_empty()).then_some(silent);
        found
    }

    fn ask_at_once(&self, questions: &[(u16, i64)], deadline: Instant) -> Option<BTreeMap<u16, Raw>> {
        let mut list = TopicPartitionList::with_capacity(questions.len());
        for &(partition, time) in questions {
            list.add_partition_offset(&self.topic, i32::from(partition), Offset::from_raw(time)).ok()?;
        }
        let answered = self.client.offsets_for_times(list, left(deadline)).ok()?;
        let epochs = leader_epochs(&answered);
        let elements = answered.elements();
        let of = |(nth, element): (usize, &rdkafka::topic_partition_list::TopicPartitionListElem<'_>)| {
            let partition = u16::try_from(element.partition()).ok()?;
            element.error().ok()?;
            Some((partition, Raw { offset: element.offset().to_raw()?, epoch: epochs.get(nth).copied()? }))
        };
        self.client.context().forget();
        Some(elements.iter().enumerate().filter_map(of).collect())
    }

    /// What was said of connections meanwhile; nobody else takes it.
    fn listen(&self) {
        while self.client.poll(Duration::ZERO).is_some() {}
    }

    /// By partition; none where the topic is not there. What passes by itself is asked again while there is time.
    pub(super) fn leaders(&self, time: Duration) -> Result<BTreeMap<u16, i32>, Trouble> {
        let deadline = Instant::now() + time;
        let metadata = loop {
            self.listen();
            match self.client.fetch_metadata(Some(&self.topic), left(deadline)) {
                Ok(metadata) => break metadata,
                Err(error) if !passes(&error) || left(deadline) < AGAIN => {
                    return Err(Trouble::of_asking(DOING, NEEDED, &error, &self.connection.options));
                }
                Err(_) => std::thread::sleep(AGAIN),
            }
        };
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let code = topic.and_then(|topic| topic.error()).map(RDKafkaErrorCode::from);
        if let Some(code) = code.filter(|code| *code != RDKafkaErrorCode::UnknownTopicOrPartition) {
            return Err(Trouble::of_code(DOING, NEEDED, code));
        }
        let partitions = topic.map_or(&[][..], |topic| topic.partitions());
        Ok(partitions.iter().filter_map(|p| Some((u16::try_from(p.id()).ok()?, p.leader()))).collect())
    }
}

/// A connection that failed; librdkafka makes another.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut};
    matches!(code_of(error), Some(AllBrokersDown | BrokerTransportFailure | OperationTimedOut))
}

/// An offset as it was answered, negative for none.
#[derive(Clone, Copy)]
struct Raw {
    offset: i64,
    epoch: i32,
}

fn place_of(raw: Raw) -> Option<Place> {
    let offset = u64::try_from(raw.offset).ok()?;
    Some(Place { offset, leader_epoch: u32::try_from(raw.epoch).ok() })
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Of each element in order; rdkafka does not tell them. -1: not known.
#[allow(unsafe_code)]
fn leader_epochs(list: &TopicPartitionList) -> Vec<i32> {
    let epoch = |nth| {
        // SAFETY: the list is borrowed, and has as many elements as it says; they are only read.
        unsafe { native::rd_kafka_topic_partition_get_leader_epoch((*list.ptr()).elems.add(nth)) }
    };
    (0..list.count()).map(epoch).collect()
}
