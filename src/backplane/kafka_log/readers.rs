//! Pages of the index, read by threads of their own.

use super::Deliver;
use super::follower::Command;
use crate::backplane::index::IndexReader;
use crate::backplane::kafka::Bell;
use crate::backplane::store::readers::Answer;
use crate::log::{LogEvent, Read, ReadFrom};
use crossbeam_channel::Sender;

/// A page to be read: what it would begin at leads to the present.
pub(super) struct Sought {
    pub read: Read,
    /// Nothing below this offset is to be looked at.
    pub from: u64,
    /// There may be more of it further back than what is covered.
    pub may_be_short: bool,
}

/// What the threads that read have in common.
pub(super) struct Pages {
    pub index: IndexReader,
    pub commands: Sender<Command>,
    pub bell: Bell,
    pub deliver: Deliver,
}

impl Answer for Pages {
    type Read = Sought;

    /// They end when nobody can ask any more.
    fn is_stopped(&self) -> bool {
        false
    }

    fn answer(&self, sought: Sought) {
        let Sought { read, from, may_be_short } = sought;
        if let (true, ReadFrom::Last(many)) = (may_be_short, read.from)
            && self.index.has_last(&read, from, many) == Ok(false)
        {
            let _ = self.commands.send(Command::Short(read));
            return self.bell.ring();
        }
        let page = self.index.read(&read, from);
        (self.deliver)(read.ticket.core, vec![LogEvent::Page(read.ticket, page)]);
    }
}
