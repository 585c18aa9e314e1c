//! How fast a session may be fed, and may feed us: budgets, parking, falling behind and catching up.
//!
//! Always holds: who is parked is unparked when what it waits for is there; a session that is held asks again when its
//! socket has taken half of its budget, or when its turn for credit comes.

use super::crowd::Want;
use super::gateway::Gateway;
use super::session::{Parked, Session, SessionPhase};
use crate::model::{Credit, SessionRef, ToHome};
use crate::router::output::Output;
use crate::router::room::Room;
use crate::router::turn::Turn;

impl Gateway {
    /// Whether the session's next frame may be looked at. If not, [`Output::Unpark`] follows when it may.
    pub fn is_ready(&mut self, slot: u32) -> bool {
        let answers = self.settings.bounds.answer_bytes;
        let budget = self.settings.outbound_bytes + answers;
        let session = self.sessions.at(slot);
        let ready = match session.phase {
            SessionPhase::Resuming => false,
            // What is held for answers does not hinder messages from filling the budget, so it is bounded by itself.
            _ => session.outbound + session.reserved < budget && session.reserved < answers,
        };
        // Who stands in the crowd's line keeps its place, and looks at this again when it is called.
        if !ready && session.parked != Parked::Crowd {
            session.parked = Parked::Itself;
        }
        ready
    }

    /// What the session's command must wait for, as far as others come before it; `free` is the room there is.
    pub fn waits_for(&self, session: SessionRef, want: Want, free: Room) -> bool {
        let Want::Log(room) = want else { return self.crowd.stands_before(session, want) };
        self.crowd.stands_before(session, want) || !free.holds(room.and(self.crowd.kept(Some(session))))
    }

    /// Whether anyone waits for another core's inbox.
    pub fn is_before_inboxes(&self) -> bool {
        self.crowd.is_before_inboxes()
    }

    /// The room of the log that is kept for sessions which were called to it.
    pub fn kept(&self) -> Room {
        self.crowd.kept(None)
    }

    /// The session's command waits for the log or the mesh, which are crowded.
    pub fn crowd(&mut self, name: SessionRef, want: Want) {
        let session = self.sessions.at(name.slot);
        if session.parked != Parked::Crowd {
            session.parked = Parked::Crowd;
            self.crowd.wait(name, want);
        }
    }

    /// The session's command was taken.
    pub fn came(&mut self, name: SessionRef) {
        self.crowd.came(name);
    }

    /// There is so much room in the log: as many as fit into it may try, in the order in which they came.
    pub fn call_to_log(&mut self, free: Room, turn: &mut Turn<'_>) {
        while let Some(name) = self.crowd.call_to_log(free) {
            unpark(self.sessions.at(name.slot), name.slot, turn);
        }
    }

    /// The same for the other cores' inboxes, which tell nobody that they have been emptied: after each input.
    pub fn call_to_inboxes(&mut self, turn: &mut Turn<'_>) {
        if !self.crowd.is_before_inboxes() {
            return;
        }
        while let Some(name) = self.crowd.call_to_inbox(|core| turn.out.room(core)) {
            unpark(self.sessions.at(name.slot), name.slot, turn);
        }
    }

    /// A tick: room that was kept in vain is given to the next.
    pub fn uncrowd(&mut self, free: Room, turn: &mut Turn<'_>) {
        self.crowd.forget_called();
        self.call_to_log(free, turn);
    }

    /// The session waits in no line, and nothing is kept for it.
    pub(super) fn leave_crowd(&mut self, slot: u32, core: u16) {
        let session = self.sessions.at(slot);
        let name = SessionRef { core, slot, generation: session.generation };
        if session.parked == Parked::Crowd {
            self.crowd.leave(name);
        }
        self.crowd.came(name);
    }

