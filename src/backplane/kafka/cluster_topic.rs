//! The membership log: one partition that is read from its beginning, small records into it, and where it ends.
//!
//! What the records say is not known here (`cluster` is the pure half). Nothing waits; the thread that owns this is woken by
//! the bell and takes what there is.

use super::bell::Bell;
use super::connection::Connection;
use super::ends::{EndsAnswer, EndsAsker};
use super::producer::{Outgoing, Producer, Report};
use super::reader::{ReadAt, Reader, Told};
use super::seen::Seen;
use super::trouble::Trouble;
use crate::limits::{KAFKA_CLUSTER_GIVE_UP_MS, KAFKA_CLUSTER_RECORDS};
use rdkafka::types::RDKafkaErrorCode;

/// What the membership log tells.
pub enum ClusterTold<'m> {
    /// The next record.
    Record(ClusterSeen<'m>),
    /// Its place is gone: begin anew by [`ClusterTopic::begin`].
    Lost,
    /// It cannot be read now; it is as soon as that is possible.
    Trouble(RDKafkaErrorCode),
    /// What became of a record of ours.
    Written(Written),
    /// Where the log begins and ends.
    Ends(EndsAnswer),
}

/// A record of the membership log.
pub struct ClusterSeen<'m> {
    /// Where.
    pub offset: u64,
    /// Log append time, Unix milliseconds; none where the topic keeps the writer's.
    pub at_ms: Option<u64>,
    /// The header `v`.
    pub version: Option<&'m [u8]>,
    /// Empty where it is null.
    pub value: &'m [u8],
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// What it was written with.
    pub token: usize,
    /// Whether it is in the log. If not, it may be nevertheless.
    pub is_there: bool,
}

/// The topic, for one thread.
pub struct ClusterTopic {
    connection: Connection,
    topic: String,
    bell: Bell,
    reader: Reader,
    producer: Producer,
    /// Tokens of records under way; at most [`KAFKA_CLUSTER_RECORDS`].
    under_way: Vec<usize>,
    ends: EndsAsker,
    reports: Vec<Report>,
}

impl ClusterTopic {
    /// Its threads inherit the CPUs of the thread that calls this. Nothing is read before [`ClusterTopic::begin`].
    pub fn open(connection: &Connection, topic: &str, bell: &Bell) -> Result<Self, Trouble> {
        Ok(Self {
            connection: connection.clone(),
            topic: topic.to_owned(),
            bell: bell.clone(),
            under_way: Vec::new(),
            reader: Reader::open(connection, topic, 1, bell)?,
            producer: Producer::new(&config(connection), connection, bell)?,
            ends: EndsAsker::of_log(connection, topic, bell)?,
            reports: Vec::new(),
        })
    }

    /// Reads from the first record that is there, also again.
    pub fn begin(&mut self) -> Result<(), Trouble> {
        self.reader.assign(&[(0, ReadAt::Start)])
    }

    /// Writes a record with this header `v`; what becomes of it is told with `token`. `false`: too many are under way, and
    /// it is not written.
    pub fn write(&mut self, version: &str, value: &[u8], token: usize) -> bool {
        let headers = [("v", version.as_bytes())].into_iter();
        let outgoing = Outgoing { topic: &self.topic, partition: 0, key: None, headers, value: Some(value) };
        let is_sent =
            self.under_way.len() < KAFKA_CLUSTER_RECORDS && self.producer.send(outgoing, token).is_ok();
        if is_sent {
            self.under_way.push(token);
        }
        is_sent
    }

    /// Asks where the log begins and ends; answered by [`ClusterTold::Ends`] with this number. `false`: too many questions
    /// wait, and it is not asked.
    pub fn ask_ends(&self, question: u64) -> bool {
        self.ends.ask(question)
    }

    /// Tells what there is, at most so many records, without waiting.
    pub fn take(&mut self, most: usize, mut tell: impl FnMut(ClusterTold<'_>)) {
        self.reader.take(most, |told| {
            tell(match told {
                Told::Record(seen) => ClusterTold::Record(seen_of(seen)),
                Told::Lost { .. } => ClusterTold::Lost,
                Told::Trouble { code, .. } => ClusterTold::Trouble(code),
            });
        });
        self.producer.take_reports(&mut self.reports);
        for Report { token, outcome } in self.reports.drain(..) {
            self.under_way.retain(|known| *known != token);
            tell(ClusterTold::Written(Written { token, is_there: outcome.is_ok() }));
        }
        self.make_anew_if_broken(&mut tell);
        // After the records: an end that is answered now may be one that has just been read.
        self.ends.answers().for_each(|answer| tell(ClusterTold::Ends(answer)));
    }

    /// A trouble with the connections that will not pass by itself, such as a password that is refused.
    pub fn trouble(&self) -> Option<Trouble> {
        self.reader.trouble().or_else(|| self.producer.trouble())
    }

    /// How often its reader was made anew, for it did not read what was there.
    pub fn readers_made_anew(&self) -> u64 {
        self.reader.made_anew()
    }

    /// In place of a producer that will never send again. What it had is not written, as far as anybody knows.
    fn make_anew_if_broken(&mut self, tell: &mut impl FnMut(ClusterTold<'_>)) {
        let Some(code) = self.producer.fatal_error() else { return };
        match Producer::new(&config(&self.connection), &self.connection, &self.bell) {
            Ok(producer) => std::mem::replace(&mut self.producer, producer).drop_aside(),
            // It is tried again the next time.
            Err(trouble) => return tracing::error!(%trouble, "no producer can be made"),
        }
        tracing::warn!(?code, "a producer has failed for good: it was made anew");
        for token in self.under_way.drain(..) {
            tell(ClusterTold::Written(Written { token, is_there: false }));
        }
    }
}

fn seen_of(seen: Seen<'_>) -> ClusterSeen<'_> {
    ClusterSeen {
        offset: seen.offset(),
        at_ms: seen.at().filter(|at| at.is_append_time).map(|at| at.ms),
        version: seen.header("v"),
        value: seen.value().unwrap_or_default(),
    }
}

fn config(connection: &Connection) -> rdkafka::ClientConfig {
    let (records, give_up) = (KAFKA_CLUSTER_RECORDS.to_string(), KAFKA_CLUSTER_GIVE_UP_MS.to_string());
    let fixed = [
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("message.timeout.ms", give_up.as_str()),
        ("queue.buffering.max.messages", records.as_str()),
    ];
    connection.config_of(&fixed, &[("linger.ms", "0")])
}
