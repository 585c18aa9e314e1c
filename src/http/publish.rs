//! `POST /v1/messages`: what it publishes, and the one answer made of what became of each element.

use super::Reply;
use super::reply::{explain, retry_of};
use crate::counters::Refusal;
use crate::model::{ClientId, ErrorCode, Mistake, SendCommand};
use crate::wire::json::{Apart, Parser, Publication, PublishResults};
use http::StatusCode;
use std::borrow::Cow;
use std::ops::Range;

/// The elements of one request, taken one by one, as many a turn as the core can afford.
#[derive(Debug)]
pub struct Publish {
    body: Vec<u8>,
    elements: Vec<Range<usize>>,
    next: usize,
}

/// Collects what became of each element, in any order, until all are settled.
#[derive(Debug)]
pub struct PublishAnswer {
    single: bool,
    elements: Vec<Element>,
    unsettled: usize,
}

#[derive(Debug, Default)]
struct Element {
    id: Option<ClientId>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unsettled,
    Mistaken(ErrorCode, Cow<'static, str>),
    Settled(Outcome),
}

/// What became of an element that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable for all its recipients since this Unix millisecond.
    Durable {
        /// The greatest log append time.
        at_ms: u64,
    },
    /// It is not, for one at least.
    Refused {
        /// Why.
        code: ErrorCode,
        /// When trying again makes sense.
        retry_after_ms: Option<u32>,
    },
}

/// A body on its way to be a [`Publish`].
#[derive(Debug)]
pub struct Reading {
    body: Vec<u8>,
    apart: Apart,
}

impl Reading {
    /// Of this body.
    pub fn new(body: Vec<u8>) -> Self {
        Self { body, apart: Apart::default() }
    }

    /// Goes on for about so many bytes, which are taken from `bytes`; `None`: it is not done. An error answers the
    /// request.
    pub fn step(
        &mut self,
        parser: &mut Parser,
        bytes: &mut usize,
    ) -> Result<Option<(Publish, PublishAnswer)>, Reply> {
        let done = self.apart.step(&self.body, parser, bytes).map_err(|bad| {
            let refusal = match bad.code() {
                ErrorCode::TooManyRecipients => Refusal::TooManyRecipients,
                _ => Refusal::BadRequest,
            };
            Reply::error(StatusCode::BAD_REQUEST, bad.code(), &bad.to_string(), None, refusal)
        })?;
        if !done {
            return Ok(None);
        }
        let elements: Vec<_> = self.apart.elements().collect();
        let answer = PublishAnswer {
            single: self.apart.is_single(),
            unsettled: elements.len(),
            elements: elements.iter().map(|_| Element::default()).collect(),
        };
        Ok(Some((Publish { body: std::mem::take(&mut self.body), elements, next: 0 }, answer)))
    }
}

impl Publish {
    /// The next element and its number. It is understood by [`Parser::publication`] and then shown to
    /// [`PublishAnswer::note`].
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed from it")]
    pub fn next(&mut self) -> Option<(u32, &[u8])> {
        let number = self.next;
        let range = self.elements.get(number)?.clone();
        self.next += 1;
        Some((number as u32, &self.body[range]))
    }
}

/// An element as a shard takes it.
pub fn command_of<'p>(publication: &Publication<'p>) -> SendCommand<'p> {
    let Publication { id, to, to_json, body, .. } = *publication;
    SendCommand { id: Some(id), to, to_json, copy: false, ephemeral: false, body }
}

impl PublishAnswer {
    /// Remembers an element's name. A mistake settles it; otherwise it is to be published, and settled later.
    pub fn note<'p>(
        &mut self,
        number: u32,
        understood: Result<Publication<'p>, Mistake<'p>>,
    ) -> Option<Publication<'p>> {
        let element = &mut self.elements[number as usize];
        match understood {
            Ok(publication) => {
                element.id = Some(publication.id.to_client());
                Some(publication)
            }
            Err(mistake) => {
                element.id = mistake.id.map(|id| id.to_client());
                self.put(number, State::Mistaken(mistake.code, mistake.message));
                None
            }
        }
    }

    /// An element's outcome is known.
    pub fn settle(&mut self, number: u32, outcome: Outcome) {
        self.put(number, State::Settled(outcome));
    }

    /// Whether each element is settled.
    pub fn is_complete(&self) -> bool {
        self.unsettled == 0
    }

    fn put(&mut self, number: u32, state: State) {
        let place = &mut self.elements[number as usize].state;
        assert!(matches!(place, State::Unsettled), "element {number} was settled twice");
        *place = state;
        self.unsettled -= 1;
    }

    /// The answer: 200 if all are durable; 400 for a single object with a mistake; 503 if none is durable and each
    /// may be by trying again; else 207.
    pub fn reply(&self) -> Reply {
        assert!(self.is_complete(), "{} elements are not settled", self.unsettled);
        if let (true, [Element { state: State::Mistaken(code, message), .. }]) =
            (self.single, &self.elements[..])
        {
            return Reply::error(StatusCode::BAD_REQUEST, *code, message, None, Refusal::BadRequest);
        }
        let (mut durable, mut mistaken, mut retry) = (0, 0, None::<u32>);
        let mut body = Vec::with_capacity(self.elements.len() * 64 + 16);
        let mut results = PublishResults::new(&mut body);
        for element in &self.elements {
            let id = element.id.as_ref().map(ClientId::as_ref);
            match &element.state {
                State::Settled(Outcome::Durable { at_ms }) => {
                    durable += 1;
                    results.durable(id.expect("what was published has an id"), *at_ms);
                }
                State::Settled(Outcome::Refused { code, retry_after_ms }) => {
                    let after = retry_of(*code, *retry_after_ms);
                    retry = retry.max(after);
                    mistaken += usize::from(after.is_none());
                    results.refused(id, *code, explain(*code), after);
                }
                State::Mistaken(code, message) => {
                    mistaken += 1;
                    results.refused(id, *code, message, None);
                }
                State::Unsettled => unreachable!("it is complete"),
            }
        }
        results.finish();
        let status = match durable {
            all if all == self.elements.len() => StatusCode::OK,
            0 if mistaken == 0 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::MULTI_STATUS,
        };
        // Of a mixed answer each element says its own.
        let retry_after_ms = retry.filter(|_| status == StatusCode::SERVICE_UNAVAILABLE);
        Reply { retry_after_ms, ..Reply::new(status, body) }
    }
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
