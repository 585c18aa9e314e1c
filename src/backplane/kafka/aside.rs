//! A thread that answers questions whose answers take a while, for one that must not wait: they come by the bell.

use super::bell::Bell;
use super::reader::failed;
use super::trouble::Trouble;
use crossbeam_channel::{Receiver, Sender, bounded};

/// It ends when this is dropped.
pub(super) struct Aside<Q, A> {
    questions: Sender<Q>,
    answers: Receiver<A>,
}

impl<Q: Send + 'static, A: Send + 'static> Aside<Q, A> {
    /// Of at most so many questions that wait, and as many answers that were not taken. Rings with each answer.
    pub fn start(
        (name, doing): (&str, &'static str),
        most: usize,
        bell: &Bell,
        mut answer: impl FnMut(Q) -> A + Send + 'static,
    ) -> Result<Self, Trouble> {
        let (questions, to_answer) = bounded(most);
        let (answered, answers) = bounded(most);
        let bell = bell.clone();
        let run = move || {
            for question in to_answer {
                if answered.send(answer(question)).is_err() {
                    return;
                }
                bell.ring();
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        thread.map_err(|error| failed(doing, &error.to_string()))?;
        Ok(Self { questions, answers })
    }

    /// Asks; `false`: so many wait already that this one is not asked.
    pub fn ask(&self, question: Q) -> bool {
        self.questions.try_send(question).is_ok()
    }

    /// What was answered since the last time.
    pub fn answers(&self) -> impl Iterator<Item = A> {
        self.answers.try_iter()
    }
}

/// Drops it on a thread that nobody waits for: a client ends when its threads have, and one may be looking up a host.
pub(super) fn drop_aside(client: impl Send + 'static) {
    let spawned = std::thread::Builder::new().name("kafka-drop".into()).spawn(move || drop(client));
    if let Err(error) = spawned {
        tracing::error!(%error, "a client of Kafka was dropped in place");
    }
}
