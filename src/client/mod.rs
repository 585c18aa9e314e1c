//! The client's side of the protocol (DESIGN.md §4), pure: `listen`, `send`, load generators and the simulated
//! clients of the tests all run this one machine.
//!
//! What it promises its application: each envelope once and in order, a loss never hidden, and a send that is
//! either acknowledged, reported as failed, or still in the outbox. How to drive it, from any shell:
//!
//! 1. feed what happened: [`Client::opened`], `refused`, [`Client::heard`], [`Client::noticed`],
//!    [`Client::closed`], [`Client::tick`], [`Client::send`];
//! 2. after each of these take [`Client::output`] until it is `None` and do what it says;
//! 3. call [`Client::tick`] again at [`Client::next_tick_ms`], at the latest.

mod backoff;
mod ending;
mod held;
#[cfg(test)]
mod interleavings;
mod letter;
mod link;
mod machine;
mod outbox;
mod output;
#[cfg(test)]
mod stories;

pub use backoff::{Backoff, Dice};
pub use ending::{Ending, GaveUp, Parting};
pub use letter::{BadLetter, Frame, Letter};
pub use machine::Client;
pub use outbox::Unsent;
pub use output::{Delivery, Options, Output, Stats};
