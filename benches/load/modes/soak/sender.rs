//! A client that sends: what it has said and not been answered is said again when it is back, in its order and by the same IDs.

use crate::target::Template;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Sends of one sender that may be unanswered; at a node that is away they gather. More is a fault.
const UNANSWERED: usize = 100_000;
/// After a refusal it tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// One send.
#[derive(Clone, Copy)]
pub struct Sent {
    /// The recipient's ID.
    pub to: u64,
    /// Its number among the recipient's messages.
    pub number: u64,
}

/// A sender.
#[derive(Default)]
pub struct Sender {
    /// By message ID, which grows: in the order in which they were said first.
    unanswered: BTreeMap<u64, Sent>,
    again_at: Option<Instant>,
}

impl Sender {
    /// One more. It is written by whoever holds the connection, if there is one.
    pub fn say(&mut self, id: u64, sent: Sent) -> Result<(), String> {
        self.unanswered.insert(id, sent);
        if self.unanswered.len() > UNANSWERED {
            return Err(format!("{UNANSWERED} sends of one sender are unanswered"));
        }
        Ok(())
    }

    /// Whether that one was answered only now.
    pub fn acked(&mut self, id: u64) -> bool {
        self.unanswered.remove(&id).is_some()
    }

    /// Something was refused.
    pub fn refused(&mut self, now: Instant) {
        self.again_at.get_or_insert(now + AGAIN);
    }

    /// All that is unanswered is to be said again now.
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.again_at.take_if(|at| *at <= now).is_some()
    }

    /// Says all of it again.
    pub fn say_again(&self, template: &Template, out: &mut Vec<u8>) {
        for (id, Sent { to, number }) in &self.unanswered {
            template.write_to(*to, *number, *id, out);
        }
    }

    pub fn unanswered(&self) -> usize {
        self.unanswered.len()
    }
}
