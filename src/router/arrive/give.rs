//! What a session is given, and told about where it stands.
//!
//! Always holds: envelopes reach the socket in order, each once, and none beyond a hole; a client is told of no
//! position before it was given everything up to it.

use super::gateway::Gateway;
use super::marks::{Marks, Tide};
use super::routes::Routes;
use super::session::{Session, SessionPhase};
use crate::counters::{Dropped, Stage};
use crate::model::{CloseCode, Delivered, Envelope, Head, Position, Push, SessionRef};
use crate::router::turn::Turn;

impl Gateway {
    pub(super) fn replay(
        &mut self,
        slot: u32,
        envelopes: &[Delivered],
        through: Position,
        turn: &mut Turn<'_>,
    ) {
        // Who was live in the term before has had all that was said of it.
        self.advance(slot);
        for delivered in envelopes {
            match give(self.sessions.at(slot), slot, delivered, turn) {
                Given::Now => turn.counters.replayed += 1,
                Given::Before => {}
                Given::Hole => return self.resume_behind_hole(slot, turn),
                Given::Lost => return self.close(slot, CloseCode::Restart, turn),
            }
        }
        let session = self.sessions.at(slot);
        session.position = session.position.max(through);
    }

    pub(super) fn live(&mut self, slot: u32, position: Position, term: u64, turn: &mut Turn<'_>) {
        let tide = self.tide(slot, term);
        let session = self.sessions.at(slot);
        session.tide = tide;
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
                Given::Hole => self.resume_behind_hole(name.slot, turn),
                Given::Lost => self.close(name.slot, CloseCode::Restart, turn),
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
    ///
    /// `source` is the core that says it, or the number behind them for the post. An old home goes on for a while after
    /// its partitions have moved: what it says of them is not heard.
    pub fn mark(&mut self, source: u16, heads: &[Head]) {
        let told = heads.iter().filter(|head| self.routes.is_told_by(source, head));
        told.for_each(|&head| self.marks.mark(source, head));
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
        advance(session, &self.routes, &self.marks);
    }

    /// The same with the home at the end of another route.
    pub(super) fn advance_by(&mut self, slot: u32, routes: &Routes) {
        advance(self.sessions.at(slot), routes, &self.marks);
    }

    /// The marks that move a session which becomes live in that term of its home.
    pub(super) fn tide(&mut self, slot: u32, term: u64) -> Tide {
        let place = self.routes.place(&self.sessions.peek(slot).client);
        self.marks.tide(self.routes.source(place), place.partition.0, term)
    }
}

fn advance(session: &mut Session, routes: &Routes, marks: &Marks) {
    if session.is_live() || crate::sabotaged!(AdvancedWhileBehind) {
        let place = routes.place(&session.client);
        let mark = marks.position(routes.source(place), place.partition.0, session.tide);
        session.position = mark.map_or(session.position, |mark| session.position.max(mark));
    }
}

/// What became of an envelope.
pub(super) enum Given {
    Now,
    Before,
    Hole,
    /// A later leader has put it where the session was given something else: that is not in the log any more.
    Lost,
}

/// Hands one envelope to the socket, unless the session has had it or something is missing before it. A `prev` beyond
/// what the client was told is told first, so that the client can prove that nothing is missing.
pub(super) fn give(session: &mut Session, slot: u32, delivered: &Delivered, turn: &mut Turn<'_>) -> Given {
    let &Delivered { ref envelope, at_ms, prev, position } = delivered;
    if position <= session.position {
        turn.counters.drop(Dropped::AlreadyGiven);
        return Given::Before;
    }
    if position.offset <= session.position.offset {
        return Given::Lost;
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
