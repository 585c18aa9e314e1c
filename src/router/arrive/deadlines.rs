//! A session's times: pings and the silence after them, the token's end, the first word, the quiet position, the leaving.
//!
//! Always holds: every session has one timer that counts, at the first of its deadlines.

use super::gateway::Gateway;
use super::give::{tell, write};
use super::session::{NEVER, Parked, SessionPhase};
use crate::counters::{Dropped, Refusal};
use crate::limits::WELCOME_MS;
use crate::model::{CloseCode, Push, SessionRef};
use crate::router::output::Output;
use crate::router::turn::Turn;

impl Gateway {
    /// Anything came from the peer: it lives.
    pub fn heard(&mut self, slot: u32, now_ms: u64) {
        let session = self.sessions.at(slot);
        session.heard_ms = now_ms;
        session.pinged = false;
    }

    /// This node is leaving: every session is told its own moment within the window. They are evenly spread, not thrown:
    /// any part of the window has its share of a core's sessions and at most one more. Each core begins a little later
    /// than the one before, so that cores with few sessions do not send all their first ones away at once.
    pub fn drain(&mut self, window_ms: u64, turn: &mut Turn<'_>) {
        let mut slots = self.sessions.taken();
        slots.retain(|&slot| self.sessions.at(slot).phase != SessionPhase::Closing);
        let (core, cores) = (u64::from(turn.core), u64::from(self.settings.topology.cores()));
        let places = (slots.len() as u64 * cores).max(1);
        self.leaving = vec![u64::MAX; slots.last().map_or(0, |&last| last as usize + 1)];
        for (nth, slot) in slots.into_iter().enumerate() {
            self.advance(slot);
            let session = self.sessions.at(slot);
            let reconnect_after_ms = window_ms * (nth as u64 * cores + core) / places;
            self.leaving[slot as usize] = turn.now.mono_ms + reconnect_after_ms;
            // Before its `welcome` a session has heard nothing, and `drain` must not be the first.
            if session.phase != SessionPhase::Resuming {
                let cursor = Some(session.position);
                session.told = session.position;
                write(session, slot, Push::Drain { reconnect_after_ms, cursor }, turn);
            }
            self.arm(slot, turn);
        }
    }

    /// Time passes.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        let mut due = std::mem::take(&mut self.due);
        self.timers.fire(turn.now.mono_ms, &mut due);
        for (slot, generation) in due.drain(..) {
            let name = SessionRef { core: turn.core, slot, generation };
            // An entry that an earlier one has replaced is left to pass.
            if let Some(session) = self.sessions.find(name)
                && session.timer_ms <= turn.now.mono_ms
            {
                session.timer_ms = u64::MAX;
                self.look(slot, turn);
            }
        }
        self.due = due;
        self.serve_line(turn);
        self.ask_again(turn);
        self.join_some(turn);
    }

    /// When a drain closes it.
    fn leave_ms(&self, slot: u32) -> u64 {
        self.leaving.get(slot as usize).copied().unwrap_or(u64::MAX)
    }

    /// A session's time has come: whatever is due is done, and the next look arranged.
    pub(super) fn look(&mut self, slot: u32, turn: &mut Turn<'_>) {
        let (now, settings, leave_ms) = (turn.now, &self.settings, self.leave_ms(slot));
        let session = self.sessions.at(slot);
        let waits_for_answers =
            session.parked == Parked::Itself && session.outbound <= settings.outbound_bytes / 2;
        if session.parked == Parked::Crowd || waits_for_answers {
            // It waits for the log or the mesh, not for its peer: a socket that we do not read shows no life.
            session.heard_ms = now.mono_ms;
        }
        let quiet_ms = now.mono_ms.saturating_sub(session.heard_ms);
        let since_told_ms = now.mono_ms.saturating_sub(session.told_ms);
        if session.phase == SessionPhase::Closing {
            return;
        }
        if now.mono_ms >= leave_ms {
            return self.close(slot, CloseCode::Restart, turn);
        }
        if session.expires_s != NEVER && now.unix_ms / 1_000 >= u64::from(session.expires_s) {
            return self.close(slot, CloseCode::Expired, turn);
        }
        if session.phase == SessionPhase::Resuming && now.mono_ms >= session.behind_ms + WELCOME_MS {
            turn.counters.refuse(Refusal::NoWelcome);
            return self.close(slot, CloseCode::TryLater, turn);
        }
        if session.pinged && quiet_ms >= settings.ping_interval_ms + settings.pong_timeout_ms {
            turn.counters.drop(Dropped::DeadPeer);
            self.leave(slot, turn);
            return turn.out.push(Output::Cut { slot });
        }
        if !session.pinged && quiet_ms >= settings.ping_interval_ms {
            session.pinged = true;
            turn.out.push(Output::Ping { slot });
        }
        if since_told_ms >= settings.cursor_refresh_ms {
            session.told_ms = now.mono_ms;
            self.advance(slot);
            let session = self.sessions.at(slot);
            if session.position > session.told {
                tell(session, slot, turn, |cursor| Push::Cursor { cursor });
            }
        }
        self.arm(slot, turn);
    }

    /// Arranges that the session is looked at when the first of its deadlines comes.
    pub(super) fn arm(&mut self, slot: u32, turn: &Turn<'_>) {
        let (now, settings, leave_ms) = (turn.now, &self.settings, self.leave_ms(slot));
        let session = self.sessions.at(slot);
        let alive = session.heard_ms
            + settings.ping_interval_ms
            + if session.pinged { settings.pong_timeout_ms } else { 0 };
        let welcome =
            if session.phase == SessionPhase::Resuming { session.behind_ms + WELCOME_MS } else { u64::MAX };
        let refresh = session.told_ms + settings.cursor_refresh_ms;
        let expiry = match session.expires_s {
            NEVER => u64::MAX,
            // The wall clock may step; a look once a minute notices in time.
            at_s => now.mono_ms + (u64::from(at_s) * 1_000).saturating_sub(now.unix_ms).min(60_000),
        };
        let first = alive.min(welcome).min(refresh).min(expiry).min(leave_ms);
        if first < session.timer_ms {
            session.timer_ms = first;
            let generation = session.generation;
            self.timers.arm(first, slot, generation);
        }
    }
}
