//! An embedded log under test: what it told each core is kept, and questions wait for their answers.
#![allow(dead_code, clippy::unwrap_used)]

use corepost::backplane::{Embedded, OpenError, Options, Recovered};
use corepost::log::{
    Append, Appended, LogEvent, Page, Read, ReadFrom, ReadTicket, Record, Refused, Revocation, Ticket,
    Unreadable,
};
use corepost::model::{ClientId, Envelope, EnvelopeParts, IdRef, Kind, Partition, Position, Topology};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub const CORES: u16 = 3;
pub const PARTITIONS: u16 = 8;

/// A directory that goes with the test.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

pub fn topology() -> Topology {
    Topology::new(PARTITIONS, CORES)
}

/// Options of tests: small, and with a clock the test moves.
pub fn options() -> Options {
    Options { cache_bytes: 4 << 20, ..Options::new(topology()) }
}

/// A wall clock that stands until it is moved.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn at(ms: u64) -> Self {
        Self(Arc::new(AtomicU64::new(ms)))
    }

    pub fn set(&self, ms: u64) {
        self.0.store(ms, Relaxed);
    }

    pub fn clock(&self) -> corepost::backplane::Clock {
        let clock = self.0.clone();
        Arc::new(move || clock.load(Relaxed))
    }
}

/// What each core was told, in order.
#[derive(Default)]
pub struct Inboxes {
    events: Mutex<Vec<Vec<LogEvent>>>,
    more: Condvar,
}

pub struct TestLog {
    pub log: Embedded,
    pub recovered: Recovered,
    pub inboxes: Arc<Inboxes>,
    next: AtomicU32,
}

pub type Answer = Result<Appended, Refused>;

/// What nobody else has open, at the second attempt if need be: a child that another test of this program starts holds all of
/// its files, also a lock that is given up meanwhile, until it has become another program.
pub fn opened<T>(open: impl Fn() -> Result<T, OpenError>) -> T {
    let first = open();
    let opened = if matches!(first, Err(OpenError::InUse { .. })) {
        std::thread::sleep(Duration::from_millis(500));
        open()
    } else {
        first
    };
    opened.unwrap_or_else(|error| panic!("{error}"))
}

impl TestLog {
    pub fn open(dir: &Path, options: Options) -> Self {
        opened(|| Self::try_open(dir, options.clone()))
    }

    pub fn try_open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let inboxes = Arc::new(Inboxes::default());
        inboxes.events.lock().unwrap().resize(usize::from(options.topology.cores()), Vec::new());
        let told = inboxes.clone();
        let (log, recovered) = Embedded::open(dir, options, move |core, mut events| {
            told.events.lock().unwrap()[usize::from(core)].append(&mut events);
            told.more.notify_all();
        })?;
        Ok(Self { log, recovered, inboxes, next: AtomicU32::new(0) })
    }

    /// Appends in one go and waits for all answers, in the order of the envelopes.
    pub fn append_all(&self, envelopes: &[Envelope]) -> Vec<Answer> {
        let tickets = self.append(envelopes);
        tickets.into_iter().map(|ticket| self.answer(ticket)).collect()
    }

    /// Appends without waiting.
    pub fn append(&self, envelopes: &[Envelope]) -> Vec<Ticket> {
        let send = self.next.fetch_add(1, Relaxed);
        let appends: Vec<_> = (0..)
            .zip(envelopes)
            .map(|(recipient, envelope)| Append {
                ticket: Ticket { core: 0, send, recipient },
                partition: topology().place(envelope.to()).partition,
                envelope: envelope.clone(),
            })
            .collect();
        let tickets = appends.iter().map(|append| append.ticket).collect();
        self.log.append(appends);
        tickets
    }

    pub fn append_one(&self, envelope: Envelope) -> Answer {
        self.append_all(&[envelope])[0]
    }

    pub fn answer(&self, wanted: Ticket) -> Answer {
        self.wait("an answer", |events| {
            events[usize::from(wanted.core)].iter().find_map(|event| match event {
                LogEvent::Appended(appended) if appended.ticket == wanted => Some(Ok(*appended)),
                LogEvent::Refused(refused) if refused.ticket == wanted => Some(Err(*refused)),
                _ => None,
            })
        })
    }

    pub fn revoke(&self, client: &str, issued_until_s: u64) -> Answer {
        let ticket = Ticket { core: 1, send: self.next.fetch_add(1, Relaxed), recipient: 0 };
        self.log.revoke(ticket, Revocation { client: ClientId::new(client).unwrap(), issued_until_s });
        self.answer(ticket)
    }

    pub fn read(&self, read: Read) -> Result<Page, Unreadable> {
        let ticket = ReadTicket { core: 2, read: self.next.fetch_add(1, Relaxed) };
        self.log.read(Read { ticket, ..read });
        self.wait("a page", |events| {
            events[2].iter().find_map(|event| match event {
                LogEvent::Page(answered, page) if *answered == ticket => Some(page.clone()),
                _ => None,
            })
        })
    }

    /// Reads from here to the client's newest known head, in large pages.
    pub fn read_from(&self, client: &str, from: ReadFrom) -> Result<Page, Unreadable> {
        self.read(self.whole(client, from))
    }

    /// A read of everything there is.
    pub fn whole(&self, client: &str, from: ReadFrom) -> Read {
        let partition = partition(client);
        Read {
            ticket: ReadTicket { core: 2, read: 0 },
            client: ClientId::new(client).unwrap(),
            partition,
            from,
            upto: self.head(partition),
            page_bytes: 64 << 20,
            page_envelopes: 1_000_000,
            count_to: 0,
        }
    }

    /// The bodies of a mailbox from its beginning.
    pub fn mailbox(&self, client: &str) -> Vec<String> {
        bodies(&self.read_from(client, ReadFrom::Oldest).unwrap().records)
    }

    /// The newest head told to core 0, or that of the start.
    pub fn head(&self, partition: Partition) -> Position {
        let events = self.inboxes.events.lock().unwrap();
        let told = events[0].iter().rev().find_map(|event| match event {
            LogEvent::Head(p, position) if *p == partition => Some(*position),
            _ => None,
        });
        told.unwrap_or(self.recovered.heads[usize::from(partition.0)])
    }

    /// Everything a core was told so far.
    pub fn told(&self, core: u16) -> Vec<LogEvent> {
        self.inboxes.events.lock().unwrap()[usize::from(core)].clone()
    }

    /// The records told of a client, on its core.
    pub fn records_told(&self, client: &str) -> Vec<Record> {
        let core = topology().place(IdRef::new(client).unwrap()).core;
        let is_its = |event: LogEvent| match event {
            LogEvent::Record(record) if record.envelope.to().as_str() == client => Some(record),
            _ => None,
        };
        self.told(core).into_iter().filter_map(is_its).collect()
    }

    /// Waits until something is among what was told.
    pub fn wait<T>(&self, what: &str, find: impl Fn(&[Vec<LogEvent>]) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut events = self.inboxes.events.lock().unwrap();
        loop {
            if let Some(found) = find(&events) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited half a minute for {what}");
            events = self.inboxes.more.wait_timeout(events, left).unwrap().0;
        }
    }
}

