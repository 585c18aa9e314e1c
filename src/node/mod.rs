//! The shell: one pinned thread per core, on each a runtime, a listener and the state its tasks share.
//!
//! Reading order: [`Node::start`] → `core` (one core's loop) → `arrive` (accept, request head, whose core) →
//! `connection` (bytes in) → `execute` (effects out) → `flush` (the end of a turn). Always holds: a task borrows
//! the core's state only between two awaits; everything that leaves a core leaves at the end of a turn; a core's
//! thread waits only in its ring.

mod abort;
mod api;
mod arrival;
mod arrive;
mod attend;
mod cluster;
mod config;
mod connection;
mod core;
mod echo;
mod ending;
mod execute;
mod figures;
mod flush;
mod frames;
mod gate;
mod guard;
mod place;
mod post;
mod post_shown;
mod report;
mod report_cluster;
mod requests;
mod session;
mod settle;
mod start;
mod starved;
mod table;
mod tick;
mod told;
mod turn;

pub use cluster::ClusterNode;
pub use config::NodeConfig;
pub use ending::Ending;
pub use figures::Figures;
pub use start::{Node, Running, StartError};
pub use table::Key;
