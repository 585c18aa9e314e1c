//! The way between nodes: our own partition, read from its end on, and records into everybody else's.
//!
//! A record that does not come through is told with the peer that it was for, so that its link breaks. Since links break by
//! themselves when something is missing, these records need neither the brokers' numbering nor all of their copies.

use super::bell::Bell;
use super::connection::Connection;
use super::law;
use super::offsets::Offsets;
use super::producer::{Outgoing, Producer, Report};
use super::reader::{ReadAt, Reader, Told};
use super::trouble::Trouble;
use crate::limits::{
    KAFKA_ANSWER_MS, KAFKA_NODE_BYTES, KAFKA_NODE_GIVE_UP_MS, KAFKA_NODE_RECORDS, KAFKA_PEERS,
    KAFKA_PRODUCERS,
};
use crate::model::Peer;
use crate::wire::node_record;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// What the way between nodes tells.
pub enum NodeTold<'m> {
    /// A record for us.
    Record {
        /// Where.
        offset: u64,
        /// The header `v`.
        version: Option<&'m [u8]>,
        /// Empty where it is null.
        value: &'m [u8],
    },
    /// The place in our partition is gone: every link is broken. Begin anew by [`NodeTopic::begin`].
    Lost,
    /// Our partition cannot be read now; it is as soon as that is possible.
    Trouble(RDKafkaErrorCode),
    /// A record for this one did not come through, or nobody knows.
    GivenUp(Peer),
}

/// Why there is no way for this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// The topic has no partition for our ordinal.
    NoPartition {
        /// The topic.
        topic: String,
        /// Ours.
        ordinal: u16,
        /// How many partitions it has; 0: it is not there.
        partitions: usize,
    },
    /// Kafka cannot be asked.
    Trouble(Trouble),
}

/// The topic, for one thread.
pub struct NodeTopic {
    connection: Connection,
    topic: String,
    ordinal: u16,
    bell: Bell,
    reader: Reader,
    offsets: Offsets,
    /// Ordinals that share a producer, neighbours.
    per_producer: usize,
    /// Made when the first record of one of its ordinals is sent.
    producers: Vec<Option<Producer>>,
    peers: Peers,
    reports: Vec<Report>,
}

impl NodeTopic {
    /// The way of the node with this ordinal. Asks whether it has a partition, and so blocks until Kafka answers. Its threads
    /// inherit the CPUs of the thread that calls this, and of the one that sends first to another node.
    pub fn open(connection: &Connection, topic: &str, ordinal: u16, bell: &Bell) -> Result<Self, NoWay> {
        let offsets = Offsets::open(connection, topic).map_err(NoWay::Trouble)?;
        let time = Duration::from_millis(KAFKA_ANSWER_MS);
        let partitions = offsets.partitions(time).map_err(NoWay::Trouble)?;
        if partitions <= usize::from(ordinal) {
            return Err(NoWay::NoPartition { topic: topic.to_owned(), ordinal, partitions });
        }
        let brokers = offsets.brokers(time).map_err(NoWay::Trouble)?;
        Ok(Self {
            connection: connection.clone(),
            topic: topic.to_owned(),
            ordinal,
            bell: bell.clone(),
            reader: Reader::open(connection, topic, 1, bell).map_err(NoWay::Trouble)?,
            offsets,
            per_producer: law::per_producer(brokers),
            producers: Vec::new(),
            peers: Peers::default(),
            reports: Vec::new(),
        })
    }

    /// Asks where our partition ends and reads from that very place on, also again. The place; `None`: no answer in `time`,
    /// and nothing is read. Blocks.
    pub fn begin(&mut self, time: Duration) -> Result<Option<u64>, Trouble> {
        let Some(end) = self.offsets.ends(&[self.ordinal], time).remove(&self.ordinal) else {
            return Ok(None);
        };
        self.reader.assign(&[(self.ordinal, ReadAt::Offset(end.offset))])?;
        Ok(Some(end.offset))
    }

    /// Sends a record to a node. What does not come through is told. Does not wait, but for a producer that is made.
    pub fn send(&mut self, to: Peer, value: &[u8]) -> Sending {
        let token = self.peers.number_of(to);
        self.make_producer(to.node);
        let Some(producer) = &self.producers[self.producer_of(to.node)] else { return Sending::Refused };
        let headers = [("v", node_record::VERSION.as_bytes())].into_iter();
        let outgoing =
            Outgoing { topic: &self.topic, partition: to.node, key: None, headers, value: Some(value) };
        match producer.send(outgoing, token) {
            Ok(()) => Sending::Sent,
            Err(_) => Sending::Refused,
        }
    }

