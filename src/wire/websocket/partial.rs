//! What is remembered of a frame or message that has not come whole: only while it has not.
//!
//! Invariants: `data` never holds more than [`Rules::keep`] bytes, and its capacity plus [`FIXED`] is what this
//! partial has taken from the budget; a message that is skimmed holds none.

use super::header::{Header, LONGEST};
use super::utf8::Utf8;
use super::{Opcode, PartialBudget, Rules, mask, receiver::take};
use crate::limits::PARTIAL_STEP;
use crate::model::CloseCode;

/// What every partial takes from the budget, however little it holds.
pub(super) const FIXED: usize = size_of::<Partial>();

/// Payload bytes of the longest control frame.
pub(super) const CONTROL_MOST: usize = 125;

/// A frame or message in progress.
#[derive(Debug)]
pub(super) struct Partial {
    /// When its first byte came, on the clock of all that time is measured against (one for the machine, so that
    /// it means the same to a process that takes this over).
    pub since_ms: u64,
    /// Its event was handed out; nothing is in progress any more.
    pub finished: bool,
    /// The header in progress, or that of `frame`.
    pub raw: [u8; LONGEST],
    pub raw_len: u8,
    /// The frame whose payload is in progress, and how much of that was taken.
    pub frame: Option<Header>,
    pub got: usize,
    /// The message in progress, if any frame of it has begun.
    pub message: Option<Message>,
    /// The kept bytes of the message.
    pub data: Vec<u8>,
    /// The payload of a control frame in progress or just finished.
    pub control: [u8; CONTROL_MOST],
    pub control_len: u8,
}

/// A message in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub text: bool,
    /// Too large to be kept.
    pub skimmed: bool,
    /// Payload bytes of its frames so far, the present one's declared ones included.
    pub total: usize,
    pub utf8: Utf8,
}

/// What a partial came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All input is used up.
    Hungry,
    /// `data` is a whole message.
    Message { text: bool },
    /// A message of so many bytes has gone by.
    Oversize { bytes: usize },
    /// `control` is the payload of a control frame.
    Control(Opcode),
}

impl Partial {
    pub fn new(since_ms: u64) -> Self {
        Self {
            since_ms,
            finished: false,
            raw: [0; LONGEST],
            raw_len: 0,
            frame: None,
            got: 0,
            message: None,
            data: Vec::new(),
            control: [0; CONTROL_MOST],
            control_len: 0,
        }
    }

    /// What it holds of the budget.
    pub fn cost(&self) -> usize {
        FIXED + self.data.capacity()
    }

    /// Goes on with `input` up to the next event.
    pub fn step(
        &mut self,
        input: &mut &mut [u8],
        rules: &Rules,
        budget: &mut PartialBudget,
    ) -> Result<Step, CloseCode> {
        // Each round uses up a whole frame of at least two bytes, or ends.
        loop {
            let Some(header) = self.header(input, rules, budget)? else { return Ok(Step::Hungry) };
            let wanted = (header.len - self.got).min(input.len());
            let piece = take(input, wanted);
            if let Some(key) = header.mask {
                mask::apply(piece, key, self.got);
            }
            self.got += piece.len();
            if header.op.is_control() {
                self.control_piece(piece);
            } else {
                self.data_piece(piece, header.len - self.got, rules, budget)?;
            }
            if self.got < header.len {
                return Ok(Step::Hungry);
            }
            (self.frame, self.got, self.raw_len) = (None, 0, 0);
            if header.op.is_control() {
                self.finished = self.message.is_none();
                return Ok(Step::Control(header.op));
            }
            if header.fin {
                return self.end_message(rules);
            }
        }
    }

