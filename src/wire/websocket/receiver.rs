//! Frames in, events out, one at a time.
//!
//! An idle receiver is one null pointer. A whole frame in the read buffer is unmasked in place and handed out as a
//! slice of it; only a frame cut by the end of the buffer, or a fragmented message, is remembered in a
//! [`Partial`], which is freed at the next message boundary.
//!
//! The caller pulls: it may stop after any event and come back with the rest of its input later. After a close
//! event or an error the input is emptied, and nothing more may be fed.

use super::header::Header;
use super::partial::{FIXED, Partial, Step};
use super::{CloseBytes, Opcode, PartialBudget, Rules, mask};
use crate::model::CloseCode;

/// One peer's frames.
#[derive(Debug, Default)]
pub struct Receiver {
    pub(super) partial: Option<Box<Partial>>,
}

// The figure that idle memory per connection is counted with.
const _: () = assert!(size_of::<Receiver>() == 8);

/// What a peer said.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message.
    Message {
        /// Text, not bytes.
        text: bool,
        /// Its payload, the caller's to overwrite.
        data: &'a mut [u8],
    },
    /// A message of so many bytes, more than [`Rules::keep`], has gone by.
    Oversize {
        /// How many.
        bytes: usize,
    },
    /// To be answered with the same payload; of several unanswered ones the last is enough.
    Ping(&'a [u8]),
    /// An answer to a ping of ours, or a sign of life.
    Pong(&'a [u8]),
    /// The peer's last frame.
    Close(CloseBytes<'a>),
}

impl Receiver {
    /// The next event in `input`, which moves past what was used. `None`: all of it was used.
    ///
    /// An error is the code to close with.
    #[inline]
    pub fn next<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        rules: &Rules,
        budget: &mut PartialBudget,
        now_ms: u64,
    ) -> Result<Option<Event<'e>>, CloseCode> {
        let result = self.advance(input, rules, budget, now_ms);
        if matches!(result, Err(_) | Ok(Some(Event::Close(_)))) {
            *input = &mut [];
        }
        result
    }

    #[inline]
    fn advance<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        rules: &Rules,
        budget: &mut PartialBudget,
        now_ms: u64,
    ) -> Result<Option<Event<'e>>, CloseCode> {
        if self.partial.as_ref().is_some_and(|partial| partial.finished) {
            self.release(budget);
        }
        if self.partial.is_none() {
            if input.is_empty() {
                return Ok(None);
            }
            if let Some(header) = whole_frame(input, rules)? {
                let frame = take(input, header.size + header.len);
                return whole_event(header, &mut frame[header.size..], rules).map(Some);
            }
        }
        self.go_on(input, rules, budget, now_ms)
    }

    /// Since when something is incomplete. The caller closes 1008 when that was too long ago.
    pub fn pending_since(&self) -> Option<u64> {
        self.partial.as_ref().filter(|partial| !partial.finished).map(|partial| partial.since_ms)
    }

    /// Forgets what is incomplete and gives back what it held. To be called before a receiver is dropped.
    pub fn release(&mut self, budget: &mut PartialBudget) {
        if let Some(partial) = self.partial.take() {
            budget.give(partial.cost());
        }
    }

    /// The way of everything that is not one whole frame.
    #[cold]
    #[inline(never)]
    fn go_on<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        rules: &Rules,
        budget: &mut PartialBudget,
        now_ms: u64,
    ) -> Result<Option<Event<'e>>, CloseCode> {
        if self.partial.is_none() {
            budget.take(FIXED)?;
            self.partial = Some(Box::new(Partial::new(now_ms)));
        }
        let partial = self.partial.as_mut().expect("it was just made sure of");
        match partial.step(input, rules, budget).and_then(|step| partial.check(step)) {
            Ok(step) => Ok(self.partial.as_mut().and_then(|partial| partial.event(step))),
            Err(code) => {
                self.release(budget);
                Err(code)
            }
        }
    }
}

impl Partial {
    /// A control frame's payload is judged when it is whole; everything else already is.
    fn check(&self, step: Step) -> Result<Step, CloseCode> {
        if step == Step::Control(Opcode::Close) {
            CloseBytes::parse(self.control())?;
        }
        Ok(step)
    }

    fn event(&mut self, step: Step) -> Option<Event<'_>> {
        Some(match step {
            Step::Hungry => return None,
            Step::Message { text } => Event::Message { text, data: &mut self.data },
            Step::Oversize { bytes } => Event::Oversize { bytes },
            Step::Control(Opcode::Ping) => Event::Ping(self.control()),
            Step::Control(Opcode::Pong) => Event::Pong(self.control()),
            Step::Control(_) => Event::Close(CloseBytes::parse(self.control()).ok()?),
        })
    }

    fn control(&self) -> &[u8] {
        &self.control[..usize::from(self.control_len)]
    }
}

/// The header of the frame at the start of `input`, if that frame is there whole, stands alone, and is kept.
#[inline]
fn whole_frame(input: &[u8], rules: &Rules) -> Result<Option<Header>, CloseCode> {
    let header = Header::parse(input, rules, false)?;
    Ok(header
        .filter(|header| header.fin && header.len <= rules.keep && input.len() >= header.size + header.len))
}

/// The event of one whole frame, unmasked in place.
#[inline]
fn whole_event<'e>(header: Header, data: &'e mut [u8], rules: &Rules) -> Result<Event<'e>, CloseCode> {
    if let Some(key) = header.mask {
        mask::apply(data, key, 0);
    }
    Ok(match header.op {
        Opcode::Text if rules.check_utf8 && simdutf8::basic::from_utf8(data).is_err() => {
            return Err(CloseCode::BadUtf8);
        }
        Opcode::Ping => Event::Ping(data),
        Opcode::Pong => Event::Pong(data),
        Opcode::Close => Event::Close(CloseBytes::parse(data)?),
        op => Event::Message { text: op == Opcode::Text, data },
    })
}

/// Splits `len` bytes off the front of `input`.
#[inline]
pub(super) fn take<'i>(input: &mut &'i mut [u8], len: usize) -> &'i mut [u8] {
    let (front, rest) = std::mem::take(input).split_at_mut(len);
    *input = rest;
    front
}
