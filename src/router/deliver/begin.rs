//! Where a session, or a pull, begins: the cursor it presented is judged here as far as memory can tell; the log
//! judges the rest when it reads (DESIGN.md §4 on `resumed`).

use super::mailbox::Mailbox;
use crate::log::ReadFrom;
use crate::model::{Position, Start, StartFrom, Unresumed};

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
}

impl Beginning {
    /// Judges what was presented. `mailbox` is what is in memory of it, if anything.
    pub fn judge(start: Start, log_epoch: u64, head: Position, mailbox: Option<&Mailbox>) -> (Self, At) {
        let (resumed, position) = match start.cursor {
            None => (None, None),
            Some(Err(_)) => (Some(Err(Unresumed::Invalid)), None),
            Some(Ok(cursor)) if cursor.log_epoch != log_epoch => (Some(Err(Unresumed::Epoch)), None),
            // Also one that names a leader who has not appended here: everything would seem to lie before it.
            Some(Ok(cursor)) if cursor.at.offset > head.offset || cursor.at > head => {
                (Some(Err(Unresumed::Future)), None)
            }
            Some(Ok(cursor)) => (Some(Ok(())), Some(cursor.at)),
        };
        let beginning = Self { resumed, from: start.from };
        match position {
            Some(position) if position == head => (beginning, At::Memory(position)),
            // Within the present leader's time, and after what memory begins with: nothing can have been lost.
            Some(position)
                if position.leader_epoch == head.leader_epoch
                    && mailbox.is_some_and(|mailbox| mailbox.recent_from <= position) =>
            {
                (beginning, At::Memory(position))
            }
            Some(position) => (beginning, At::Log(ReadFrom::After(position))),
            None => (beginning, beginning.without_cursor(head)),
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
