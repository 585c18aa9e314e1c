//! One partition of a log, and one home that reads it: what the shell will do, with nothing in between.
//!
//! The log keeps what it has deleted, so that what each record is by definition is known: a duplicate by all that was
//! ever before it and was not lost.

use super::*;
use crate::limits::{DEDUPE_MS, DEDUPE_OFFSETS};
use crate::model::{Position, Unresumed};
use std::collections::BTreeMap;

pub const MINUTE_MS: u64 = 60_000;
/// Records older than two hours may be deleted: those younger than fifty minutes have their window.
pub const RETENTION_MS: u64 = 120 * MINUTE_MS;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    pub place: Place,
    pub found: Found,
    /// By definition, over the whole log.
    pub is_duplicate: bool,
    /// Log time: the greatest of all so far.
    log_ms: u64,
}

impl Record {
    fn is_row(&self) -> bool {
        matches!(self.found, Found::Envelope(_)) && !self.is_duplicate
    }
}

/// A partition as its brokers have it.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// All that was not lost, deleted or not.
    pub records: Vec<Record>,
    pub start: u64,
    pub end: u64,
    pub leader_epoch: u32,
    pub now_ms: u64,
    /// Nothing was appended since the log was cut: what comes must stand where it was cut.
    pub is_cut: bool,
}

impl Log {
    /// Appends behind a gap, `later` milliseconds after all else, by a clock that is behind by `behind_ms`.
    pub fn append(&mut self, gap: u64, later_ms: u64, behind_ms: u64, found: Found) {
        self.now_ms += later_ms;
        let offset = self.end + if self.is_cut { 0 } else { gap };
        let at_ms = self.now_ms.saturating_sub(behind_ms);
        let log_ms = self.records.last().map_or(at_ms, |last| last.log_ms.max(at_ms));
        let is_same = |earlier: &Record| {
            matches!(found, Found::Envelope(Some(_)))
                && earlier.found == found
                && offset - earlier.place.offset <= DEDUPE_OFFSETS
                && log_ms - earlier.log_ms <= DEDUPE_MS
        };
        let is_duplicate = self.records.iter().any(is_same);
        let place = Place { offset, leader_epoch: self.leader_epoch, at_ms };
        self.records.push(Record { place, found, is_duplicate, log_ms });
        (self.end, self.is_cut) = (offset + 1, false);
    }

    /// Offsets without a record.
    pub fn mark(&mut self, offsets: u64) {
        if !self.is_cut {
            self.end += offsets;
        }
    }

    /// An unclean election: the last so many records are lost.
    pub fn cut(&mut self, lost: usize) {
        let kept = self.records.len().saturating_sub(lost);
        let Some(first) = self.records.get(kept).filter(|first| first.place.offset >= self.start) else {
            return;
        };
        self.end = first.place.offset;
        self.records.truncate(kept);
        self.leader_epoch += 1;
        self.is_cut = true;
    }

    /// Retention deletes so much in a hundred of what it may.
    pub fn retain(&mut self, percent: u64) {
        let oldest_ms = self.now_ms.saturating_sub(RETENTION_MS);
        let due =
            self.present().find(|it| it.place.at_ms >= oldest_ms).map_or(self.end, |it| it.place.offset);
        self.start += (due - self.start) * percent / 100;
    }

    fn present(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter().filter(|it| it.place.offset >= self.start)
    }

    /// The broker's answer: the first offset at or after a time.
    pub fn first_at(&self, at_ms: u64) -> Option<u64> {
        self.present().find(|it| it.place.at_ms >= at_ms).map(|it| it.place.offset)
    }

    pub fn ground(&self) -> Ground {
        let settled =
            self.present().next().and_then(|it| self.first_at(Ground::settled_from(it.place.at_ms)));
        let young = self.first_at(Ground::young_from(self.now_ms, RETENTION_MS));
        Ground { start: self.start, settled, young }
    }

    pub fn bounds(&self) -> Bounds {
        let last = self.present().next_back().map(|it| it.place);
        Bounds { ground: self.ground(), end: self.end, last, leader_epoch: self.leader_epoch }
    }

    fn has(&self, place: Place) -> bool {
        let same =
            |it: &&Record| it.place.offset == place.offset && it.place.leader_epoch == place.leader_epoch;
        self.records.iter().rev().any(|it| same(&it))
    }
}

/// A position that somebody was given, and the last record that it counts.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub position: Position,
    counts: Option<Place>,
}

/// The log, a home, and its disk.
pub struct World {
    pub log: Log,
    pub tail: Tail,
    /// The index: by offset whose time the row is of.
    pub rows: BTreeMap<u64, u32>,
    /// What was written at any time.
    pub disk: Vec<(Stored, BTreeMap<u64, u32>)>,
    pub given: Vec<Given>,
    /// The record that the consumer read last, which it compares as KIP-320 says.
    last_read: Option<Place>,
    fill: Option<(Fill, u64)>,
    pub tally: BTreeMap<String, u32>,
}

