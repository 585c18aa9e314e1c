//! The index beside a model of it: a log that grows and is cut short, history that is filled backwards, drops, erases,
//! retention, restarts and crashes; both always say the same.

use crate::stage::*;
use corepost::backplane::index::{Coverage, Cut, IndexOptions, Portion};
use corepost::log::{Epochs, Page, Read, ReadFrom, ReadTicket, Unreadable};
use corepost::model::{ClientId, Partition, Position, Unresumed};
use proptest::prelude::*;
use std::collections::BTreeMap;

const BUCKET_MS: u64 = 1_000;
const CLIENTS: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Records of these clients, by a new leader or the old one; a client beyond them erases.
    Append {
        p: u16,
        records: Vec<u8>,
        is_new_leader: bool,
    },
    /// So many older offsets, covered at once or later.
    Backfill {
        p: u16,
        records: u64,
        is_covered: bool,
    },
    /// The log loses so many records, and the partition is dropped.
    Truncate {
        p: u16,
        records: u64,
    },
    Drop(u16),
    Hide(u16),
    Wait(u64),
    Expire,
    Restart,
    Crash,
    Read {
        p: u16,
        client: u8,
        from: u8,
        number: u64,
        below: u64,
        page: u32,
        count_to: u32,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let p = || 0..2u16;
    let step = prop_oneof![
        6 => (p(), proptest::collection::vec(0..CLIENTS + 1, 1..8), proptest::bool::weighted(0.2))
            .prop_map(|(p, records, is_new_leader)| Step::Append { p, records, is_new_leader }),
        3 => (p(), 1..9u64, any::<bool>())
            .prop_map(|(p, records, is_covered)| Step::Backfill { p, records, is_covered }),
        1 => (p(), 0..6u64).prop_map(|(p, records)| Step::Truncate { p, records }),
        1 => p().prop_map(Step::Drop),
        1 => p().prop_map(Step::Hide),
        3 => (1..2_500u64).prop_map(Step::Wait),
        1 => Just(Step::Expire),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        10 => (p(), 0..CLIENTS, 0..4u8, 0..60u64, 0..6u64, 0..6u32, 0..12u32).prop_map(
            |(p, client, from, number, below, page, count_to)| Step::Read {
                p, client, from, number, below, page, count_to
            }
        ),
    ];
    proptest::collection::vec(step, 1..50)
}

/// A record of the log.
#[derive(Clone, Copy)]
struct Record {
    client: u8,
    is_erase: bool,
    at_ms: u64,
    /// Tells it from others that stood at its offset.
    name: u64,
}

/// A partition of the log, and what of it the index is to hold.
#[derive(Default)]
struct Model {
    records: Vec<Record>,
    epochs: Epochs,
    held: Option<Coverage>,
    is_shown: bool,
    /// Offset and time of every row that lies there since the partition is held.
    lying: BTreeMap<u64, u64>,
}

fn name(client: u8) -> String {
    format!("client-{client}")
}

impl Model {
    fn end(&self) -> u64 {
        self.records.len() as u64
    }

    /// What the index is told of these offsets, which are in the log.
    fn portion(&mut self, p: u16, offsets: std::ops::Range<u64>, coverage: Coverage) -> Portion {
        let (mut rows, mut erases) = (Vec::new(), Vec::new());
        for offset in offsets {
            let record = self.records[offset as usize];
            let (client, body) = (name(record.client), record.name.to_string());
            if record.is_erase {
                erases.push(erased(&client, offset));
            } else {
                rows.push(put(offset, record.at_ms, &client, &body));
                self.lying.insert(offset, record.at_ms);
            }
        }
        (self.held, self.is_shown) = (Some(coverage), true);
        let epochs = self.epochs.clone();
        let state = format!("{coverage:?}").into_bytes();
        Portion { partition: Partition(p), rows, erases, coverage, epochs, state }
    }

    fn drop(&mut self) {
        (self.held, self.is_shown) = (None, false);
        self.lying.clear();
    }

    /// What retention takes, and where it cuts the coverage to.
    fn expire(&mut self, retention_ms: u64, now_ms: u64) -> Option<u64> {
        let is_over = |at_ms: u64| (at_ms / BUCKET_MS + 1) * BUCKET_MS + retention_ms <= now_ms;
        let last = self.lying.iter().filter(|&(_, &at_ms)| is_over(at_ms)).map(|(&offset, _)| offset).max();
        self.lying.retain(|_, at_ms| !is_over(*at_ms));
        let (held, last) = (self.held.as_mut()?, last?);
        let cut = (last >= held.from).then_some(last + 1)?;
        held.from = cut;
        Some(cut)
    }

