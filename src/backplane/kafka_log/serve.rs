//! Reads: judged by the tail, then read by whoever reads pages. One that needs history which is not covered is refused for
//! the moment, while that is filled in.

use super::asker::Question;
use super::hands::Hands;
use super::readers::Sought;
use crate::limits::KAFKA_WANT_MS;
use crate::log::{LogEvent, Read, ReadFrom, Unreadable};
use crate::tail::{Judgement, ReadAt};
use std::time::{Duration, Instant};

impl Hands {
    /// Judges the reads that came, now that the index has all that their cores had heard of.
    pub fn serve(&mut self) {
        for (read, is_short) in std::mem::take(&mut self.reads) {
            let at = match read.from {
                ReadFrom::After(position) => ReadAt::After(position),
                ReadFrom::Last(_) if is_short => ReadAt::Further,
                // What is covered is looked through first.
                ReadFrom::Last(_) => {
                    self.look_through(read);
                    continue;
                }
                ReadFrom::Oldest => ReadAt::Offset(0),
                ReadFrom::Since(at_ms) => {
                    let _ = self.ask.send(Question::Since { read, at_ms });
                    continue;
                }
            };
            self.judge(read, at);
        }
    }

    /// The last so many: what is covered is looked through, and history filled in only if that is too little.
    pub fn look_through(&mut self, read: Read) {
        let part = self.parts.get(&read.partition.0).filter(|part| part.term.is_some());
        match part.and_then(|part| part.tail.as_ref()) {
            Some(tail) => {
                let from = tail.coverage().0;
                let may_be_short = from > tail.floor();
                let _ = self.pages.send(Sought { read, from, may_be_short });
            }
            None => self.refuse(read),
        }
    }

    pub fn judge(&mut self, read: Read, at: ReadAt) {
        let partition = read.partition.0;
        let is_open = self.index.is_open();
        let part = self.parts.get_mut(&partition).filter(|part| is_open && part.term.is_some());
        let Some(part) = part else { return self.refuse(read) };
        let Some(tail) = &mut part.tail else { return self.refuse(read) };
        match tail.judge(at) {
            Judgement::Ready { from } => {
                let _ = self.pages.send(Sought { read, from, may_be_short: false });
            }
            Judgement::Fill { down_to } => {
                // Whoever asked asks again in a moment, and does not stand before others meanwhile.
                tail.want(down_to);
                part.wanted_until = Some(Instant::now() + Duration::from_millis(KAFKA_WANT_MS));
                self.next_chunk(partition);
                self.refuse(read);
            }
            Judgement::Refused(why) => {
                let page = Err(Unreadable::Unresumed(why));
                (self.deliver)(read.ticket.core, vec![LogEvent::Page(read.ticket, page)]);
            }
        }
    }

    /// This cannot be read now; who asked asks again.
    pub fn refuse(&self, read: Read) {
        let page = Err(Unreadable::Unavailable);
        (self.deliver)(read.ticket.core, vec![LogEvent::Page(read.ticket, page)]);
    }
}
