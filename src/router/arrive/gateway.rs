//! The sessions of this core, as the homes of their clients see them.
//!
//! What always holds: a session asks one question at a time and heeds only answers to its newest one; in CatchUp
//! nothing is queued for it beyond the credit it gave; whoever is not `Resuming` has had its `welcome` first.

use super::credit::CreditPool;
use super::session::{Connect, Extras, Parked, Session, SessionPhase};
use super::sessions::Sessions;
use crate::access::{Claims, Permits, SendBuckets};
use crate::counters::{Dropped, Refusal};
use crate::limits::WELCOME_MS;
use crate::model::{
    Ask, Attached, ClientId, CloseCode, Credit, Delivered, Envelope, ErrorCode, ErrorPush, IdRef, Now,
    Position, Push, SendCommand, SessionRef, StartFrom, ToHome, ToSession, Welcome,
};
use crate::router::append::Origin;
use crate::router::output::Output;
use crate::router::settings::Settings;
use crate::router::timers::Timers;
use crate::router::turn::Turn;

/// The gateway half of a shard.
#[derive(Debug)]
pub struct Gateway {
    /// The sessions.
    pub sessions: Sessions,
    settings: Settings,
    timers: Timers,
    credit: CreditPool,
    /// By home core and partition: how far every session that is live there has been served.
    marks: Vec<Box<[Position]>>,
    due: Vec<(u32, u32)>,
    /// Sessions whose command found no room, in order; each at most once. They wait for the log or the mesh.
    crowded: Vec<SessionRef>,
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
            crowded: Vec::new(),
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
            Some(claims) => (claims.exp_s, claims.iat_s, claims.permits),
            None => (u64::MAX, None, None),
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
            opened_ms: now.mono_ms,
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

