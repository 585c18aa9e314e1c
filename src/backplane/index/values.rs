//! What the index is told, and what it tells.

use crate::log::Epochs;
use crate::model::{ClientId, Envelope, Partition};

/// What is known of a partition: every record at `from` or after, and below `next`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The first offset that is covered.
    pub from: u64,
    /// The first one after.
    pub next: u64,
}

/// An envelope for its mailbox. One of kind `Erase` is no row, but an [`Erase`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where in the partition.
    pub offset: u64,
    /// Log append time, Unix milliseconds: decides when the row goes.
    pub at_ms: u64,
    /// What; its recipient names the mailbox.
    pub envelope: Envelope,
}

/// Nothing of this mailbox at or below this offset is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erase {
    /// Whose mailbox.
    pub client: ClientId,
    /// The erase's own.
    pub offset: u64,
}

/// What was read of one partition, and what is known of it with that.
#[derive(Clone, Debug)]
pub struct Portion {
    /// Which.
    pub partition: Partition,
    /// In any order, below `coverage.next`. Those below `coverage.from` are found once it is.
    pub rows: Vec<Put>,
    /// Likewise.
    pub erases: Vec<Erase>,
    /// From here on.
    pub coverage: Coverage,
    /// Who led where: positions are named by it.
    pub epochs: Epochs,
    /// Whatever its writer wants back at an opening, as of this batch.
    pub state: Vec<u8>,
}

/// What an index holds of a partition when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub partition: Partition,
    /// This counts, whatever the state says: retention may have cut it.
    pub coverage: Coverage,
    /// What its last batch left here.
    pub state: Vec<u8>,
}

/// From here on a partition is whole; what was before has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which.
    pub partition: Partition,
    /// Its coverage begins here now.
    pub from: u64,
}

/// Why an index was wiped as it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wiped {
    /// It was that of another log: of this epoch, with so many partitions.
    OtherLog {
        /// The epoch.
        log_epoch: u64,
        /// The partitions.
        partitions: u16,
    },
    /// It was damaged, in this way.
    Damaged(String),
}

/// What was found as an index was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it holds, by partition.
    pub kept: Vec<Kept>,
    /// It held something else, which is gone.
    pub wiped: Option<Wiped>,
}
