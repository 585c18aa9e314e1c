//! The log's test double: what DESIGN.md and `log/values.rs` allow a log to do, done at the worst moment.
//!
//! Partitions work on their own: each writes a batch, makes it durable later, and only then tells of it. Between two
//! writes it may be killed: what was durable survives, of the rest a prefix of each partition, or nothing.

use corepost::client::Dice;
use corepost::log::{
    Append, Appended, Dedupe, DedupeKey, Epochs, LogEvent, Page, Read, ReadFrom, Record, Refused, Revocation,
    Ticket, Unreadable,
};
use corepost::model::{ClientId, Envelope, ErrorCode, Kind, Partition, Position, Topology, Unresumed};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// What is wrong with the log at the moment, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Illness {
    /// Batches refused without a trace.
    pub refuse: u64,
    /// Batches of which a prefix is written and the rest refused.
    pub tear: u64,
    /// Batches that are written and refused nevertheless: nobody knows.
    pub forget: u64,
    /// Reads that fail.
    pub unreadable: u64,
}

/// One partition.
#[derive(Default)]
pub struct Lane {
    pub queue: VecDeque<Append>,
    pub records: Vec<Written>,
    pub durable: u64,
    pub epochs: Epochs,
    pub floor: u64,
    /// Offsets whose rows cannot be read any more.
    pub damaged: BTreeSet<u64>,
    pub is_busy: bool,
    dedupe: Dedupe,
    mailboxes: HashMap<ClientId, Rows>,
    /// Answers to be given when what was written is durable.
    answers: Vec<(Ticket, Result<u64, Refused>)>,
    head_told: Position,
}

/// One record as it was written.
#[derive(Clone)]
pub struct Written {
    pub envelope: Envelope,
    pub at_ms: u64,
    pub leader: u32,
    pub duplicate: bool,
}

/// One mailbox of a partition.
#[derive(Clone, Default)]
struct Rows {
    envelopes: Vec<u64>,
    /// The first offset after the newest erase.
    unerased: u64,
}

/// The log.
pub struct SimLog {
    pub lanes: Vec<Lane>,
    pub topology: Topology,
    pub log_epoch: u64,
    pub leader: u32,
    pub illness: Illness,
    /// Envelopes a mailbox may hold.
    pub quota: u64,
    pub revoked: BTreeMap<ClientId, u64>,
    pub revoking: VecDeque<(Ticket, Revocation)>,
}

impl SimLog {
    pub fn new(topology: Topology, log_epoch: u64, quota: u64) -> Self {
        Self {
            lanes: (0..topology.partitions()).map(|_| Lane::default()).collect(),
            topology,
            log_epoch,
            leader: 0,
            illness: Illness::default(),
            quota,
            revoked: BTreeMap::new(),
            revoking: VecDeque::new(),
        }
    }

    /// The process died. What was written and not durable may be there after all, a prefix of it.
    pub fn crash(&mut self, dice: &mut Dice) {
        self.revoking.clear();
        for lane in &mut self.lanes {
            lane.queue.clear();
            lane.answers.clear();
            lane.is_busy = false;
            let unsure = lane.records.len() as u64 - lane.durable;
            lane.records.truncate((lane.durable + dice.below(unsure + 1)) as usize);
        }
    }

    /// A new life: its leader begins at the recovered end.
    pub fn recover(&mut self) -> Vec<Position> {
        self.leader += 1;
        let leader = self.leader;
        self.lanes.iter_mut().map(|lane| lane.recover(leader)).collect()
    }

    /// What is told before anything else.
    pub fn former_revocations(&self) -> Vec<Revocation> {
        let all = self.revoked.iter();
        all.map(|(client, &issued_until_s)| Revocation { client: client.clone(), issued_until_s }).collect()
    }

    /// A partition goes on: what was written becomes durable and is told, or the next batch is written.
    pub fn work(&mut self, lane: u16, unix_ms: u64, dice: &mut Dice, tell: &mut Vec<(u16, LogEvent)>) {
        let (topology, leader, illness, quota) = (self.topology, self.leader, self.illness, self.quota);
        let this = &mut self.lanes[usize::from(lane)];
        if this.durable < this.records.len() as u64 || !this.answers.is_empty() {
            return this.sync(Partition(lane), topology, dice, tell);
        }
        let many = (1 + dice.below(8)).min(this.queue.len() as u64) as usize;
        let batch: Vec<Append> = this.queue.drain(..many).collect();
        let throw = dice.below(1_000);
        let (refuse, tear, forget) = (illness.refuse, illness.tear, illness.forget);
        let (written, believed) = match throw {
            _ if throw < refuse => (0, 0),
            _ if throw < refuse + tear => {
                let torn = dice.below(many as u64) as usize;
                (torn, torn)
            }
            _ if throw < refuse + tear + forget => (many, dice.below(many as u64) as usize),
            _ => (many, many),
        };
        let retry_after_ms = dice.below(300) as u32;
        for (nth, append) in batch.into_iter().enumerate() {
            let unavailable = Refused { ticket: append.ticket, code: ErrorCode::Unavailable, retry_after_ms };
            let answer = match nth < written {
                true if this.is_full(&append.envelope, quota) => {
                    Err(Refused { code: ErrorCode::MailboxFull, ..unavailable })
                }
                true => {
                    let offset = this.write(append.envelope, unix_ms, leader);
                    if nth < believed { Ok(offset) } else { Err(unavailable) }
                }
                false => Err(unavailable),
            };
            this.answers.push((append.ticket, answer));
        }
    }

