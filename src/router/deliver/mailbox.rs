//! One client's mailbox, as far as it is in memory: its newest envelopes and the sessions attached to it.
//!
//! What always holds: every envelope of the mailbox after `recent_from` and up to the core's head is in `recent`, in
//! order; `last` is a position at or after the newest envelope known, with nothing of the mailbox after it.

use crate::model::{Ask, Delivered, Envelope, Position, Reach};
use std::collections::VecDeque;

/// A mailbox in memory: kept while sessions are attached or recent envelopes are held.
#[derive(Debug)]
pub struct Mailbox {
    /// Nothing of the mailbox lies after this position.
    pub last: Position,
    /// Everything after this position is in `recent`.
    pub recent_from: Position,
    /// The sessions, in order of attaching. Bounded by the sessions of a client.
    pub attachments: Vec<Attachment>,
    /// What only some mailboxes have, so that those of silent clients do not pay for it.
    memory: Option<Box<Memory>>,
}

// A silent client has one of these in the map; see the bar for idle sessions in benches/README.md.
const _: () = assert!(size_of::<Mailbox>() <= 64);

/// Room for so many envelopes is not made smaller.
const RECENT_LEAST: usize = 4;

/// What is in memory of a mailbox beside its sessions.
#[derive(Debug, Default)]
struct Memory {
    /// Nothing at or below this position is served any more.
    erased: Position,
    /// The newest envelopes, oldest first.
    recent: VecDeque<Recent>,
}

/// An envelope in memory.
#[derive(Debug)]
pub struct Recent {
    /// What.
    pub envelope: Envelope,
    /// Log append time.
    pub at_ms: u64,
    /// Its position.
    pub position: Position,
}

/// One session, as its home knows it.
#[derive(Debug)]
pub struct Attachment {
    /// Which.
    pub reach: Reach,
    /// Its newest question.
    pub ask: Ask,
    /// What is under way to it.
    pub phase: Phase,
    /// Bytes that may still be sent in replay.
    pub credit: u32,
    /// Everything up to here was sent to it.
    pub position: Position,
    /// When it was upgraded, Unix milliseconds.
    pub since_ms: u64,
    /// What a revocation looks at.
    pub token: Token,
}

// A session costs its home one of these, in the allocator's size of 64.
const _: () = assert!(size_of::<Attachment>() <= 64);

/// What a revocation needs to know of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// It came without one.
    None,
    /// It came with one that was issued then, Unix seconds; 0 if it does not say.
    Issued(u32),
}

impl Token {
    /// As an attach tells it. 32 bits last until 2106.
    pub fn new(by_token: bool, issued_at: Option<u64>) -> Self {
        let issued = || u32::try_from(issued_at.unwrap_or(0)).unwrap_or(u32::MAX);
        if by_token { Self::Issued(issued()) } else { Self::None }
    }
}

/// What is under way to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A read, or the wait for a fresher log.
    Waiting,
    /// Nothing until it resumes.
    Held,
    /// Envelopes as they are appended.
    Live,
}

impl Mailbox {
    /// An empty one: nothing of it lies between any earlier position and this one that is not in the log.
    pub fn new(head: Position) -> Self {
        Self { last: head, recent_from: head, attachments: Vec::new(), memory: None }
    }

    /// Nothing in memory of it counts any more; the partition is served from this head on, or not at all. Who is live
    /// has had everything up to where it was `served`.
    pub fn restart(&mut self, served: Option<Position>, head: Position) {
        (self.last, self.recent_from, self.memory) = (head, head, None);
        for attachment in self.attachments.iter_mut().filter(|attachment| attachment.phase != Phase::Held) {
            if attachment.phase == Phase::Live {
                attachment.position = served.map_or(attachment.position, |it| it.max(attachment.position));
            }
            attachment.phase = Phase::Waiting;
        }
    }

    /// Nothing at or below this position is served any more.
    pub fn erased(&self) -> Position {
        self.memory.as_ref().map_or(Position::START, |memory| memory.erased)
    }

