//! Which nodes are alive and which partitions are theirs: the pure half of a cluster (DESIGN.md §6).
//!
//! Everything here is a fold of one log, the topic `corepost.cluster`. Time is the log's own ([`LogTime`]), so that all
//! nodes judge alike whatever their clocks say, and silence is the only record of a death. [`Fold`] makes a [`View`] of
//! the log, [`Assignment`] gives a view's nodes the partitions, and [`Members`] is one node's own part: it looks, claims
//! its ordinal, says that it lives, and stops when it must. The shell feeds records and its clock, writes what it is
//! told to, and keeps still while [`Members::may_speak`] says so; [`Unsaid`] holds what it would have said.

mod assignment;
mod claim;
mod constants;
mod fold;
mod incarnation;
mod lives;
mod log_time;
mod members;
mod reading;
mod record;
mod refusal;
mod unsaid;
mod view;

#[cfg(test)]
mod fold_tests;
#[cfg(test)]
mod rig;

pub use assignment::Assignment;
pub use constants::{Constants, Difference, Protocols};
pub use fold::{Fold, FoldCounts, Raw, Taken};
pub use incarnation::Incarnation;
pub use log_time::LogTime;
pub use members::{MemberCounts, Members, NodePartition, Output, Settings};
pub use record::{Record, Say, Unreadable};
pub use refusal::Refusal;
pub use unsaid::Unsaid;
pub use view::{Member, Since, View};
