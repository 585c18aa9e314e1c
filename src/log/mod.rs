//! The log as the core sees it: values in, values out, late.
//!
//! A log takes appends and answers each, sooner or later, with where it stands or why it was refused; it tells each
//! core of the records of its clients, in the order of their partition; it reads ranges. What holds of a partition
//! whoever keeps it — which records are duplicates, whose cursor still fits — is here as pure state machines, for
//! the embedded log, Kafka and the simulation alike. They depend on records and offsets alone, never on a clock.

mod dedupe;
mod epochs;
mod values;

pub use dedupe::{Dedupe, DedupeKey};
pub use epochs::Epochs;
pub use values::{
    Append, Appended, LogEvent, Page, Read, ReadFrom, ReadTicket, Record, Refused, Revocation, Ticket,
    Unreadable,
};
