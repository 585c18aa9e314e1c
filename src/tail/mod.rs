//! What a home knows of one partition of `corepost.mailbox`, as a function of the records that its consumer read.
//!
//! A home reads the partition's end and keeps an index of what it read. Here is decided where reading begins, which
//! records are indexed and told, when the partition may be served, whose position still fits, and how history is filled
//! in before what is covered (DESIGN.md §3.3, §3.4, and §6 from *Epoch* to *Cold takeover*).
//!
//! Always holds:
//! - *Coverage* is one interval of offsets. Every record in it was read in order and judged with its whole dedupe window
//!   before it, so its verdict is that of every other home. What the log's floor keeps from being judged is not filled in.
//! - Coverage begins right after a record that was read, or where the log itself begins. So the leader epoch of each
//!   position in it is known, and a chunk of history is known to join.
//! - Whatever contradicts what was read before ends the partition ([`Over`]): it is begun anew, cold, in a new term.
//!
//! A gap in the offsets is no hole: transaction markers and failed batches leave such, and nothing was ever there. Log
//! time that goes back (a new leader's clock) counts as standing still. The one use of a clock is [`Ground::young_from`].
//!
//! The shell's part, in order: it asks for [`Bounds`], makes a [`Begin`] of them and of what the index has [`Stored`],
//! asks for the window, and reads into the [`Tail`] from [`Tail::read_from`] on. Once there is a [`Tail::serving`], it is
//! served. Each batch of rows is written with [`Tail::stored`]. A reader is judged ([`Tail::judge`]); what is to be filled in
//! for it is wanted ([`Tail::want`]), and is read in chunks ([`Tail::chunk`], [`Tail::fill`], [`Tail::on_history`]). Then all who
//! wait are judged again. The log's beginning is asked for every minute or so, and whenever [`Tail::doubts_ground`].

mod begin;
mod course;
mod fold;
mod freshness;
mod ground;
mod history;
mod judge;

pub use begin::{Begin, Bounds, Stored, Unfit};
pub use course::Tail;
pub use ground::Ground;
pub use history::{Chunk, Fill, Window};
pub use judge::{Judgement, ReadAt};

use crate::log::DedupeKey;
use crate::words::words;

/// Offsets a store may be behind the log's end. More: it is dropped, for a cold begin serves at once, and who waits for
/// old history can wait longer than all the others.
pub const STORE_BEHIND: u64 = 65_536;

/// Offsets of one chunk of history. More is filled in by several, so that the newest of it is served soon and what is
/// lost with an aborted one is little.
pub const CHUNK_OFFSETS: u64 = 65_536;

/// Questions for the log's end whose answers have not been reached. Reached: further ones are not waited for.
pub const END_QUESTIONS: usize = 8;

/// A clock may be off by so much, and a broker late in deleting, before the floor that a clock gives is wrong.
pub const RETENTION_SLACK_MS: u64 = 3_600_000;

/// Where a record stands in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its offset.
    pub offset: u64,
    /// In whose time it was appended.
    pub leader_epoch: u32,
    /// Log append time, Unix milliseconds.
    pub at_ms: u64,
}

/// Where a log ended when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The offset of the next record.
    pub offset: u64,
    /// The epoch of the leader that told it. None: it does not say, and is believed.
    pub leader_epoch: Option<u32>,
}

/// A record that a new leader must have, for what was read to be all there is up to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// As it was read.
    pub record: Place,
    /// The leader that it is to be found at, or at a later one.
    pub leader_epoch: u32,
}

/// What was read there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An envelope of this partition, and what it is a duplicate by, if it has an ID.
    Envelope(Option<DedupeKey>),
    /// Nobody's: without a key, with one that is no client ID, or of another partition. The shell counts it.
    Nobodys,
    /// Something that cannot be read. The shell counts it.
    Damaged,
    /// A record of a newer version than this program's.
    Newer,
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing: it was read for the sake of what follows.
    Window,
    /// Index it; and tell it, if it is no history and the partition is served.
    Apply,
    /// Count it as a duplicate.
    Duplicate,
    /// Nothing: it is nobody's or damaged, and only moves the head.
    Pass,
    /// Nothing: its chunk was given up.
    Void,
    /// The partition is over. Nothing more is taken.
    Over(Over),
}

words! {
    /// `reason` of `corepost_partitions_over_total`: why a partition is given up, or begun anew, cold and in a new term.
    Over {
        /// The log has lost records that were read: offsets or leader epochs went back, or the consumer was told so.
        Truncated = "truncated",
        /// What the store remembers is not what the log holds.
        Contradicted = "contradicted",
        /// The consumer was told that records were deleted before it read them.
        Range = "range",
        /// There is a record of a newer version. It is not begun anew: who can read it shall have it.
        Newer = "newer",
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod world;
