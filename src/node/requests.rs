//! Requests of the HTTP API that wait for the shard's word.
//!
//! Bounded by the connections that carry them: each has one request at a time. The shard answers every element it was
//! given, also when the client has gone; a request ends only when it has had all its answers.

use crate::router::{Answer, Request};
use std::collections::VecDeque;
use std::task::{Poll, Waker};

/// One core's.
#[derive(Debug, Default)]
pub(super) struct Requests {
    places: Vec<Option<Waiting>>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: VecDeque<(u32, Answer)>,
    task: Option<Waker>,
}

impl Requests {
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
