//! The log a node runs on: a closed list, so that every use of it is plain to see.

use super::embedded::Embedded;
use super::kafka_log::KafkaLog;
use crate::log::{Append, Read, Revocation, Ticket};

/// A log. All its methods return at once; answers come as [`crate::log::LogEvent`]s.
#[derive(Clone)]
pub enum Log {
    /// A store of this node's own.
    Embedded(Embedded),
    /// Kafka's, of which this node has a part.
    Kafka(KafkaLog),
}

impl Log {
    /// Appends, in this order; each is answered by its ticket.
    pub fn append(&self, appends: Vec<Append>) {
        match self {
            Self::Embedded(log) => log.append(appends),
            Self::Kafka(log) => log.append(appends),
        }
    }

    /// Remembers a revocation for ever; answered like an append.
    pub fn revoke(&self, ticket: Ticket, revocation: Revocation) {
        match self {
            Self::Embedded(log) => log.revoke(ticket, revocation),
            Self::Kafka(log) => log.revoke(ticket, revocation),
        }
    }

    /// Reads a page; answered by `LogEvent::Page`.
    pub fn read(&self, read: Read) {
        match self {
            Self::Embedded(log) => log.read(read),
            Self::Kafka(log) => log.read(read),
        }
    }

    /// Takes all that was appended before, makes it durable, ends. Blocks: not for a core's thread.
    pub fn stop(&self) {
        match self {
            Self::Embedded(log) => log.stop(),
            Self::Kafka(log) => log.stop(),
        }
    }
}
