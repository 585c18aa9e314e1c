//! Between cores: one inbox per core, into which any thread posts whole batches, and a bell that wakes its owner
//! at most once per sleep.
//!
//! Waking a core costs more than everything else here together (FINDINGS.md §1), so a sender collects what one of
//! its turns has for a destination in an [`Outbox`] and posts it as one batch, and rings only if the owner has said
//! that it is about to sleep. Commands are bounded by [`crate::limits::INBOX_COMMANDS`]: who accepts one asks
//! [`Outbox::room`] first and makes its client wait instead. Answers and records are never refused, for whoever
//! accepted the request reserved their room. From one core to another everything keeps its order.

mod bell;
mod inbox;
mod outbox;

pub use bell::Bell;
pub use inbox::{Address, Inbox, Load, inboxes};
pub use outbox::Outbox;
