//! An index under test, and the few words in which a test says what was read of a partition.

use crate::store_support::opened;
pub use crate::store_support::{TempDir, bodies, copy_dir, message};
use corepost::backplane::index::{
    Coverage, Erase, Index, IndexOptions, IndexReader, Kept, Opened, Portion, Put, Wiped,
};
use corepost::log::{Epochs, Page, Read, ReadFrom, ReadTicket, Unreadable};
use corepost::model::{ClientId, Partition, Position};
use std::path::Path;

pub const LOG: u64 = 0x10c;
pub const PARTITIONS: u16 = 8;
pub const P: Partition = Partition(3);

pub fn options() -> IndexOptions {
    IndexOptions { cache_bytes: 4 << 20, memtable_bytes: 256 << 10, ..IndexOptions::new(LOG, PARTITIONS) }
}

pub struct Stage {
    pub index: Index,
    pub reader: IndexReader,
    pub kept: Vec<Kept>,
    /// Where the coverage of `P` begins.
    pub from: u64,
    pub wiped: Option<Wiped>,
}

/// One leader for all time.
pub fn epochs() -> Epochs {
    let mut epochs = Epochs::default();
    epochs.begin(1, 0);
    epochs
}

pub fn put(offset: u64, at_ms: u64, to: &str, body: &str) -> Put {
    Put { offset, at_ms, envelope: message(to, &format!("m-{offset}"), body) }
}

/// Rows of one client, a second apart, each with its offset for a body.
pub fn puts(to: &str, offsets: impl Iterator<Item = u64>) -> Vec<Put> {
    offsets.map(|offset| put(offset, offset * 1_000, to, &offset.to_string())).collect()
}

pub fn erased(client: &str, offset: u64) -> Erase {
    Erase { client: ClientId::new(client).unwrap(), offset }
}

/// What was read of `P`: these rows, and with them it is covered so far.
pub fn portion(rows: Vec<Put>, from: u64, next: u64) -> Portion {
    Portion {
        partition: P,
        rows,
        erases: Vec::new(),
        coverage: Coverage { from, next },
        epochs: epochs(),
        state: next.to_string().into_bytes(),
    }
}

pub fn at(offset: u64) -> Position {
    epochs().position(offset)
}

/// A read of everything up to there.
pub fn whole(client: &str, from: ReadFrom, upto: u64) -> Read {
    Read {
        ticket: ReadTicket { core: 0, read: 0 },
        client: ClientId::new(client).unwrap(),
        partition: P,
        from,
        upto: at(upto),
        page_bytes: 64 << 20,
        page_envelopes: 1_000_000,
        count_to: 0,
    }
}

impl Stage {
    pub fn open(dir: &Path, options: IndexOptions) -> Self {
        let (index, Opened { kept, wiped }) = opened(|| Index::open(dir, options));
        let from = kept.iter().find(|kept| kept.partition == P).map_or(0, |kept| kept.coverage.from);
        Self { reader: index.reader(), index, kept, from, wiped }
    }

    /// Opens one that holds something and shows all of it.
    pub fn open_and_show(dir: &Path) -> Self {
        let mut stage = Self::open(dir, options());
        stage.show_all();
        stage
    }

    pub fn show_all(&mut self) {
        self.kept.iter().for_each(|kept| self.index.show(kept.partition, epochs()));
    }

    pub fn commit(&mut self, portion: Portion) {
        self.from = portion.coverage.from;
        self.index.commit(vec![portion]).unwrap();
    }

    /// Reads as far back as is covered, or from the position that was given.
    pub fn read(&self, client: &str, from: ReadFrom, upto: u64) -> Result<Page, Unreadable> {
        self.reader.read(&whole(client, from, upto), begin(from, self.from))
    }

    /// The bodies of a mailbox from the beginning of its coverage.
    pub fn mailbox(&self, client: &str, upto: u64) -> Vec<String> {
        bodies(&self.read(client, ReadFrom::Oldest, upto).unwrap().records)
    }
}

/// Where the judged read begins.
pub fn begin(from: ReadFrom, covered_from: u64) -> u64 {
    if let ReadFrom::After(position) = from { position.offset } else { covered_from }
}

pub fn numbers(offsets: impl Iterator<Item = u64>) -> Vec<String> {
    offsets.map(|offset| offset.to_string()).collect()
}
