//! What the program's log says of sessions: each line with the session's name, its client and the partition of its
//! mailbox, by which `corepost where` and the metrics are asked further.
//!
//! What is everyday is said at `debug`, what an operator may be asked about at `info`. Fields are looked up only for lines
//! that are written.

use super::start::Identity;
use crate::model::{ClientId, CloseCode, SessionId, Welcome};
use crate::router::Shard;
use tracing::{debug, info};

/// The session in a slot, as lines name it.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) shard: &'a Shard,
    pub(super) identity: &'a Identity,
    pub(super) slot: u32,
}

impl Who<'_> {
    fn session(self) -> SessionId {
        self.identity.session(self.shard.session_at(self.slot))
    }

    fn client(&self) -> &ClientId {
        self.shard.client_at(self.slot)
    }

    fn partition(self) -> u16 {
        self.shard.partition(self.client().as_ref()).0
    }
}

/// A line of that level about a session.
macro_rules! line {
    ($level:ident, $who:expr, $($rest:tt)*) => {
        $level!(session = %$who.session(), client = %$who.client(), partition = $who.partition(), $($rest)*)
    };
}

/// Its home has answered.
pub(super) fn began(who: Who<'_>, welcome: &Welcome) {
    match welcome.resumed {
        Some(Err(why)) => {
            line!(info, who, reason = why.as_str(), "a cursor could not be resumed; its client is told");
        }
        _ => line!(debug, who, missed = welcome.missed, more = welcome.more, "a session begins"),
    }
}

/// It has all that it had missed.
pub(super) fn is_live(who: Who<'_>) {
    line!(debug, who, "a session has reached the present");
}

/// Its socket takes less than there is.
pub(super) fn fell_behind(who: Who<'_>) {
    line!(info, who, "a session reads slowly and is served from the log until it has caught up");
}

/// This node closes it. That a token has expired, or that this node is leaving, is nothing to look into.
pub(super) fn closed(who: Who<'_>, code: CloseCode) {
    let (number, why) = (code as u16, code.reason());
    match code {
        CloseCode::Normal | CloseCode::Restart | CloseCode::Expired => {
            line!(debug, who, code = number, why, "a session is closed")
        }
        _ => line!(info, who, code = number, why, "a session is closed"),
    }
}

/// It showed no sign of life.
pub(super) fn cut(who: Who<'_>) {
    line!(info, who, "a session shows no sign of life and is cut");
}

/// Its socket is gone.
pub(super) fn left(who: Who<'_>) {
    line!(debug, who, "a session is over");
}
