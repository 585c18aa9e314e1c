//! One core's shard: the gateway of the sockets here, the home of the clients here, and the sends that wait.
//!
//! It composes and stays small: an input goes to the part it concerns, then the values that gateway and home of this
//! core have for each other are worked off, then everything to be done stands in the outbox. One input is bounded
//! work: a home answers a question with at most one share of replay.

use super::append::{Finished, Origin, Sends, answer_cost, need, too_large};
use super::arrive::{Connect, Gateway, Want};
use super::deliver::Home;
use super::output::{Outbox, Output};
use super::questions::Questions;
use super::room::Room;
use super::settings::Settings;
use super::turn::Turn;
use crate::access::Claims;
use crate::counters::{Counters, Dropped, Stage};
use crate::log::LogEvent;
use crate::model::{
    ClientId, CloseCode, Dispatch, Envelope, EnvelopeParts, ErrorCode, ErrorPush, Head, IdRef, Kind, Mistake,
    Now, Parcel, Partition, Position, Push, Reach, Recipients, Route, SendCommand, SessionRef,
};
use std::collections::VecDeque;

/// Whether a command was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// It was; go on.
    Go,
    /// It was not: keep it, read no more, and bring it again on [`Output::Unpark`].
    Park,
}

/// The pure half of a core.
#[derive(Debug)]
pub struct Shard {
    pub(super) settings: Settings,
    pub(super) gateway: Gateway,
    pub(super) home: Home,
    pub(super) sends: Sends,
    pub(super) questions: Questions,
    pub(super) counters: Counters,
    /// Values between home and session of this core; empty between two inputs.
    pub(super) values: VecDeque<Parcel>,
    /// Sessions of this core that get what is being delivered; empty between two inputs.
    here: Vec<SessionRef>,
}

/// Opens a turn on a shard's fields, leaving its parts free to be called with it.
macro_rules! turn {
    ($shard:ident, $now:expr, $out:expr) => {
        Turn {
            core: $shard.settings.core,
            now: $now,
            out: $out,
            counters: &mut $shard.counters,
            values: &mut $shard.values,
        }
    };
}

pub(super) use turn;

impl Shard {
    /// A shard on a log of that epoch with these heads, by partition.
    pub fn new(settings: Settings, log_epoch: u64, heads: &[Position], now: Now) -> Self {
        Self {
            gateway: Gateway::new(settings.clone(), now.mono_ms),
            home: Home::new(settings.clone(), log_epoch, heads),
            sends: Sends::new(settings.bounds),
            questions: Questions::default(),
            counters: Counters::default(),
            values: VecDeque::new(),
            here: Vec::new(),
            settings,
        }
    }

    /// A socket of this core was upgraded. Its `welcome` follows once its home has answered.
    pub fn open(&mut self, connect: Connect, now: Now, out: &mut Outbox) -> SessionRef {
        let name = self.gateway.open(connect, &mut turn!(self, now, out));
        self.work_off(now, out);
        name
    }

    /// Whether the session's next frame may be looked at. If not, [`Output::Unpark`] says when.
    pub fn is_ready(&mut self, slot: u32) -> bool {
        self.gateway.is_ready(slot)
    }

    /// Any frame came from the peer: it lives.
    pub fn on_heard(&mut self, slot: u32, now: Now) {
        self.gateway.heard(slot, now.mono_ms);
    }

    /// The client asks for a `pong`.
    pub fn on_ping(&mut self, slot: u32, now: Now, out: &mut Outbox) {
        self.gateway.ping(slot, &mut turn!(self, now, out));
    }

