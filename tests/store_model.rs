//! The log beside a model of it: random appends, erases, reads and restarts; both always say the same.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod store_support;

use corepost::backplane::Options;
use corepost::log::{Page, Read, ReadFrom, Unreadable};
use corepost::model::{ErrorCode, Position, Unresumed};
use proptest::prelude::*;
use std::collections::BTreeMap;
use store_support::*;

const CLIENTS: u8 = 5;
const QUOTA: u64 = 12;
const DEDUPE_MS: u64 = 600_000;

#[derive(Clone, Debug)]
enum Step {
    /// To these clients, with these IDs (few, so that duplicates come), in one go.
    Append(Vec<(u8, u8)>),
    Erase(u8),
    Wait(u64),
    Restart,
    Read {
        client: u8,
        from: u8,
        number: u64,
        page: u32,
        count_to: u32,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => proptest::collection::vec((0..CLIENTS, 0..40u8), 1..8).prop_map(Step::Append),
        1 => (0..CLIENTS).prop_map(Step::Erase),
        2 => prop_oneof![1..2_000u64, Just(DEDUPE_MS), Just(DEDUPE_MS + 1)].prop_map(Step::Wait),
        1 => Just(Step::Restart),
        8 => (0..CLIENTS, 0..4u8, 0..60u64, 0..6u32, 0..12u32)
            .prop_map(|(client, from, number, page, count_to)| Step::Read { client, from, number, page, count_to }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What the log should be: everything in plain maps.
#[derive(Default)]
struct Model {
    now_ms: u64,
    leader: u32,
    /// Per partition, each record's leader epoch.
    partitions: BTreeMap<u16, Vec<u32>>,
    /// (partition, key) → offset and time of its newest record.
    newest: BTreeMap<(u8, u8), u64>,
    /// Per client: offset, time, ID; and the first offset after its erase.
    mailboxes: BTreeMap<u8, (Vec<Row>, u64)>,
}

type Row = (u64, u64, u8);

fn name(client: u8) -> String {
    format!("client-{client}")
}

impl Model {
    /// A leader is named after the second its time begins in.
    fn start(&mut self) {
        self.leader = (self.leader + 1).max((self.now_ms / 1_000) as u32);
    }

    fn head(&self, client: u8) -> Position {
        self.at(client, self.partitions.get(&partition(&name(client)).0).map_or(0, Vec::len) as u64)
    }

    fn at(&self, client: u8, offset: u64) -> Position {
        let epochs = self.partitions.get(&partition(&name(client)).0);
        let leader_epoch =
            offset.checked_sub(1).and_then(|at| epochs?.get(at as usize)).copied().unwrap_or(0);
        Position { leader_epoch, offset }
    }

    fn take(&mut self, client: u8) -> u64 {
        let epochs = self.partitions.entry(partition(&name(client)).0).or_default();
        epochs.push(self.leader);
        epochs.len() as u64 - 1
    }

    /// The offsets that appends in one go get, or that they are refused.
    fn append(&mut self, sent: &[(u8, u8)]) -> Vec<Option<u64>> {
        let mut full = Vec::new();
        sent.iter()
            .map(|&(client, id)| {
                let is_duplicate =
                    self.newest.get(&(client, id)).is_some_and(|at_ms| self.now_ms - at_ms <= DEDUPE_MS);
                let held = self.mailboxes.entry(client).or_default().0.len() as u64;
                if !is_duplicate && (held >= QUOTA || full.contains(&client)) {
                    full.push(client);
                    return None;
                }
                let offset = self.take(client);
                self.newest.insert((client, id), self.now_ms);
                if !is_duplicate {
                    self.mailboxes.entry(client).or_default().0.push((offset, self.now_ms, id));
                }
                Some(offset)
            })
            .collect()
    }

    fn erase(&mut self, client: u8) {
        let offset = self.take(client);
        self.mailboxes.insert(client, (Vec::new(), offset + 1));
    }

    /// Start, offsets of the page, through, counted, more.
    fn read(&self, client: u8, from: ReadFrom, page: u32, count_to: u32) -> Result<Expected, Unresumed> {
        let nothing = (Vec::new(), 0);
        let (all, unerased) = self.mailboxes.get(&client).unwrap_or(&nothing);
        let head = self.head(client);
        let rows: Vec<_> = match from {
            ReadFrom::After(position) if position.offset < *unerased => return Err(Unresumed::Erased),
            ReadFrom::After(position) => all.iter().filter(|row| row.0 >= position.offset).collect(),
            ReadFrom::Oldest => all.iter().collect(),
            ReadFrom::Since(at_ms) => all.iter().filter(|row| row.1 >= at_ms).collect(),
            ReadFrom::Last(n) => all.iter().skip(all.len().saturating_sub(n as usize)).collect(),
        };
        let start = match (from, rows.first()) {
            (ReadFrom::After(position), _) => position,
            (_, Some(first)) => self.at(client, first.0),
            (_, None) => head,
        };
        let kept: Vec<_> = rows.iter().take(page as usize).map(|row| row.0).collect();
        let through = match kept.last() {
            _ if kept.len() == rows.len() => head.max(start),
            Some(&last) => self.at(client, last + 1),
            None => start,
        };
        let counted = rows.len().min(kept.len().max(count_to as usize)) as u32;
        Ok((start, kept, through, counted, rows.len() as u32 > counted))
    }
}

type Expected = (Position, Vec<u64>, Position, u32, bool);

fn seen(page: Page) -> Expected {
    let offsets = page.records.iter().map(|record| record.offset).collect();
    (page.start, offsets, page.through, page.counted, page.more)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_log_does_what_its_model_does(steps in steps()) {
        let dir = TempDir::new("model");
        let clock = TestClock::at(1_000_000);
        let open = || Options { clock: clock.clock(), mailbox_envelopes: QUOTA, memtable_bytes: 4 << 10, ..options() };
        let mut log = TestLog::open(dir.path(), open());
        let mut model = Model { now_ms: 1_000_000, ..Model::default() };
        model.start();
        for step in steps {
            match step {
                Step::Append(sent) => {
                    let envelopes: Vec<_> =
                        sent.iter().map(|&(to, id)| message(&name(to), &format!("m-{id}"), "body")).collect();
                    let answers: Vec<_> = log.append_all(&envelopes).into_iter().map(|answer| match answer {
                        Ok(appended) => Some(appended.offset),
                        Err(refused) => { assert_eq!(refused.code, ErrorCode::MailboxFull); None }
                    }).collect();
                    prop_assert_eq!(answers, model.append(&sent));
                }
                Step::Erase(client) => {
                    log.append_one(erase(&name(client))).expect("an erase is taken");
                    model.erase(client);
                }
                Step::Wait(ms) => {
                    model.now_ms += ms;
                    clock.set(model.now_ms);
                }
                Step::Restart => {
                    drop(log);
                    log = TestLog::open(dir.path(), open());
                    model.start();
                }
                Step::Read { client, from, number, page, count_to } => {
                    let from = match from {
                        0 => ReadFrom::After(model.at(client, number.min(model.head(client).offset))),
                        1 => ReadFrom::Oldest,
                        2 => ReadFrom::Since(model.now_ms.saturating_sub(number * 300)),
                        _ => ReadFrom::Last(number as u32 / 4),
                    };
                    let read = Read { page_envelopes: page, count_to, ..log.whole(&name(client), from) };
                    let got = log.read(read).map(seen).map_err(|error| match error {
                        Unreadable::Unresumed(why) => why,
                        Unreadable::Unavailable => panic!("the log is well"),
                    });
                    prop_assert_eq!(got, model.read(client, from, page, count_to), "{:?}", from);
                }
            }
        }
    }
}
