//! What a home knows of each partition: whether it serves it, how far it has been applied, how young that is.

use crate::limits::FRESH_MS;
use crate::model::{Partition, Position};

/// A home's time as the server of one partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tenure {
    /// Its number; `None` while the partition is not served here.
    term: Option<u64>,
    /// Everything of this core's clients up to here has been applied.
    head: Position,
    /// Monotonic time at which it was last heard that nothing is missing.
    heard_ms: Option<u64>,
}

/// The partitions of one core's home, by number.
#[derive(Debug)]
pub struct Tenures(Box<[Tenure]>);

impl Tenures {
    /// The term of a log that is this node's own: it serves all of its partitions, always.
    const OWN: u64 = 1;

    /// So many partitions, all served from these heads on; without any head none is served yet.
    ///
    /// Panics at another number of heads.
    pub fn new(partitions: u16, heads: &[Position]) -> Self {
        let partitions = usize::from(partitions);
        assert!(heads.is_empty() || heads.len() == partitions, "a head for each partition, or none");
        let served = |&head: &Position| Tenure { term: Some(Self::OWN), head, heard_ms: None };
        let mut all: Vec<Tenure> = heads.iter().map(served).collect();
        all.resize(partitions, Tenure::default());
        Self(all.into())
    }

    fn at(&mut self, partition: Partition) -> &mut Tenure {
        &mut self.0[usize::from(partition.0)]
    }

    /// The number of the present term, if the partition is served.
    pub fn term(&self, partition: Partition) -> Option<u64> {
        self.0[usize::from(partition.0)].term
    }

    /// How far the partition has been applied.
    pub fn head(&self, partition: Partition) -> Position {
        self.0[usize::from(partition.0)].head
    }

    /// A term begins where the log stands. Returns how far the one before had come, if there was one until now.
    pub fn begin(&mut self, partition: Partition, term: u64, head: Position) -> Option<Position> {
        let served = self.end(partition);
        *self.at(partition) = Tenure { term: Some(term), head, heard_ms: None };
        served
    }

    /// The partition is not served any more. Returns how far its term had come.
    pub fn end(&mut self, partition: Partition) -> Option<Position> {
        let tenure = self.at(partition);
        tenure.term.take().map(|_| tenure.head)
    }

    /// A record was applied, up to and with which all is. Returns where the head stood.
    ///
    /// Panics if records do not come in order, or come of a partition that is not served.
    pub fn apply(&mut self, partition: Partition, position: Position) -> Position {
        let tenure = self.at(partition);
        assert!(tenure.term.is_some(), "a record of partition {}, which is not served", partition.0);
        let before = std::mem::replace(&mut tenure.head, position);
        assert!(position > before, "records of a partition come in order: {position:?} after {before:?}");
        before
    }

    /// Everything up to here has been told.
    pub fn reach(&mut self, partition: Partition, head: Position) {
        let tenure = self.at(partition);
        tenure.head = head.max(tenure.head);
    }

    /// Nothing was missing of this partition then.
    pub fn heard(&mut self, partition: Partition, heard_ms: u64) {
        let tenure = self.at(partition);
        tenure.heard_ms = tenure.heard_ms.max(Some(heard_ms));
    }

    /// Nothing is missing of any.
    pub fn heard_all(&mut self, now_ms: u64) {
        self.0.iter_mut().for_each(|tenure| tenure.heard_ms = Some(now_ms));
    }

    /// Whether the partition is served, and what is known of it young enough to say `welcome` and `live` from.
    pub fn is_fresh(&self, partition: Partition, now_ms: u64) -> bool {
        let tenure = &self.0[usize::from(partition.0)];
        tenure.term.is_some() && tenure.heard_ms.is_some_and(|heard_ms| now_ms < heard_ms + FRESH_MS)
    }

    /// Those that are served, with term and head.
    pub fn served(&self) -> impl Iterator<Item = (Partition, u64, Position)> + '_ {
        let all = self.0.iter().enumerate();
        all.filter_map(|(at, tenure)| Some((Partition(at as u16), tenure.term?, tenure.head)))
    }

    /// Whether everything that is served is known well enough.
    pub fn are_fresh(&self, now_ms: u64) -> bool {
        self.served().all(|(partition, ..)| self.is_fresh(partition, now_ms))
    }
}