    /// Every core is told how far it has been told, as far as it does not know.
    pub fn heads(&mut self, tell: &mut Vec<(u16, LogEvent)>) {
        for (lane, this) in self.lanes.iter_mut().enumerate() {
            let head = this.epochs.position(this.durable);
            if this.head_told != head {
                this.head_told = head;
                for core in 0..self.topology.cores() {
                    tell.push((core, LogEvent::Head(Partition(lane as u16), head)));
                }
            }
        }
    }

    /// Retention moves on: the oldest of a partition are served no more.
    pub fn expire(&mut self, lane: u16, dice: &mut Dice, tell: &mut Vec<(u16, LogEvent)>) {
        let this = &mut self.lanes[usize::from(lane)];
        this.floor += dice.below(this.durable - this.floor + 1);
        let (floor, dedupe_safe) = (this.floor, this.floor);
        for rows in this.mailboxes.values_mut() {
            rows.envelopes.retain(|&offset| offset >= dedupe_safe);
        }
        this.epochs.forget_below(floor);
        let floors: Arc<[u64]> = self.lanes.iter().map(|lane| lane.floor).collect();
        (0..self.topology.cores()).for_each(|core| tell.push((core, LogEvent::Floors(floors.clone()))));
    }

    /// A row rots.
    pub fn damage(&mut self, lane: u16, dice: &mut Dice) {
        let this = &mut self.lanes[usize::from(lane)];
        if this.durable > this.floor {
            this.damaged.insert(this.floor + dice.below(this.durable - this.floor));
        }
    }

    /// A page, as the store would read it now.
    pub fn read(&self, read: &Read, dice: &mut Dice) -> Result<Page, Unreadable> {
        if dice.below(1_000) < self.illness.unreadable {
            return Err(Unreadable::Unavailable);
        }
        self.lanes[usize::from(read.partition.0)].read(read)
    }

    /// Whether nothing waits here.
    pub fn is_quiet(&self) -> bool {
        self.revoking.is_empty() && self.lanes.iter().all(|lane| !lane.is_busy && lane.queue.is_empty())
    }
}

impl Lane {
    fn recover(&mut self, leader: u32) -> Position {
        self.durable = self.records.len() as u64;
        self.epochs.begin(leader, self.durable);
        (self.dedupe, self.mailboxes) = (Dedupe::default(), HashMap::new());
        let records = std::mem::take(&mut self.records);
        for (offset, record) in records.iter().enumerate() {
            let duplicate = self.dedupe.apply(DedupeKey::of(&record.envelope), offset as u64, record.at_ms);
            assert_eq!(duplicate, record.duplicate, "dedupe is a function of the log alone");
            self.index(offset as u64, record);
        }
        self.records = records;
        self.head_told = self.epochs.position(self.durable);
        self.head_told
    }

