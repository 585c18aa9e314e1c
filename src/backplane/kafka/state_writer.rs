//! Writes to the state topic: few records, each answered once, when it is durable or when nobody knows whether it will be.
//! A producer that will never send again is made anew, and what it had is answered then.

use super::bell::Bell;
use super::connection::Connection;
use super::producer::{Outgoing, Producer, Report};
use super::trouble::Trouble;
use crate::limits::{KAFKA_GIVE_UP_MS, KAFKA_REVOCATIONS};
use crate::log::Ticket;
use std::collections::BTreeMap;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose it was.
    pub ticket: Ticket,
    /// Offset and log append time of one that is durable, as far as the broker said; `None`: it may be, or not.
    pub at: Option<(u64, u64)>,
}

/// A producer of one topic.
pub struct StateWriter {
    connection: Connection,
    topic: String,
    bell: Bell,
    producer: Producer,
    /// Whose records are not answered yet, by the number they were sent with; at most [`KAFKA_REVOCATIONS`].
    under_way: BTreeMap<usize, Ticket>,
    sent: usize,
    reports: Vec<Report>,
    made_anew: u64,
}

impl StateWriter {
    /// `bell` is rung when [`StateWriter::take`] may have something.
    pub fn open(connection: &Connection, topic: &str, bell: &Bell) -> Result<Self, Trouble> {
        Ok(Self {
            producer: Producer::new(&config(connection), connection, bell)?,
            connection: connection.clone(),
            topic: topic.to_owned(),
            bell: bell.clone(),
            under_way: BTreeMap::new(),
            sent: 0,
            reports: Vec::new(),
            made_anew: 0,
        })
    }

    /// Writes a record. False: too many are under way, or it cannot be taken; it is not answered.
    pub fn write(
        &mut self,
        partition: u16,
        version: &str,
        (key, value): (&[u8], &[u8]),
        ticket: Ticket,
    ) -> bool {
        let headers = std::iter::once(("v", version.as_bytes()));
        let record = Outgoing { topic: &self.topic, partition, key: Some(key), headers, value: Some(value) };
        self.sent += 1;
        let has_room = self.under_way.len() < KAFKA_REVOCATIONS;
        let is_taken = has_room && self.producer.send(record, self.sent).is_ok();
        if is_taken {
            self.under_way.insert(self.sent, ticket);
        }
        is_taken
    }

    /// Tells what became of records, without waiting.
    pub fn take(&mut self, mut tell: impl FnMut(Kept)) {
        self.producer.take_reports(&mut self.reports);
        for report in self.reports.drain(..) {
            if let Some(ticket) = self.under_way.remove(&report.token) {
                let at = report.outcome.ok();
                let at = at.map(|placed| (placed.offset.unwrap_or(0), placed.at_ms.unwrap_or(0)));
                tell(Kept { ticket, at });
            }
        }
        self.make_anew_if_broken(tell);
    }

    /// A trouble with the connections that will not pass by itself, such as a password that is refused.
    pub fn trouble(&self) -> Option<Trouble> {
        self.producer.trouble()
    }

    /// Producers that had failed for good.
    pub fn made_anew(&self) -> u64 {
        self.made_anew
    }

    /// In place of a producer that will never send again. What it had may be there or not.
    fn make_anew_if_broken(&mut self, mut tell: impl FnMut(Kept)) {
        let Some(code) = self.producer.fatal_error() else { return };
        match Producer::new(&config(&self.connection), &self.connection, &self.bell) {
            Ok(producer) => std::mem::replace(&mut self.producer, producer).drop_aside(),
            // It is tried again the next time; what it has is answered by its own reports.
            Err(trouble) => return tracing::error!(%trouble, "there is no producer of the state topic"),
        }
        self.made_anew += 1;
        tracing::warn!(%code, "the producer of the state topic has failed for good: it was made anew");
        for ticket in std::mem::take(&mut self.under_way).into_values() {
            tell(Kept { ticket, at: None });
        }
    }
}

fn config(connection: &Connection) -> rdkafka::ClientConfig {
    let (records, give_up) = ((2 * KAFKA_REVOCATIONS).to_string(), KAFKA_GIVE_UP_MS.to_string());
    let fixed = [
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("message.timeout.ms", give_up.as_str()),
        ("queue.buffering.max.messages", records.as_str()),
    ];
    connection.config_of(&fixed, &[("linger.ms", "1")])
}

#[cfg(test)]
mod tests {
    use super::super::mock::{Mock, TOPIC, soon};
    use super::*;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use std::cell::RefCell;

    /// An idempotent producer that has lost count never sends again.
    #[test]
    fn each_record_is_answered_once_also_where_the_producer_fails_for_good() {
        let mock = Mock::new(1, 1);
        let (bell, _rung) = Bell::new();
        let writer = RefCell::new(StateWriter::open(&mock.connection, TOPIC, &bell).unwrap());
        let kept = RefCell::new(Vec::new());
        let ticket = |send| Ticket { core: 0, send, recipient: 0 };
        let write = |send| writer.borrow_mut().write(0, "1", (b"bob", b"{}"), ticket(send));
        let answers = |many: usize| {
            soon(|| {
                writer.borrow_mut().take(|it| kept.borrow_mut().push(it));
                kept.borrow().len() >= many
            });
            let mut kept = kept.take();
            kept.sort_by_key(|it| it.ticket);
            kept
        };
        assert!(write(0));
        assert_eq!(answers(1).len(), 1);
        let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        mock.cluster.request_errors(RDKafkaApiKey::Produce, &[fatal]);
        assert!((1..=20).all(write));
        let refused: Vec<_> = (1..=20).map(|send| Kept { ticket: ticket(send), at: None }).collect();
        assert_eq!(answers(20), refused);
        soon(|| {
            write(99);
            answers(1)[0].at.is_some()
        });
        assert_eq!(writer.borrow().made_anew(), 1);
    }
}
