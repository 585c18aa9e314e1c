//! The shell around the tails of a process: where each partition begins, what is read of it, and what its cores are told.

use crate::kafka::Kept;
use crate::keeper::Keeper;
use crate::store::Row;
use crate::what::{Errand, Thread, What};
use crate::world::{World, note};
use corepost::cluster::Protocols;
use corepost::limits::FRESH_MS;
use corepost::log::{DedupeKey, LogEvent, Record};
use corepost::model::{Envelope, Partition};
use corepost::post::Own;
use corepost::tail::{Begin, Bounds, End, Found, Ground, Over, Tail, Verdict};

/// Milliseconds between two questions for the ends.
const ENDS_MS: u64 = 200;
/// Ticks between two commits.
const COMMIT_TICKS: u64 = 5;

impl World {
    /// Which partitions are a process's.
    pub fn own(&mut self, life: u32, own: Own) {
        let kept = |own: &Own, standby: bool, partition: u16| {
            own.owned.contains(&Partition(partition))
                || standby && own.standby.contains(&Partition(partition))
        };
        for partition in 0..self.plan.partitions {
            let keeps = kept(&own, self.plan.standby, partition);
            let owns = own.owned.contains(&Partition(partition));
            let has = self.process(life).keepers.get(&partition).map(|keeper| keeper.is_owned);
            match (has, keeps) {
                (None, true) => self.open(life, partition, owns),
                (Some(_), false) => {
                    self.commit(life, partition);
                    self.leave(life, partition);
                    self.process(life).keepers.remove(&partition);
                }
                (Some(true), true) if !owns => self.leave(life, partition),
                (Some(false), true) if owns => {
                    self.keeper(life, partition).is_owned = true;
                    self.perhaps_begin(life, partition);
                }
                _ => {}
            }
        }
        self.process(life).own = own;
    }

    pub fn process(&mut self, life: u32) -> &mut crate::process::Process {
        self.processes.get_mut(&life).expect("it happens in a living process")
    }

    pub fn keeper(&mut self, life: u32, partition: u16) -> &mut Keeper {
        self.process(life).keepers.get_mut(&partition).expect("it is kept")
    }

    /// A partition is to be read from now on.
    fn open(&mut self, life: u32, partition: u16, is_owned: bool) {
        let opening = self.process(life).next_number();
        self.process(life).keepers.insert(partition, Keeper::new(opening, is_owned));
        // What a newer version has written is for who can read that.
        if !self.process(life).given_up.contains(&partition) {
            self.errand(life, partition, opening, Errand::Ground);
        }
    }

    /// A partition is served no more.
    fn leave(&mut self, life: u32, partition: u16) {
        let keeper = self.keeper(life, partition);
        keeper.is_owned = false;
        let reads = std::mem::take(&mut keeper.waiting);
        if let Some(tail) = &mut keeper.tail {
            tail.want_nothing();
        }
        if keeper.term.take().is_some() {
            self.tell_all(life, &LogEvent::Ended(Partition(partition)));
        }
        reads.into_iter().for_each(|read| self.refuse_read(life, &read));
    }

    /// What was read is not what the log holds any more: it is read again, cold.
    pub fn over(&mut self, life: u32, partition: u16, over: Over) {
        note!(self, "#{life}: partition {partition} is over: {}", over.as_str());
        self.stats.over += 1;
        if over == Over::Newer {
            self.stats.given_up += 1;
            self.process(life).given_up.insert(partition);
        }
        let is_owned = self.keeper(life, partition).is_owned;
        self.leave(life, partition);
        self.shelf(life, partition).clear();
        self.open(life, partition, is_owned);
    }

    pub fn shelf(&mut self, life: u32, partition: u16) -> &mut crate::store::Shelf {
        let disk = self.processes[&life].disk;
        self.disks[disk as usize].shelf(Partition(partition))
    }

