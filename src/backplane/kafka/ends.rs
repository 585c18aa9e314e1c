//! Where a log of one partition begins and ends, asked by a thread that must not wait: the answer comes by the bell.

use super::bell::Bell;
use super::connection::Connection;
use super::offsets::Offsets;
use super::reader::failed;
use super::trouble::Trouble;
use crate::limits::{KAFKA_END_MS, KAFKA_QUESTIONS};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
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

/// Asks on a thread of its own, which ends when this is dropped.
pub(super) struct EndsAsker {
    questions: Sender<u64>,
    answers: Receiver<EndsAnswer>,
}

impl EndsAsker {
    pub fn start(connection: &Connection, topic: &str, bell: &Bell) -> Result<Self, Trouble> {
        let mut offsets = Offsets::open(connection, topic)?;
        let (questions, to_ask) = bounded(KAFKA_QUESTIONS);
        let (answered, answers) = bounded(KAFKA_QUESTIONS);
        let bell = bell.clone();
        let run = move || {
            for question in to_ask {
                let answer = EndsAnswer { question, ends: ends(&mut offsets) };
                if answered.send(answer).is_err() {
                    return;
                }
                bell.ring();
            }
        };
        let thread = std::thread::Builder::new().name("kafka-ends".into()).spawn(run);
        thread.map_err(|error| failed("ask for the end of a log", &error.to_string()))?;
        Ok(Self { questions, answers })
    }

    /// Asks; `false`: so many wait already that this one is not asked.
    pub fn ask(&self, question: u64) -> bool {
        !matches!(
            self.questions.try_send(question),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
        )
    }

    pub fn answers(&self) -> impl Iterator<Item = EndsAnswer> {
        self.answers.try_iter()
    }
}

/// The end first: what is deleted between the two questions makes the log look shorter than it is, never longer.
fn ends(offsets: &mut Offsets) -> Option<Ends> {
    let time = Duration::from_millis(KAFKA_END_MS);
    let end = offsets.ends(&[0], time).remove(&0)?.offset;
    let start = offsets.starts(&[0], time).remove(&0)?.offset;
    Some(Ends { start, end })
}