    fn read(&self, client: u8, read: &Read) -> Result<Expected, Unreadable> {
        let held = self.held.filter(|_| self.is_shown).ok_or(Unreadable::Unavailable)?;
        let upto = read.upto;
        let of_client =
            (held.from..held.next).filter(|&offset| self.records[offset as usize].client == client);
        let (erases, rows): (Vec<u64>, Vec<u64>) =
            of_client.partition(|&offset| self.records[offset as usize].is_erase);
        let unerased = erases.last().map_or(0, |offset| offset + 1);
        if let ReadFrom::After(position) = read.from {
            if position.offset < held.from {
                return Err(Unreadable::Unavailable);
            }
            if position.offset < unerased && unerased <= upto.offset {
                return Err(Unreadable::Unresumed(Unresumed::Erased));
            }
        }
        let rows: Vec<u64> =
            rows.into_iter().filter(|&offset| offset >= unerased && offset < upto.offset).collect();
        let rows: Vec<u64> = match read.from {
            ReadFrom::After(position) => rows.into_iter().filter(|&row| row >= position.offset).collect(),
            ReadFrom::Oldest => rows,
            ReadFrom::Since(since) => {
                rows.into_iter().filter(|&row| self.records[row as usize].at_ms >= since).collect()
            }
            ReadFrom::Last(n) => rows[rows.len().saturating_sub(n as usize)..].to_vec(),
        };
        Ok(self.page(read, rows))
    }

    fn page(&self, read: &Read, rows: Vec<u64>) -> Expected {
        let start = match (read.from, rows.first()) {
            (ReadFrom::After(position), _) => position,
            (_, Some(&first)) => self.epochs.position(first),
            (_, None) => read.upto,
        };
        let kept: Vec<_> = rows.iter().copied().take(read.page_envelopes as usize).collect();
        let through = match kept.last() {
            _ if kept.len() == rows.len() => read.upto.max(start),
            Some(&last) => self.epochs.position(last + 1),
            None => start,
        };
        let counted = rows.len().min(kept.len().max(read.count_to as usize));
        let bodies = kept.iter().map(|&row| (row, self.records[row as usize].name.to_string())).collect();
        (start, bodies, through, counted as u32, rows.len() > counted)
    }
}

type Expected = (Position, Vec<(u64, String)>, Position, u32, bool);

fn seen(page: Page) -> Expected {
    let rows = page.records.iter().map(|record| record.offset).zip(bodies(&page.records)).collect();
    (page.start, rows, page.through, page.counted, page.more)
}

