//! The embedded log: one node's own durable log, and the store that replay reads, in one.
//!
//! One thread writes: it takes what the cores appended meanwhile, makes one commit of it, waits until that is durable,
//! and only then tells the cores (group commit). A few threads read. Cores are never waited for and never wait.
//!
//! Reading order: [`ledger`] is what the writer knows and how a commit is made; [`writer`] is its thread; [`page`] is
//! a read; [`recover`] is a start; the rest, and [`super::store`], is what those stand on.

mod commit_row;
mod count_row;
mod counts;
mod draft;
mod epoch;
mod health;
mod ledger;
mod meta;
mod options;
mod page;
mod recover;
mod reopen;
mod retention;
mod sweep;

mod view;
mod writer;

pub use health::{Health, HealthReading, Trouble};
pub use options::{Clock, Options, Recovered};

use super::store::open_error::OpenError;
use super::store::readers::{self, Answer};
use super::store::sight::Sight;
use crate::limits::{APPENDS_IN_FLIGHT, READS_IN_FLIGHT};
use crate::log::{Append, LogEvent, Read, Revocation, Ticket, Unreadable};
use crate::model::Unresumed;
use crossbeam_channel::Sender;
use ledger::Command;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use view::View;

/// Gives a core what it is to hear.
type Deliver = Box<dyn Fn(u16, Vec<LogEvent>) + Send + Sync>;

/// What all threads of a log share.
struct Shared {
    deliver: Deliver,
    health: Health,
    sight: Sight<View>,
    /// Appends and reads that were not answered yet. Cores keep to their bounds; we only make sure.
    appends: AtomicUsize,
    reads: AtomicUsize,
}

impl Answer for Shared {
    type Read = Read;

    fn answer(&self, read: Read) {
        let view = self.sight.get();
        let page = view.as_ref().map_or(Err(Unreadable::Unavailable), |view| page::read(view, &read));
        // Before the answer: whoever closes the store waits for nobody who has been told.
        drop(view);
        self.health.reads.fetch_add(1, Relaxed);
        if page == Err(Unreadable::Unresumed(Unresumed::Damaged)) {
            self.health.damaged.fetch_add(1, Relaxed);
        }
        self.reads.fetch_sub(1, Relaxed);
        (self.deliver)(read.ticket.core, vec![LogEvent::Page(read.ticket, page)]);
    }

    fn is_stopped(&self) -> bool {
        self.health.trouble() == Trouble::Stopped
    }
}

/// An open embedded log. Clones are the same log. Its methods return at once, but for [`Embedded::stop`].
#[derive(Clone)]
pub struct Embedded {
    commands: Sender<Command>,
    reads: Sender<Read>,
    shared: Arc<Shared>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    cores: usize,
}

impl Embedded {
    /// Opens the log in `dir`, or makes one. `deliver` is called on the log's threads with what a core is to hear; it
    /// must not block. Revocations of former lives are told first of all.
    pub fn open(
        dir: &Path,
        options: Options,
        deliver: impl Fn(u16, Vec<LogEvent>) + Send + Sync + 'static,
    ) -> Result<(Self, Recovered), OpenError> {
        let cores = usize::from(options.topology.cores());
        let shared = Arc::new(Shared {
            deliver: Box::new(deliver),
            health: Health::default(),
            sight: Sight::default(),
            appends: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
        });
        let on_thread = options.on_thread.clone();
        // Unbounded channels, bounded by what cores may have in flight: a core's thread must never wait here.
        let (commands, to_write) = crossbeam_channel::unbounded();
        let (reads, to_read) = crossbeam_channel::unbounded();
        let (writer, recovered) = writer::start(dir, options, shared.clone(), to_write)?;
        let mut threads = readers::start(&shared, &to_read, &on_thread)
            .map_err(|error| OpenError::Io { dir: dir.to_owned(), error })?;
        threads.push(writer);
        Ok((Self { commands, reads, shared, threads: Arc::new(Mutex::new(threads)), cores }, recovered))
    }

    /// Appends, in this order. Each is answered by its ticket: `Appended` once it is durable, or `Refused`.
    pub fn append(&self, appends: Vec<Append>) {
        let waiting = self.shared.appends.fetch_add(appends.len(), Relaxed) + appends.len();
        debug_assert!(waiting <= APPENDS_IN_FLIGHT * self.cores, "{waiting} appends were not answered yet");
        if !appends.is_empty() {
            self.ask(Command::Append(appends));
        }
    }

    /// Remembers a revocation for ever. Answered like an append; its `offset` says nothing.
    pub fn revoke(&self, ticket: Ticket, revocation: Revocation) {
        self.shared.appends.fetch_add(1, Relaxed);
        self.ask(Command::Revoke(ticket, revocation));
    }

    /// Reads a page; answered by `LogEvent::Page`, in no particular order among reads.
    pub fn read(&self, read: Read) {
        let waiting = self.shared.reads.fetch_add(1, Relaxed) + 1;
        debug_assert!(waiting <= READS_IN_FLIGHT * self.cores, "{waiting} reads were not answered yet");
        // After the stop nobody waits for an answer any more.
        let _ = self.reads.send(read);
    }

    /// How the log is.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// Takes all that was appended before, makes everything durable, tells it, and ends the log's threads. Blocks.
    pub fn stop(&self) {
        self.ask(Command::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().expect("nobody panics while stopping"));
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(name, "a thread of the log panicked");
            }
        }
    }

    fn ask(&self, command: Command) {
        // After the stop nobody waits for an answer any more.
        let _ = self.commands.send(command);
    }
}