    /// Tells what there is, at most so many records, without waiting.
    pub fn take(&mut self, most: usize, mut tell: impl FnMut(NodeTold<'_>)) {
        self.reader.take(most, |told| {
            tell(match told {
                Told::Record(seen) => NodeTold::Record {
                    offset: seen.offset(),
                    version: seen.header("v"),
                    value: seen.value().unwrap_or_default(),
                },
                Told::Lost { .. } => NodeTold::Lost,
                Told::Trouble { code, .. } => NodeTold::Trouble(code),
            });
        });
        for producer in self.producers.iter().flatten() {
            producer.take_reports(&mut self.reports);
        }
        for Report { token, outcome } in self.reports.drain(..) {
            if outcome.is_err()
                && let Some(peer) = self.peers.of(token)
            {
                tell(NodeTold::GivenUp(peer));
            }
        }
    }

    /// A trouble with the connections that will not pass by itself, such as a password that is refused.
    pub fn trouble(&self) -> Option<Trouble> {
        let producers = || self.producers.iter().flatten().find_map(Producer::trouble);
        self.reader.trouble().or_else(producers)
    }

    /// How often its reader was made anew, for it did not read what was there.
    pub fn readers_made_anew(&self) -> u64 {
        self.reader.made_anew()
    }

    fn producer_of(&self, ordinal: u16) -> usize {
        (usize::from(ordinal) / self.per_producer) % KAFKA_PRODUCERS
    }

    fn make_producer(&mut self, ordinal: u16) {
        let nth = self.producer_of(ordinal);
        if self.producers.len() <= nth {
            self.producers.resize_with(nth + 1, || None);
        }
        if self.producers[nth].is_none() {
            match Producer::new(&config(&self.connection), &self.connection, &self.bell) {
                Ok(producer) => self.producers[nth] = Some(producer),
                Err(trouble) => tracing::error!(%trouble, "no producer can be made"),
            }
        }
    }
}

/// Whether a record has set out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sending {
    /// It has; told if it does not come through.
    Sent,
    /// It has not, for too much is under way: its link breaks.
    Refused,
}

/// Numbers for peers, to be handed back with a report. Bounded: at [`KAFKA_PEERS`] the numbers begin anew, and a late report
/// may then break the link of another peer, which heals.
#[derive(Default)]
struct Peers {
    number: HashMap<Peer, usize>,
    by_number: Vec<Peer>,
}

impl Peers {
    fn number_of(&mut self, peer: Peer) -> usize {
        if let Some(number) = self.number.get(&peer) {
            return *number;
        }
        if self.by_number.len() == KAFKA_PEERS {
            self.number.clear();
            self.by_number.clear();
        }
        self.number.insert(peer, self.by_number.len());
        self.by_number.push(peer);
        self.by_number.len() - 1
    }

    fn of(&self, number: usize) -> Option<Peer> {
        self.by_number.get(number).copied()
    }
}

fn config(connection: &Connection) -> rdkafka::ClientConfig {
    let (records, kbytes, give_up) = (
        KAFKA_NODE_RECORDS.to_string(),
        (KAFKA_NODE_BYTES >> 10).to_string(),
        KAFKA_NODE_GIVE_UP_MS.to_string(),
    );
    let fixed = [
        ("enable.idempotence", "false"),
        ("acks", "1"),
        // Older than this its link has broken for the silence.
        ("message.timeout.ms", give_up.as_str()),
        ("queue.buffering.max.messages", records.as_str()),
        ("queue.buffering.max.kbytes", kbytes.as_str()),
        ("message.max.bytes", "16777216"),
        // Nobody wants to know what came through.
        ("delivery.report.only.error", "true"),
    ];
    connection.config_of(&fixed, &[("linger.ms", "0"), ("compression.type", "lz4")])
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPartition { topic, ordinal, partitions: 0 } => {
                write!(f, "there is no topic {topic} for node {ordinal}; `corepost topics create` makes it")
            }
            Self::NoPartition { topic, ordinal, partitions } => write!(
                f,
                "{topic} has {partitions} partitions, so there is none for node {ordinal}; raise their number to \
                 {} or more (kafka-topics.sh --alter --partitions), or choose a smaller ordinal",
                ordinal + 1
            ),
            Self::Trouble(trouble) => trouble.fmt(f),
        }
    }
}

impl std::error::Error for NoWay {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_have_numbers_and_there_are_not_more_than_the_bound() {
        let mut peers = Peers::default();
        let peer = |incarnation| Peer { node: 3, incarnation };
        assert_eq!((peers.number_of(peer(7)), peers.number_of(peer(8)), peers.number_of(peer(7))), (0, 1, 0));
        assert_eq!((peers.of(1), peers.of(2)), (Some(peer(8)), None));
        for incarnation in 100..100 + 3 * KAFKA_PEERS as u64 {
            let number = peers.number_of(peer(incarnation));
            assert!(number < KAFKA_PEERS);
            assert_eq!(peers.of(number), Some(peer(incarnation)));
        }
    }
}