pub fn partition(client: &str) -> Partition {
    topology().place(IdRef::new(client).unwrap()).partition
}

pub fn message(to: &str, id: &str, body: &str) -> Envelope {
    let id_of = |text: &'static str| IdRef::new(text).ok();
    Envelope::new(EnvelopeParts {
        kind: Kind::Message,
        to: IdRef::new(to).ok(),
        from: id_of("alice"),
        id: IdRef::new(id).ok(),
        copied_to: b"",
        body: format!("{body:?}").as_bytes(),
    })
}

pub fn erase(client: &str) -> Envelope {
    let to = IdRef::new(client).ok();
    Envelope::new(EnvelopeParts { kind: Kind::Erase, to, from: None, id: None, copied_to: b"", body: b"" })
}

pub fn bodies(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| serde_json::from_slice::<String>(record.envelope.body()).unwrap();
    records.iter().map(text).collect()
}

impl Drop for TestLog {
    fn drop(&mut self) {
        self.log.stop();
    }
}

/// Copies a store as it stands, also one at work: its worker may make a table or drop one while others are copied, and then
/// all is copied again, for nothing of it may be of another moment than the list of tables.
pub fn copy_dir(from: &Path, to: &Path) {
    for _ in 0..20 {
        let whole = || -> std::io::Result<bool> {
            let before = files_of(from, to)?;
            try_copy_dir(from, to)?;
            Ok(files_of(from, to)? == before)
        };
        match whole() {
            Ok(true) => return,
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                panic!("{}: {error}", from.display())
            }
            // Not even begun, if a table went while they were listed.
            _ => drop(std::fs::remove_dir_all(to)),
        }
    }
    panic!("{} does not stand still long enough to be copied", from.display());
}

/// The paths of all files in a folder, without what is in `but`.
fn files_of(dir: &Path, but: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let (mut found, mut left) = (BTreeSet::new(), vec![dir.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true if entry.path() == but => {}
                true => left.push(entry.path()),
                false => _ = found.insert(entry.path()),
            }
        }
    }
    Ok(found)
}

fn try_copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path() == to {
            continue;
        }
        if entry.file_type()?.is_dir() {
            try_copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Waits until a log that is open has begun a table with rows of mailboxes: until then they are in its journal alone. Closing
/// it waits for the table.
pub fn await_table(dir: &Path) {
    let began = Instant::now();
    while largest_table(dir).is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "no row is in a table");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Breaks the largest table of a log that is not open, a quarter into it.
pub fn damage_a_table(dir: &Path) {
    let table = largest_table(dir).expect("some rows are in tables");
    let mut bytes = std::fs::read(&table).unwrap();
    let at = bytes.len() / 4;
    bytes[at..at + 64].fill(0x55);
    std::fs::write(table, bytes).unwrap();
}

/// Of those with rows of mailboxes. In the first keyspace is what the store notes of itself, and a log whose notes are broken
/// is another story.
fn largest_table(dir: &Path) -> Option<PathBuf> {
    let keyspaces =
        std::fs::read_dir(dir.join("store/keyspaces")).unwrap().map(|entry| entry.unwrap().path());
    let tables = keyspaces
        .filter(|keyspace| !keyspace.ends_with("0"))
        .filter_map(|keyspace| std::fs::read_dir(keyspace.join("tables")).ok())
        .flatten()
        .map(|entry| entry.unwrap().path());
    // One that was compacted away in the meantime has no length.
    tables.max_by_key(|table| table.metadata().map_or(0, |metadata| metadata.len()))
}