/// The index, the model of each of its partitions, and the time of their log.
struct World {
    dir: TempDir,
    crashes: u32,
    stage: Stage,
    models: [Model; 2],
    now_ms: u64,
    names: u64,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new("index-model");
        let stage = Stage::open(&dir.path().join("0"), Self::options());
        let mut models = [Model::default(), Model::default()];
        models.iter_mut().for_each(|model| model.epochs.begin(1, 0));
        Self { dir, crashes: 0, stage, models, now_ms: 50_000, names: 0 }
    }

    fn options() -> IndexOptions {
        IndexOptions { retention_ms: 8 * BUCKET_MS, memtable_bytes: 4 << 10, ..options() }
    }

    fn append(&mut self, p: u16, records: &[u8], is_new_leader: bool) {
        let model = &mut self.models[usize::from(p)];
        let end = model.end();
        if is_new_leader {
            model.epochs.begin(model.epochs.entries().last().unwrap().0 + 1, end);
        }
        for &client in records {
            self.names += 1;
            let is_erase = client == CLIENTS;
            let client = if is_erase { (self.names % u64::from(CLIENTS)) as u8 } else { client };
            model.records.push(Record { client, is_erase, at_ms: self.now_ms, name: self.names });
        }
        let from = model.held.map_or(end, |held| held.from);
        let portion = model.portion(p, end..model.end(), Coverage { from, next: model.end() });
        self.stage.commit(portion);
    }

    fn backfill(&mut self, p: u16, records: u64, is_covered: bool) {
        let model = &mut self.models[usize::from(p)];
        let Some(held) = model.held else { return };
        let begin = held.from.saturating_sub(records);
        let coverage = if is_covered { Coverage { from: begin, ..held } } else { held };
        let portion = model.portion(p, begin..held.from, coverage);
        self.stage.commit(portion);
    }

    fn drop(&mut self, p: u16) {
        self.stage.index.drop_partitions(&[Partition(p)]).unwrap();
        self.models[usize::from(p)].drop();
    }

    fn truncate(&mut self, p: u16, records: u64) {
        self.drop(p);
        let model = &mut self.models[usize::from(p)];
        let end = model.end().saturating_sub(records);
        model.records.truncate(end as usize);
        let entries = model.epochs.entries().to_vec();
        let newest = entries.last().unwrap().0;
        model.epochs = Epochs::default();
        entries
            .iter()
            .filter(|entry| entry.1 <= end)
            .for_each(|&(epoch, first)| model.epochs.begin(epoch, first));
        model.epochs.begin(newest + 1, end);
    }

    fn expire(&mut self) {
        let cuts = self.stage.index.expire(self.now_ms).unwrap();
        let mut expected = Vec::new();
        for (p, model) in (0..).zip(&mut self.models) {
            let cut = model.expire(Self::options().retention_ms, self.now_ms);
            expected.extend(cut.map(|from| Cut { partition: Partition(p), from }));
        }
        assert_eq!(cuts, expected);
    }

    /// Opens the directory again, or what a kill leaves of it.
    fn reopen(self, is_crash: bool) -> Self {
        let Self { dir, crashes, stage, mut models, now_ms, names } = self;
        let (old, new) = (dir.path().join(crashes.to_string()), dir.path().join((crashes + 1).to_string()));
        let (next, crashes) = if is_crash { (&new, crashes + 1) } else { (&old, crashes) };
        if is_crash {
            copy_dir(&old, &new);
        }
        drop(stage);
        let mut stage = Stage::open(next, Self::options());
        assert_eq!(stage.wiped, None);
        let kept: Vec<_> = stage.kept.iter().map(|kept| (kept.partition.0, kept.coverage)).collect();
        let held = (0..).zip(&models).filter_map(|(p, model)| model.held.map(|held| (p, held)));
        assert_eq!(kept, held.collect::<Vec<_>>());
        for (p, model) in (0..).zip(&mut models) {
            stage.index.show(Partition(p), model.epochs.clone());
            model.is_shown = model.held.is_some();
        }
        Self { dir, crashes, stage, models, now_ms, names }
    }

    fn read(&self, p: u16, client: u8, from: ReadFrom, below: u64, page: u32, count_to: u32) {
        let model = &self.models[usize::from(p)];
        let (covered, next) = model.held.map_or((0, 0), |held| (held.from, held.next));
        let read = Read {
            ticket: ReadTicket { core: 0, read: 0 },
            client: ClientId::new(&name(client)).unwrap(),
            partition: Partition(p),
            from,
            upto: model.epochs.position(next.saturating_sub(below).max(covered)),
            page_bytes: 64 << 20,
            page_envelopes: page,
            count_to,
        };
        assert_eq!(
            self.stage.reader.read(&read, begin(from, covered)).map(seen),
            model.read(client, &read),
            "{read:?}"
        );
    }

    fn take(mut self, step: Step) -> Self {
        match step {
            Step::Append { p, records, is_new_leader } => self.append(p, &records, is_new_leader),
            Step::Backfill { p, records, is_covered } => self.backfill(p, records, is_covered),
            Step::Truncate { p, records } => self.truncate(p, records),
            Step::Drop(p) => self.drop(p),
            Step::Hide(p) => {
                self.stage.index.hide(Partition(p));
                self.models[usize::from(p)].is_shown = false;
            }
            Step::Wait(ms) => self.now_ms += ms,
            Step::Expire => self.expire(),
            Step::Restart => return self.reopen(false),
            Step::Crash => return self.reopen(true),
            Step::Read { p, client, from, number, below, page, count_to } => {
                let model = &self.models[usize::from(p)];
                let from = match from {
                    0 => ReadFrom::After(model.epochs.position(number.min(model.end()))),
                    1 => ReadFrom::Oldest,
                    2 => ReadFrom::Since(self.now_ms.saturating_sub(number * 300)),
                    _ => ReadFrom::Last(number as u32 / 4),
                };
                self.read(p, client, from, below, page, count_to);
            }
        }
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_index_does_what_its_model_does(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world = world.take(step);
        }
    }
}