    /// Something is asked, and comes back later.
    pub fn errand(&mut self, life: u32, partition: u16, opening: u64, errand: Errand) {
        let after_ms = self.broker_ms();
        self.arrange_in(life, after_ms, What::Keeper { partition, opening, errand });
    }

    pub fn run_errand(&mut self, life: u32, partition: u16, opening: u64, errand: Errand) {
        let process = self.process(life);
        if process.keepers.get(&partition).is_none_or(|keeper| keeper.opening != opening) {
            return;
        }
        if self.is_elsewhere(life) {
            // Nobody knows the topic that it asks for.
            return;
        }
        if let Some(out_ms) = self.outage_ms() {
            let after_ms = out_ms + self.broker_ms();
            return self.arrange_in(life, after_ms, What::Keeper { partition, opening, errand });
        }
        match errand {
            Errand::Ground => {
                let ground = self.ground(life, partition);
                self.errand(life, partition, opening, Errand::Bounds(ground));
            }
            Errand::Bounds(ground) => {
                let ground = Ground { young: self.ground(life, partition).young, ..ground };
                let lane = &self.kafka.mail[usize::from(partition)];
                let end = lane.end();
                let last = end.checked_sub(1).filter(|&last| last >= lane.start).map(|last| lane.place(last));
                let bounds = Bounds { ground, end, last, leader_epoch: lane.leader_epoch };
                self.errand(life, partition, opening, Errand::Window(bounds));
            }
            Errand::Window(bounds) => self.begin(life, partition, bounds),
            Errand::Fetch => self.fetched(life, partition),
            Errand::Ends { .. } if self.kafka.unsure_until_ms > self.now.mono_ms => {
                let after_ms = self.kafka.unsure_until_ms - self.now.mono_ms;
                self.arrange_in(life, after_ms, What::Keeper { partition, opening, errand });
            }
            Errand::Ends { asked_ms, read_then } => {
                let lane = &self.kafka.mail[usize::from(partition)];
                let end = End { offset: lane.end(), leader_epoch: Some(lane.leader_epoch) };
                let tail = self.keeper(life, partition).tail.as_mut();
                if let Some(over) = tail.and_then(|tail| tail.on_end(end, asked_ms, read_then)) {
                    return self.over(life, partition, over);
                }
                if let Some(witness) = self.keeper(life, partition).tail.as_ref().and_then(Tail::witness) {
                    self.errand(life, partition, opening, Errand::Witness(witness));
                }
                self.tell_fresh(life, partition);
            }
            Errand::Witness(witness) => {
                let (lane, offset) = (&self.kafka.mail[usize::from(partition)], witness.record.offset);
                if offset >= lane.end() {
                    // Nothing stands there: its consumer will be told.
                    return;
                }
                let found = (offset >= lane.start).then(|| lane.at(offset).leader_epoch);
                let tail = self.keeper(life, partition).tail.as_mut();
                if let Some(over) = tail.and_then(|tail| tail.on_witness(witness, found)) {
                    return self.over(life, partition, over);
                }
                self.tell_fresh(life, partition);
            }
            Errand::Chunk(chunk) => self.chunk(life, partition, chunk),
            Errand::History { fill, at } => self.history(life, partition, fill, at),
        }
    }

    /// What the broker says about a partition's beginning.
    fn ground(&mut self, life: u32, partition: u16) -> Ground {
        let unix_ms = self.processes[&life].clock.now(self.now).unix_ms;
        let retention_ms = self.kafka.retention_ms;
        let lane = &self.kafka.mail[usize::from(partition)];
        let first = Some(lane.start).filter(|&start| start < lane.end());
        Ground {
            start: lane.start,
            settled: first.and_then(|first| lane.offset_for(Ground::settled_from(lane.place(first).at_ms))),
            young: lane.offset_for(Ground::young_from(unix_ms, retention_ms)),
        }
    }

