//! The sessions of this core, as the homes of their clients see them.
//!
//! What always holds: a session asks one question at a time and heeds only answers to its newest one; in CatchUp
//! nothing is queued for it beyond the credit it gave; whoever is not `Resuming` has had its `welcome` first.

use super::credit::CreditPool;
use super::crowd::Crowd;
use super::give::write;
use super::marks::{Marks, Tide};
use super::moves::Moves;
use super::pace::unpark;
use super::routes::Routes;
use super::session::{Connect, Extras, Issued, NEVER, Parked, Session, SessionPhase, expiry};
use super::sessions::Sessions;
use crate::access::{Permits, SendBuckets};
use crate::counters::{Dropped, Refusal};
use crate::model::{
    Ask, Attached, ClientId, CloseCode, Credit, Position, Push, SessionRef, Start, StartFrom, ToHome,
    ToSession, Welcome,
};
use crate::router::settings::Settings;
use crate::router::timers::Timers;
use crate::router::turn::Turn;
use std::collections::HashMap;

/// The gateway half of a shard.
#[derive(Debug)]
pub struct Gateway {
    /// The sessions.
    pub sessions: Sessions,
    pub(super) settings: Settings,
    pub(super) timers: Timers,
    pub(super) credit: CreditPool,
    pub(super) routes: Routes,
    /// How far every live session has been served.
    pub(super) marks: Marks,
    pub(super) moves: Moves,
    /// On a node of a cluster, by slot: where those want to start who wait for their `welcome`.
    pub(super) starting: HashMap<u32, Start>,
    /// By slot: the monotonic time at which a drain closes it. Empty before one.
    pub(super) leaving: Vec<u64>,
    pub(super) due: Vec<(u32, u32)>,
    /// Sessions whose command found no room: they wait for the log or the mesh.
    pub(super) crowd: Crowd,
}

impl Gateway {
    /// An empty one.
    pub fn new(settings: Settings, now_ms: u64) -> Self {
        let topology = settings.topology;
        Self {
            sessions: Sessions::default(),
            timers: Timers::new(now_ms),
            credit: CreditPool::new(settings.bounds),
            routes: Routes::new(topology, settings.is_clustered),
            marks: Marks::new(topology.cores() + 1, topology.partitions()),
            moves: Moves::default(),
            starting: HashMap::new(),
            leaving: Vec::new(),
            due: Vec::new(),
            crowd: Crowd::default(),
            settings,
        }
    }

    /// A socket was upgraded: its session asks its home where it stands.
    pub fn open(&mut self, connect: Connect, turn: &mut Turn<'_>) -> SessionRef {
        let Connect { client, start, token } = connect;
        let (core, now) = (turn.core, turn.now);
        let by_token = token.is_some();
        let (expires_s, issued, permits) = match token {
            Some(claims) => (expiry(&claims), Issued::of(claims.iat_s), claims.permits),
            None => (NEVER, Issued::NO_TOKEN, None),
        };
        // Only who may have missed something needs room for it.
        let replays = start.cursor.is_some() || start.from != StartFrom::New;
        let credit = if replays { self.credit.take(self.settings.bounds.replay_share_bytes) } else { 0 };
        let settings = &self.settings;
        let slot = self.sessions.open(|_, generation| Session {
            client,
            generation,
            phase: SessionPhase::Resuming,
            parked: Parked::No,
            in_line: false,
            pinged: false,
            ask: Ask(1),
            position: Position::START,
            told: Position::START,
            outbound: 0,
            reserved: 0,
            credit,
            heard_ms: now.mono_ms,
            told_ms: now.mono_ms,
            behind_ms: now.mono_ms,
            timer_ms: u64::MAX,
            expires_s,
            issued,
            since_s: (now.unix_ms / 1_000) as u32,
            tide: Tide::default(),
            extras: extras(settings, permits),
        });
        turn.counters.sessions += 1;
        let session = self.sessions.at(slot);
        let name = SessionRef { core, slot, generation: session.generation };
        let attach = ToHome::Attach {
            ask: session.ask,
            start,
            credit: Credit(credit),
            issued_at: issued.at(),
            by_token,
            since_ms: now.unix_ms,
        };
        self.routes.say(&session.client, name, attach, turn);
        if self.settings.is_clustered {
            self.starting.insert(slot, start);
            self.note_ask(slot, turn);
        }
        self.arm(slot, turn);
        name
    }

    /// The name of the session in that slot.
    pub fn name(&self, slot: u32, core: u16) -> SessionRef {
        SessionRef { core, slot, generation: self.sessions.peek(slot).generation }
    }

    /// The socket is gone.
    pub fn closed(&mut self, slot: u32, turn: &mut Turn<'_>) {
        // Nobody is there to be unparked, and the slot may be another's when the shell comes to it.
        self.leave_crowd(slot, turn.core);
        self.sessions.at(slot).parked = Parked::No;
        self.leave(slot, turn);
        self.sessions.close(slot);
        turn.counters.sessions -= 1;
    }

