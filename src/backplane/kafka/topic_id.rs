//! Which topic it is: a name may be used again, the ID that Kafka gave it never.
//!
//! rdkafka does not tell a topic's ID, so librdkafka is asked directly.

use super::connection::Connection;
use super::offsets::Offsets;
use super::reader::failed;
use super::trouble::Trouble;
use rdkafka::bindings as native;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;
use std::ffi::CString;
use std::ptr::{NonNull, null_mut};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// A topic as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicId {
    /// Kafka's own, a UUID.
    pub id: u128,
    /// How many partitions it has now.
    pub partitions: usize,
}

const DOING: &str = "tell a topic's ID";
const NEEDED: &str = "Describe on topics with this prefix";

impl TopicId {
    /// Asks Kafka; `None`: there is no such topic. Blocks, no longer than `time` and a moment.
    pub fn ask(connection: &Connection, topic: &str, time: Duration) -> Result<Option<Self>, Trouble> {
        Self::of(&Offsets::open(connection, topic)?, time)
    }

    /// The same, of the topic that these ask about: for who asks again and again.
    pub fn of(offsets: &Offsets, time: Duration) -> Result<Option<Self>, Trouble> {
        let name = CString::new(offsets.topic()).map_err(|_| failed(DOING, "its name has a zero byte"))?;
        // Not only to know: a client that was never asked anything has no connection, and describing waits in vain for one.
        if offsets.partitions(time)? == 0 {
            return Ok(None);
        }
        let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1);
        match describe(offsets.client().client().native_ptr(), &name, millis) {
            Ok(found) => Ok(Some(found)),
            Err(code) => match RDKafkaErrorCode::from(code) {
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Ok(None),
                code => Err(Trouble::of_code(DOING, NEEDED, code)),
            },
        }
    }

    /// The log's epoch: positions of one are worth nothing in another.
    pub fn epoch(&self) -> u64 {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.id.to_be_bytes());
        bytes[16..].copy_from_slice(&(self.partitions as u64).to_be_bytes());
        xxh3_64(&bytes)
    }
}

type Code = native::rd_kafka_resp_err_t;

/// Something of librdkafka's that is ours to give back.
struct Owned<T> {
    it: NonNull<T>,
    give_back: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `it` was made for us, and `give_back` is what takes it; none if it could not be made.
    fn new(it: *mut T, give_back: unsafe extern "C" fn(*mut T)) -> Result<Self, Code> {
        let it = NonNull::new(it).ok_or(Code::RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE)?;
        Ok(Self { it, give_back })
    }

    fn ptr(&self) -> *mut T {
        self.it.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: it was made for us, lives until now, and nothing borrowed from it is left.
        unsafe { (self.give_back)(self.it.as_ptr()) }
    }
}

#[allow(unsafe_code)]
fn describe(client: *mut native::rd_kafka_t, topic: &CString, millis: i32) -> Result<TopicId, Code> {
    // SAFETY: the client is alive, for our caller holds it. Everything that is made here is given back when it goes out of
    // scope, later things first; the answer and what is read from it belong to the event, which lives to the end. The
    // name is copied. Pointers that may be null are looked at before they are followed.
    unsafe {
        let queue = Owned::new(native::rd_kafka_queue_new(client), native::rd_kafka_queue_destroy)?;
        let options = native::rd_kafka_AdminOptions_new(
            client,
            native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        let options = Owned::new(options, native::rd_kafka_AdminOptions_destroy)?;
        native::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), millis, null_mut(), 0);
        let mut names = [topic.as_ptr()];
        let topics = native::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let topics = Owned::new(topics, native::rd_kafka_TopicCollection_destroy)?;
        native::rd_kafka_DescribeTopics(client, topics.ptr(), options.ptr(), queue.ptr());
        // librdkafka keeps to the time it was given.
        let event = native::rd_kafka_queue_poll(queue.ptr(), millis.saturating_add(1_000));
        let event = NonNull::new(event).ok_or(Code::RD_KAFKA_RESP_ERR__TIMED_OUT)?;
        let event = Owned::new(event.as_ptr(), native::rd_kafka_event_destroy)?;
        good(native::rd_kafka_event_error(event.ptr()))?;
        let answer = native::rd_kafka_event_DescribeTopics_result(event.ptr());
        if answer.is_null() {
            return Err(Code::RD_KAFKA_RESP_ERR__BAD_MSG);
        }
        let mut count = 0;
        let found = native::rd_kafka_DescribeTopics_result_topics(answer, &raw mut count);
        if found.is_null() || count != 1 {
            return Err(Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC);
        }
        let topic = *found;
        good(native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(topic)))?;
        let uuid = native::rd_kafka_TopicDescription_topic_id(topic);
        if uuid.is_null() {
            return Err(Code::RD_KAFKA_RESP_ERR__BAD_MSG);
        }
        let high = native::rd_kafka_Uuid_most_significant_bits(uuid) as u64;
        let low = native::rd_kafka_Uuid_least_significant_bits(uuid) as u64;
        let mut partitions = 0;
        native::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        Ok(TopicId { id: u128::from(high) << 64 | u128::from(low), partitions })
    }
}

fn good(code: Code) -> Result<(), Code> {
    if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_topic_or_number_of_partitions_is_another_epoch() {
        let topic = TopicId { id: 7, partitions: 64 };
        assert_eq!(topic.epoch(), TopicId { id: 7, partitions: 64 }.epoch());
        assert_ne!(topic.epoch(), TopicId { id: 7 << 64, partitions: 64 }.epoch());
        assert_ne!(topic.epoch(), TopicId { id: 7, partitions: 128 }.epoch());
    }
}