    fn begin(&mut self, life: u32, partition: u16, bounds: Bounds) {
        let shelf = self.shelf(life, partition);
        let begin = Begin::new(shelf.open(), bounds);
        if begin.is_cold() {
            shelf.clear();
        } else {
            self.stats.warm += 1;
        }
        let lane = &self.kafka.mail[usize::from(partition)];
        let window = begin.window_ms().and_then(|window_ms| lane.offset_for(window_ms));
        let tail = begin.tail(window);
        note!(self, "#{life}: partition {partition} is read from {} on, {bounds:?}", tail.read_from());
        self.keeper(life, partition).tail = Some(tail);
        self.perhaps_begin(life, partition);
        self.wake_keeper(life, partition);
    }

    /// There is something in a partition.
    pub fn wake_keepers(&mut self, partition: u16) {
        for life in self.lives() {
            if self.processes[&life].keepers.contains_key(&partition) {
                self.wake_keeper(life, partition);
            }
        }
    }

    fn wake_keeper(&mut self, life: u32, partition: u16) {
        let keeper = self.keeper(life, partition);
        if keeper.tail.is_some() && !std::mem::replace(&mut keeper.is_fetching, true) {
            let opening = keeper.opening;
            self.errand(life, partition, opening, Errand::Fetch);
        }
    }

    fn fetched(&mut self, life: u32, partition: u16) {
        let many = 1 + self.dice.below(200);
        let keeper = self.keeper(life, partition);
        keeper.is_fetching = false;
        let last_epoch = keeper.last_epoch;
        let from = keeper.tail.as_ref().expect("who fetches knows from where").read_from();
        let lane = &self.kafka.mail[usize::from(partition)];
        let end = lane.end();
        let before =
            from.checked_sub(1).filter(|&before| before < end).map(|before| lane.at(before).leader_epoch);
        let has_diverged = from > end || last_epoch.is_some() && before.is_some() && before != last_epoch;
        if has_diverged {
            return self.over(life, partition, Over::Truncated);
        }
        if from < lane.start {
            return self.over(life, partition, Over::Range);
        }
        for offset in from..end.min(from + many) {
            if !self.read_one(life, partition, offset) {
                return;
            }
        }
        self.tell_head(life, partition);
        self.tell_fresh(life, partition);
        if from + many < end {
            self.wake_keeper(life, partition);
        }
    }

    /// One record is read. False: the partition is over.
    fn read_one(&mut self, life: u32, partition: u16, offset: u64) -> bool {
        let record = self.kafka.mail[usize::from(partition)].at(offset);
        let (envelope, leader_epoch, at_ms) = (record.what.clone(), record.leader_epoch, record.at_ms);
        let found = found(record, self.processes[&life].protocols);
        let place = self.kafka.mail[usize::from(partition)].place(offset);
        let keeper = self.keeper(life, partition);
        keeper.last_epoch = Some(leader_epoch);
        let tail = keeper.tail.as_mut().expect("who reads knows from where");
        let verdict = tail.on_record(place, found);
        let is_told = keeper.term.is_some();
        let count = if is_told { &mut self.costs.mail_read } else { &mut self.costs.mail_reread };
        *count += 1;
        match verdict {
            Verdict::Over(over) => {
                self.over(life, partition, over);
                return false;
            }
            Verdict::Apply => {
                let row = Row { at_ms, leader_epoch, envelope: envelope.clone() };
                self.shelf(life, partition).rows.put(offset, row);
                if is_told {
                    let core = self.topology.place(envelope.to()).core;
                    let partition = Partition(partition);
                    let record = Record { partition, offset, leader_epoch, at_ms, envelope };
                    self.tell(life, core, LogEvent::Record(record));
                }
            }
            Verdict::Window | Verdict::Duplicate | Verdict::Pass | Verdict::Void => {}
        }
        self.perhaps_begin(life, partition);
        true
    }