    /// Whether something waits to be written, made durable or answered.
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.answers.is_empty() || self.durable < self.records.len() as u64
    }

    fn is_full(&self, envelope: &Envelope, quota: u64) -> bool {
        let rows = self.mailboxes.get(envelope.to().as_str());
        envelope.kind() == Kind::Message && rows.is_some_and(|rows| rows.envelopes.len() as u64 >= quota)
    }

    fn write(&mut self, envelope: Envelope, unix_ms: u64, leader: u32) -> u64 {
        let offset = self.records.len() as u64;
        let at_ms = self.records.last().map_or(0, |last| last.at_ms).max(unix_ms);
        let duplicate = self.dedupe.apply(DedupeKey::of(&envelope), offset, at_ms);
        let record = Written { envelope, at_ms, leader, duplicate };
        self.index(offset, &record);
        self.records.push(record);
        offset
    }

    fn index(&mut self, offset: u64, record: &Written) {
        let rows = self.mailboxes.entry(record.envelope.to().to_client()).or_default();
        match record.envelope.kind() {
            // An erase counts once it is durable.
            Kind::Erase if offset >= self.durable => {}
            Kind::Erase => {
                rows.envelopes.retain(|&other| other > offset);
                rows.unerased = offset + 1;
            }
            _ if record.duplicate || offset < self.floor => {}
            _ => rows.envelopes.push(offset),
        }
    }

    /// What was written is durable: records, then answers, then heads, to each core.
    fn sync(
        &mut self,
        partition: Partition,
        topology: Topology,
        dice: &mut Dice,
        tell: &mut Vec<(u16, LogEvent)>,
    ) {
        for offset in self.durable..self.records.len() as u64 {
            let Written { envelope, at_ms, leader, duplicate } = self.records[offset as usize].clone();
            if !duplicate {
                let core = topology.place(envelope.to()).core;
                let record = Record { partition, offset, leader_epoch: leader, at_ms, envelope };
                tell.push((core, LogEvent::Record(record)));
            }
        }
        let before = std::mem::replace(&mut self.durable, self.records.len() as u64);
        for offset in before..self.durable {
            let record = self.records[offset as usize].clone();
            if record.envelope.kind() == Kind::Erase {
                self.index(offset, &record);
            }
        }
        for (ticket, answer) in self.answers.drain(..) {
            let event = match answer {
                Ok(offset) => {
                    let at_ms = self.records[offset as usize].at_ms;
                    LogEvent::Appended(Appended { ticket, offset, at_ms })
                }
                Err(refused) => LogEvent::Refused(refused),
            };
            tell.push((ticket.core, event));
        }
        if dice.below(3) > 0 {
            self.head_told = self.epochs.position(self.durable);
            (0..topology.cores())
                .for_each(|core| tell.push((core, LogEvent::Head(partition, self.head_told))));
        }
    }

    fn read(&self, read: &Read) -> Result<Page, Unreadable> {
        let upto = read.upto.offset;
        assert!(upto <= self.durable, "a core knows only of what is durable");
        let nothing = Rows::default();
        let rows = self.mailboxes.get(&read.client).unwrap_or(&nothing);
        let lowest = self.floor.max(rows.unerased);
        let rows_from = |begin: u64| {
            let first = rows.envelopes.partition_point(|&offset| offset < begin);
            let end = rows.envelopes.partition_point(|&offset| offset < upto);
            &rows.envelopes[first.min(end)..end]
        };
        let hole_after =
            |begin: u64| rows_from(begin).iter().rev().copied().find(|offset| self.damaged.contains(offset));
        let begin = match read.from {
            ReadFrom::After(position) => {
                self.judge(position, rows)?;
                if hole_after(position.offset).is_some() {
                    return Err(Unreadable::Unresumed(Unresumed::Damaged));
                }
                position.offset
            }
            ReadFrom::Oldest => lowest,
            ReadFrom::Since(at_ms) => {
                let first = |offset: &&u64| self.records[**offset as usize].at_ms >= at_ms;
                rows_from(lowest).iter().find(first).copied().unwrap_or(upto)
            }
            ReadFrom::Last(many) => {
                let all = rows_from(lowest);
                all[all.len().saturating_sub(many as usize)..].first().copied().unwrap_or(upto)
            }
        };
        let begin = match read.from {
            ReadFrom::After(_) => begin,
            _ => hole_after(begin).map_or(begin, |hole| hole + 1),
        };
        Ok(self.page(read, rows_from(begin)))
    }

    fn judge(&self, position: Position, rows: &Rows) -> Result<(), Unreadable> {
        let why = if position.offset < self.floor {
            Unresumed::Expired
        } else if !self.epochs.still_hold(position) {
            Unresumed::Truncated
        } else if position.offset < rows.unerased {
            Unresumed::Erased
        } else {
            return Ok(());
        };
        Err(Unreadable::Unresumed(why))
    }

    fn page(&self, read: &Read, rows: &[u64]) -> Page {
        let (mut records, mut bytes): (Vec<Record>, usize) = (Vec::new(), 0);
        for &offset in rows.iter().take(read.page_envelopes as usize) {
            let written = &self.records[offset as usize];
            bytes += written.envelope.size();
            if !records.is_empty() && bytes > read.page_bytes as usize {
                break;
            }
            records.push(Record {
                partition: read.partition,
                offset,
                leader_epoch: written.leader,
                at_ms: written.at_ms,
                envelope: written.envelope.clone(),
            });
        }
        let counted = rows.len().min(records.len().max(read.count_to as usize));
        let given = match read.from {
            ReadFrom::After(position) => Some(position),
            _ => None,
        };
        let upto = given.map_or(read.upto, |given| given.max(read.upto));
        let start = given.or(rows.first().map(|&first| self.epochs.position(first))).unwrap_or(upto);
        let through = match records.last() {
            _ if records.len() == rows.len() => upto,
            Some(last) => last.position(),
            None => start,
        };
        Page { start, records, through, counted: counted as u32, more: rows.len() > counted }
    }
}