    /// The socket has taken this much of what was pushed to it, in units of [`crate::model::Push::cost`].
    pub fn written(&mut self, slot: u32, cost: u32, turn: &mut Turn<'_>) {
        let session = self.sessions.at(slot);
        assert!(cost <= session.outbound, "{cost} bytes were written of {} pushed", session.outbound);
        session.outbound -= cost;
        if session.outbound > 0 || session.phase != SessionPhase::Live {
            // Whoever takes what waits for him is slow and not dead, though our ping waits behind it.
            session.heard_ms = turn.now.mono_ms;
        }
        if session.outbound <= self.settings.outbound_bytes / 2 {
            if session.parked == Parked::Itself {
                unpark(session, slot, turn);
            }
            if session.phase == (SessionPhase::CatchUp { held: true }) {
                self.resume(slot, turn);
            }
        }
    }

    /// A live session's budget is full: it lies behind from here on, and what it has not taken waits in the log.
    pub(super) fn fall_behind(&mut self, name: SessionRef, turn: &mut Turn<'_>) {
        self.advance(name.slot);
        let session = self.sessions.at(name.slot);
        session.phase = SessionPhase::CatchUp { held: true };
        session.behind_ms = turn.now.mono_ms;
        session.ask.0 = session.ask.0.wrapping_add(1);
        turn.counters.catchups += 1;
        turn.out.push(Output::Behind { slot: name.slot });
        let hold = ToHome::Resume { ask: session.ask, position: session.position, credit: Credit(0) };
        self.routes.say(&session.client, name, hold, turn);
    }

    /// Something is missing before what came: whatever answers its question so far counts no more, also if there is no
    /// credit to ask again with yet. A `live` that follows would move it past what is missing.
    pub(super) fn resume_behind_hole(&mut self, slot: u32, turn: &mut Turn<'_>) {
        let session = self.sessions.at(slot);
        session.ask.0 = session.ask.0.wrapping_add(1);
        self.resume(slot, turn);
    }

    /// A session behind the present asks its home to go on from where it stands, or waits in line for credit.
    pub(super) fn resume(&mut self, slot: u32, turn: &mut Turn<'_>) {
        let session = self.sessions.at(slot);
        let name = SessionRef { core: turn.core, slot, generation: session.generation };
        self.credit.give_back(std::mem::take(&mut session.credit));
        if session.is_live() {
            session.behind_ms = turn.now.mono_ms;
        }
        session.phase = SessionPhase::CatchUp { held: true };
        if session.in_line {
            return;
        }
        let room = session.room(self.settings.outbound_bytes);
        if room == 0 {
            // Answers have filled its budget meanwhile. It comes back here when its socket has taken enough of them.
            return;
        }
        let credit = self.credit.take(room);
        if credit == 0 {
            session.in_line = true;
            return self.credit.wait(name);
        }
        session.credit = credit;
        session.phase = SessionPhase::CatchUp { held: false };
        session.ask.0 = session.ask.0.wrapping_add(1);
        let resume = ToHome::Resume { ask: session.ask, position: session.position, credit: Credit(credit) };
        // The first question is that of its attach.
        if !(crate::sabotaged!(NoSecondResume) && session.ask.0 > 2) {
            self.routes.say(&session.client, name, resume, turn);
        }
        self.note_ask(slot, turn);
    }

    /// Credit has come back: who waits in line gets it.
    pub(super) fn serve_line(&mut self, turn: &mut Turn<'_>) {
        while let Some(name) = self.credit.next() {
            let Some(session) = self.sessions.find(name) else { continue };
            session.in_line = false;
            if session.phase == (SessionPhase::CatchUp { held: true }) {
                self.resume(name.slot, turn);
            }
        }
    }

    pub(super) fn stop(&mut self, name: SessionRef, turn: &mut Turn<'_>) {
        // What its home has said before counts.
        self.advance(name.slot);
        let session = self.sessions.at(name.slot);
        session.phase = SessionPhase::CatchUp { held: true };
        self.credit.give_back(std::mem::take(&mut session.credit));
        // What was written meanwhile was not enough to ask again; if all of it is, nothing else would wake it.
        if session.outbound <= self.settings.outbound_bytes / 2 {
            self.resume(name.slot, turn);
        }
        self.serve_line(turn);
    }
}

pub(super) fn unpark(session: &mut Session, slot: u32, turn: &mut Turn<'_>) {
    if std::mem::replace(&mut session.parked, Parked::No) != Parked::No {
        session.heard_ms = turn.now.mono_ms;
        turn.out.push(Output::Unpark { slot });
    }
}
