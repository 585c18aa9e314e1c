//! What one commit has to tell, per core and in order: the records, the answers, the heads.

use crate::log::{Appended, LogEvent, Record, Refused, Ticket};
use crate::model::{ErrorCode, Partition, Position};

/// What is told once it is durable.
pub struct Tidings {
    records: Vec<Vec<LogEvent>>,
    answers: Vec<Vec<LogEvent>>,
    heads: Vec<LogEvent>,
}

impl Tidings {
    pub fn new(cores: u16) -> Self {
        let empty = || (0..cores).map(|_| Vec::new()).collect();
        Self { records: empty(), answers: empty(), heads: Vec::new() }
    }

    pub fn record(&mut self, core: u16, record: Record) {
        self.records[usize::from(core)].push(LogEvent::Record(record));
    }

    pub fn appended(&mut self, ticket: Ticket, offset: u64, at_ms: u64) {
        self.answers[usize::from(ticket.core)].push(LogEvent::Appended(Appended { ticket, offset, at_ms }));
    }

    pub fn refused(&mut self, ticket: Ticket, code: ErrorCode, retry_after_ms: u32) {
        self.answers[usize::from(ticket.core)].push(LogEvent::Refused(Refused {
            ticket,
            code,
            retry_after_ms,
        }));
    }

    /// Said with the records of a core, before its answers.
    pub fn say(&mut self, core: u16, event: LogEvent) {
        self.records[usize::from(core)].push(event);
    }

    /// Said to every core, last.
    pub fn head(&mut self, partition: Partition, position: Position) {
        self.heads.push(LogEvent::Head(partition, position));
    }

    /// Said to every core, after the heads.
    pub fn say_to_all(&mut self, event: LogEvent) {
        self.heads.push(event);
    }

    /// Gives each core its share.
    pub fn tell(self, deliver: &(dyn Fn(u16, Vec<LogEvent>) + Send + Sync)) {
        for (core, (mut events, mut answers)) in self.records.into_iter().zip(self.answers).enumerate() {
            events.append(&mut answers);
            events.extend_from_slice(&self.heads);
            if !events.is_empty() {
                deliver(core as u16, events);
            }
        }
    }
}
