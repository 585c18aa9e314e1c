//! Whether a record may set out: the bound on what is under way, and the rule that keeps prefixes whole.
//!
//! What one session sends to one recipient reaches the log in order, and of one batch a prefix. So where a record of a
//! partition is refused or lost, no later one of that partition sets out before two things are over: the batch in which that
//! happened, and everything of the partition that was under way. By then its cores have been told of the refusal.

use crate::limits::{KAFKA_APPEND_BYTES, KAFKA_APPENDS};

/// The gate in front of all partitions.
#[derive(Debug)]
pub struct Gate {
    records: usize,
    bytes: usize,
    /// A bound was reached; it stays so until half of both is free again.
    is_full: bool,
    under_way: Vec<usize>,
    is_shut: Vec<bool>,
    /// Those that are shut, each once.
    shut: Vec<usize>,
}

impl Gate {
    /// Of so many partitions, with nothing under way.
    pub fn new(partitions: usize) -> Self {
        Self {
            records: 0,
            bytes: 0,
            is_full: false,
            under_way: vec![0; partitions],
            is_shut: vec![false; partitions],
            shut: Vec::new(),
        }
    }

    /// Whether a record of so many bytes may set out. If not, its partition is shut.
    pub fn admits(&mut self, partition: usize, bytes: usize) -> bool {
        self.is_full |= self.records >= KAFKA_APPENDS || self.bytes + bytes > KAFKA_APPEND_BYTES;
        if self.is_full {
            self.shut(partition);
        }
        !self.is_shut[partition]
    }

    /// One has set out.
    pub fn enter(&mut self, partition: usize, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
        self.under_way[partition] += 1;
    }

    /// One was answered.
    pub fn leave(&mut self, partition: usize, bytes: usize) {
        self.records -= 1;
        self.bytes -= bytes;
        self.under_way[partition] -= 1;
        self.is_full &= self.records > KAFKA_APPENDS / 2 || self.bytes > KAFKA_APPEND_BYTES / 2;
    }

    /// One was refused or lost.
    pub fn shut(&mut self, partition: usize) {
        if !std::mem::replace(&mut self.is_shut[partition], true) {
            self.shut.push(partition);
        }
    }

    /// A batch is over, and what was answered has been told: what has nothing under way opens again.
    pub fn open(&mut self) {
        if !self.is_full {
            self.shut.retain(|&partition| {
                self.is_shut[partition] = self.under_way[partition] > 0;
                self.is_shut[partition]
            });
        }
    }

    /// Whether nothing of a partition is under way.
    pub fn is_idle(&self, partition: usize) -> bool {
        self.under_way[partition] == 0
    }

    /// How many records are under way.
    pub fn records(&self) -> usize {
        self.records
    }

    /// And how many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_refusal_nothing_of_the_partition_sets_out_until_what_was_before_is_answered() {
        let mut gate = Gate::new(2);
        assert!(gate.admits(0, 10));
        gate.enter(0, 10);
        gate.shut(0);
        gate.open();
        assert!(!gate.admits(0, 10) && gate.admits(1, 10), "only that partition");
        gate.leave(0, 10);
        assert!(!gate.admits(0, 10), "not within the same batch");
        gate.open();
        assert!(gate.admits(0, 10) && gate.is_idle(0));
    }

    #[test]
    fn a_small_record_does_not_pass_a_large_one_that_found_no_room() {
        let mut gate = Gate::new(1);
        assert!(!gate.admits(0, KAFKA_APPEND_BYTES + 1));
        assert!(!gate.admits(0, 1));
    }

    #[test]
    fn what_was_full_takes_nothing_before_half_of_it_is_free() {
        let mut gate = Gate::new(3);
        let large = KAFKA_APPEND_BYTES / 4;
        for partition in [0, 0, 0, 1] {
            assert!(gate.admits(partition, large));
            gate.enter(partition, large);
        }
        assert!(!gate.admits(2, 1));
        gate.open();
        gate.leave(0, large);
        gate.open();
        assert!(!gate.admits(2, 1) && !gate.admits(1, 1), "a quarter is free");
        gate.leave(0, large);
        gate.open();
        assert!(gate.admits(2, 1), "half is free");
        assert!(!gate.admits(1, 1), "it was refused meanwhile and has something under way");
    }

    #[test]
    fn records_are_bounded_however_small_they_are() {
        let mut gate = Gate::new(1);
        for _ in 0..KAFKA_APPENDS {
            assert!(gate.admits(0, 0));
            gate.enter(0, 0);
        }
        assert!(!gate.admits(0, 0));
    }
}
