//! The model of Kafka: partitions as their leaders hold them. Who writes and reads, how late and with which losses, is
//! elsewhere.

use corepost::limits::DEDUPE_MS;
use corepost::model::Envelope;
use corepost::tail::Place;

/// One record.
pub struct Kept<T> {
    pub what: T,
    /// Its header `v`.
    pub version: u16,
    pub at_ms: u64,
    pub leader_epoch: u32,
}

/// One partition.
pub struct Lane<T> {
    pub records: Vec<Kept<T>>,
    /// The lowest offset that was not deleted.
    pub start: u64,
    pub leader_epoch: u32,
    /// How far its leader's clock is from the world's.
    pub skew_ms: i64,
    retention_ms: u64,
}

impl<T> Lane<T> {
    fn new(retention_ms: u64) -> Self {
        Self { records: Vec::new(), start: 0, leader_epoch: 0, skew_ms: 0, retention_ms }
    }

    /// The offset of the next record.
    pub fn end(&self) -> u64 {
        self.records.len() as u64
    }

    pub fn at(&self, offset: u64) -> &Kept<T> {
        &self.records[offset as usize]
    }

    pub fn append(&mut self, what: T, version: u16, unix_ms: u64) -> u64 {
        let at_ms = unix_ms.saturating_add_signed(self.skew_ms);
        let before_ms = self.records.last().map_or(0, |last| last.at_ms);
        let (at_ms, leader_epoch) = (at_ms.max(before_ms), self.leader_epoch);
        self.records.push(Kept { what, version, at_ms, leader_epoch });
        self.end() - 1
    }

    pub fn place(&self, offset: u64) -> Place {
        let Kept { at_ms, leader_epoch, .. } = *self.at(offset);
        Place { offset, leader_epoch, at_ms }
    }

    /// The first offset at or after that log time.
    pub fn offset_for(&self, at_ms: u64) -> Option<u64> {
        let found = self.records.partition_point(|record| record.at_ms < at_ms) as u64;
        Some(found.max(self.start)).filter(|&offset| offset < self.end())
    }

    /// From here on the window of each record is known to be in the log.
    pub fn settled(&self) -> u64 {
        if self.start == 0 || self.start == self.end() {
            return self.start;
        }
        self.offset_for(self.at(self.start).at_ms + DEDUPE_MS + 1).unwrap_or(self.end())
    }

    /// What is old is deleted.
    pub fn retain(&mut self, unix_ms: u64) {
        let oldest_ms = unix_ms.saturating_sub(self.retention_ms);
        while self.start < self.end() && self.at(self.start).at_ms < oldest_ms {
            self.start += 1;
        }
    }

    /// Another leader, which has everything.
    pub fn elect(&mut self) {
        self.leader_epoch += 1;
    }

    /// Another leader, which lacks the newest records. Returns where its log ends.
    pub fn truncate(&mut self, many: u64) -> u64 {
        let end = self.end().saturating_sub(many).max(self.start);
        self.records.truncate(end as usize);
        self.elect();
        end
    }
}

/// All topics.
pub struct Kafka {
    /// By partition.
    pub mail: Vec<Lane<Envelope>>,
    /// By ordinal.
    pub node: Vec<Lane<Vec<u8>>>,
    pub cluster: Lane<Vec<u8>>,
    pub log_epoch: u64,
    /// Where a partition ends is answered only then.
    pub unsure_until_ms: u64,
    /// No broker answers until then.
    pub out_until_ms: u64,
    pub retention_ms: u64,
}

/// Nodes there may be.
pub const ORDINALS: u16 = 128;

impl Kafka {
    pub fn new(partitions: u16, log_epoch: u64, retention_ms: u64) -> Self {
        Self {
            mail: (0..partitions).map(|_| Lane::new(retention_ms)).collect(),
            node: (0..ORDINALS).map(|_| Lane::new(30_000)).collect(),
            cluster: Lane::new(60_000),
            log_epoch,
            unsure_until_ms: 0,
            out_until_ms: 0,
            retention_ms,
        }
    }

    /// The mailbox topic is deleted and made again.
    pub fn remake(&mut self) {
        let retention_ms = self.retention_ms;
        self.mail.iter_mut().for_each(|lane| *lane = Lane::new(retention_ms));
        self.log_epoch += 1;
    }

    /// Time passes.
    pub fn retain(&mut self, unix_ms: u64) {
        self.mail.iter_mut().for_each(|lane| lane.retain(unix_ms));
        self.node.iter_mut().for_each(|lane| lane.retain(unix_ms));
        self.cluster.retain(unix_ms);
    }
}
