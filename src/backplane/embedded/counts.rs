//! How much lies in each mailbox, for the quota: exact, bounded in memory, and written down seldom.
//!
//! What the store says of a mailbox is a count per bucket, as of some commit. A count in memory is newer while it is
//! *dirty*; the commits since then say what is missing, so a crash loses nothing. Clean counts may be forgotten at
//! any time: they are read again.

use super::count_row::Count;
use crate::backplane::store::rows::MailboxKey;
use crate::limits::{STORE_COUNTS, STORE_DIRTY_COUNTS, STORE_DIRTY_MS, STORE_DIRTY_RECORDS};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// What lies in a mailbox: in the newest bucket, and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub newest: Count,
    pub envelopes: u64,
    pub bytes: u64,
}

struct Entry {
    mailbox: MailboxKey,
    bucket: u32,
    held: Held,
    is_dirty: bool,
}

/// When a count became dirty.
struct Dirty {
    hash: u64,
    commit: u64,
    record: u64,
    at_ms: u64,
}

/// Counts to be written with a commit, each key once.
pub type CountPuts = BTreeMap<(u32, [u8; 10]), Count>;

/// The counts in memory: two generations of at most [`STORE_COUNTS`], the older one read-only.
#[derive(Default)]
pub struct Counts {
    young: Map,
    old: Map,
    dirty: VecDeque<Dirty>,
}

type Map = HashMap<u64, Entry, BuildHasherDefault<Hashed>>;

/// The hash of a mailbox is one already, under a secret seed.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only mailbox hashes are hashed");
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The commit that is being made.
#[derive(Clone, Copy)]
pub struct Moment {
    pub commit: u64,
    pub record: u64,
    pub at_ms: u64,
    pub bucket: u32,
}

impl Counts {
    /// What a mailbox holds, if it is in memory.
    pub fn get(&mut self, mailbox: MailboxKey) -> Option<Held> {
        if !self.young.contains_key(&mailbox.hash) {
            let entry = self.old.remove(&mailbox.hash)?;
            self.young.insert(mailbox.hash, entry);
        }
        self.young.get(&mailbox.hash).map(|entry| entry.held)
    }

    /// Takes what the store says. `held.newest` is of `bucket`.
    pub fn learn(&mut self, mailbox: MailboxKey, held: Held, bucket: u32) {
        if self.young.len() >= STORE_COUNTS {
            self.turn();
        }
        self.young.insert(mailbox.hash, Entry { mailbox, bucket, held, is_dirty: false });
    }

    /// One more envelope. The mailbox was asked for just before.
    pub fn add(&mut self, mailbox: MailboxKey, size: u64, now: Moment, puts: &mut CountPuts) {
        let entry = self.young.get_mut(&mailbox.hash).expect("a mailbox is counted before it is added to");
        if entry.bucket != now.bucket {
            if entry.is_dirty {
                puts.insert((entry.bucket, mailbox.head_key()), entry.held.newest);
            }
            (entry.bucket, entry.held.newest) = (now.bucket, Count::default());
        }
        entry.held.newest.envelopes += 1;
        entry.held.newest.bytes += size;
        entry.held.newest.as_of = now.commit;
        entry.held.envelopes += 1;
        entry.held.bytes += size;
        if !entry.is_dirty {
            entry.is_dirty = true;
            let Moment { commit, record, at_ms, .. } = now;
            self.dirty.push_back(Dirty { hash: mailbox.hash, commit, record, at_ms });
        }
    }

    /// Nothing is in the mailbox any more: the counts the store has in `buckets` are 0 with this commit.
    pub fn erase(
        &mut self,
        mailbox: MailboxKey,
        buckets: impl Iterator<Item = u32>,
        now: Moment,
        puts: &mut CountPuts,
    ) {
        let none = Count { as_of: now.commit, ..Count::default() };
        for bucket in buckets {
            puts.insert((bucket, mailbox.head_key()), none);
        }
        let held = Held { newest: none, ..Held::default() };
        // It stays dirty if it was: what is added to it within this commit is then written at the commit's end.
        let entry = self.young.entry(mailbox.hash);
        entry.and_modify(|entry| (entry.bucket, entry.held) = (now.bucket, held)).or_insert(Entry {
            mailbox,
            bucket: now.bucket,
            held,
            is_dirty: false,
        });
        self.old.remove(&mailbox.hash);
    }

    /// At a commit's end: what has been dirty too long, and whatever the commit has written already, goes out as it
    /// is now.
    pub fn write_back(&mut self, now: Moment, all: bool, puts: &mut CountPuts) {
        while let Some(first) = self.dirty.front() {
            let is_due = all
                || self.dirty.len() > STORE_DIRTY_COUNTS
                || now.record - first.record > STORE_DIRTY_RECORDS
                || now.at_ms - first.at_ms > STORE_DIRTY_MS;
            if !is_due {
                break;
            }
            let hash = first.hash;
            self.dirty.pop_front();
            let entry = match self.young.get_mut(&hash) {
                Some(entry) => entry,
                None => self.old.get_mut(&hash).expect("a dirty count is never forgotten"),
            };
            entry.is_dirty = false;
            // Everything up to this commit is in it, though its last envelope may be older.
            entry.held.newest.as_of = now.commit;
            puts.insert((entry.bucket, entry.mailbox.head_key()), entry.held.newest);
        }
        for (&(bucket, key), put) in puts.iter_mut() {
            let hash = u64::from_be_bytes(*key.last_chunk().expect("a count's key ends with the hash"));
            if let Some(entry) = self.young.get(&hash).filter(|entry| entry.bucket == bucket) {
                *put = Count { as_of: now.commit, ..entry.held.newest };
            }
        }
    }

    /// The first commit that is in no count of the store yet.
    pub fn counted_from(&self, next: u64) -> u64 {
        self.dirty.front().map_or(next, |dirty| dirty.commit)
    }

    /// Forgets everything; nothing may be dirty.
    pub fn forget(&mut self) {
        assert!(self.dirty.is_empty(), "counts were forgotten before they were written");
        self.young.clear();
        self.old.clear();
    }

    /// The young grow old, and the old go, except what is dirty.
    fn turn(&mut self) {
        let mut young = Map::default();
        for dirty in &self.dirty {
            if let Some(entry) = self.young.remove(&dirty.hash).or_else(|| self.old.remove(&dirty.hash)) {
                young.insert(dirty.hash, entry);
            }
        }
        self.old = std::mem::replace(&mut self.young, young);
        debug_assert!(self.young.len() <= STORE_DIRTY_COUNTS + STORE_COUNTS);
    }
}
