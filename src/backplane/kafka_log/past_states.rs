//! Reads what the state topic already holds of a partition, before that is served: on a thread of its own, since it waits.

use super::KafkaLogOptions;
use super::patience::Patience;
use super::states::Told;
use crate::backplane::kafka::{Bell, History, Offsets, ReadEnd, ReadThrough, Trouble};
use crate::backplane::thread::spawn;
use crate::limits::{KAFKA_FILL_BATCHES, KAFKA_FILL_RECORDS};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

/// A partition whose past is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub partition: u16,
    pub attempt: u64,
}

/// A part of its past.
pub(super) struct Past {
    pub task: Task,
    pub told: Vec<Told>,
    /// It goes on.
    pub more: bool,
    /// With the last: the offset at which the present begins; `None` if it could not be read to its end.
    pub through: Option<u64>,
    /// Why it could not, where that will not pass by itself.
    pub failure: Option<Trouble>,
}

/// Starts it; it ends when the sender is dropped.
pub(super) fn start(
    options: &KafkaLogOptions,
    bell: &Bell,
) -> Result<(Sender<Task>, Receiver<Past>), Trouble> {
    // Unbounded: one of each partition at a time.
    let (ask, asked) = unbounded();
    let (past, taken) = bounded(KAFKA_FILL_BATCHES);
    let mut reader = PastReader {
        offsets: Offsets::open(&options.connection, &options.state_topic)?,
        history: History::open(&options.connection, &options.state_topic)?,
        never: AtomicBool::new(false),
        past,
        bell: bell.clone(),
    };
    let run = move || {
        reader.history.meet_brokers(&reader.offsets);
        reader.run(&asked);
    };
    let thread = spawn("kafka-state", &options.on_thread, run);
    thread.map_err(|error| Trouble::Failed { doing: "read the state topic", reason: error.to_string() })?;
    Ok((ask, taken))
}

struct PastReader {
    offsets: Offsets,
    history: History,
    never: AtomicBool,
    past: Sender<Past>,
    bell: Bell,
}

impl PastReader {
    fn run(&mut self, asked: &Receiver<Task>) {
        while let Ok(first) = asked.recv() {
            // Many partitions begin at once: they are asked about together.
            let tasks: Vec<Task> = std::iter::once(first).chain(asked.try_iter()).collect();
            let partitions: Vec<u16> = tasks.iter().map(|task| task.partition).collect();
            let patience = Patience::new();
            let starts = self.offsets.starts(&partitions, patience.next());
            let ends = self.offsets.ends(&partitions, patience.next());
            for task in tasks {
                let range = starts.get(&task.partition).zip(ends.get(&task.partition));
                let past = match range {
                    Some((start, end)) => self.read(task, start.offset..end.offset, patience),
                    None => {
                        let failure = self.offsets.trouble();
                        Past { task, told: Vec::new(), more: false, through: None, failure }
                    }
                };
                self.tell(past);
            }
        }
    }

    fn read(&mut self, task: Task, range: std::ops::Range<u64>, patience: Patience) -> Past {
        let Self { history, never, past, bell, .. } = self;
        let mut told = Vec::new();
        let read = history.read(task.partition, range, patience.next(), never, |seen| {
            told.push(Told::of(seen));
            if told.len() >= KAFKA_FILL_RECORDS {
                let told = std::mem::take(&mut told);
                bell.ring();
                if past.send(Past { task, told, more: true, through: None, failure: None }).is_err() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        let (through, failure) = match read {
            Ok(ReadThrough { why: ReadEnd::Complete | ReadEnd::End, through }) => (Some(through), None),
            Ok(ReadThrough { why: ReadEnd::Failed(code), .. }) => {
                let needed = "Read on topics with this prefix";
                (None, Some(Trouble::of_code("let the state topic be read", needed, code)))
            }
            Ok(ReadThrough { why, .. }) => {
                tracing::debug!(task.partition, ?why, "the state topic cannot be read now");
                (None, None)
            }
            Err(trouble) => (None, Some(trouble)),
        };
        Past { task, told, more: false, through, failure }
    }

    fn tell(&self, past: Past) {
        // After the stop nobody waits for it.
        let _ = self.past.send(past);
        self.bell.ring();
    }
}