    /// Whether the session's next frame may be looked at. If not, [`Output::Unpark`] follows when it may.
    pub fn is_ready(&mut self, slot: u32) -> bool {
        let budget = self.settings.outbound_bytes + self.settings.bounds.answer_bytes;
        let session = self.sessions.at(slot);
        let ready = match session.phase {
            SessionPhase::Resuming => false,
            _ => session.outbound + session.reserved < budget,
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

    /// Anything came from the peer: it lives.
    pub fn heard(&mut self, slot: u32, now_ms: u64) {
        let session = self.sessions.at(slot);
        session.heard_ms = now_ms;
        session.pinged = false;
    }

    /// The socket has taken this much of what was pushed to it, in units of [`Push::cost`].
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

    /// The socket is gone.
    pub fn closed(&mut self, slot: u32, turn: &mut Turn<'_>) {
        // Nobody is there to be unparked, and the slot may be another's when the shell comes to it.
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

    fn attached(&mut self, name: SessionRef, attached: Attached, turn: &mut Turn<'_>) {
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

    fn replay(&mut self, slot: u32, envelopes: &[Delivered], through: Position, turn: &mut Turn<'_>) {
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

    fn live(&mut self, slot: u32, position: Position, turn: &mut Turn<'_>) {
        let session = self.sessions.at(slot);
        session.position = session.position.max(position);
        session.phase = SessionPhase::Live;
        self.credit.give_back(std::mem::take(&mut session.credit));
        tell(session, slot, turn, |cursor| Push::Live { cursor });
        self.serve_line(turn);
    }

    fn stop(&mut self, name: SessionRef, turn: &mut Turn<'_>) {
        let session = self.sessions.at(name.slot);
        session.phase = SessionPhase::CatchUp { held: true };
        self.credit.give_back(std::mem::take(&mut session.credit));
        // What was written meanwhile was not enough to ask again; if all of it is, nothing else would wake it.
        if session.outbound <= self.settings.outbound_bytes / 2 {
            self.resume(name.slot, turn);
        }
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

    /// Whether the session may send this, by its token's permits and its rates. What it takes from its rates is taken.
    pub fn permit(&mut self, slot: u32, send: &SendCommand<'_>, now: Now) -> Result<(), ErrorPush> {
        let Some(extras) = &mut self.sessions.at(slot).extras else { return Ok(()) };
        let refused = |code, message| ErrorPush::new(send.id.map(IdRef::to_client), code, message);
        if let Some(permits) = &extras.permits
            && let Some(to) = send.to.iter().find(|&to| !permits.allows(to))
        {
            let message = format!("the token does not permit sending to {to}; see its `send` claim");
            return Err(refused(ErrorCode::Forbidden, message));
        }
        let Some(buckets) = &mut extras.rates else { return Ok(()) };
        let messages = send.to.len() as u32;
        let bytes = if send.ephemeral { 0 } else { messages * send.body.len() as u32 };
        buckets.take(&self.settings.rates, now.mono_ms, messages, bytes).map_err(|wait_ms| ErrorPush {
            retry_after_ms: Some(u32::try_from(wait_ms).unwrap_or(u32::MAX)),
            ..refused(ErrorCode::RateLimited, "too much in too short a time; wait and send it again".into())
        })
    }

    /// Holds so much of a session's budget for the answer to what it sends, and says whose answer it is.
    pub fn reserve(&mut self, slot: u32, core: u16, reserved: u32) -> Origin {
        let session = self.sessions.at(slot);
        session.reserved += reserved;
        Origin::Session { session: SessionRef { core, slot, generation: session.generation }, reserved }
    }

    /// A frame that answers the peer itself.
    pub fn answer(&mut self, slot: u32, push: Push, turn: &mut Turn<'_>) {
        write(self.sessions.at(slot), slot, push, turn);
    }

    /// The same for a session that may have gone, with the budget that was held for it.
    pub fn answer_reserved(&mut self, name: SessionRef, reserved: u32, push: Push, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.find(name) else {
            return turn.counters.drop(Dropped::AnswerUnheard);
        };
        session.reserved -= reserved;
        if session.phase == SessionPhase::Closing {
            return turn.counters.drop(Dropped::AnswerUnheard);
        }
        write(session, name.slot, push, turn);
        // The answer may have needed less than was held for it, and nothing else would wake who waited for that.
        if session.parked == Parked::Itself && session.outbound <= self.settings.outbound_bytes / 2 {
            unpark(session, name.slot, turn);
        }
    }

    /// The session goes on with a new token.
    pub fn renew(&mut self, slot: u32, claims: Claims, turn: &mut Turn<'_>) {
        let permits = claims.permits;
        let session = self.sessions.at(slot);
        session.expires_s = claims.exp_s;
        match &mut session.extras {
            Some(extras) => extras.permits = permits,
            None => session.extras = extras(&self.settings, permits),
        }
        if session.phase != SessionPhase::Closing {
            let name = SessionRef { core: turn.core, slot, generation: session.generation };
            let renewed = ToHome::Renewed { issued_at: claims.iat_s };
            turn.say_home(session.home, &session.client, name, renewed);
        }
        self.arm(slot, turn);
    }

    /// Closes a session; its home forgets it at once, so that nothing more is sent to it.
    pub fn close(&mut self, slot: u32, code: CloseCode, turn: &mut Turn<'_>) {
        if self.leave(slot, turn) {
            turn.close(slot, code);
        }
    }

    /// This node is leaving: every session is told its own moment within the window, evenly spread.
    pub fn drain(&mut self, window_ms: u64, turn: &mut Turn<'_>) {
        let slots = self.sessions.taken();
        let many = slots.len().max(1) as u64;
        for (nth, slot) in slots.into_iter().enumerate() {
            self.advance(slot);
            let session = self.sessions.at(slot);
            if session.phase == SessionPhase::Closing {
                continue;
            }
            let reconnect_after_ms = window_ms * nth as u64 / many;
            session.leave_ms = turn.now.mono_ms + reconnect_after_ms;
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
    }

    /// A session's time has come: whatever is due is done, and the next look arranged.
    fn look(&mut self, slot: u32, turn: &mut Turn<'_>) {
        let (now, settings) = (turn.now, &self.settings);
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
        if now.mono_ms >= session.leave_ms {
            return self.close(slot, CloseCode::Restart, turn);
        }
        if now.unix_ms / 1_000 >= session.expires_s {
            return self.close(slot, CloseCode::Expired, turn);
        }
        if session.phase == SessionPhase::Resuming && now.mono_ms >= session.opened_ms + WELCOME_MS {
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
    fn arm(&mut self, slot: u32, turn: &Turn<'_>) {
        let (now, settings) = (turn.now, &self.settings);
        let session = self.sessions.at(slot);
        let alive = session.heard_ms
            + settings.ping_interval_ms
            + if session.pinged { settings.pong_timeout_ms } else { 0 };
        let welcome =
            if session.phase == SessionPhase::Resuming { session.opened_ms + WELCOME_MS } else { u64::MAX };
        let refresh = session.told_ms + settings.cursor_refresh_ms;
        let expiry = match session.expires_s.checked_mul(1_000) {
            // The wall clock may step; a look once a minute notices in time.
            Some(at_ms) => now.mono_ms + at_ms.saturating_sub(now.unix_ms).min(60_000),
            None => u64::MAX,
        };
        let first = alive.min(welcome).min(refresh).min(expiry).min(session.leave_ms);
        if first < session.timer_ms {
            session.timer_ms = first;
            let generation = session.generation;
            self.timers.arm(first, slot, generation);
        }
    }

    /// A live session's budget is full: it lies behind from here on, and what it has not taken waits in the log.
    fn fall_behind(&mut self, name: SessionRef, turn: &mut Turn<'_>) {
        self.advance(name.slot);
        let session = self.sessions.at(name.slot);
        session.phase = SessionPhase::CatchUp { held: true };
        session.ask.0 = session.ask.0.wrapping_add(1);
        turn.counters.catchups += 1;
        let hold = ToHome::Resume { ask: session.ask, position: session.position, credit: Credit(0) };
        turn.say_home(session.home, &session.client, name, hold);
    }

    /// A session behind the present asks its home to go on from where it stands, or waits in line for credit.
    fn resume(&mut self, slot: u32, turn: &mut Turn<'_>) {
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
    fn serve_line(&mut self, turn: &mut Turn<'_>) {
        while let Some(name) = self.credit.next() {
            let Some(session) = self.sessions.find(name) else { continue };
            session.in_line = false;
            if session.phase == (SessionPhase::CatchUp { held: true }) {
                self.resume(name.slot, turn);
            }
        }
    }

    /// Takes a session from its home and gives back what it held. False if that was done before.
    fn leave(&mut self, slot: u32, turn: &mut Turn<'_>) -> bool {
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
        // A parked command is obeyed no more, but the shell must come back to see that.
        unpark(session, slot, turn);
        true
    }

    /// A live session without messages has moved on with its home.
    fn advance(&mut self, slot: u32) {
        let session = self.sessions.at(slot);
        if session.is_live() || crate::sabotaged!(AdvancedWhileBehind) {
            let mark = self.marks[usize::from(session.home)][usize::from(session.partition)];
            session.position = session.position.max(mark);
        }
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
        assert!(crowded <= self.crowded.len(), "who is parked for the crowd stands in its line");
    }
}

fn extras(settings: &Settings, permits: Option<Permits>) -> Option<Box<Extras>> {
    let limited = settings.rates.messages.is_some() || settings.rates.bytes.is_some();
    let rates = limited.then(SendBuckets::default);
    (permits.is_some() || limited).then(|| Box::new(Extras { permits, rates }))
}

/// What became of an envelope.
enum Given {
    Now,
    Before,
    Hole,
}

/// Hands one envelope to the socket, unless the session has had it or something is missing before it. A `prev` beyond
/// what the client was told is told first, so that the client can prove that nothing is missing.
fn give(session: &mut Session, slot: u32, delivered: &Delivered, turn: &mut Turn<'_>) -> Given {
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
fn tell(session: &mut Session, slot: u32, turn: &mut Turn<'_>, push: impl FnOnce(Position) -> Push) {
    (session.told, session.told_ms) = (session.position, turn.now.mono_ms);
    write(session, slot, push(session.position), turn);
}

fn write(session: &mut Session, slot: u32, push: Push, turn: &mut Turn<'_>) {
    session.outbound += push.cost();
    turn.push(slot, push);
}

fn unpark(session: &mut Session, slot: u32, turn: &mut Turn<'_>) {
    if std::mem::replace(&mut session.parked, Parked::No) != Parked::No {
        session.heard_ms = turn.now.mono_ms;
        turn.out.push(Output::Unpark { slot });
    }
}