    /// The client sends. Its frame is well formed; whether it may, and whether there is room, is judged here.
    pub fn on_send(&mut self, slot: u32, send: SendCommand<'_>, now: Now, out: &mut Outbox) -> Flow {
        let room = (!send.ephemeral).then(|| need(&send));
        if room.is_some_and(|room| !self.sends.most().holds(room)) {
            let mistake = too_large(&send, self.sends.most());
            self.on_mistake(slot, &mistake, now, out);
            return Flow::Go;
        }
        let name = self.gateway.name(slot, self.settings.core);
        if let Some(want) = self.wants(name, room, &send, out) {
            self.gateway.crowd(name, want);
            return Flow::Park;
        }
        self.gateway.came(name);
        if let Err(error) = self.gateway.permit(slot, &send, now) {
            self.counters.refuse(super::append::refusal(error.code));
            self.gateway.answer(slot, Push::Error(Box::new(error)), &mut turn!(self, now, out));
            return Flow::Go;
        }
        if send.ephemeral {
            self.whisper(slot, &send, now, out);
        } else {
            self.append(slot, &send, now, out);
        }
        self.work_off(now, out);
        Flow::Go
    }

    /// The client made a mistake that it can mend.
    pub fn on_mistake(&mut self, slot: u32, mistake: &Mistake<'_>, now: Now, out: &mut Outbox) {
        self.counters.refuse(super::append::refusal(mistake.code));
        let id = mistake.id.map(IdRef::to_client);
        let error = ErrorPush::new(id, mistake.code, mistake.message.clone());
        self.gateway.answer(slot, Push::Error(Box::new(error)), &mut turn!(self, now, out));
    }

    /// The client renewed its token.
    pub fn on_renewed(&mut self, slot: u32, claims: Claims, now: Now, out: &mut Outbox) {
        self.gateway.renew(slot, claims, &mut turn!(self, now, out));
        self.work_off(now, out);
    }

    /// The shell must end the session: the peer broke the protocol, or its token is bad.
    pub fn close(&mut self, slot: u32, code: CloseCode, now: Now, out: &mut Outbox) {
        self.gateway.close(slot, code, &mut turn!(self, now, out));
        self.work_off(now, out);
    }

    /// The socket has taken this much of what was pushed to it, in units of [`Push::cost`].
    pub fn on_written(&mut self, slot: u32, cost: u32, now: Now, out: &mut Outbox) {
        self.gateway.written(slot, cost, &mut turn!(self, now, out));
        self.work_off(now, out);
    }

    /// The socket is gone.
    pub fn on_closed(&mut self, slot: u32, now: Now, out: &mut Outbox) {
        self.gateway.closed(slot, &mut turn!(self, now, out));
        self.work_off(now, out);
    }

    /// A value came from another core.
    pub fn on_parcel(&mut self, from_core: u16, parcel: Parcel, now: Now, out: &mut Outbox) {
        self.take(from_core, parcel, now, out);
        self.work_off(now, out);
    }

    /// The log speaks.
    pub fn on_log(&mut self, event: LogEvent, now: Now, out: &mut Outbox) {
        match event {
            LogEvent::Record(record) => {
                let partition = record.partition;
                let delivered = self.home.apply(record, &mut self.here, &mut turn!(self, now, out));
                if let Some(delivered) = delivered {
                    if !self.here.is_empty() {
                        self.counters.took(Stage::Deliver, now.unix_ms.saturating_sub(delivered.at_ms));
                    }
                    self.gateway.deliver(&self.here, &delivered, &mut turn!(self, now, out));
                }
                self.mark_own(partition);
            }
            LogEvent::Appended(appended) => self.answered(appended.ticket, Ok(appended.at_ms), now, out),
            LogEvent::Refused(refused) => {
                self.answered(refused.ticket, Err((refused.code, refused.retry_after_ms)), now, out);
            }
            LogEvent::Head(partition, head) => {
                self.home.on_head(partition, head);
                self.mark_own(partition);
            }
            LogEvent::Revoked(revocation) => self.home.on_revoked(revocation, &mut turn!(self, now, out)),
            LogEvent::Beat => self.home.on_beat(&mut turn!(self, now, out)),
            LogEvent::Fresh { partitions, asked_ms } => {
                self.home.on_fresh(&partitions, asked_ms, &mut turn!(self, now, out));
            }
            LogEvent::Begun { partition, term, head } => {
                self.home.begun(partition, term, head);
                self.mark_own(partition);
            }
            LogEvent::Ended(partition) => self.home.ended(partition),
            LogEvent::Unknown(partitions) => self.home.forget_revoked(&partitions),
            LogEvent::Page(ticket, page) => self.home.on_page(ticket, page, &mut turn!(self, now, out)),
            // The log judges what lies below its floor when it reads.
            LogEvent::Floors(_) => {}
        }
        self.work_off(now, out);
    }

