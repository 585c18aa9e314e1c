//! Clients whose messages are numbered, so that a missing one, one that comes twice and one that overtakes another are each
//! seen. Whoever returns does so with the cursor of the last thing that it heard.

use super::refusal;
use crate::target::{Heard, field};

/// A client that receives.
#[derive(Clone, Default)]
pub struct Client {
    pub cursor: String,
    /// The number of the next message.
    pub next: u64,
    /// What it was sent.
    pub sent: u64,
}

/// What clients have seen that should not be.
#[derive(Default)]
pub struct Faults {
    pub missing: u64,
    pub twice: u64,
    pub refused: Option<String>,
}

impl Client {
    /// How many of its messages have not come.
    pub fn missing(&self) -> u64 {
        self.sent.saturating_sub(self.next)
    }

    /// How many messages that was.
    pub fn hear(&mut self, heard: Heard<'_>, faults: &mut Faults) -> u64 {
        match heard {
            Heard::Message { number, payload } => {
                self.hold(payload);
                if number < self.next {
                    faults.twice += 1;
                    return 0;
                }
                faults.missing += number - self.next;
                self.next = number + 1;
                1
            }
            Heard::Up(welcome) => {
                if field(welcome, "reason").is_some() {
                    faults.refused = Some(refusal(welcome));
                }
                self.hold(welcome);
                0
            }
            Heard::Error(payload) => {
                faults.refused = Some(refusal(payload));
                0
            }
            _ => 0,
        }
    }

    fn hold(&mut self, payload: &[u8]) {
        if let Some(cursor) = field(payload, "cursor") {
            self.cursor.clear();
            self.cursor.push_str(cursor);
        }
    }
}
