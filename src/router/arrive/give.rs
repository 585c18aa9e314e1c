//! What a session is given, and told about where it stands.
//!
//! Always holds: envelopes reach the socket in order, each once, and none beyond a hole; a client is told of no
//! position before it was given everything up to it.

use super::gateway::Gateway;
use super::session::{Session, SessionPhase};
use crate::counters::{Dropped, Stage};
use crate::model::{Delivered, Envelope, Position, Push, SessionRef};
use crate::router::turn::Turn;

impl Gateway {
    pub(super) fn replay(
        &mut self,
        slot: u32,
        envelopes: &[Delivered],
        through: Position,
        turn: &mut Turn<'_>,
    ) {
        for delivered in envelopes {
            match give(self.sessions.at(slot), slot, delivered, turn) {
                Given::Now => turn.counters.replayed += 1,
                Given::Before => {}
                Given::Hole => return self.resume(slot, turn),
            }
        }
        let session = self.sessions.at(slot);
        session.position = session.position.max(through);
    }

    pub(super) fn live(&mut self, slot: u32, position: Position, turn: &mut Turn<'_>) {
        let session = self.sessions.at(slot);
        session.position = session.position.max(position);
        session.phase = SessionPhase::Live;
        turn.counters.took(Stage::Replay, turn.now.mono_ms.saturating_sub(session.behind_ms));
        self.credit.give_back(std::mem::take(&mut session.credit));
        tell(session, slot, turn, |cursor| Push::Live { cursor });
        self.serve_line(turn);
    }

    /// The home delivers one new envelope to these sessions, all of its recipient.
    pub fn deliver(&mut self, sessions: &[SessionRef], delivered: &Delivered, turn: &mut Turn<'_>) {
        for &name in sessions {
            let Some(session) = self.sessions.find(name) else {
                turn.counters.drop(Dropped::SessionGone);
                continue;
            };
            if session.client.as_ref() != delivered.envelope.to() && !crate::sabotaged!(DeliverToAnyone) {
                turn.counters.drop(Dropped::WrongClient);
                continue;
            }
            if !session.is_live() {
                turn.counters.drop(Dropped::CatchingUp);
                continue;
            }
            let cost = Push::message_cost(&delivered.envelope);
            if session.outbound > 0 && session.outbound + cost > self.settings.outbound_bytes {
                self.fall_behind(name, turn);
                continue;
            }
            match give(session, name.slot, delivered, turn) {
                Given::Now => turn.counters.delivered_durable += 1,
                Given::Before => {}
                Given::Hole => self.resume(name.slot, turn),
            }
        }
    }

    /// The home passes a message beside the log to these sessions of this client.
    pub fn whisper(
        &mut self,
        client: &str,
        sessions: &[SessionRef],
        envelope: &Envelope,
        turn: &mut Turn<'_>,
    ) {
        let cost = Push::message_cost(envelope);
        for &name in sessions {
            let Some(session) = self.sessions.find(name) else {
                turn.counters.drop(Dropped::SessionGone);
                continue;
            };
            if session.client.as_str() != client {
                turn.counters.drop(Dropped::WrongClient);
            } else if !session.is_live() || session.outbound + cost > self.settings.outbound_bytes {
                turn.counters.drop(Dropped::NotLive);
            } else {
                write(session, name.slot, Push::Ephemeral { envelope: envelope.clone() }, turn);
                turn.counters.delivered_ephemeral += 1;
            }
        }
    }

    /// A home says how far everyone who is live there has been served.
    pub fn mark(&mut self, core: u16, heads: &[Position]) {
        self.marks[usize::from(core)].copy_from_slice(heads);
    }

    /// The same for one partition of this core's own home.
    pub fn mark_one(&mut self, core: u16, partition: u16, head: Position) {
        self.marks[usize::from(core)][usize::from(partition)] = head;
    }

    /// The client asks for a sign of life and its position.
    pub fn ping(&mut self, slot: u32, turn: &mut Turn<'_>) {
        self.advance(slot);
        let session = self.sessions.at(slot);
        tell(session, slot, turn, |cursor| Push::Pong { cursor: Some(cursor) });
    }

    /// A live session without messages has moved on with its home.
    pub(super) fn advance(&mut self, slot: u32) {
        let session = self.sessions.at(slot);
        if session.is_live() || crate::sabotaged!(AdvancedWhileBehind) {
            let mark = self.marks[usize::from(session.home)][usize::from(session.partition)];
            session.position = session.position.max(mark);
        }
    }
}

/// What became of an envelope.
pub(super) enum Given {
    Now,
    Before,
    Hole,
}

/// Hands one envelope to the socket, unless the session has had it or something is missing before it. A `prev` beyond
/// what the client was told is told first, so that the client can prove that nothing is missing.
pub(super) fn give(session: &mut Session, slot: u32, delivered: &Delivered, turn: &mut Turn<'_>) -> Given {
    let &Delivered { ref envelope, at_ms, prev, position } = delivered;
    if position <= session.position {
        turn.counters.drop(Dropped::AlreadyGiven);
        return Given::Before;
    }
    if prev > session.position {
        turn.counters.drop(Dropped::Hole);
        return Given::Hole;
    }
    if prev > session.told && !crate::sabotaged!(CursorOmitted) {
        tell(session, slot, turn, |cursor| Push::Cursor { cursor });
    }
    (session.position, session.told, session.told_ms) = (position, position, turn.now.mono_ms);
    write(session, slot, Push::Message { envelope: envelope.clone(), at_ms, prev, cursor: position }, turn);
    Given::Now
}

/// Tells the client where it stands.
pub(super) fn tell(
    session: &mut Session,
    slot: u32,
    turn: &mut Turn<'_>,
    push: impl FnOnce(Position) -> Push,
) {
    (session.told, session.told_ms) = (session.position, turn.now.mono_ms);
    write(session, slot, push(session.position), turn);
}

pub(super) fn write(session: &mut Session, slot: u32, push: Push, turn: &mut Turn<'_>) {
    session.outbound += push.cost();
    turn.push(slot, push);
}