    /// A home of one of our sessions speaks.
    pub fn on_say(
        &mut self,
        client: &ClientId,
        name: SessionRef,
        term: u64,
        say: ToSession,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = self.sessions.find(name) else { return turn.counters.drop(Dropped::SessionGone) };
        if session.client != *client {
            return turn.counters.drop(Dropped::WrongClient);
        }
        let ask = match &say {
            ToSession::Attached(attached) => attached.ask,
            ToSession::Replay { ask, .. } | ToSession::Live { ask, .. } | ToSession::Stop { ask } => *ask,
            ToSession::Dismissed(dismissal) => return self.close(name.slot, dismissal.close_code(), turn),
        };
        let is_live = matches!(say, ToSession::Live { .. });
        let is_stale = ask != session.ask && !(is_live && crate::sabotaged!(StaleLiveObeyed));
        if is_stale || session.phase == SessionPhase::Closing {
            return turn.counters.drop(Dropped::StaleAsk);
        }
        match say {
            ToSession::Attached(attached) => self.attached(name, attached, term, turn),
            ToSession::Replay { envelopes, through, .. } => self.replay(name.slot, &envelopes, through, turn),
            ToSession::Live { position, .. } => self.live(name.slot, position, term, turn),
            ToSession::Stop { .. } => self.stop(name, turn),
            ToSession::Dismissed(_) => unreachable!("a dismissal needs no ask"),
        }
    }

    pub(super) fn attached(&mut self, name: SessionRef, attached: Attached, term: u64, turn: &mut Turn<'_>) {
        let tide = self.tide(name.slot, term);
        let session = self.sessions.at(name.slot);
        let Attached { position, resumed, missed, more, replay, .. } = attached;
        if session.phase != SessionPhase::Resuming {
            // Each home answers an attach once; two may, one after the other.
            return turn.counters.drop(Dropped::StaleAsk);
        }
        self.starting.remove(&name.slot);
        (session.position, session.told, session.told_ms) = (position, position, turn.now.mono_ms);
        if matches!(resumed, Some(Err(_))) {
            turn.counters.refuse(Refusal::Unresumed);
        }
        let welcome = Welcome { session: name, cursor: position, resumed, missed, more };
        write(session, name.slot, Push::Welcome(Box::new(welcome)), turn);
        session.phase = if replay { SessionPhase::CatchUp { held: false } } else { SessionPhase::Live };
        if !replay {
            session.tide = tide;
            self.credit.give_back(std::mem::take(&mut session.credit));
        }
        unpark(session, name.slot, turn);
        self.arm(name.slot, turn);
    }

    /// Closes a session; its home forgets it at once, so that nothing more is sent to it.
    pub fn close(&mut self, slot: u32, code: CloseCode, turn: &mut Turn<'_>) {
        if self.leave(slot, turn) {
            turn.close(slot, code);
        }
    }

    /// Takes a session from its home and gives back what it held. False if that was done before.
    pub(super) fn leave(&mut self, slot: u32, turn: &mut Turn<'_>) -> bool {
        let session = self.sessions.at(slot);
        if session.phase == SessionPhase::Closing {
            return false;
        }
        session.phase = SessionPhase::Closing;
        self.credit.give_back(std::mem::take(&mut session.credit));
        let name = SessionRef { core: turn.core, slot, generation: session.generation };
        if !crate::sabotaged!(NeverDetached) {
            // Its home, and the one that it was to be taken from.
            let from = self.moves.leave(name).filter(|from| *from != self.routes.route_of(&session.client));
            self.routes.say(&session.client, name, ToHome::Detach, turn);
            if let Some(from) = from {
                self.routes.say_by(from, &session.client, name, ToHome::Detach, turn);
            }
        }
        self.starting.remove(&slot);
        self.leave_crowd(slot, turn.core);
        // A parked command is obeyed no more, but the shell must come back to see that.
        unpark(self.sessions.at(slot), slot, turn);
        true
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        let mut credit = 0;
        for (slot, session) in self.sessions.iter() {
            session.invariants();
            credit += session.credit;
            let starts = self.settings.is_clustered && session.phase == SessionPhase::Resuming;
            assert_eq!(starts, self.starting.contains_key(&slot), "who waits for its welcome wants to start");
        }
        assert_eq!(credit, self.credit.out(), "the credit given out is what sessions hold");
        let crowded = self.sessions.iter().filter(|(_, session)| session.parked == Parked::Crowd).count();
        assert_eq!(crowded, self.crowd.len(), "who is parked for the crowd stands in one of its lines");
        self.crowd.invariants();
    }
}

pub(super) fn extras(settings: &Settings, permits: Option<Permits>) -> Option<Box<Extras>> {
    let limited = settings.rates.messages.is_some() || settings.rates.bytes.is_some();
    let rates = limited.then(SendBuckets::default);
    (permits.is_some() || limited).then(|| Box::new(Extras { permits, rates }))
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