    /// The header of the present frame; reads and judges the next one if there is none. `None`: incomplete.
    fn header(
        &mut self,
        input: &mut &mut [u8],
        rules: &Rules,
        budget: &mut PartialBudget,
    ) -> Result<Option<Header>, CloseCode> {
        if self.frame.is_some() {
            return Ok(self.frame);
        }
        let old = usize::from(self.raw_len);
        let known = LONGEST.min(old + input.len());
        self.raw[old..known].copy_from_slice(&input[..known - old]);
        let Some(header) = Header::parse(&self.raw[..known], rules, self.message.is_some())? else {
            take(input, known - old);
            self.raw_len = known as u8;
            return Ok(None);
        };
        take(input, header.size - old);
        self.raw_len = header.size as u8;
        (self.frame, self.got) = (Some(header), 0);
        if header.op.is_control() {
            self.control_len = 0;
        } else {
            self.declare(header, rules, budget)?;
        }
        Ok(Some(header))
    }

    /// A data frame begins: counts it into its message, which it may make too large to keep or even to skim.
    fn declare(
        &mut self,
        header: Header,
        rules: &Rules,
        budget: &mut PartialBudget,
    ) -> Result<(), CloseCode> {
        let text = header.op == Opcode::Text;
        let message =
            self.message.get_or_insert(Message { text, skimmed: false, total: 0, utf8: Utf8::default() });
        message.total += header.len;
        if message.total > rules.skim {
            return Err(CloseCode::TooBig);
        }
        if message.total > rules.keep && !message.skimmed {
            // Nobody will parse this text, so its UTF-8 is ours to check from now on.
            let checked = rules.check_utf8 || !message.text || message.utf8.push(&self.data);
            message.skimmed = true;
            budget.give(self.data.capacity());
            self.data = Vec::new();
            return if checked { Ok(()) } else { Err(CloseCode::BadUtf8) };
        }
        Ok(())
    }

    fn control_piece(&mut self, piece: &[u8]) {
        let start = usize::from(self.control_len);
        self.control[start..start + piece.len()].copy_from_slice(piece);
        self.control_len += piece.len() as u8;
    }

    /// Takes a piece of the message's payload; `missing` bytes of its frame are still to come.
    fn data_piece(
        &mut self,
        piece: &[u8],
        missing: usize,
        rules: &Rules,
        budget: &mut PartialBudget,
    ) -> Result<(), CloseCode> {
        let message = self.message.as_mut().expect("a data frame has begun its message");
        if message.checks_utf8(rules) && !message.utf8.push(piece) {
            return Err(CloseCode::BadUtf8);
        }
        if !message.skimmed {
            self.make_room(piece.len(), missing, budget)?;
            self.data.extend_from_slice(piece);
        }
        Ok(())
    }

    /// Room for `now` bytes, and in advance for some of the `missing` ones: a step, or half of what is there
    /// already, so that large messages are not copied at every step. Never for all that was only declared.
    fn make_room(&mut self, now: usize, missing: usize, budget: &mut PartialBudget) -> Result<(), CloseCode> {
        if now <= self.data.capacity() - self.data.len() {
            return Ok(());
        }
        let ahead = missing.min(PARTIAL_STEP.max(self.data.len() / 2));
        let before = self.data.capacity();
        let wanted = self.data.len() + now + ahead;
        budget.take(wanted - before)?;
        self.data.reserve_exact(wanted - self.data.len());
        debug_assert_eq!(self.data.capacity(), wanted, "bytes are reserved exactly");
        Ok(())
    }

    fn end_message(&mut self, rules: &Rules) -> Result<Step, CloseCode> {
        let message = self.message.take().expect("a final data frame ends its message");
        if message.checks_utf8(rules) && !message.utf8.is_whole() {
            return Err(CloseCode::BadUtf8);
        }
        self.finished = true;
        Ok(match message.skimmed {
            true => Step::Oversize { bytes: message.total },
            false => Step::Message { text: message.text },
        })
    }
}

impl Message {
    fn checks_utf8(&self, rules: &Rules) -> bool {
        self.text && (rules.check_utf8 || self.skimmed)
    }
}