    /// Time passes: at least every `timers::TICK_MS`.
    pub fn on_tick(&mut self, now: Now, out: &mut Outbox) {
        let mut turn = turn!(self, now, out);
        self.gateway.tick(&mut turn);
        self.gateway.uncrowd(self.sends.free(), &mut turn);
        self.home.tick(&mut turn);
        self.end_questions(now, out);
        self.work_off(now, out);
    }

    /// This node is leaving: every session is told its own moment within the window.
    pub fn drain(&mut self, window_ms: u64, now: Now, out: &mut Outbox) {
        self.gateway.drain(window_ms, &mut turn!(self, now, out));
        self.work_off(now, out);
    }

    /// Whose session that is.
    pub fn client_at(&self, slot: u32) -> &ClientId {
        &self.gateway.sessions.peek(slot).client
    }

    /// The name of that session.
    pub fn session_at(&self, slot: u32) -> SessionRef {
        self.gateway.name(slot, self.settings.core)
    }

    /// Appends the byte form of a session, for the process that takes its socket.
    pub fn export(&self, slot: u32, out: &mut Vec<u8>) {
        self.gateway.sessions.peek(slot).export(out);
    }

    /// Whether the log has been heard of within the last second.
    pub fn is_fresh(&self, now: Now) -> bool {
        self.home.is_fresh(now.mono_ms)
    }

    /// Sessions open.
    pub fn session_count(&self) -> usize {
        self.gateway.sessions.len()
    }

    /// Appends the log has not answered.
    pub fn appends_in_flight(&self) -> usize {
        self.sends.in_flight()
    }

    /// Bytes of those appends.
    pub fn append_bytes_in_flight(&self) -> usize {
        self.sends.bytes_in_flight()
    }

    /// What was counted.
    pub fn counters(&mut self) -> &Counters {
        self.counters.recent_bytes = self.home.recent_bytes() as u64;
        &self.counters
    }

    /// For what the shell itself refuses and drops.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// What the session's command must wait for, if for anything. `room`: what it needs of the log, if it is durable.
    fn wants(
        &self,
        session: SessionRef,
        room: Option<Room>,
        send: &SendCommand<'_>,
        out: &Outbox,
    ) -> Option<Want> {
        let free = self.sends.free();
        if let Some(room) = room {
            return Some(Want::Log(room)).filter(|&want| self.gateway.waits_for(session, want, free));
        }
        // Mostly every inbox takes more and nobody waits for one; then it need not be known whose the recipients are.
        if !out.has_full_inbox() && !self.gateway.is_before_inboxes() {
            return None;
        }
        let inboxes = send.to.iter().map(|to| Want::Inbox(self.settings.topology.core(to)));
        let is_full = |want| matches!(want, Want::Inbox(core) if out.room(core) == 0);
        inboxes.into_iter().find(|&want| is_full(want) || self.gateway.waits_for(session, want, free))
    }

