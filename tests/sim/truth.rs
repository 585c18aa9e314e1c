//! The reference model: what every mailbox holds, by the definitions of DESIGN.md §3 read word for word.
//!
//! It is fed with the raw records of the log as they become durable, decides by itself which are duplicates, and
//! judges every step that anybody makes along a mailbox.

use crate::log::{SimLog, Written};
use corepost::limits::{DEDUPE_MS, DEDUPE_OFFSETS};
use corepost::model::{ClientId, Envelope, Kind, Position};
use std::collections::HashMap;

type Key = (String, Option<String>, String, Vec<u8>);

/// All mailboxes.
#[derive(Default)]
pub struct Truth {
    applied: Vec<u64>,
    seen: Vec<HashMap<Key, (u64, u64)>>,
    mailboxes: HashMap<ClientId, Mailbox>,
    /// Log append times of every durable record, duplicates too, by recipient, sender and name.
    durable: HashMap<(String, String, String), Vec<u64>>,
}

/// One mailbox.
#[derive(Default)]
pub struct Mailbox {
    pub entries: Vec<Entry>,
    /// Offsets of its erases.
    pub erases: Vec<u64>,
}

/// One envelope of a mailbox.
pub struct Entry {
    pub position: Position,
    pub at_ms: u64,
    pub envelope: Envelope,
}

impl Truth {
    /// Takes what has become durable.
    pub fn follow(&mut self, log: &SimLog) {
        self.applied.resize(log.lanes.len(), 0);
        self.seen.resize(log.lanes.len(), HashMap::new());
        for (lane, this) in log.lanes.iter().enumerate() {
            for offset in self.applied[lane]..this.durable {
                self.apply(lane, offset, &this.records[offset as usize]);
            }
            self.applied[lane] = this.durable;
        }
    }

    fn apply(&mut self, lane: usize, offset: u64, written: &Written) {
        let envelope = &written.envelope;
        let mailbox = self.mailboxes.entry(envelope.to().to_client()).or_default();
        if envelope.kind() == Kind::Erase {
            return mailbox.erases.push(offset);
        }
        let mut duplicate = false;
        let from = envelope.from().map(|from| from.as_str().to_owned());
        if let Some(id) = envelope.id() {
            let (to, id) = (envelope.to().as_str().to_owned(), id.as_str().to_owned());
            let sender = from.clone().unwrap_or_default();
            self.durable.entry((to.clone(), sender, id.clone())).or_default().push(written.at_ms);
            let key = (to, from, id, envelope.body().to_vec());
            if let Some(&(before, at_ms)) = self.seen[lane].get(&key) {
                duplicate = offset - before <= DEDUPE_OFFSETS && written.at_ms - at_ms <= DEDUPE_MS;
            }
            self.seen[lane].insert(key, (offset, written.at_ms));
        }
        assert_eq!(
            duplicate, written.duplicate,
            "{envelope:?} at {offset}: a duplicate by definition, or not"
        );
        if !duplicate {
            let position = Position::after(written.leader, offset);
            mailbox.entries.push(Entry { position, at_ms: written.at_ms, envelope: envelope.clone() });
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

    /// Somebody who holds everything up to `held` is told that nothing lies between it and `to`. Panics if that is
    /// not so: only what was erased may be passed over.
    pub fn step(&self, client: &ClientId, held: Position, to: Position) {
        let Some(mailbox) = self.mailboxes.get(client) else { return };
        if let Some(missed) = mailbox
            .after(held)
            .iter()
            .take_while(|entry| entry.position <= to)
            .find(|entry| !mailbox.is_erased(entry.position))
        {
            panic!(
                "a silent gap: {client} holds {held:?} and is led to {to:?} past {:?} at {:?}",
                missed.envelope, missed.position
            );
        }
    }

    /// The envelope at that position. Panics if there is none.
    pub fn at(&self, client: &ClientId, position: Position) -> &Entry {
        let mailbox = self.mailboxes.get(client);
        let found = mailbox.and_then(|mailbox| {
            let at = mailbox.entries.binary_search_by_key(&position, |entry| entry.position).ok()?;
            Some(&mailbox.entries[at])
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
}

impl Mailbox {
    /// What lies after a position.
    pub fn after(&self, held: Position) -> &[Entry] {
        &self.entries[self.entries.partition_point(|entry| entry.position <= held)..]
    }

    /// Whether an envelope at this position was erased.
    pub fn is_erased(&self, position: Position) -> bool {
        self.erases.last().is_some_and(|&erase| position.offset <= erase)
    }
}
