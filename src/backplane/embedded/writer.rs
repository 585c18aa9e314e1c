//! The thread that writes: gather, commit, tell; and what it does when the disk does not.
//!
//! When a commit fails nobody knows what of it is on the disk, so its appends are refused, the ledger is dropped, and
//! further appends are refused at once. Reading goes on. As soon as something can be written again the store is opened
//! anew in place, as after a restart: a new leader epoch begins, and records that are there although their append was
//! refused are told before anything else.

use super::ledger::{Command, Ledger};
use super::options::{Options, Recovered};
use super::recover::{OtherPartitions, Unrecovered};
use super::reopen::recover;
use super::{Shared, Trouble};
use crate::backplane::store::database::StoreError;
use crate::backplane::store::directory::{Directory, Kind};
use crate::backplane::store::open_error::OpenError;
use crate::backplane::thread::spawn;
use crate::backplane::tidings::Tidings;
use crate::limits::{BEAT_MS, COMMIT_BYTES, COMMIT_RECORDS, RETRY_UNAVAILABLE_MS, STORE_REOPEN_MS};
use crate::log::{LogEvent, Ticket};
use crate::model::ErrorCode;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Starts the thread and waits until the log is open. fjall's worker is started from it and shares its CPUs.
pub fn start(
    dir: &Path,
    options: Options,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
) -> Result<(JoinHandle<()>, Recovered), OpenError> {
    let (opened, is_open) = crossbeam_channel::bounded(1);
    let (path, on_thread) = (dir.to_owned(), options.on_thread.clone());
    let run = move || match Writer::open(&path, options, shared) {
        Ok(mut writer) => {
            let _ = opened.send(Ok(writer.recovered()));
            writer.run(&commands);
        }
        Err(error) => drop(opened.send(Err(error))),
    };
    let failed = |error| OpenError::Io { dir: dir.to_owned(), error };
    let thread = spawn("store", &on_thread, run).map_err(failed)?;
    let recovered = is_open.recv().map_err(|_| failed(io::Error::other("the store's thread ended")))??;
    Ok((thread, recovered))
}

pub struct Writer {
    pub(super) directory: Directory,
    pub(super) options: Options,
    pub(super) shared: Arc<Shared>,
    /// None after a failure, until the store is opened again.
    pub(super) ledger: Option<Ledger>,
    /// What has been told: the last commit, and the end of each partition.
    pub(super) told: (u64, Vec<u64>),
    last_beat: Instant,
    pub(super) next_attempt: Instant,
    next_tick: Instant,
}

/// What was gathered from the cores.
#[derive(Default)]
struct Gathered {
    commands: Vec<Command>,
    tickets: Vec<Ticket>,
    bytes: usize,
    is_last: bool,
}

impl Writer {
    fn open(dir: &Path, options: Options, shared: Arc<Shared>) -> Result<Self, OpenError> {
        let directory = Directory::open(dir, Kind::Log)?;
        let dir = directory.path().to_owned();
        let ledger = recover(&directory, &options).map_err(|error| match error {
            Unrecovered::Store(error) => OpenError::of_store(&dir, error),
            Unrecovered::Partitions(OtherPartitions(found)) => {
                OpenError::Partitions { dir, found, asked: options.topology.partitions() }
            }
        })?;
        let now = Instant::now();
        let told = (ledger.commit, ledger.heads.clone());
        let mut writer = Self {
            directory,
            options,
            shared,
            ledger: None,
            told,
            // The first beat is due at once: until then nobody can be told `welcome`.
            last_beat: now.checked_sub(Duration::from_millis(BEAT_MS)).unwrap_or(now),
            next_attempt: now,
            next_tick: now,
        };
        let io = |error| OpenError::Io { dir: writer.directory.path().to_owned(), error };
        let first =
            writer.first_tidings(&ledger).map_err(|error| io(io::Error::other(format!("{error:?}"))))?;
        writer.publish(&ledger);
        first.tell(&writer.shared.deliver);
        writer.ledger = Some(ledger);
        Ok(writer)
    }

    fn recovered(&self) -> Recovered {
        self.ledger.as_ref().map(Ledger::recovered).expect("the log was just opened")
    }

    fn run(&mut self, commands: &Receiver<Command>) {
        loop {
            let is_sweeping = self.ledger.as_ref().is_some_and(|ledger| !ledger.sweeps.is_empty());
            let wait = match is_sweeping {
                true => Duration::ZERO,
                false => Duration::from_millis(BEAT_MS).saturating_sub(self.last_beat.elapsed()),
            };
            let gathered = match commands.recv_timeout(wait) {
                Ok(first) => gather(first, commands),
                Err(RecvTimeoutError::Timeout) => Gathered::default(),
                Err(RecvTimeoutError::Disconnected) => Gathered { is_last: true, ..Gathered::default() },
            };
            let is_last = gathered.is_last;
            self.take(gathered);
            if is_last {
                return self.end();
            }
            self.tick();
            self.sweep();
            self.beat();
        }
    }

