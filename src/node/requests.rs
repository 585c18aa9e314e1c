//! Requests of the HTTP API that wait for the shard's word.
//!
//! Bounded by the connections that carry them: each has one request at a time. The shard answers every element it was
//! given, also when the client has gone; a request ends only when it has had all its answers. How much of what they
//! publish is read in one turn is bounded for all of them together.

use crate::limits::PUBLISH_TURN_BYTES;
use crate::router::{Answer, Request};
use std::collections::VecDeque;
use std::task::{Poll, Waker};

/// One core's.
#[derive(Debug, Default)]
pub(super) struct Requests {
    places: Vec<Option<Waiting>>,
    free: Vec<u32>,
    /// The millisecond in which something was read last, and the bytes that may still be read in it.
    reading: (u64, usize),
}

#[derive(Debug, Default)]
struct Waiting {
    answers: VecDeque<(u32, Answer)>,
    task: Option<Waker>,
}

impl Requests {
    /// Bytes that may still be read in this turn, which has the core's time of its beginning.
    pub(super) fn readable(&mut self, now_ms: u64) -> usize {
        if self.reading.0 != now_ms {
            self.reading = (now_ms, PUBLISH_TURN_BYTES);
        }
        self.reading.1
    }

    /// So many of them are left.
    pub(super) fn left(&mut self, bytes: usize) {
        self.reading.1 = bytes;
    }

    /// A request begins: its number.
    pub(super) fn begin(&mut self) -> u32 {
        if let Some(number) = self.free.pop() {
            self.places[number as usize] = Some(Waiting::default());
            return number;
        }
        self.places.push(Some(Waiting::default()));
        self.places.len() as u32 - 1
    }

    /// The shard has answered.
    pub(super) fn answered(&mut self, request: Request, answer: Answer) {
        let waiting = self.places.get_mut(request.number as usize).and_then(Option::as_mut);
        let waiting = waiting.expect("a request waits until it has had all its answers");
        waiting.answers.push_back((request.element, answer));
        if let Some(task) = waiting.task.take() {
            task.wake();
        }
    }

    /// The next answer, with the number of its element.
    pub(super) fn poll(&mut self, number: u32, task: &Waker) -> Poll<(u32, Answer)> {
        let waiting = self.places[number as usize].as_mut().expect("who waits has begun and not ended");
        match waiting.answers.pop_front() {
            Some(answer) => Poll::Ready(answer),
            None => {
                waiting.task = Some(task.clone());
                Poll::Pending
            }
        }
    }

    /// It has had all its answers.
    pub(super) fn end(&mut self, number: u32) {
        let waiting = self.places[number as usize].take().expect("a request ends once");
        assert!(waiting.answers.is_empty(), "a request ended before its answers were taken");
        self.free.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_request_reads_is_not_left_for_others_of_the_turn() {
        let mut requests = Requests::default();
        assert_eq!(requests.readable(7), PUBLISH_TURN_BYTES);
        requests.left(10);
        assert_eq!(requests.readable(7), 10);
        assert_eq!(requests.readable(8), PUBLISH_TURN_BYTES);
    }
}