impl World {
    pub fn new(log: Log) -> Self {
        let tail = Begin::new(None, log.bounds()).tail(None);
        let (rows, disk, given, tally) = Default::default();
        let mut world = Self { log, tail, rows, disk, given, last_read: None, fill: None, tally };
        world.begin(None, true);
        world
    }

    pub fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// A process begins the partition with what a disk has, or cold.
    pub fn begin(&mut self, disk: Option<usize>, asks_for_window: bool) {
        let (stored, rows) = disk.map(|at| self.disk[at].clone()).unzip();
        let begin = Begin::new(stored, self.log.bounds());
        self.rows = rows.filter(|_| !begin.is_cold()).unwrap_or_default();
        self.count(if begin.is_cold() { "cold" } else { "warm" });
        if let Some(why) = begin.dropped() {
            self.count(format!("store {}", why.as_str()));
        }
        let window = begin.window_ms().filter(|_| asks_for_window).and_then(|at_ms| self.log.first_at(at_ms));
        self.tail = begin.tail(window);
        (self.last_read, self.fill) = (None, None);
    }

    fn over(&mut self, over: Over) {
        self.count(format!("over {}", over.as_str()));
        if over != Over::Newer {
            self.begin(None, true);
        }
    }

    /// The consumer reads so many records, or is told why not.
    pub fn read(&mut self, most: usize) {
        let next = self.tail.read_from();
        if next > self.log.end || self.last_read.is_some_and(|last| !self.log.has(last)) {
            return self.over(Over::Truncated);
        }
        if next < self.log.start {
            return self.over(Over::Range);
        }
        let at = self.log.records.partition_point(|it| it.place.offset < next);
        let batch: Vec<Record> = self.log.records[at..].iter().take(most).copied().collect();
        for record in batch {
            self.last_read = Some(record.place);
            match self.tail.on_record(record.place, record.found) {
                Verdict::Apply => _ = self.rows.insert(record.place.offset, record.place.leader_epoch),
                Verdict::Over(over) => return self.over(over),
                _ => {}
            }
        }
    }

    /// The consumer stands at the log's end.
    pub fn reach_the_end(&mut self) {
        self.read(usize::MAX);
        self.read(usize::MAX);
        let end = End { offset: self.log.end, leader_epoch: Some(self.log.leader_epoch) };
        let over = self.tail.on_end(end, self.log.now_ms, 0);
        let over = over.or_else(|| self.look_for_witness());
        if let Some(over) = over.or_else(|| self.tail.on_reached(self.log.end)) {
            self.over(over);
            self.read(usize::MAX);
            assert_eq!(self.tail.on_reached(self.log.end), None, "a log that stands is read to its end");
        }
    }

    fn look_for_witness(&mut self) -> Option<Over> {
        let witness = self.tail.witness()?;
        let found = self.log.present().find(|it| it.place.offset >= witness.record.offset);
        let found = found.filter(|it| it.place.offset == witness.record.offset);
        self.tail.on_witness(witness, found.map(|it| it.place.leader_epoch))
    }

    /// Begins to fill in what is wanted.
    pub fn begin_chunk(&mut self, asks_for_window: bool) {
        let Some(chunk) = self.tail.chunk() else { return };
        let first = self.log.present().find(|it| it.place.offset >= chunk.rows_from).map(|it| it.place.at_ms);
        let window = first.filter(|_| asks_for_window);
        let window = window.and_then(|first_ms| self.log.first_at(first_ms.saturating_sub(DEDUPE_MS)));
        let window = window.map(|from| Window { from, start: self.log.start });
        self.fill = self.tail.fill(chunk, window).map(|fill| (fill, fill.read_from));
        self.count(if self.fill.is_some() { "chunk" } else { "chunk without its window" });
    }

    /// Reads so many records of the chunk.
    pub fn fill(&mut self, most: usize) {
        for _ in 0..most {
            let Some((fill, next)) = self.fill else { return };
            if next < self.log.start {
                self.count("chunk out of range");
                self.tail.abort();
                self.fill = None;
                return;
            }
            let Some(&record) = self.log.records.iter().find(|it| it.place.offset >= next) else { return };
            self.fill = Some((fill, record.place.offset + 1));
            match self.tail.on_history(fill, record.place, record.found) {
                Verdict::Apply => _ = self.rows.insert(record.place.offset, record.place.leader_epoch),
                Verdict::Over(over) => return self.over(over),
                Verdict::Void => self.count("chunk void"),
                _ => {}
            }
            if self.tail.filling() != Some(fill) {
                self.fill = None;
                self.count("chunk done or given up");
            }
        }
    }

