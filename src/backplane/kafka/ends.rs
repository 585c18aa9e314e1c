//! Where a log of one partition begins and ends, asked by a thread that must not wait.

use super::aside::Aside;
use super::bell::Bell;
use super::connection::Connection;
use super::offsets::Offsets;
use super::trouble::Trouble;
use crate::limits::{KAFKA_END_MS, KAFKA_QUESTIONS};
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
