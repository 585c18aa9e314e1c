//! What `corepost top` shows: nodes, cores and partitions, by what each node tells of itself on `/metrics`.
//!
//! Nothing here asks anybody: answers go in, with the time at which they came, and a [`Board`] comes out, which can be drawn
//! on a terminal or written as text. What a node does not tell is shown as a dash, and never as 0: a rate needs two answers
//! of the same process.

mod board;
mod picture;
#[cfg(test)]
mod rig;
mod scrape;
mod seen;

pub use board::{Board, CoreRow, NodeRow, Order, PartitionRow};
pub use picture::Picture;
pub use scrape::{NotMetrics, Scrape};
pub use seen::{Reading, Seen};