    /// Fills in everything that is wanted.
    pub fn fill_all(&mut self) {
        self.fill(usize::MAX);
        let mut chunks = 0;
        while self.tail.chunk().is_some() || self.tail.doubts_ground() {
            if self.tail.doubts_ground() {
                self.refresh_ground();
            }
            self.begin_chunk(true);
            self.fill(usize::MAX);
            chunks += 1;
            assert!(chunks < 1_000, "history is filled in at last");
        }
    }

    pub fn refresh_ground(&mut self) {
        self.tail.on_ground(self.log.ground());
        self.rows = self.rows.split_off(&self.tail.drop_below());
    }

    pub fn save(&mut self) {
        self.disk.extend(self.tail.stored().map(|stored| (stored, self.rows.clone())));
    }

    /// Somebody is given the position after that record, and what the home names.
    pub fn give(&mut self, at: usize) {
        let mut give = |position: Position, log: &Log| {
            // Enough of them: each is judged after each act.
            if self.given.len() >= 24 {
                self.given.remove(at % 24);
            }
            let counts = log.records.iter().rev().map(|it| it.place).find(|it| it.offset < position.offset);
            self.given.push(Given { position, counts });
        };
        if let Some(record) = self.log.records.get(at) {
            give(Position::after(record.place.leader_epoch, record.place.offset), &self.log);
        }
        if let Some(head) =
            self.tail.serving().filter(|_| self.last_read.is_none_or(|last| self.log.has(last)))
        {
            give(head, &self.log);
            give(self.tail.position(self.tail.coverage().0), &self.log);
        }
    }

    /// Whether it counts what the log has lost, or what stands there now was never given.
    fn is_lost(&self, given: Given) -> bool {
        let (after, upto) = (given.counts.map_or(0, |last| last.offset + 1), given.position.offset);
        given.counts.is_some_and(|last| !self.log.has(last))
            || self.log.records.iter().any(|it| it.place.offset >= after && it.place.offset < upto)
    }

    /// What always holds of a home whose consumer need not be told of anything.
    pub fn check(&mut self) {
        let (from, next) = self.tail.coverage();
        assert!(from <= next, "coverage is an interval");
        let Some(head) = self.tail.serving().filter(|_| self.last_read.is_none_or(|last| self.log.has(last)))
        else {
            return;
        };
        assert_eq!(head.offset, next);
        let covered = |it: &&Record| it.place.offset >= from && it.place.offset < next;
        let rows: Vec<_> = self.rows.range(from..next).map(|(&offset, &epoch)| (offset, epoch)).collect();
        let reference = self.log.records.iter().filter(covered).filter(|it| it.is_row());
        let reference: Vec<_> = reference.map(|it| (it.place.offset, it.place.leader_epoch)).collect();
        assert_eq!(rows, reference, "verdicts of {from}..{next} are those of the whole log");
        let damaged = self.log.records.iter().filter(covered).any(|it| it.found == Found::Damaged);
        assert!(!damaged, "a hole is not covered");
        for given in self.given.clone() {
            self.check_position(given, from, next);
        }
        let lowest = self.tail.floor();
        match self.tail.judge(ReadAt::Offset(0)) {
            Judgement::Ready { from: begin } => assert!(begin >= from && begin == lowest),
            Judgement::Fill { down_to } => assert!(down_to < from && down_to == lowest),
            Judgement::Refused(why) => panic!("the oldest is {why:?}"),
        }
    }

    fn check_position(&mut self, given: Given, from: u64, next: u64) {
        let Given { position, .. } = given;
        let is_lost = self.is_lost(given);
        let judgement = self.tail.judge(ReadAt::After(position));
        let hole_after = |it: &Record| it.found == Found::Damaged && it.place.offset >= position.offset;
        match judgement {
            Judgement::Ready { from: begin } => {
                assert!(begin >= from, "{position:?} is read from what is not covered");
                assert!(!is_lost || position.offset > next, "{given:?} counts what was lost, and is ready");
                assert!(!self.log.records.iter().filter(|it| it.place.offset < next).any(hole_after));
            }
            Judgement::Fill { down_to } => {
                assert!(
                    down_to < from && down_to >= self.log.start.min(down_to) && self.tail.floor() <= down_to
                );
            }
            Judgement::Refused(Unresumed::Truncated) => {
                assert!(is_lost, "{given:?} counts nothing that was lost: {:?}", self.tail.epochs());
            }
            Judgement::Refused(Unresumed::Damaged) => assert!(self.log.records.iter().any(hole_after)),
            Judgement::Refused(Unresumed::Expired) => assert!(position.offset < self.tail.floor()),
            Judgement::Refused(other) => panic!("{other:?}"),
        }
        self.count(match judgement {
            Judgement::Ready { .. } => "ready",
            Judgement::Fill { .. } => "fill",
            Judgement::Refused(why) => why.as_str(),
        });
    }
}
