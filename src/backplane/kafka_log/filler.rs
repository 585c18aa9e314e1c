//! Reads history: one chunk of one partition after the other, on a thread of its own. It never runs ahead of the follower
//! by more than a few batches.

use super::KafkaLogOptions;
use super::asker::first_ms;
use super::looked::Looked;
use crate::backplane::kafka::{Bell, History, Offsets, Trouble};
use crate::backplane::thread::spawn;
use crate::limits::{DEDUPE_MS, KAFKA_ANSWER_MS, KAFKA_FILL_BATCHES, KAFKA_FILL_RECORDS};
use crate::model::Topology;
use crate::tail::{Chunk, Fill, Window};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What is to be done, for a partition in one of its lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub partition: u16,
    pub attempt: u64,
    pub what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Where the window of a chunk begins.
    Window(Chunk),
    /// The records of one.
    Read(Fill),
}

/// What was read.
pub(super) struct Filled {
    pub partition: u16,
    pub attempt: u64,
    pub what: FilledWith,
}

pub(super) enum FilledWith {
    Window(Chunk, Option<Window>),
    Records(Fill, Vec<Looked>),
    /// There is no more of it.
    End(Fill),
}

const TIME: Duration = Duration::from_millis(KAFKA_ANSWER_MS);

/// Starts it; it ends when the sender is dropped.
pub(super) fn start(
    options: &KafkaLogOptions,
    bell: &Bell,
) -> Result<(Sender<Task>, Receiver<Filled>), Trouble> {
    let (tasks, to_do) = unbounded();
    let (filled, taken) = bounded(KAFKA_FILL_BATCHES);
    let mut filler = Filler {
        offsets: Offsets::open(&options.connection, &options.topic)?,
        history: History::open(&options.connection, &options.topic)?,
        topology: options.topology,
        never: AtomicBool::new(false),
        filled,
        bell: bell.clone(),
    };
    let run = move || {
        filler.history.meet_brokers(&filler.offsets);
        filler.run(&to_do);
    };
    let thread = spawn("kafka-fill", &options.on_thread, run);
    thread.map_err(|error| Trouble::Failed { doing: "read history", reason: error.to_string() })?;
    Ok((tasks, taken))
}

struct Filler {
    offsets: Offsets,
    history: History,
    topology: Topology,
    never: AtomicBool,
    filled: Sender<Filled>,
    bell: Bell,
}

impl Filler {
    fn run(&mut self, to_do: &Receiver<Task>) {
        for Task { partition, attempt, what } in to_do {
            let goes_on = match what {
                What::Window(chunk) => {
                    let window = self.window(partition, chunk);
                    self.tell(partition, attempt, FilledWith::Window(chunk, window))
                }
                What::Read(fill) => self.read(partition, attempt, fill),
            };
            if goes_on.is_break() {
                return;
            }
        }
    }

    fn window(&mut self, partition: u16, chunk: Chunk) -> Option<Window> {
        let at_ms = first_ms(&mut self.history, partition, chunk.rows_from..chunk.upto, TIME, &self.never)?;
        let since = [(partition, at_ms.saturating_sub(DEDUPE_MS))];
        let from = self.offsets.firsts_since(&since, TIME).remove(&partition)??.offset;
        let start = self.offsets.starts(&[partition], TIME).remove(&partition)?.offset;
        Some(Window { from, start })
    }

    fn read(&mut self, partition: u16, attempt: u64, fill: Fill) -> ControlFlow<()> {
        let (topology, never) = (self.topology, &self.never);
        let (filled, bell) = (&self.filled, &self.bell);
        let tell = |what| tell(filled, bell, Filled { partition, attempt, what });
        let mut batch = Vec::with_capacity(KAFKA_FILL_RECORDS);
        let mut goes_on = ControlFlow::Continue(());
        let read = self.history.read(partition, fill.read_from..fill.upto, TIME, never, |seen| {
            batch.push(Looked::at(seen, topology));
            if batch.len() < KAFKA_FILL_RECORDS {
                return ControlFlow::Continue(());
            }
            goes_on = tell(FilledWith::Records(fill, std::mem::take(&mut batch)));
            goes_on
        });
        if let Err(trouble) = read {
            tracing::warn!(%trouble, partition, "history cannot be read");
        }
        goes_on?;
        tell(FilledWith::Records(fill, batch))?;
        tell(FilledWith::End(fill))
    }

    fn tell(&self, partition: u16, attempt: u64, what: FilledWith) -> ControlFlow<()> {
        tell(&self.filled, &self.bell, Filled { partition, attempt, what })
    }
}

/// Waits while the follower has enough to do. A break: there is no follower any more.
fn tell(filled: &Sender<Filled>, bell: &Bell, what: Filled) -> ControlFlow<()> {
    let told = filled.send(what);
    bell.ring();
    if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
