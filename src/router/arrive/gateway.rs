//! The sessions of this core, as the homes of their clients see them.
//!
//! What always holds: a session asks one question at a time and heeds only answers to its newest one; in CatchUp
//! nothing is queued for it beyond the credit it gave; whoever is not `Resuming` has had its `welcome` first.

use super::credit::CreditPool;
use super::crowd::Crowd;
use super::give::write;
use super::pace::unpark;
use super::session::{Connect, Extras, NEVER, Parked, Session, SessionPhase, expiry};
use super::sessions::Sessions;
use crate::access::{Permits, SendBuckets};
use crate::counters::{Dropped, Refusal};
use crate::model::{
    Ask, Attached, ClientId, CloseCode, Credit, Position, Push, SessionRef, StartFrom, ToHome, ToSession,
    Welcome,
};
use crate::router::settings::Settings;
use crate::router::timers::Timers;
use crate::router::turn::Turn;

/// The gateway half of a shard.
#[derive(Debug)]
pub struct Gateway {
    /// The sessions.
    pub sessions: Sessions,
    pub(super) settings: Settings,
    pub(super) timers: Timers,
    pub(super) credit: CreditPool,
    /// By home core and partition: how far every session that is live there has been served.
    pub(super) marks: Vec<Box<[Position]>>,
    pub(super) due: Vec<(u32, u32)>,
    /// Sessions whose command found no room: they wait for the log or the mesh.
    pub(super) crowd: Crowd,
}

impl Gateway {
    /// An empty one.
    pub fn new(settings: Settings, now_ms: u64) -> Self {
        let none = vec![Position::START; usize::from(settings.topology.partitions())].into_boxed_slice();
        Self {
            sessions: Sessions::default(),
            timers: Timers::new(now_ms),
            credit: CreditPool::new(settings.bounds),
            marks: vec![none; usize::from(settings.topology.cores())],
            due: Vec::new(),
            crowd: Crowd::default(),
            settings,
        }
    }

    /// A socket was upgraded: its session asks its home where it stands.
    pub fn open(&mut self, connect: Connect, turn: &mut Turn<'_>) -> SessionRef {
        let Connect { client, start, token } = connect;
        let place = self.settings.topology.place(client.as_ref());
        let (core, now) = (turn.core, turn.now);
        let by_token = token.is_some();
        let (expires_s, issued_at, permits) = match token {
            Some(claims) => (expiry(&claims), claims.iat_s, claims.permits),
            None => (NEVER, None, None),
        };
        // Only who may have missed something needs room for it.
        let replays = start.cursor.is_some() || start.from != StartFrom::New;
        let credit = if replays { self.credit.take(self.settings.bounds.replay_share_bytes) } else { 0 };
        let settings = &self.settings;
        let slot = self.sessions.open(|_, generation| Session {
            client,
            generation,
            home: place.core,
            partition: place.partition.0,
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
            leave_ms: u64::MAX,
            expires_s,
            extras: extras(settings, permits),
        });
        turn.counters.sessions += 1;
        let session = self.sessions.at(slot);
        let name = SessionRef { core, slot, generation: session.generation };
        let attach = ToHome::Attach {
            ask: session.ask,
            start,
            credit: Credit(credit),
            issued_at,
            by_token,
            since_ms: now.unix_ms,
        };
        turn.say_home(session.home, &session.client, name, attach);
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
    pub fn on_say(&mut self, client: &ClientId, name: SessionRef, say: ToSession, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.find(name) else { return turn.counters.drop(Dropped::SessionGone) };
        if session.client != *client {
            return turn.counters.drop(Dropped::WrongClient);
        }
        let ask = match &say {
            ToSession::Attached(attached) => attached.ask,
            ToSession::Replay { ask, .. } | ToSession::Live { ask, .. } | ToSession::Stop { ask } => *ask,
            ToSession::Dismissed(dismissal) => return self.close(name.slot, dismissal.close_code(), turn),
        };
        if ask != session.ask || session.phase == SessionPhase::Closing {
            return turn.counters.drop(Dropped::StaleAsk);
        }
        match say {
            ToSession::Attached(attached) => self.attached(name, attached, turn),
            ToSession::Replay { envelopes, through, .. } => self.replay(name.slot, &envelopes, through, turn),
            ToSession::Live { position, .. } => self.live(name.slot, position, turn),
            ToSession::Stop { .. } => self.stop(name, turn),
            ToSession::Dismissed(_) => unreachable!("a dismissal needs no ask"),
        }
    }

    pub(super) fn attached(&mut self, name: SessionRef, attached: Attached, turn: &mut Turn<'_>) {
        let session = self.sessions.at(name.slot);
        let Attached { position, resumed, missed, more, replay, .. } = attached;
        assert_eq!(session.phase, SessionPhase::Resuming, "an attach is answered once");
        (session.position, session.told, session.told_ms) = (position, position, turn.now.mono_ms);
        if matches!(resumed, Some(Err(_))) {
            turn.counters.refuse(Refusal::Unresumed);
        }
        let welcome = Welcome { session: name, cursor: position, resumed, missed, more };
        write(session, name.slot, Push::Welcome(Box::new(welcome)), turn);
        session.phase = if replay { SessionPhase::CatchUp { held: false } } else { SessionPhase::Live };
        if !replay {
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
            turn.say_home(session.home, &session.client, name, ToHome::Detach);
        }
        self.leave_crowd(slot, turn.core);
        // A parked command is obeyed no more, but the shell must come back to see that.
        unpark(self.sessions.at(slot), slot, turn);
        true
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        let mut credit = 0;
        for (_, session) in self.sessions.iter() {
            session.invariants();
            credit += session.credit;
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