    /// Its newest envelope.
    pub fn remember(&mut self, recent: Recent) {
        self.memory.get_or_insert_default().recent.push_back(recent);
    }

    /// The oldest envelope in memory goes, if it is the one at that position.
    pub fn forget(&mut self, position: Position) {
        let Some(memory) = &mut self.memory else { return };
        if memory.recent.front().is_some_and(|oldest| oldest.position == position) {
            memory.recent.pop_front();
            // A flood would leave its room behind for as long as anything comes for this client.
            if memory.recent.len().max(RECENT_LEAST) * 4 < memory.recent.capacity() {
                memory.recent.shrink_to(memory.recent.len() * 2);
            }
            self.recent_from = position;
            if memory.recent.is_empty() && memory.erased == Position::START {
                self.memory = None;
            }
        }
    }

    /// Nothing up to here is served any more, from memory or from the log.
    pub fn erase(&mut self, position: Position) {
        **self.memory.get_or_insert_default() = Memory { erased: position, recent: VecDeque::new() };
        self.recent_from = position;
    }

    fn recent(&self) -> impl DoubleEndedIterator<Item = &Recent> + Clone {
        self.memory.iter().flat_map(|memory| &memory.recent)
    }

    /// Whether nothing needs it in memory.
    pub fn is_idle(&self) -> bool {
        self.attachments.is_empty() && self.memory.as_ref().is_none_or(|memory| memory.recent.is_empty())
    }

    /// The attachment of that session, if it is there and this is its newest question.
    pub fn find(&mut self, reach: Reach, ask: Ask) -> Option<&mut Attachment> {
        self.attachments.iter_mut().find(|a| a.reach == reach && a.ask == ask)
    }

    /// Envelopes in memory after `position`, which must be covered.
    pub fn recent_after(&self, position: Position) -> impl Iterator<Item = &Recent> {
        debug_assert!(position >= self.recent_from, "memory was asked for what only the log has");
        self.memory.iter().flat_map(move |memory| {
            let first = memory.recent.partition_point(|recent| recent.position <= position);
            memory.recent.range(first..)
        })
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        let mut positions = self.recent().map(|recent| recent.position);
        assert!(positions.clone().is_sorted_by(|a, b| a < b), "recent envelopes are in order");
        assert!(positions.clone().next().is_none_or(|first| first > self.recent_from));
        assert!(positions.next_back().is_none_or(|last| last <= self.last));
    }
}

impl Recent {
    /// As it goes to a session that stands at `prev`, with nothing between.
    pub fn delivered(&self, prev: Position) -> Delivered {
        Delivered { envelope: self.envelope.clone(), at_ms: self.at_ms, prev, position: self.position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EnvelopeParts, IdRef, Kind};

    #[test]
    fn a_flood_leaves_no_room_behind() {
        let bob = IdRef::new("bob").ok();
        let parts =
            EnvelopeParts { kind: Kind::Message, to: bob, from: None, id: bob, copied_to: b"", body: b"1" };
        let envelope = Envelope::new(parts);
        let mut mailbox = Mailbox::new(Position::START);
        let position = |offset| Position::after(0, offset);
        let recent = |offset| Recent { envelope: envelope.clone(), at_ms: 0, position: position(offset) };
        let room = |mailbox: &Mailbox| mailbox.memory.as_ref().map_or(0, |memory| memory.recent.capacity());

        (0..1_000).for_each(|offset| mailbox.remember(recent(offset)));
        assert!(room(&mailbox) >= 1_000);
        // The core's memory goes on to others, and now and then one more comes for this client.
        for offset in 0..1_095 {
            mailbox.forget(position(offset));
            if offset % 10 == 0 && offset < 1_000 {
                mailbox.remember(recent(1_000 + offset / 10));
            }
        }
        assert_eq!(mailbox.recent().count(), 5);
        assert!(room(&mailbox) <= 5 * 4, "room for {} is left of a flood", room(&mailbox));
    }
}
