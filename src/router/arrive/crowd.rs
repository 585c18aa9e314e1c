//! Sessions whose command found no room: in the log's queue, or in another core's inbox.
//!
//! Always holds: who came first is called first, and nobody passes those who wait. Only as many are called as there is
//! room for, and that room is kept for them until they come, or until the next tick at the latest: a session may
//! have gone, or be held up by its own socket.

use crate::model::SessionRef;
use crate::router::line::Line;
use crate::router::room::Room;
use std::collections::{BTreeMap, HashMap};

/// What a command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// So much room for appends.
    Log(Room),
    /// The inbox of that core.
    Inbox(u16),
}

/// Everyone on this core who waits for room.
#[derive(Debug, Default)]
pub struct Crowd {
    log: Line<SessionRef, Room>,
    /// By core; only those for which somebody waits.
    inboxes: BTreeMap<u16, Inbox>,
    /// Who was called and has not come yet, and what is kept for it.
    called: HashMap<SessionRef, Want>,
    /// The room of the log in that.
    kept: Room,
}

/// Who waits for one core's inbox.
#[derive(Debug, Default)]
struct Inbox {
    line: Line<SessionRef, ()>,
    /// Of those who were called, how many have not come yet.
    called: usize,
}

impl Crowd {
    /// Whether others come before this session, though there be room.
    pub fn stands_before(&self, session: SessionRef, want: Want) -> bool {
        let waits = match want {
            Want::Log(_) => !self.log.is_empty(),
            Want::Inbox(core) => self.inboxes.contains_key(&core),
        };
        waits && !self.called.contains_key(&session)
    }

    /// The room that is kept for others than this session.
    pub fn kept(&self, session: Option<SessionRef>) -> Room {
        if self.called.is_empty() {
            return Room::default();
        }
        match session.and_then(|session| self.called.get(&session)) {
            Some(&Want::Log(own)) => self.kept.less(own),
            _ => self.kept,
        }
    }

    /// The session waits.
    pub fn wait(&mut self, session: SessionRef, want: Want) {
        self.came(session);
        match want {
            Want::Log(room) => self.log.join(session, room),
            Want::Inbox(core) => self.inboxes.entry(core).or_default().line.join(session, ()),
        }
    }

    /// The session's command was taken: nothing is kept for it any more.
    pub fn came(&mut self, session: SessionRef) {
        if self.called.is_empty() {
            return;
        }
        match self.called.remove(&session) {
            Some(Want::Log(room)) => self.kept = self.kept.less(room),
            Some(Want::Inbox(core)) => {
                if let Some(inbox) = self.inboxes.get_mut(&core) {
                    // It may have been called when another crowd stood there.
                    inbox.called = inbox.called.saturating_sub(1);
                }
            }
            None => {}
        }
    }

    /// The session waits no more.
    pub fn leave(&mut self, session: SessionRef) {
        self.log.leave(session);
        self.inboxes.retain(|_, inbox| {
            inbox.line.leave(session);
            !inbox.line.is_empty()
        });
    }

    /// The next whom that much free room of the log suffices.
    pub fn call_to_log(&mut self, free: Room) -> Option<SessionRef> {
        let want = *self.log.first()?;
        if !free.holds(self.kept.and(want)) {
            return None;
        }
        let (session, _) = self.log.serve()?;
        self.called.insert(session, Want::Log(want));
        self.kept = self.kept.and(want);
        Some(session)
    }

    /// Whether anyone waits for an inbox.
    pub fn is_before_inboxes(&self) -> bool {
        !self.inboxes.is_empty()
    }

    /// The next for an inbox that takes more commands; `room` says how many each takes.
    pub fn call_to_inbox(&mut self, room: impl Fn(u16) -> usize) -> Option<SessionRef> {
        let (&core, inbox) = self.inboxes.iter_mut().find(|(core, inbox)| inbox.called < room(**core))?;
        let (session, ()) = inbox.line.serve()?;
        inbox.called += 1;
        if inbox.line.is_empty() {
            self.inboxes.remove(&core);
        }
        self.called.insert(session, Want::Inbox(core));
        Some(session)
    }

    /// A tick: who was called and has not come by now must not be waited for.
    pub fn forget_called(&mut self) {
        self.called.clear();
        self.kept = Room::default();
        self.inboxes.values_mut().for_each(|inbox| inbox.called = 0);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.log.len() + self.inboxes.values().map(|inbox| inbox.line.len()).sum::<usize>()
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.log.invariants();
        for inbox in self.inboxes.values() {
            inbox.line.invariants();
            assert!(!inbox.line.is_empty(), "an inbox for which nobody waits was kept");
        }
        let kept = self.called.values().fold(Room::default(), |all, want| match want {
            Want::Log(room) => all.and(*room),
            Want::Inbox(_) => all,
        });
        assert_eq!(kept, self.kept, "room is kept for who was called");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(slot: u32) -> SessionRef {
        SessionRef { core: 0, slot, generation: 0 }
    }

    fn room(records: usize) -> Room {
        Room { records, bytes: records * 10 }
    }

    #[test]
    fn only_as_many_are_called_as_there_is_room_for_and_nobody_passes_them() {
        let mut crowd = Crowd::default();
        for (slot, records) in [(1, 2), (2, 6), (3, 1)] {
            crowd.wait(session(slot), Want::Log(room(records)));
        }
        assert_eq!(crowd.call_to_log(room(7)), Some(session(1)));
        assert_eq!(crowd.call_to_log(room(7)), None, "the second needs more, and the third waits behind it");
        assert_eq!((crowd.kept(None), crowd.kept(Some(session(1)))), (room(2), Room::default()));
        assert!(crowd.stands_before(session(9), Want::Log(room(1))), "who comes now comes last");
        assert!(!crowd.stands_before(session(1), Want::Log(room(2))), "who was called does not");
        crowd.invariants();
        crowd.came(session(1));
        assert_eq!(crowd.call_to_log(room(7)), Some(session(2)));
        crowd.leave(session(3));
        crowd.forget_called();
        assert_eq!((crowd.len(), crowd.kept(None)), (0, Room::default()));
        assert_eq!(crowd.call_to_log(room(7)), None);
        crowd.invariants();
    }
}
