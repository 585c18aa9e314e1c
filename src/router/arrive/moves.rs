//! Sessions whose home has moved, or must be told of them again: each joins it once more, some at a time.
//!
//! Always holds: a session that has moved and not joined yet is moved by nobody's mark; whoever asked a home on another
//! node and got no answer asks again, since the question or the answer may be lost.

use super::gateway::Gateway;
use super::session::{Issued, SessionPhase};
use crate::limits::{ASK_AGAIN_MS, JOINS_PER_TICK, MOVED_CREDIT_BYTES};
use crate::model::{Ask, Credit, HelloFrom, HelloSession, Partition, Peer, Route, SessionRef, ToHome};
use crate::router::turn::Turn;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Who is to join its home, and whose answer is waited for.
#[derive(Debug, Default)]
pub struct Moves {
    /// In line. Who is in it more than once, or gone, is passed over.
    line: VecDeque<SessionRef>,
    /// For each in line the route to the home that has it: at most as many as there are sessions.
    from: HashMap<SessionRef, Route>,
    /// Questions to homes on other nodes, in order of asking. Those of the last [`ASK_AGAIN_MS`].
    asked: VecDeque<(u64, SessionRef, Ask)>,
}

impl Moves {
    /// Gets into the line, with the home that is to forget it. Who is in it already was not taken from its first one.
    fn wait(&mut self, session: SessionRef, from: Route) {
        self.from.entry(session).or_insert_with(|| {
            self.line.push_back(session);
            from
        });
    }

    /// Leaves the line, because it joins or is gone: the home that is to forget it.
    pub fn leave(&mut self, session: SessionRef) -> Option<Route> {
        self.from.remove(&session)
    }

    /// A home on another node was asked.
    pub fn asked(&mut self, session: SessionRef, ask: Ask, now_ms: u64) {
        self.asked.push_back((now_ms + ASK_AGAIN_MS, session, ask));
    }
}

impl Gateway {
    /// The post says where homes are. Sessions of a partition that has moved join their new home.
    pub fn reroute(&mut self, routes: Arc<[Route]>, turn: &mut Turn<'_>) {
        let old = self.routes.change(routes);
        let moved = self.routes.differing(&old);
        for slot in self.sessions.taken() {
            let session = self.sessions.peek(slot);
            let partition = old.place(&session.client).partition;
            if moved[usize::from(partition.0)] {
                let generation = session.generation;
                // What its old home has said still counts.
                self.advance_by(slot, &old);
                let name = SessionRef { core: turn.core, slot, generation };
                self.moves.wait(name, old.of(partition));
            }
        }
        let partitions = (0..).map(Partition).zip(moved);
        partitions.filter(|(_, moved)| *moved).for_each(|(partition, _)| self.marks.moved(partition));
        self.join_some(turn);
    }

    /// Where the clients of that partition are at home.
    pub fn route(&self, partition: Partition) -> Route {
        self.routes.of(partition)
    }

    /// A life of the link to that home begins, which knows of nobody.
    pub fn greet(&mut self, home: Peer, turn: &mut Turn<'_>) {
        for slot in self.sessions.taken() {
            let session = self.sessions.peek(slot);
            if self.routes.route_of(&session.client) == Route::Away(home) {
                let name = SessionRef { core: turn.core, slot, generation: session.generation };
                // What was said on the old life still counts.
                self.advance(slot);
                self.moves.wait(name, Route::Nowhere);
            }
        }
        // The home has nobody until they have joined: its marks move nobody who has not.
        let there = self.routes.to(Route::Away(home));
        there.into_iter().for_each(|partition| self.marks.moved(partition));
        self.join_some(turn);
    }

    /// Those in line join their homes, so many at a time; and who has waited long enough for an answer.
    pub(super) fn join_some(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..JOINS_PER_TICK {
            let Some(name) = self.moves.line.pop_front() else { break };
            if let Some(from) = self.moves.leave(name) {
                self.join(name, from, turn);
            }
        }
    }

    /// Who has asked a home on another node in vain asks again.
    pub(super) fn ask_again(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..JOINS_PER_TICK {
            let Some(&(due_ms, name, ask)) = self.moves.asked.front() else { return };
            if due_ms > turn.now.mono_ms {
                return;
            }
            self.moves.asked.pop_front();
            let asks =
                |phase| matches!(phase, SessionPhase::Resuming | SessionPhase::CatchUp { held: false });
            let is_asking =
                self.sessions.find(name).is_some_and(|session| session.ask == ask && asks(session.phase));
            // Who is in line asks anew when its turn comes.
            let may_ask = !crate::sabotaged!(NoSecondResume);
            if is_asking && may_ask && !self.moves.from.contains_key(&name) {
                self.say_hello(name, turn);
            }
        }
    }

    /// Notes that a session has asked, if its home is on another node.
    pub(super) fn note_ask(&mut self, slot: u32, turn: &Turn<'_>) {
        let session = self.sessions.peek(slot);
        if let Route::Away(_) = self.routes.of(self.routes.place(&session.client).partition) {
            let name = SessionRef { core: turn.core, slot, generation: session.generation };
            self.moves.asked(name, session.ask, turn.now.mono_ms);
        }
    }

    /// A session joins its home, as if it had just come there; the home at the end of `from` forgets it.
    fn join(&mut self, name: SessionRef, from: Route, turn: &mut Turn<'_>) {
        let slot = name.slot;
        if self.sessions.find(name).is_none_or(|session| session.phase == SessionPhase::Closing) {
            return;
        }
        self.advance(slot);
        let session = self.sessions.at(slot);
        let partition = self.routes.place(&session.client).partition;
        if from != self.routes.of(partition) {
            self.routes.say_by(from, &session.client, name, ToHome::Detach, turn);
        }
        if session.phase != SessionPhase::Resuming {
            self.credit.give_back(std::mem::take(&mut session.credit));
            let room = session.room(self.settings.outbound_bytes);
            let want = match session.phase {
                // It has missed little, if anything, and many move at once.
                SessionPhase::Live => room.min(MOVED_CREDIT_BYTES),
                SessionPhase::CatchUp { held: false } => room,
                _ => 0,
            };
            if session.is_live() {
                session.behind_ms = turn.now.mono_ms;
            }
            let is_asking = session.phase != SessionPhase::CatchUp { held: true };
            session.credit = self.credit.take(want);
            session.phase = SessionPhase::CatchUp { held: session.credit == 0 };
            if is_asking && want > 0 && session.credit == 0 && !std::mem::replace(&mut session.in_line, true)
            {
                self.credit.wait(name);
            }
        }
        session.ask.0 = session.ask.0.wrapping_add(1);
        self.say_hello(name, turn);
    }

    /// A session presents itself with its newest question. A home that is at it already goes on.
    fn say_hello(&mut self, name: SessionRef, turn: &mut Turn<'_>) {
        let slot = name.slot;
        let session = self.sessions.peek(slot);
        let from = match session.phase {
            SessionPhase::Resuming => self.starting.get(&slot).map(|&start| HelloFrom::Start(start)),
            _ => Some(HelloFrom::Position(session.position)),
        };
        let hello = HelloSession {
            client: session.client.clone(),
            session: name,
            ask: session.ask,
            from: from.expect("who waits for its welcome knows where it wants to start"),
            credit: Credit(session.credit),
            issued_at: session.issued.at(),
            by_token: session.issued != Issued::NO_TOKEN,
            since_ms: u64::from(session.since_s) * 1_000,
        };
        self.routes.join(hello, turn);
        self.note_ask(slot, turn);
    }
}
