//! A producer as our threads use it: records in without waiting, reports out in batches, a bell when there are any.
//!
//! rdkafka's own `poll` with a time to wait returns only when that time is over, and without one serves a single event
//! (FINDINGS.md §4), so its users need a thread that polls beside the one that works. Here librdkafka rings the bell
//! of the one thread instead, which then serves all that is there.

use super::aside::drop_aside;
use super::bell::Bell;
use super::connection::Connection;
use super::ear::Ear;
use super::trouble::Trouble;
use crate::limits::KAFKA_REPORTS;
use rdkafka::ClientContext;
use rdkafka::bindings as native;
use rdkafka::client::OAuthToken;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig,
};
use rdkafka::types::RDKafkaErrorCode;
use std::error::Error;
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One record on its way out.
pub(super) struct Outgoing<'a, H> {
    pub topic: &'a str,
    pub partition: u16,
    pub key: Option<&'a [u8]>,
    pub headers: H,
    /// `None` is Kafka's null.
    pub value: Option<&'a [u8]>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// What it was sent with.
    pub token: usize,
    /// Where it is, or why it is not there, as far as anybody knows.
    pub outcome: Result<Placed, RDKafkaErrorCode>,
}

/// Where the broker put a record, as far as it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// None where only the repetition of a record was answered, and the broker remembered no more than having it.
    pub offset: Option<u64>,
    /// Log append time, Unix milliseconds; none without an offset, or where the topic keeps the producers' times.
    pub at_ms: Option<u64>,
}

/// What librdkafka calls back with, on the thread that serves.
struct Context {
    ear: Ear,
    reports: Mutex<Vec<Report>>,
}

/// A producer. Dropping it waits for its threads.
pub(super) struct Producer {
    // Before the producer, so that it is taken down before it.
    alarm: Alarm,
    inner: BaseProducer<Context>,
    bell: Bell,
}

impl Producer {
    /// Its threads inherit the CPUs of the thread that calls this.
    pub fn new(config: &ClientConfig, connection: &Connection, bell: &Bell) -> Result<Self, Trouble> {
        let ear = Ear::new(connection.options.clone());
        let context = Context { ear, reports: Mutex::default() };
        let made: Result<BaseProducer<Context>, _> = config.create_with_context(context);
        let inner = made.map_err(|error| connection.refused(&error))?;
        Ok(Self { alarm: Alarm::new(&inner, bell), inner, bell: bell.clone() })
    }

    /// Takes a record, or says at once why not. Its report comes with `token`.
    pub fn send<'a>(
        &self,
        record: Outgoing<'a, impl Iterator<Item = (&'static str, &'a [u8])>>,
        token: usize,
    ) -> Result<(), RDKafkaErrorCode> {
        let headers = record.headers.fold(OwnedHeaders::new_with_capacity(5), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let mut sent: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(record.topic, token)
            .partition(i32::from(record.partition))
            .headers(headers);
        sent.key = record.key;
        sent.payload = record.value;
        self.inner
            .send(sent)
            .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
    }

    /// Adds what has been reported since the last time. What is left beyond [`KAFKA_REPORTS`] rings again.
    pub fn take_reports(&self, reports: &mut Vec<Report>) {
        let mut events = 0;
        while self.alarm.is_due() {
            if events == KAFKA_REPORTS {
                self.bell.ring();
                break;
            }
            self.inner.poll(Duration::ZERO);
            events += 1;
        }
        reports.append(&mut self.inner.context().reports());
    }

    /// Gives up all that is under way: what is in a queue is never sent, what was sent is reported as purged although it
    /// may be in the log. An idempotent producer then numbers anew, so that the brokers take nothing of it later.
    pub fn purge(&self) {
        // Without waiting for its threads, which may be looking up a host.
        self.inner.purge(PurgeConfig::default().queue().inflight().non_blocking());
    }

    /// Ends it without waiting. What was under way is not reported any more.
    pub fn drop_aside(self) {
        drop_aside(self);
    }

    /// A trouble with its connections that will not pass by itself.
    pub fn trouble(&self) -> Option<Trouble> {
        self.inner.context().ear.trouble()
    }

    /// Why it will never send again, if so.
    pub fn fatal_error(&self) -> Option<RDKafkaErrorCode> {
        self.inner.client().fatal_error().map(|(code, _)| code)
    }
}

impl Context {
    fn reports(&self) -> MutexGuard<'_, Vec<Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.ear.generate_oauth_token(config)
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(error, reason);
    }

    /// What is of use is told by `error`, and the rest may name values of options.
    fn log(&self, _level: rdkafka::config::RDKafkaLogLevel, _facility: &str, _line: &str) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, token: usize) {
        let outcome = match result {
            Ok(message) => {
                self.ear.forget();
                Ok(Placed {
                    offset: u64::try_from(message.offset()).ok(),
                    at_ms: match message.timestamp() {
                        Timestamp::LogAppendTime(ms) => u64::try_from(ms).ok(),
                        Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
                    },
                })
            }
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        self.reports().push(Report { token, outcome });
    }
}

/// Rings the bell when the queue of a producer's events is no longer empty.
struct Alarm {
    queue: NonNull<native::rd_kafka_queue_t>,
    /// What librdkafka holds a pointer to.
    _bell: Box<Bell>,
}

// SAFETY: librdkafka's queues may be used by any thread, and a bell may be rung by any.
#[allow(unsafe_code)]
unsafe impl Send for Alarm {}

impl Alarm {
    #[allow(unsafe_code)]
    fn new(producer: &BaseProducer<Context>, bell: &Bell) -> Self {
        let bell = Box::new(bell.clone());
        // SAFETY: the handle is alive, for the producer is borrowed. The queue is ours until it is given back in `drop`,
        // which happens before the producer goes. The bell stays in its box, which outlives the callback: `drop` takes
        // the callback away first, under the lock under which librdkafka calls it.
        unsafe {
            let queue = native::rd_kafka_queue_get_main(producer.client().native_ptr());
            let queue = NonNull::new(queue).expect("every client of librdkafka has a main queue");
            let opaque = std::ptr::from_ref::<Bell>(&bell).cast_mut().cast::<c_void>();
            native::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(ring), opaque);
            Self { queue, _bell: bell }
        }
    }

    #[allow(unsafe_code)]
    fn is_due(&self) -> bool {
        // SAFETY: the queue is ours until `drop`.
        unsafe { native::rd_kafka_queue_length(self.queue.as_ptr()) > 0 }
    }
}

impl Drop for Alarm {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: the queue is ours and is not used any more after this. Without a callback nobody holds the bell.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, null_mut());
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

// SAFETY: `bell` is what `Alarm::new` gave to librdkafka and `Alarm::drop` has not taken back yet.
#[allow(unsafe_code)]
unsafe extern "C" fn ring(_: *mut native::rd_kafka_t, bell: *mut c_void) {
    // SAFETY: as above; it is only read.
    let bell = unsafe { &*bell.cast::<Bell>() };
    bell.ring();
}
