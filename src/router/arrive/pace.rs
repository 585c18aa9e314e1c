//! How fast a session may be fed, and may feed us: budgets, parking, falling behind and catching up.
//!
//! Always holds: who is parked is unparked when what it waits for is there; a session that is held asks again when its
//! socket has taken half of its budget, or when its turn for credit comes.

use super::gateway::Gateway;
use super::session::{Parked, Session, SessionPhase};
use crate::model::{Credit, SessionRef, ToHome};
use crate::router::output::Output;
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
        if !ready {
            session.parked = Parked::Itself;
        }
        ready
    }

    /// The session's command waits for the log or the mesh, which are crowded.
    pub fn crowd(&mut self, slot: u32, core: u16) {
        let session = self.sessions.at(slot);
        if session.parked != Parked::Crowd {
            session.parked = Parked::Crowd;
            self.crowded.push(SessionRef { core, slot, generation: session.generation });
        }
    }

    /// There is room again: whoever waited for it may try.
    pub fn uncrowd(&mut self, turn: &mut Turn<'_>) {
        for name in self.crowded.drain(..) {
            if let Some(session) = self.sessions.find(name)
                && session.parked == Parked::Crowd
            {
                unpark(session, name.slot, turn);
            }
        }
    }

    /// Whether anyone waits for room.
    pub fn is_crowded(&self) -> bool {
        !self.crowded.is_empty()
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
        session.ask.0 = session.ask.0.wrapping_add(1);
        turn.counters.catchups += 1;
        let hold = ToHome::Resume { ask: session.ask, position: session.position, credit: Credit(0) };
        turn.say_home(session.home, &session.client, name, hold);
    }

    /// A session behind the present asks its home to go on from where it stands, or waits in line for credit.
    pub(super) fn resume(&mut self, slot: u32, turn: &mut Turn<'_>) {
        let session = self.sessions.at(slot);
        let name = SessionRef { core: turn.core, slot, generation: session.generation };
        self.credit.give_back(std::mem::take(&mut session.credit));
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
        turn.say_home(session.home, &session.client, name, resume);
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
