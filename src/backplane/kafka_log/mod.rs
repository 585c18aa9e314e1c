//! The log of a node in a cluster: Kafka is the log, and an index on this node's disk is what replay reads.
//!
//! What the cores append goes to the brokers by [`Appender`], whoever's it is. What they hear comes from
//! the partitions that are this node's: one thread, the *follower*, reads their ends, judges each record by the pure
//! [`tail`](crate::tail), tells the cores, and puts the envelopes into the [`index`](super::index). It waits for nobody:
//! what has to be asked of the brokers is asked by threads of its own (`asker`, `watch`), history is read by another
//! (`filler`), pages by others (`readers`).
//!
//! Always holds: a core hears of a partition only between its `Begun` and its `Ended`, all records of its clients in order;
//! a page is read only of what the tail has judged to lead to the present; what the index has is never more than what the
//! tail has covered, and is worth nothing without what the tail has stored with it.
//!
//! Reading order: [`follower`] is the thread; `hands` is what it holds, `owning`, `history` and `serve` what it does with it;
//! `part` is one partition; the rest is what they stand on.

mod asker;
mod filler;
mod follower;
mod hands;
mod health;
mod history;
mod kept;
mod looked;
mod owning;
mod part;
mod past_states;
mod patience;
mod readers;
mod serve;
mod states;
mod watch;

pub use health::{KafkaHealth, KafkaReading, Reread, StateTrouble};

use super::index::{Index, IndexOptions, Opened};
use super::kafka::{Appender, AppenderOptions, Bell, Connection, Trouble};
use super::store::{self, open_error::OpenError};
use super::thread::{OnThread, spawn};
use crate::log::{Append, LogEvent, Read, Revocation, Ticket};
use crate::model::{Partition, Topology};
use crossbeam_channel::{Sender, unbounded};
use follower::{Command, Follower};
use readers::Pages;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Gives a core what it is to hear.
pub(super) type Deliver = Arc<dyn Fn(u16, Vec<LogEvent>) + Send + Sync>;

/// How a node's log is to be.
#[derive(Clone)]
pub struct KafkaLogOptions {
    /// How Kafka is reached.
    pub connection: Connection,
    /// The mailbox topic.
    pub topic: String,
    /// The state topic.
    pub state_topic: String,
    /// Their partitions, as many of both, and the cores to tell.
    pub topology: Topology,
    /// Which log it is: of the topic's identity.
    pub log_epoch: u64,
    /// The topic's retention; `u64::MAX` for ever.
    pub retention_ms: u64,
    /// Where the index is.
    pub dir: PathBuf,
    /// Bytes of the index's block cache.
    pub cache_bytes: u64,
    /// Pins the log's threads; librdkafka's inherit it.
    pub on_thread: OnThread,
}

/// Why it could not be opened.
#[derive(Debug)]
pub enum KafkaLogError {
    /// The index's directory.
    Index(OpenError),
    /// Kafka.
    Kafka(Trouble),
    /// A thread could not be started.
    Thread(std::io::Error),
}

impl std::fmt::Display for KafkaLogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index(error) => write!(f, "{error}"),
            Self::Kafka(trouble) => write!(f, "{trouble}"),
            Self::Thread(error) => write!(f, "a thread of the log could not start: {error}"),
        }
    }
}

impl std::error::Error for KafkaLogError {}