    /// Once it may be served and is ours, the cores are told.
    fn perhaps_begin(&mut self, life: u32, partition: u16) {
        let keeper = self.keeper(life, partition);
        let head = keeper.tail.as_ref().and_then(Tail::serving);
        let Some(head) = head.filter(|_| keeper.is_owned && keeper.term.is_none()) else { return };
        let term = self.process(life).next_number();
        let keeper = self.keeper(life, partition);
        (keeper.term, keeper.head_told) = (Some(term), head);
        self.stats.terms += 1;
        self.tell_all(life, &LogEvent::Begun { partition: Partition(partition), term, head });
        self.tell_fresh(life, partition);
    }

    fn tell_head(&mut self, life: u32, partition: u16) {
        let keeper = self.keeper(life, partition);
        let head = keeper.tail.as_ref().and_then(Tail::serving);
        let Some(head) = head.filter(|&head| keeper.term.is_some() && keeper.head_told != head) else {
            return;
        };
        keeper.head_told = head;
        self.tell_all(life, &LogEvent::Head(Partition(partition), head));
    }

    /// What is known is young.
    fn tell_fresh(&mut self, life: u32, partition: u16) {
        let now = self.processes[&life].clock.now(self.now).mono_ms;
        let keeper = self.keeper(life, partition);
        let fresh_ms = keeper.tail.as_ref().and_then(Tail::fresh_ms).unwrap_or(0);
        if keeper.term.is_none() || fresh_ms <= keeper.fresh_told || now >= fresh_ms + FRESH_MS {
            return;
        }
        keeper.fresh_told = fresh_ms;
        let event = LogEvent::Fresh { partitions: [Partition(partition)].into(), asked_ms: fresh_ms };
        self.tell_all(life, &event);
    }

    pub fn tell(&mut self, life: u32, core: u16, event: LogEvent) {
        self.hand(life, Thread::Tail, Thread::Core(core), What::Told { core, event });
    }

    fn tell_all(&mut self, life: u32, event: &LogEvent) {
        for core in 0..self.plan.cores {
            self.tell(life, core, event.clone());
        }
    }

    /// Time passes: ends are asked for, and what was read is committed.
    pub fn tails_tick(&mut self, life: u32) {
        let asked_ms = self.processes[&life].clock.now(self.now).mono_ms;
        let partitions: Vec<u16> = self.process(life).keepers.keys().copied().collect();
        let commits = (self.now.mono_ms / ENDS_MS).is_multiple_of(COMMIT_TICKS);
        for partition in partitions {
            let opening = self.keeper(life, partition).opening;
            let read_then = self.keeper(life, partition).tail.as_ref().map(Tail::read_from);
            if let Some(read_then) = read_then {
                self.errand(life, partition, opening, Errand::Ends { asked_ms, read_then });
            }
            if commits {
                self.commit(life, partition);
                if self.one_in(20) {
                    self.look_at_ground(life, partition);
                }
            }
            self.try_reads(life, partition);
        }
        self.arrange_in(life, ENDS_MS, What::TailTick);
    }

    /// Where the log begins, if anybody answers.
    pub fn look_at_ground(&mut self, life: u32, partition: u16) {
        if self.outage_ms().is_some() || self.is_elsewhere(life) {
            return;
        }
        let ground = self.ground(life, partition);
        if let Some(tail) = &mut self.keeper(life, partition).tail {
            tail.on_ground(ground);
        }
    }

    fn commit(&mut self, life: u32, partition: u16) {
        let stored = self.keeper(life, partition).tail.as_ref().and_then(Tail::stored);
        if let Some(stored) = stored {
            self.shelf(life, partition).commit(stored);
        }
    }
}

/// What a record is to a program of these versions.
pub fn found(record: &Kept<Envelope>, protocols: Protocols) -> Found {
    if record.version > protocols.max {
        return Found::Newer;
    }
    Found::Envelope(DedupeKey::of(&record.what))
}
