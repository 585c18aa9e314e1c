//! Where a session, or a pull, begins: the cursor it presented is judged here as far as memory can tell; the log
//! judges the rest when it reads (DESIGN.md §4 on `resumed`).

use super::mailbox::Mailbox;
use crate::log::ReadFrom;
use crate::model::{Cursor, Position, Start, StartFrom, Unresumed};

/// How a session begins: what its `welcome` will say of the cursor it presented, and where to start if that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// There when a cursor was presented.
    pub resumed: Option<Result<(), Unresumed>>,
    /// Where to start without the cursor.
    pub from: StartFrom,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At this position; all that lies after it is in memory.
    Memory(Position),
    /// Where the log says.
    Log(ReadFrom),
    /// At a position that the log is not known to have come to.
    Ahead,
}

impl At {
    /// After this position, which somebody was told of. `mailbox` is what is in memory of it, if anything.
    pub fn after(position: Position, head: Position, mailbox: Option<&Mailbox>) -> Self {
        // Also one that names a leader who has not appended here: everything would seem to lie before it.
        if position.offset > head.offset || position > head {
            return Self::Ahead;
        }
        // Within the present leader's time, and after what memory begins with: nothing can have been lost.
        let is_in_memory = position.leader_epoch == head.leader_epoch
            && mailbox.is_some_and(|mailbox| mailbox.recent_from <= position);
        if position == head || is_in_memory {
            Self::Memory(position)
        } else {
            Self::Log(ReadFrom::After(position))
        }
    }
}

impl Beginning {
    /// Judges what was presented. `mailbox` is what is in memory of it, if anything. Who is ahead of the log waits for it,
    /// unless it has waited long enough or the log is past the leader it names.
    pub fn judge(
        start: Start,
        log_epoch: u64,
        head: Position,
        mailbox: Option<&Mailbox>,
        is_over: bool,
    ) -> (Self, At) {
        let beginning = Self { resumed: start.cursor.map(|_| Ok(())), from: start.from };
        match start.cursor {
            None => (beginning, beginning.without_cursor(head)),
            Some(Err(_)) => beginning.refused(Unresumed::Invalid, head),
            Some(Ok(cursor)) if cursor.log_epoch != log_epoch => beginning.refused(Unresumed::Epoch, head),
            Some(Ok(Cursor { at, .. })) => match At::after(at, head, mailbox) {
                At::Ahead if is_over => beginning.refused(Unresumed::Future, head),
                At::Ahead if at.leader_epoch < head.leader_epoch => {
                    beginning.refused(Unresumed::Truncated, head)
                }
                at => (beginning, at),
            },
        }
    }

    /// The log could not follow the cursor: the session starts elsewhere and is told why.
    pub fn refused(self, why: Unresumed, head: Position) -> (Self, At) {
        let beginning = Self { resumed: Some(Err(why)), ..self };
        (beginning, beginning.without_cursor(head))
    }

    /// Whether a `live` follows, also when nothing was missed.
    pub fn replays(self) -> bool {
        self.resumed.is_some() || self.from != StartFrom::New
    }

    fn without_cursor(self, head: Position) -> At {
        match self.from {
            StartFrom::New => At::Memory(head),
            StartFrom::Start => At::Log(ReadFrom::Oldest),
            StartFrom::Since(at_ms) => At::Log(ReadFrom::Since(at_ms)),
            StartFrom::Last(many) => At::Log(ReadFrom::Last(many)),
        }
    }
}