    fn append(&mut self, slot: u32, send: &SendCommand<'_>, now: Now, out: &mut Outbox) {
        self.counters.received_durable += 1;
        let from = Some(self.gateway.sessions.peek(slot).client.as_ref());
        match send.to {
            Recipients::One(to) if !send.copy => {
                let (partition, envelope) = self.message(to, from, send, b"");
                let origin = self.gateway.reserve(slot, self.settings.core, answer_cost(&envelope, &[]));
                if crate::sabotaged!(AckBeforeLog) {
                    let ack = Push::Ack { of: envelope.clone(), at_ms: now.unix_ms };
                    self.gateway.answer(slot, ack, &mut turn!(self, now, out));
                }
                self.sends.begin_one(origin, partition, envelope, &mut turn!(self, now, out));
            }
            _ => {
                let envelopes = self.envelopes(from, send);
                let origin =
                    self.gateway.reserve(slot, self.settings.core, answer_cost(&envelopes[0].1, &envelopes));
                self.sends.begin(origin, true, envelopes, &mut turn!(self, now, out));
            }
        }
    }

    fn whisper(&mut self, slot: u32, send: &SendCommand<'_>, now: Now, out: &mut Outbox) {
        self.counters.received_ephemeral += 1;
        let from = Some(self.gateway.sessions.peek(slot).client.as_ref());
        let (kind, body) = (Kind::Ephemeral, send.body);
        let envelope = Envelope::new(EnvelopeParts { kind, to: None, from, id: None, copied_to: b"", body });
        // By the way to them: another core of this node, or another node.
        let mut elsewhere: Vec<((Route, u16), Vec<ClientId>)> = Vec::new();
        for to in send.to.iter() {
            let place = self.settings.topology.place(to);
            let way = match self.gateway.route(place.partition) {
                Route::Here if place.core == self.settings.core => {
                    self.whisper_here(to, &envelope, now, out);
                    continue;
                }
                Route::Here => (Route::Here, place.core),
                Route::Away(home) => (Route::Away(home), 0),
                Route::Nowhere => {
                    self.counters.drop(Dropped::NobodyThere);
                    continue;
                }
            };
            match elsewhere.iter_mut().find(|(other, _)| *other == way) {
                Some((_, clients)) => clients.push(to.to_client()),
                None => elsewhere.push((way, vec![to.to_client()])),
            }
        }
        for ((route, core), to) in elsewhere {
            let envelope = envelope.clone();
            out.push(match route {
                Route::Away(home) => Output::dispatch(Dispatch::Whisper { home, to, envelope }),
                _ => Output::parcel(core, Parcel::Whisper { to, envelope }),
            });
        }
    }

    fn whisper_here(&mut self, to: IdRef<'_>, envelope: &Envelope, now: Now, out: &mut Outbox) {
        let mut turn = turn!(self, now, out);
        self.home.whisper(to, envelope, &mut self.here, &mut turn);
        self.gateway.whisper(to.as_str(), &self.here, envelope, &mut turn);
    }

    fn answered(
        &mut self,
        ticket: crate::log::Ticket,
        outcome: Result<u64, (ErrorCode, u32)>,
        now: Now,
        out: &mut Outbox,
    ) {
        let finished = self.sends.answered(ticket, outcome);
        let mut turn = turn!(self, now, out);
        if let Some(Finished { origin, began_ms, answer }) = finished {
            turn.counters.took(Stage::Ack, now.mono_ms.saturating_sub(began_ms));
            match origin {
                Origin::Request(request) => turn.out.push(Output::Answer(request, answer.into())),
                Origin::Session { session, reserved } => {
                    match &answer {
                        Push::Error(error) => turn.counters.refuse(super::append::refusal(error.code)),
                        _ => turn.counters.acks += 1,
                    }
                    self.gateway.answer_reserved(session, reserved, answer, &mut turn);
                }
            }
        }
        self.gateway.call_to_log(self.sends.free(), &mut turn);
    }

    /// This core's own sessions are served as far as its home has come.
    fn mark_own(&mut self, partition: Partition) {
        if let Some(term) = self.home.term(partition) {
            let head = Head { partition, term, position: self.home.head(partition) };
            self.gateway.mark(self.settings.core, &[head]);
        }
    }

