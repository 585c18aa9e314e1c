//! Kafka for tests, in this process: librdkafka's own mock, over real sockets.

use super::connection::Connection;
use super::options::KafkaOptions;
use crate::log::{Append, LogEvent, Ticket};
use crate::model::{Envelope, EnvelopeParts, IdRef, Kind, Topology};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A cluster and a topic.
pub(in crate::backplane) struct Mock {
    pub cluster: MockCluster<'static, DefaultProducerContext>,
    pub connection: Connection,
}

pub(in crate::backplane) const TOPIC: &str = "corepost.mailbox";

impl Mock {
    pub fn new(brokers: i32, partitions: i32) -> Self {
        let cluster = MockCluster::new(brokers).unwrap();
        cluster.create_topic(TOPIC, partitions, brokers.min(3)).unwrap();
        let connection =
            Connection { brokers: cluster.bootstrap_servers(), options: KafkaOptions::default() };
        Self { cluster, connection }
    }
}

/// What cores were told.
#[derive(Clone, Default)]
pub(super) struct Cores(Arc<Mutex<Vec<LogEvent>>>);

impl Cores {
    pub fn deliver(&self) -> impl Fn(u16, Vec<LogEvent>) + Send + Sync + 'static {
        let told = self.0.clone();
        move |_, events| told.lock().unwrap().extend(events)
    }

    /// Waits until so many answers are there and takes them.
    #[track_caller]
    pub fn answers(&self, count: usize) -> Vec<LogEvent> {
        soon(|| self.0.lock().unwrap().len() >= count);
        let told = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(told.len(), count, "{told:?}");
        told
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// By its ticket: where it is, if it was taken.
pub(super) fn by_send(events: &[LogEvent]) -> Vec<(u32, Option<u64>)> {
    let answer = |event: &LogEvent| match event {
        LogEvent::Appended(appended) => (appended.ticket.send, Some(appended.offset)),
        LogEvent::Refused(refused) => (refused.ticket.send, None),
        other => panic!("{other:?}"),
    };
    events.iter().map(answer).collect()
}

/// An append to a client, with this number as its ticket.
pub(super) fn append(topology: Topology, to: &str, send: u32, body: &[u8]) -> Append {
    let to = IdRef::new(to).unwrap();
    let envelope = Envelope::new(EnvelopeParts {
        kind: Kind::Message,
        to: Some(to),
        from: Some(IdRef::new("alice").unwrap()),
        id: Some(IdRef::new(&format!("m{send}")).unwrap()),
        copied_to: b"",
        body,
    });
    let ticket = Ticket { core: 0, send, recipient: 0 };
    Append { ticket, partition: topology.place(to).partition, envelope }
}

/// Waits until it is so.
#[track_caller]
pub(super) fn soon(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "it has not come to be so");
        std::thread::sleep(Duration::from_millis(2));
    }
}