    /// Commits what was gathered, or refuses it.
    fn take(&mut self, gathered: Gathered) {
        if gathered.tickets.is_empty() {
            return;
        }
        let Gathered { commands, tickets, .. } = gathered;
        let Some(ledger) = &mut self.ledger else { return self.refuse(tickets) };
        let began = Instant::now();
        match ledger.commit(commands) {
            Ok(done) => {
                let (us, bytes) = (began.elapsed().as_micros() as u64, ledger.bytes());
                self.told.0 = ledger.commit;
                self.told.1.copy_from_slice(&ledger.heads);
                if done.has_new_view {
                    self.shared.sight.set(Some(Arc::new(ledger.view())));
                }
                let health = &self.shared.health;
                health.committed(us, done.records as u64, done.rows);
                health.bytes.store(bytes, Relaxed);
                health.set_trouble(if done.log_is_full { Trouble::Full } else { Trouble::None });
                self.shared.appends.fetch_sub(tickets.len(), Relaxed);
                done.tidings.tell(&self.shared.deliver);
            }
            Err(error) => {
                self.fail(&error);
                self.refuse(tickets);
            }
        }
    }

    fn refuse(&mut self, tickets: Vec<Ticket>) {
        self.shared.appends.fetch_sub(tickets.len(), Relaxed);
        let mut tidings = Tidings::new(self.options.topology.cores());
        for ticket in tickets {
            tidings.refused(ticket, ErrorCode::Unavailable, RETRY_UNAVAILABLE_MS);
        }
        tidings.tell(&self.shared.deliver);
    }

    /// What is done now and then: retention, a word on memory, and trying again after a failure.
    fn tick(&mut self) {
        let now = Instant::now();
        let Some(ledger) = &self.ledger else {
            if now >= self.next_attempt && self.shared.health.trouble() != Trouble::Shortened {
                self.next_attempt = now + Duration::from_millis(STORE_REOPEN_MS);
                self.reopen();
            }
            return;
        };
        if now >= self.next_tick {
            self.next_tick = now + Duration::from_millis(BEAT_MS);
            self.shared.health.memory.set(ledger.memory());
            if let Err(error) = self.expire() {
                self.fail(&error);
            }
        }
    }

    /// Takes a few erased rows off the disk.
    fn sweep(&mut self) {
        match self.ledger.as_mut().map_or(Ok(0), Ledger::sweep) {
            Ok(rows) => drop(self.shared.health.swept.fetch_add(rows as u64, Relaxed)),
            Err(StoreError::Damaged(what)) => {
                tracing::error!(what, "erased rows cannot be read; they go when they expire")
            }
            Err(error) => self.fail(&error),
        }
    }

    fn expire(&mut self) -> Result<(), StoreError> {
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        ledger.forget_commits()?;
        let dropped = ledger.expire()?;
        if dropped.is_empty() {
            return Ok(());
        }
        self.shared.sight.set(Some(Arc::new(ledger.view())));
        self.shared.health.bytes.store(ledger.bytes(), Relaxed);
        let mut tidings = Tidings::new(self.options.topology.cores());
        tidings.say_to_all(LogEvent::Floors(ledger.floors()));
        tidings.tell(&self.shared.deliver);
        // Its files go when the last reader has let go of it.
        dropped.into_iter().try_for_each(|bucket| ledger.store.drop_bucket(bucket.keyspace))
    }

    /// Says that all is told. While the store cannot be written nothing new comes to be, so this stays true, as long
    /// as reads are answered.
    fn beat(&mut self) {
        if self.last_beat.elapsed() >= Duration::from_millis(BEAT_MS) && self.shared.sight.get().is_some() {
            self.last_beat = Instant::now();
            for core in 0..self.options.topology.cores() {
                (self.shared.deliver)(core, vec![LogEvent::Beat]);
            }
        }
    }

    /// The end: everything on the disk, files closed.
    fn end(&mut self) {
        if let Some(mut ledger) = self.ledger.take()
            && let Err(error) = ledger.close()
        {
            tracing::error!(?error, "the last commit could not be made durable");
        }
    }
}

/// However the thread ends, the readers hear of it.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.health.set_trouble(Trouble::Stopped);
        self.shared.sight.set(None);
    }
}

/// Takes what waits, up to a bound. What a core appended in one go is never split.
fn gather(first: Command, commands: &Receiver<Command>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut next = Some(first);
    while let Some(command) = next {
        match &command {
            Command::Stop => gathered.is_last = true,
            Command::Append(appends) => {
                gathered.tickets.extend(appends.iter().map(|append| append.ticket));
                gathered.bytes += appends.iter().map(|append| append.envelope.size()).sum::<usize>();
            }
            Command::Revoke(ticket, _) => gathered.tickets.push(*ticket),
        }
        if !gathered.is_last {
            gathered.commands.push(command);
        }
        let has_room =
            gathered.tickets.len() < COMMIT_RECORDS && gathered.bytes < COMMIT_BYTES && !gathered.is_last;
        next = has_room.then(|| commands.try_recv().ok()).flatten();
    }
    gathered
}