/// An open log. Clones are the same one. Its methods return at once, but for [`KafkaLog::stop`].
#[derive(Clone)]
pub struct KafkaLog {
    appender: Appender,
    commands: Sender<Command>,
    bell: Bell,
    health: Arc<KafkaHealth>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl KafkaLog {
    /// Opens it; it has no partition yet. `deliver` is called on the log's threads with what a core is to hear.
    pub fn open(
        options: KafkaLogOptions,
        deliver: impl Fn(u16, Vec<LogEvent>) + Send + Sync + 'static,
    ) -> Result<Self, KafkaLogError> {
        let deliver: Deliver = Arc::new(deliver);
        let health = Arc::new(KafkaHealth::default());
        let (index, opened) = on_store_thread(&options.on_thread, || open_index(&options))?;
        let appender = {
            let deliver = Arc::clone(&deliver);
            let mut appending = AppenderOptions::new(options.topic.clone(), options.topology);
            appending.on_thread = options.on_thread.clone();
            let tell = move |core, events| deliver(core, events);
            Appender::start(&options.connection, appending, tell).map_err(KafkaLogError::Kafka)?
        };
        let (bell, rung) = Bell::new();
        // Unbounded: reads are bounded by what cores may have in flight, everything else is one of each partition.
        let (commands, to_obey) = unbounded();
        let (pages, to_read) = unbounded();
        let reading = Arc::new(Pages {
            index: index.reader(),
            commands: commands.clone(),
            bell: bell.clone(),
            deliver: deliver.clone(),
        });
        let mut threads =
            store::readers::start(&reading, &to_read, &options.on_thread).map_err(KafkaLogError::Thread)?;
        let follower = Follower::open(&options, (index, opened), &bell, &commands, pages, &deliver, &health)
            .map_err(KafkaLogError::Kafka)?;
        let thread = spawn("kafka-follow", &options.on_thread, move || follower.run(&to_obey, &rung));
        threads.push(thread.map_err(KafkaLogError::Thread)?);
        Ok(Self { appender, commands, bell, health, threads: Arc::new(Mutex::new(threads)) })
    }

    /// Appends, in this order. Each is answered by its ticket.
    pub fn append(&self, appends: Vec<Append>) {
        if self.health.suspended.load(Relaxed) {
            return self.tell(Command::Refuse(appends.into_iter().map(|append| append.ticket).collect()));
        }
        self.appender.append(appends);
    }

    /// While the topics break their contract nothing is appended, and nobody is told that nothing is missing.
    pub fn suspend(&self, is_suspended: bool) {
        self.health.suspended.store(is_suspended, Relaxed);
    }

    /// Writes a revocation of any client. Answered by its ticket; the client's home obeys it when it has read it.
    pub fn revoke(&self, ticket: Ticket, revocation: Revocation) {
        match self.health.suspended.load(Relaxed) {
            true => self.tell(Command::Refuse(vec![ticket])),
            false => self.tell(Command::Revoke(ticket, revocation)),
        }
    }

    /// Reads a page; answered by `LogEvent::Page`.
    pub fn read(&self, read: Read) {
        self.tell(Command::Read(read));
    }

    /// From now on these partitions are this node's, and it stands by for those.
    pub fn own(&self, owned: Vec<Partition>, standby: Vec<Partition>) {
        // At once, so that who looks does not find everything served before it was heard.
        self.health.owned.store(owned.len() as u64, Relaxed);
        self.tell(Command::Own { owned, standby });
    }

    /// How it is.
    pub fn health(&self) -> &KafkaHealth {
        &self.health
    }

    /// How the appender is.
    pub fn appender(&self) -> &Appender {
        &self.appender
    }

    /// Takes all that was appended before, waits for its answers a little, and ends. Blocks.
    pub fn stop(&self) {
        self.appender.stop();
        self.tell(Command::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().expect("nobody panics while stopping"));
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(name, "a thread of the log panicked");
            }
        }
    }

    fn tell(&self, command: Command) {
        // After the stop nobody waits for an answer any more.
        let _ = self.commands.send(command);
        self.bell.ring();
    }
}

/// On a thread of the store's CPUs, which fjall's threads inherit.
fn on_store_thread<T: Send>(on_thread: &OnThread, run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| {
            on_thread("store-open");
            run()
        });
        opened.join().expect("opening the index does not panic")
    })
}

fn open_index(options: &KafkaLogOptions) -> Result<(Index, Opened), KafkaLogError> {
    let index = IndexOptions {
        retention_ms: options.retention_ms,
        cache_bytes: options.cache_bytes,
        ..IndexOptions::new(options.log_epoch, options.topology.partitions())
    };
    let (index, opened) = Index::open(&options.dir, index).map_err(KafkaLogError::Index)?;
    if let Some(wiped) = &opened.wiped {
        tracing::warn!(?wiped, "the index was wiped; it is read from Kafka again");
    }
    Ok((index, opened))
}
