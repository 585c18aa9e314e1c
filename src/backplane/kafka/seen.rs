//! A record as a consumer sees it: borrowed from librdkafka's memory, gone when the next one is looked at.
//!
//! rdkafka tells no leader epoch, and panics at the name of a header that is not UTF-8, which any producer may write. So
//! these two are asked of librdkafka directly.

use rdkafka::bindings as native;
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{null, null_mut};

/// A record.
#[derive(Clone, Copy)]
pub struct Seen<'m>(&'m BorrowedMessage<'m>);

/// When a record came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenAt {
    /// Unix milliseconds.
    pub ms: u64,
    /// It is the broker's time, not the producer's.
    pub is_append_time: bool,
}

impl<'m> Seen<'m> {
    pub(super) fn new(message: &'m BorrowedMessage<'m>) -> Self {
        Self(message)
    }

    /// Its partition.
    pub fn partition(&self) -> u16 {
        u16::try_from(self.0.partition()).unwrap_or(u16::MAX)
    }

    /// Where in it.
    pub fn offset(&self) -> u64 {
        u64::try_from(self.0.offset()).unwrap_or(0)
    }

    /// Which leader's time it was appended in; none if the broker is too old to say.
    #[allow(unsafe_code)]
    pub fn leader_epoch(&self) -> Option<u32> {
        // SAFETY: the message is alive while it is borrowed.
        let epoch = unsafe { native::rd_kafka_message_leader_epoch(self.0.ptr()) };
        u32::try_from(epoch).ok()
    }

    /// When; none if the broker did not say.
    pub fn at(&self) -> Option<SeenAt> {
        let (ms, is_append_time) = match self.0.timestamp() {
            Timestamp::LogAppendTime(ms) => (ms, true),
            Timestamp::CreateTime(ms) => (ms, false),
            Timestamp::NotAvailable => return None,
        };
        u64::try_from(ms).ok().map(|ms| SeenAt { ms, is_append_time })
    }

    /// Its key.
    pub fn key(&self) -> Option<&'m [u8]> {
        self.0.key()
    }

    /// Its value; none if that is null.
    pub fn value(&self) -> Option<&'m [u8]> {
        self.0.payload()
    }

    /// Its headers in order. One whose name is not UTF-8 is left out: it is none of ours. A null value is an empty one.
    #[allow(unsafe_code)]
    pub fn headers(&self) -> SeenHeaders<'m> {
        let mut headers = null_mut();
        // SAFETY: the message is alive while it is borrowed, and owns the headers. Without any, nothing is written.
        unsafe { native::rd_kafka_message_headers(self.0.ptr(), &raw mut headers) };
        SeenHeaders { headers, next: 0, message: PhantomData }
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&'m [u8]> {
        self.headers().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// The headers of a record.
pub struct SeenHeaders<'m> {
    /// Null without any.
    headers: *mut native::rd_kafka_headers_t,
    next: usize,
    message: PhantomData<&'m [u8]>,
}

impl<'m> Iterator for SeenHeaders<'m> {
    type Item = (&'m str, &'m [u8]);

    #[allow(unsafe_code)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.headers.is_null() {
                return None;
            }
            let (mut name, mut value, mut len) = (null(), null(), 0);
            // SAFETY: the headers belong to the message, which is borrowed as long as we are. Beyond the last one the
            // answer is an error and nothing is written. A name ends with NUL, and a value that is not null has `len`
            // bytes; both live as long as the message.
            let (name, value): (&'m CStr, &'m [u8]) = unsafe {
                let answer = native::rd_kafka_header_get_all(
                    self.headers,
                    self.next,
                    &raw mut name,
                    &raw mut value,
                    &raw mut len,
                );
                if answer != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return None;
                }
                let value: &'m [u8] = match value.is_null() {
                    true => &[],
                    false => std::slice::from_raw_parts(value.cast::<u8>(), len),
                };
                (CStr::from_ptr(name), value)
            };
            self.next += 1;
            if let Ok(name) = name.to_str() {
                return Some((name, value));
            }
        }
    }
}
