//! Where logs end, and one of one partition begins, asked by a thread that must not wait.

use super::aside::Aside;
use super::bell::Bell;
use super::connection::Connection;
use super::offsets::Offsets;
use super::trouble::Trouble;
use crate::limits::{KAFKA_END_MS, KAFKA_QUESTIONS};
use std::collections::BTreeMap;
use std::time::Duration;

/// Both ends of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The first offset that is not deleted.
    pub start: u64,
    /// The offset of the next record.
    pub end: u64,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndsAnswer {
    /// The number of the question.
    pub question: u64,
    /// None: no answer in time; ask again.
    pub ends: Option<Ends>,
}

/// Asks with a client of its own. A question is its number.
pub(super) type EndsAsker = Aside<u64, EndsAnswer>;

impl EndsAsker {
    /// Of partition 0 of the topic.
    pub fn of_log(connection: &Connection, topic: &str, bell: &Bell) -> Result<Self, Trouble> {
        let mut offsets = Offsets::open(connection, topic)?;
        let answer = move |question| EndsAnswer { question, ends: ends(&mut offsets) };
        Self::start(("kafka-ends", "ask for the end of a log"), KAFKA_QUESTIONS, bell, answer)
    }
}

/// The end first: what is deleted between the two questions makes the log look shorter than it is, never longer.
fn ends(offsets: &mut Offsets) -> Option<Ends> {
    let time = Duration::from_millis(KAFKA_END_MS);
    let end = offsets.ends(&[0], time).remove(&0)?.offset;
    let start = offsets.starts(&[0], time).remove(&0)?.offset;
    Some(Ends { start, end })
}

/// A question for the ends of partitions: when it is asked, and which.
pub(super) type EndsQuestion = (u64, Vec<u16>);

/// What was answered; who was not in time is missing.
pub(super) struct EndsOf {
    /// When it was asked.
    pub asked_ms: u64,
    /// The offset of each partition's next record.
    pub ends: BTreeMap<u16, u64>,
}

/// Asks with a client of its own, made with the first question.
pub(super) type PartitionsAsker = Aside<EndsQuestion, EndsOf>;

impl PartitionsAsker {
    /// Of partitions of the topic, one question after the other.
    pub fn of_partitions(connection: &Connection, topic: &str, bell: &Bell) -> Result<Self, Trouble> {
        let (connection, topic) = (connection.clone(), topic.to_owned());
        let mut offsets = None;
        let answer = move |(asked_ms, partitions): EndsQuestion| {
            offsets = offsets.take().or_else(|| Offsets::open(&connection, &topic).ok());
            let time = Duration::from_millis(KAFKA_END_MS);
            let ends = offsets.as_mut().map(|offsets| offsets.ends(&partitions, time)).unwrap_or_default();
            let ends = ends.into_iter().map(|(partition, end)| (partition, end.offset)).collect();
            EndsOf { asked_ms, ends }
        };
        Self::start(("kafka-unread", "ask for the ends of partitions"), 1, bell, answer)
    }
}
