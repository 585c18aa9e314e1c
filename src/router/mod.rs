//! The router: where a client's mailbox and its sessions meet. Pure: values in, values out, time passed in.
//!
//! One [`Shard`] per core composes three parts that never call each other:
//! - *arrive*: [`arrive::Gateway`] holds the sessions whose sockets live on this core;
//! - *append*: [`append::Sends`] holds what waits for the log's word;
//! - *deliver*: [`deliver::Home`] holds the mailboxes of the clients whose core this is.
//!
//! Gateway and home talk only by [`crate::model::Parcel`]s, also on one core (DESIGN.md §5). What always holds is
//! stated over each type and asserted by its `invariants`.

pub mod append;
pub mod arrive;
pub mod deliver;
mod inquiries;
mod line;
mod output;
mod questions;
mod requests;
#[cfg(test)]
mod rig;
mod room;
mod settings;
mod shard;
mod timers;
mod turn;

pub use arrive::{Connect, SessionPhase};
pub use output::{Answer, NoHome, Outbox, Output, Request};
pub use room::Room;
pub use settings::{Bounds, Settings};
pub use shard::{Flow, Shard};
pub use turn::Turn;

#[cfg(test)]
mod cluster_stories;
#[cfg(test)]
mod inquiry_stories;
