//! The reference model: what every mailbox holds, by the definitions of DESIGN.md §3 read word for word.
//!
//! It is fed with each record as it becomes durable, decides by itself which are duplicates, and judges every step that
//! anybody makes along a mailbox.

use crate::kafka::Lane;
use corepost::limits::{DEDUPE_MS, DEDUPE_OFFSETS};
use corepost::model::{ClientId, Envelope, Kind, Position};
use std::collections::HashMap;

type Key = (String, Option<String>, String, Vec<u8>);

/// All mailboxes.
#[derive(Default)]
pub struct Truth {
    seen: HashMap<u16, HashMap<Key, (u64, u64)>>,
    mailboxes: HashMap<ClientId, Mailbox>,
    /// Log append times of every record, duplicates too, by recipient, sender and name; also of those that were lost.
    durable: HashMap<(String, String, String), Vec<u64>>,
    /// By partition: what unclean elections cut off.
    pub cuts: HashMap<u16, Vec<Cut>>,
}

/// A partition lost everything from an offset on.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// When, in the world's time.
    pub at_ms: u64,
    /// The first offset that was lost.
    pub from: u64,
    /// The leader epoch that begins there.
    pub leader_epoch: u32,
}

/// One mailbox.
#[derive(Default)]
pub struct Mailbox {
    pub entries: Vec<Entry>,
    /// Lost by unclean elections. Somebody may have been given them.
    pub lost: Vec<Entry>,
}

/// One envelope of a mailbox.
pub struct Entry {
    pub position: Position,
    pub at_ms: u64,
    pub envelope: Envelope,
}

impl Truth {
    /// Takes the newest record of a partition.
    pub fn follow(&mut self, partition: u16, lane: &Lane<Envelope>) {
        let offset = lane.end() - 1;
        let record = lane.at(offset);
        if let Some(id) = record.what.id() {
            let from = record.what.from().map_or("", |from| from.as_str()).to_owned();
            let key = (record.what.to().as_str().to_owned(), from, id.as_str().to_owned());
            self.durable.entry(key).or_default().push(record.at_ms);
        }
        self.apply(partition, lane, offset);
    }

    fn apply(&mut self, partition: u16, lane: &Lane<Envelope>, offset: u64) {
        let record = lane.at(offset);
        let envelope = &record.what;
        if self.is_duplicate(partition, envelope, offset, record.at_ms) || envelope.kind() != Kind::Message {
            return;
        }
        let mailbox = self.mailboxes.entry(envelope.to().to_client()).or_default();
        let position = Position::after(record.leader_epoch, offset);
        mailbox.entries.push(Entry { position, at_ms: record.at_ms, envelope: envelope.clone() });
    }

    fn is_duplicate(&mut self, partition: u16, envelope: &Envelope, offset: u64, at_ms: u64) -> bool {
        let Some(id) = envelope.id() else { return false };
        let from = envelope.from().map(|from| from.as_str().to_owned());
        let key = (envelope.to().as_str().to_owned(), from, id.as_str().to_owned(), envelope.body().to_vec());
        let before = self.seen.entry(partition).or_default().insert(key, (offset, at_ms));
        before.is_some_and(|(before, then_ms)| {
            offset - before <= DEDUPE_OFFSETS && at_ms - then_ms <= DEDUPE_MS
        })
    }

    /// A partition lost all it had beyond its present end.
    pub fn cut(
        &mut self,
        partition: u16,
        lane: &Lane<Envelope>,
        at_ms: u64,
        is_here: impl Fn(&ClientId) -> bool,
    ) {
        let (from, leader_epoch) = (lane.end(), lane.leader_epoch);
        self.cuts.entry(partition).or_default().push(Cut { at_ms, from, leader_epoch });
        for (_, mailbox) in self.mailboxes.iter_mut().filter(|(client, _)| is_here(client)) {
            // An envelope at offset n has a position that counts n + 1.
            let keep = mailbox.entries.partition_point(|entry| entry.position.offset <= from);
            mailbox.lost.extend(mailbox.entries.drain(keep..));
        }
        // What is left judges what comes.
        self.seen.remove(&partition);
        for offset in 0..from {
            let record = lane.at(offset);
            self.is_duplicate(partition, &record.what, offset, record.at_ms);
        }
    }

    /// When the records of that name, to that recipient, were appended.
    pub fn durable_at(&self, to: &str, from: &str, id: &str) -> &[u64] {
        let key = (to.to_owned(), from.to_owned(), id.to_owned());
        self.durable.get(&key).map_or(&[], Vec::as_slice)
    }

    /// A mailbox, if anything was ever addressed to it.
    pub fn mailbox(&self, client: &ClientId) -> Option<&Mailbox> {
        self.mailboxes.get(client)
    }

    /// What lies after one position and up to another.
    pub fn between(&self, client: &ClientId, held: Position, to: Position) -> impl Iterator<Item = &Entry> {
        let after = self.mailboxes.get(client).map_or(&[][..], |mailbox| mailbox.after(held));
        after.iter().take_while(move |entry| entry.position <= to)
    }

    /// Somebody who holds everything up to `held` is told that nothing lies between it and `to`. Panics if that is
    /// not so.
    pub fn step(&self, client: &ClientId, held: Position, to: Position) {
        if let Some(missed) = self.between(client, held, to).next() {
            panic!(
                "a silent gap: {client} holds {held:?} and is led to {to:?} past {:?} at {:?}",
                missed.envelope, missed.position
            );
        }
    }

    /// The envelope at that position. Panics if there never was one.
    pub fn at(&self, client: &ClientId, position: Position) -> &Entry {
        let mailbox = self.mailboxes.get(client);
        let found = mailbox.and_then(|mailbox| {
            let at = mailbox.entries.binary_search_by_key(&position, |entry| entry.position);
            let lost = || mailbox.lost.iter().find(|entry| entry.position == position);
            at.map(|at| &mailbox.entries[at]).ok().or_else(lost)
        });
        found.unwrap_or_else(|| {
            panic!("{client} was given an envelope at {position:?}, where its mailbox has none")
        })
    }

    /// How many envelopes lie after one position and up to an offset.
    pub fn count(&self, client: &ClientId, after: Position, upto: u64) -> usize {
        let Some(mailbox) = self.mailboxes.get(client) else { return 0 };
        mailbox.after(after).iter().filter(|entry| entry.position.offset <= upto).count()
    }

    /// Whether something that this position counts was lost in a cut before that moment.
    pub fn is_cut(&self, partition: u16, position: Position, before_ms: u64) -> bool {
        let lost = |cut: &&Cut| {
            cut.at_ms < before_ms && cut.from < position.offset && position.leader_epoch < cut.leader_epoch
        };
        self.cuts.get(&partition).is_some_and(|cuts| cuts.iter().find(lost).is_some())
    }
}

impl Mailbox {
    /// What lies after a position.
    pub fn after(&self, held: Position) -> &[Entry] {
        &self.entries[self.entries.partition_point(|entry| entry.position <= held)..]
    }
}