    /// Works off what gateway and home of this core have for each other, and looks at who waits for the mesh.
    pub(super) fn work_off(&mut self, now: Now, out: &mut Outbox) {
        while let Some(parcel) = self.values.pop_front() {
            self.take(self.settings.core, parcel, now, out);
        }
        self.gateway.call_to_inboxes(&mut turn!(self, now, out));
    }

    fn take(&mut self, from_core: u16, parcel: Parcel, now: Now, out: &mut Outbox) {
        let mut turn = turn!(self, now, out);
        match parcel {
            Parcel::ToHome { via, client, session, say } => {
                self.home.on_say(client, Reach { via, session }, say, &mut turn);
            }
            Parcel::ToSession { client, session, term, say } => {
                self.gateway.on_say(&client, session, term, say, &mut turn);
            }
            Parcel::Deliver { sessions, delivered } => self.gateway.deliver(&sessions, &delivered, &mut turn),
            Parcel::Ephemeral { client, sessions, envelope } => {
                self.gateway.whisper(client.as_str(), &sessions, &envelope, &mut turn);
            }
            Parcel::Whisper { to, envelope } => {
                for client in to {
                    self.whisper_here(client.as_ref(), &envelope, now, out);
                }
            }
            Parcel::Mark { heads } => self.gateway.mark(from_core, &heads),
            Parcel::Join { via, session } => {
                self.home.join(Reach { via, session: session.session }, *session, &mut turn);
            }
            Parcel::Routes { routes } => self.gateway.reroute(routes, &mut turn),
            Parcel::Greet { home } => self.gateway.greet(home, &mut turn),
            Parcel::Meet { via, gateway } => self.home.meet(via, gateway),
            Parcel::Forget { via } => self.home.forget(via),
            parcel @ (Parcel::Ask { .. } | Parcel::Told { .. }) => self.on_inquiry(parcel, now, out),
        }
    }

    /// One envelope per recipient, and one for the sender's own devices if it asks for a copy.
    pub(super) fn envelopes(
        &self,
        from: Option<IdRef<'_>>,
        send: &SendCommand<'_>,
    ) -> Vec<(Partition, Envelope)> {
        let mut envelopes = Vec::with_capacity(send.to.len() + 1);
        match send.to {
            Recipients::One(to) => envelopes.push(self.message(to, from, send, b"")),
            Recipients::Many { .. } => {
                let SendCommand { id, body, .. } = *send;
                let kind = Kind::Message;
                let message = Envelope::new(EnvelopeParts { kind, to: None, from, id, copied_to: b"", body });
                envelopes.extend(send.to.iter().map(|to| (self.partition(to), message.to_one_of_list(to))));
            }
        }
        let copy = from.filter(|_| send.copy).map(|own| self.message(own, from, send, send.to_json));
        envelopes.extend(copy);
        envelopes
    }

    fn message(
        &self,
        to: IdRef<'_>,
        from: Option<IdRef<'_>>,
        send: &SendCommand<'_>,
        copied_to: &[u8],
    ) -> (Partition, Envelope) {
        let (kind, id, body) = (Kind::Message, send.id, send.body);
        (self.partition(to), Envelope::new(EnvelopeParts { kind, to: Some(to), from, id, copied_to, body }))
    }

    pub(super) fn envelope(&self, kind: Kind, to: IdRef<'_>) -> Envelope {
        Envelope::new(EnvelopeParts { kind, to: Some(to), from: None, id: None, copied_to: b"", body: b"" })
    }

    /// Where a client's mailbox is.
    pub fn partition(&self, client: IdRef<'_>) -> Partition {
        self.settings.topology.place(client).partition
    }

    /// Panics when what the parts promise does not hold.
    pub fn invariants(&self) {
        assert!(self.values.is_empty(), "values between home and session are worked off within their input");
        self.gateway.invariants();
        self.home.invariants();
        self.sends.invariants();
        self.questions.invariants();
    }
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
