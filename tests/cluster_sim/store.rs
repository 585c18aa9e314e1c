//! A node's modelled store: the rows of its index, and what was committed with them.
//!
//! Rows are written as they come; which of them count is what a commit says. So a crash that loses the last batch leaves
//! the commit before it.

use corepost::model::{ClientId, Envelope, Partition};
use corepost::tail::Stored;
use std::collections::{BTreeMap, HashMap};

/// A disk, which outlives processes.
#[derive(Default)]
pub struct Disk {
    /// By partition.
    pub shelves: BTreeMap<u16, Shelf>,
    /// A process has it.
    pub is_taken: bool,
    /// The newest version of a program that had it.
    newest: u16,
    /// Of which log it is.
    log_epoch: u64,
}

/// What a disk has of one partition.
#[derive(Default)]
pub struct Shelf {
    pub rows: Rows,
    /// The two newest commits, the newest last.
    pub commits: Vec<Stored>,
}

/// The rows of a partition.
#[derive(Default)]
pub struct Rows(HashMap<ClientId, BTreeMap<u64, Row>>);

/// One envelope of a mailbox.
#[derive(Clone)]
pub struct Row {
    pub at_ms: u64,
    pub leader_epoch: u32,
    pub envelope: Envelope,
}

impl Disk {
    pub fn shelf(&mut self, partition: Partition) -> &mut Shelf {
        self.shelves.entry(partition.0).or_default()
    }

    /// A program of that version begins with it, on that log. It wipes the index of another one, and does not take the
    /// directory of a newer program: somebody empties it.
    pub fn open(&mut self, version: u16, log_epoch: u64) {
        if self.newest > version || self.log_epoch != log_epoch {
            self.shelves.clear();
        }
        (self.newest, self.log_epoch) = (version, log_epoch);
    }

    /// The last batch of each partition that `is_lost` is gone.
    pub fn crash(&mut self, mut is_lost: impl FnMut() -> bool) {
        for shelf in self.shelves.values_mut() {
            if is_lost() {
                shelf.commits.pop();
            }
        }
    }
}

impl Shelf {
    pub fn commit(&mut self, stored: Stored) {
        self.commits.push(stored);
        if self.commits.len() > 2 {
            self.commits.remove(0);
        }
    }

    /// What is there at a start: only rows that the newest commit covers.
    pub fn open(&mut self) -> Option<Stored> {
        let stored = self.commits.pop();
        self.commits.clear();
        let covers =
            |offset: u64| stored.as_ref().is_some_and(|kept| (kept.from..kept.next).contains(&offset));
        self.rows.0.values_mut().for_each(|rows| rows.retain(|&offset, _| covers(offset)));
        self.commits.extend(stored.clone());
        stored
    }

    /// What was there is worth nothing.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Rows {
    pub fn put(&mut self, offset: u64, row: Row) {
        self.0.entry(row.envelope.to().to_client()).or_default().insert(offset, row);
    }

    /// A mailbox's rows between two offsets.
    pub fn range(&self, client: &ClientId, from: u64, upto: u64) -> Vec<(u64, &Row)> {
        let rows = self.0.get(client).filter(|_| from < upto);
        rows.map_or(Vec::new(), |rows| rows.range(from..upto).map(|(&offset, row)| (offset, row)).collect())
    }
}
