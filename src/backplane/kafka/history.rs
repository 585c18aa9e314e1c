//! Reads a stretch of one partition that is there already, as fast as it comes: for filling what a node lacks.
//!
//! It waits 5 ms at most at a broker that has nothing, which is the floor of every leap to another place (FINDINGS.md
//! §4), and so is a consumer of its own: one that waits for what is new would be asked for nothing 200 times a second.

use super::connection::Connection;
use super::consumer::{self, Client};
use super::offsets::Offsets;
use super::reader::{ReadAt, failed, is_lost_place, offset_of};
use super::seen::Seen;
use super::trouble::{Trouble, code_of};
use crate::limits::{KAFKA_HISTORY_BYTES, KAFKA_MEET_MS, KAFKA_TURN_RECORDS};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How a reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadThrough {
    /// Every record below this that the partition has was given.
    pub through: u64,
    /// Why it ended.
    pub why: ReadEnd,
}

/// Why a reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// All was given that was asked for.
    Complete,
    /// The log ends before.
    End,
    /// Who takes the records, or the flag, said so.
    Stopped,
    /// Nothing came for so long as was to be waited.
    Silent,
    /// What was to be read next is gone: deleted, or the log was cut off before it.
    Lost,
    /// The partition cannot be read.
    Failed(RDKafkaErrorCode),
}

/// Reads stretches of one topic's partitions, one at a time. Blocks: for a thread of its own.
pub struct History {
    client: Client,
    topic: String,
}

/// Between two looks at the flag while nothing comes.
const LOOK: Duration = Duration::from_millis(20);
/// How far back the last record before an offset is looked for at first, and how many times as far each time after.
/// Offsets without a record are few: they are of transactions, which outside producers may use.
const BACK: u64 = 8;

impl History {
    /// Its threads inherit the CPUs of the thread that calls this.
    pub fn open(connection: &Connection, topic: &str) -> Result<Self, Trouble> {
        let (bytes, kbytes) = (KAFKA_HISTORY_BYTES.to_string(), (KAFKA_HISTORY_BYTES >> 10).to_string());
        let fixed = [("queued.max.messages.kbytes", kbytes.as_str()), ("enable.partition.eof", "true")];
        let usual = [("fetch.wait.max.ms", "5"), ("fetch.message.max.bytes", bytes.as_str())];
        let client = consumer::create(connection, &consumer::config(connection, &fixed, &usual))?;
        Ok(Self { client, topic: topic.to_owned() })
    }

    /// Reads a little from each broker that leads a partition. librdkafka may take a second until the first record comes from
    /// one, however long it is connected: to be spent before anybody waits. Blocks, for [`KAFKA_MEET_MS`] a broker at most.
    pub fn meet_brokers(&mut self, offsets: &Offsets) {
        let (patience, never) = (Duration::from_millis(KAFKA_MEET_MS), AtomicBool::new(false));
        // Who cannot be met now is met when it is needed, a little later.
        let Ok(leaders) = offsets.leaders(patience) else { return };
        let led = leaders.into_iter().filter(|(_, leader)| *leader >= 0);
        let by_leader: BTreeMap<i32, u16> = led.map(|(partition, leader)| (leader, partition)).collect();
        for partition in by_leader.into_values() {
            let _ = self.read(partition, 0..1, patience, &never, |_| ControlFlow::Break(()));
        }
    }

    /// Gives the records of a partition within `range` to `take`, in order, until it breaks off or `stop` is set; gives up
    /// when nothing has come for `patience`. What `take` keeps it copies, and it bounds that itself.
    pub fn read(
        &mut self,
        partition: u16,
        range: Range<u64>,
        patience: Duration,
        stop: &AtomicBool,
        take: impl FnMut(Seen<'_>) -> ControlFlow<()>,
    ) -> Result<ReadThrough, Trouble> {
        if range.is_empty() {
            return Ok(ReadThrough { through: range.start, why: ReadEnd::Complete });
        }
        let mut list = TopicPartitionList::with_capacity(1);
        let added = list.add_partition_offset(
            &self.topic,
            i32::from(partition),
            offset_of(ReadAt::Offset(range.start)),
        );
        added.map_err(|error| failed("read history", &error.to_string()))?;
        self.client.assign(&list).map_err(|error| failed("read history", &error.to_string()))?;
        let read = self.give(partition, range, patience, stop, take);
        let ended = self.client.unassign();
        // What came beyond the range would stay in memory until the next one.
        for _ in 0..KAFKA_TURN_RECORDS {
            if self.client.poll(Duration::ZERO).is_none() {
                break;
            }
        }
        ended.map_err(|error| failed("end reading history", &error.to_string()))?;
        Ok(read)
    }

    /// The last record of a partition before `upto`, as `look` sees it; `None` if there is none at or above `floor`. An error
    /// where that could not be read in time: then nobody knows.
    pub fn last_before<T>(
        &mut self,
        partition: u16,
        range: Range<u64>,
        patience: Duration,
        stop: &AtomicBool,
        look: impl Fn(Seen<'_>) -> T,
    ) -> Result<Option<T>, Trouble> {
        let (floor, upto) = (range.start, range.end);
        let (mut back, mut until) = (1, upto);
        loop {
            let from = upto.saturating_sub(back).max(floor);
            let mut last = None;
            let read = self.read(partition, from..until, patience, stop, |seen| {
                last = Some(look(seen));
                ControlFlow::Continue(())
            })?;
            if !matches!(read.why, ReadEnd::Complete | ReadEnd::End) {
                return Err(failed("read the last record of a partition", &format!("{:?}", read.why)));
            }
            if last.is_some() || from == floor {
                return Ok(last);
            }
            (until, back) = (from, back.saturating_mul(BACK));
        }
    }

    fn give(
        &self,
        partition: u16,
        range: Range<u64>,
        patience: Duration,
        stop: &AtomicBool,
        mut take: impl FnMut(Seen<'_>) -> ControlFlow<()>,
    ) -> ReadThrough {
        let mut through = range.start;
        let mut heard = Instant::now();
        let ended = |through, why| ReadThrough { through, why };
        loop {
            if stop.load(Relaxed) {
                return ended(through, ReadEnd::Stopped);
            }
            match self.client.poll(LOOK) {
                None if heard.elapsed() > patience => return ended(through, ReadEnd::Silent),
                None => {}
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let seen = Seen::new(&message);
                    // What the last reading left behind is told apart by its place.
                    if seen.partition() != partition || seen.offset() < through {
                        continue;
                    }
                    if seen.offset() >= range.end {
                        return ended(range.end, ReadEnd::Complete);
                    }
                    through = seen.offset() + 1;
                    let goes_on = take(seen).is_continue();
                    if through == range.end {
                        return ended(through, ReadEnd::Complete);
                    }
                    if !goes_on {
                        return ended(through, ReadEnd::Stopped);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(at))) if at == i32::from(partition) => {
                    return ended(through, ReadEnd::End);
                }
                Some(Err(error)) if is_lost_place(&error) => return ended(through, ReadEnd::Lost),
                Some(Err(error)) => match code_of(&error) {
                    Some(code) if is_of_partition(code) => return ended(through, ReadEnd::Failed(code)),
                    // A connection; librdkafka makes another.
                    _ => {}
                },
            }
        }
    }
}

/// Errors of connections come by the same way and pass; these do not.
fn is_of_partition(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{
        TopicAuthorizationFailed, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
    };
    matches!(code, TopicAuthorizationFailed | UnknownPartition | UnknownTopic | UnknownTopicOrPartition)
}
