//! The durable path: appends of all cores into the mailbox topic, each answered once the brokers have it, or refused.
//!
//! One thread takes what the cores append, gives it to as many idempotent producers as the law of partitions per broker asks
//! (`law`), and is woken by the reports of all of them. Nothing it does waits for a broker.
//!
//! Always holds: every append is answered exactly once. Of one partition, records reach the log in the order in which they
//! were appended; after one that did not, none that was appended with it or soon after (`gate`). Refused says that
//! nothing of it is in the log or that nobody knows.

mod ages;
mod gate;
mod health;
mod under_way;
mod writer;

pub use health::{AppendHealth, AppendReading};

use super::bell::Bell;
use super::connection::Connection;
use super::offsets::Offsets;
use super::trouble::Trouble;
use crate::backplane::thread::{OnThread, spawn};
use crate::limits::{KAFKA_ANSWER_MS, KAFKA_COUNT_MS, KAFKA_GIVE_UP_MS};
use crate::log::{Append, LogEvent};
use crate::model::Topology;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use writer::{Command, Writer};

/// Gives a core what it is to hear. It may make the log's thread wait, never a core.
pub(super) type Deliver = Box<dyn Fn(u16, Vec<LogEvent>) + Send + Sync>;

/// How an appender is to be.
#[derive(Clone)]
pub struct AppenderOptions {
    /// The mailbox topic.
    pub topic: String,
    /// Its partitions, and the cores to tell.
    pub topology: Topology,
    /// An append that is not acknowledged for so long is refused.
    pub give_up_ms: u64,
    /// Pins the appender's threads; librdkafka's inherit it.
    pub on_thread: OnThread,
}

impl AppenderOptions {
    /// The defaults.
    pub fn new(topic: String, topology: Topology) -> Self {
        Self { topic, topology, give_up_ms: KAFKA_GIVE_UP_MS, on_thread: Arc::new(|_| ()) }
    }
}

/// An open appender. Clones are the same one.
#[derive(Clone)]
pub struct Appender {
    commands: Sender<Command>,
    health: Arc<AppendHealth>,
    threads: Arc<Mutex<Option<Threads>>>,
}

struct Threads {
    appends: JoinHandle<()>,
    /// Until this is dropped, brokers are counted.
    _counting: Sender<()>,
    counts: JoinHandle<()>,
}

impl Appender {
    /// Starts appending; counts the brokers first, and so blocks until Kafka answers.
    pub fn start(
        connection: &Connection,
        options: AppenderOptions,
        deliver: impl Fn(u16, Vec<LogEvent>) + Send + Sync + 'static,
    ) -> Result<Self, Trouble> {
        // Unbounded, bounded by what cores may have in flight: a core's thread must never wait here.
        let (commands, to_append) = unbounded();
        let (counting, is_over) = bounded(0);
        let health = Arc::new(AppendHealth::default());
        let offsets = Offsets::open(connection, &options.topic)?;
        let brokers = offsets.brokers(Duration::from_millis(KAFKA_ANSWER_MS))?;
        let appends = start(
            connection.clone(),
            options.clone(),
            Box::new(deliver),
            brokers,
            health.clone(),
            to_append,
        )?;
        let counts = start_thread("kafka-count", &options.on_thread, {
            let commands = commands.clone();
            move || count(&offsets, &is_over, &commands)
        })?;
        let threads = Threads { appends, _counting: counting, counts };
        Ok(Self { commands, health, threads: Arc::new(Mutex::new(Some(threads))) })
    }

    /// Appends, in this order. Each is answered by its ticket. Returns at once.
    pub fn append(&self, appends: Vec<Append>) {
        if !appends.is_empty() {
            // After the stop nobody waits for an answer any more.
            let _ = self.commands.send(Command::Append(appends));
        }
    }

    /// How it goes.
    pub fn health(&self) -> &AppendHealth {
        &self.health
    }

    /// Sends what was appended before, waits for its answers a little, refuses the rest, and ends. Blocks.
    pub fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
        let threads = self.threads.lock().expect("nobody panics while stopping").take();
        let Some(Threads { appends, _counting, counts }) = threads else { return };
        drop(_counting);
        for thread in [appends, counts] {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(name, "a thread of the log panicked");
            }
        }
    }
}

/// Starts the thread that appends and waits until its producers are made.
fn start(
    connection: Connection,
    options: AppenderOptions,
    deliver: Deliver,
    brokers: usize,
    health: Arc<AppendHealth>,
    commands: Receiver<Command>,
) -> Result<JoinHandle<()>, Trouble> {
    let (made, is_made) = bounded(1);
    let on_thread = options.on_thread.clone();
    let thread = start_thread("kafka-append", &on_thread, move || {
        let (bell, rung) = Bell::new();
        match Writer::open(connection, options, deliver, brokers, health, bell) {
            Ok(mut writer) => {
                let _ = made.send(Ok(()));
                writer.run(&commands, &rung);
            }
            Err(trouble) => drop(made.send(Err(trouble))),
        }
    })?;
    let ended = |_| Trouble::Failed { doing: "append", reason: "the appender's thread ended".into() };
    is_made.recv().map_err(ended)??;
    Ok(thread)
}

fn start_thread(
    name: &'static str,
    on_thread: &OnThread,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Trouble> {
    spawn(name, on_thread, run)
        .map_err(|error| Trouble::Failed { doing: "append", reason: error.to_string() })
}

/// Counts the brokers now and then: more of them want fewer producers, and fewer more.
fn count(offsets: &Offsets, is_over: &Receiver<()>, commands: &Sender<Command>) {
    while is_over.recv_timeout(Duration::from_millis(KAFKA_COUNT_MS)) == Err(RecvTimeoutError::Timeout) {
        // Who does not answer now is counted the next time.
        if let Ok(brokers) = offsets.brokers(Duration::from_millis(KAFKA_ANSWER_MS)) {
            let _ = commands.send(Command::Brokers(brokers));
        }
    }
}

#[cfg(test)]
mod appender_tests;
