//! A connection to the HTTP API: its requests one after the other, each served on the core of the client it is about.
//!
//! Bounded like everything a peer may hold: the time to a head, to a body, between requests and to take an answer; the
//! bytes of all bodies of a core, those that come in and those that wait for a peer to take them.

use super::arrive;
use super::core::{Mail, Shared, State};
use super::gate::Seat;
use crate::http::clients::{SessionRow, SessionState};
use crate::http::{
    ApiRequest, CONTINUE, Exchange, Manner, Outcome, PublishAnswer, Pulled, Reading, Reply, Step, clients,
    command_of, pulled,
};
use crate::limits::{BODY_BYTES, BODY_MS, KEEP_ALIVE_MS, TAKE_MS};
use crate::model::{ClientId, ErrorCode, Peer, Question, SessionId, SessionInfo};
use crate::net::{Handoff, Size, Socket};
use crate::router::{Answer, NoHome, Request};
use monoio::time::{Instant, timeout_at};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A connection on its way to the core that serves its request.
#[derive(Debug)]
pub struct Moved {
    handoff: Handoff,
    exchange: Exchange,
    request: ApiRequest,
    manner: Manner,
    seat: Seat,
}

/// A connection of the API, on the core that serves it now.
struct Line {
    core: Shared,
    socket: Socket,
    exchange: Exchange,
    seat: Seat,
    /// When it last came to the end of a request, or the next one's head began.
    since: Instant,
    /// Bytes of it that are counted in the core's.
    held: usize,
}

/// What the connection does next.
enum Next {
    Go,
    End,
}

/// Serves a connection whose first head was read, until its end or its upgrade.
pub(super) async fn serve(core: Shared, socket: Socket, exchange: Exchange, seat: Seat) {
    socket.give_up_after(TAKE_MS);
    Line { core, socket, exchange, seat, since: Instant::now(), held: 0 }.run().await;
}

/// Goes on with one that came from another core, for the client that is at home here.
pub(super) async fn go_on(core: Shared, moved: Moved) {
    let Moved { handoff, exchange, request, manner, seat } = moved;
    let Ok((socket, _)) = Socket::receive(handoff) else { return };
    let mut line = Line { core, socket, exchange, seat, since: Instant::now(), held: 0 };
    if let Next::Go = line.answer(request, manner).await {
        line.run().await;
    }
}

impl Line {
    async fn run(mut self) {
        loop {
            let access = Arc::clone(&self.core.look().access);
            let step = self.exchange.step(&access);
            self.count_held();
            let next = match step {
                Step::More => self.read().await,
                Step::Continue => self.write(CONTINUE.to_vec()).await,
                Step::Reply(reply, manner) => self.reply(reply, manner).await,
                Step::Over => return self.part().await,
                Step::Upgrade(head) => {
                    // What came behind the head is the session's from here on, and nobody else would take it off.
                    self.uncount();
                    let Self { core, socket, exchange, seat, .. } = self;
                    return arrive::upgrade(core, socket, *head, exchange.into_unread(), seat).await;
                }
                Step::Serve(request, manner) => match self.elsewhere(&request) {
                    Some(to) => return self.hand_over(to, request, manner),
                    None => self.answer(request, manner).await,
                },
            };
            if let Next::End = next {
                return self.uncount();
            }
        }
    }

    /// The core that must serve it, if it is another one.
    fn elsewhere(&self, request: &ApiRequest) -> Option<u16> {
        let place = self.core.config.settings.topology.place(request.client()?.as_ref());
        (place.core != self.core.config.index).then_some(place.core)
    }

    fn hand_over(mut self, to: u16, request: ApiRequest, manner: Manner) {
        self.uncount();
        let Self { core, socket, exchange, seat, .. } = self;
        let moved = Moved { handoff: socket.hand_over(Vec::new()), exchange, request, manner, seat };
        let mut state = core.enter();
        state.figures.handed_on += 1;
        state.outbox.push(to, Mail::Serve(Box::new(moved)));
    }

    /// More bytes, or the end of the peer's patience or ours.
    async fn read(&mut self) -> Next {
        let (idle, in_body) = (self.exchange.is_idle(), self.exchange.is_in_body());
        if idle && self.core.look().draining {
            return Next::End;
        }
        let wait_ms = if idle {
            KEEP_ALIVE_MS
        } else if in_body {
            BODY_MS
        } else {
            self.core.config.handshake_ms
        };
        if timeout_at(self.since + Duration::from_millis(wait_ms), self.socket.ready()).await.is_err() {
            if !idle {
                let _ = self.reply(Reply::too_slow(), CLOSING).await;
            }
            return Next::End;
        }
        let size = if in_body { Size::Long } else { Size::Short };
        let buffer = self.core.look().pool.take(size);
        let (result, buffer) = self.socket.read(buffer).await;
        self.exchange.push(&buffer);
        // Only a head that begins has time of its own: what is none, as a part of a record of TLS, prolongs nothing.
        if idle && !self.exchange.is_idle() {
            self.since = Instant::now();
        }
        self.core.enter().pool.give(size, buffer);
        self.count_held();
        if self.core.look().figures.body_bytes > BODY_BYTES {
            let _ = self.reply(Reply::crowded(), CLOSING).await;
            return Next::End;
        }
        if result.is_ok() { Next::Go } else { Next::End }
    }

    async fn answer(&mut self, request: ApiRequest, manner: Manner) -> Next {
        let busy = self.seat.busy();
        let reply = match request {
            ApiRequest::Publish(body) => self.publish(body).await,
            ApiRequest::Sessions { client } => {
                let answer = self.inquire(&client, Question::Sessions).await;
                self.sessions(&client, answer)
            }
            ApiRequest::Pull { client, start, limit } => {
                let answer = self.inquire(&client, Question::Pull { start, limit }).await;
                self.page(&client, answer)
            }
            ApiRequest::Disconnect { client, revoke: false } => {
                done(self.inquire(&client, Question::Disconnect).await)
            }
            ApiRequest::Disconnect { client, revoke: true } => {
                let revoked = self.begin(|state, request| {
                    state.shard.revoke(request, &client, state.now, &mut state.out);
                });
                let gone = self.inquire(&client, Question::Disconnect).await;
                match self.answer_to(revoked).await {
                    Answer::Done { .. } => done(gone),
                    refused => done(refused),
                }
            }
            ApiRequest::Erase { client } => {
                let answer = self.ask(|state, request| {
                    state.shard.erase(request, &client, state.now, &mut state.out);
                });
                done(answer.await)
            }
        };
        let next = self.reply(reply, manner).await;
        drop(busy);
        next
    }

    /// Asks the home of a client, wherever that is.
    async fn inquire(&self, client: &ClientId, question: Question) -> Answer {
        self.ask(|state, request| state.shard.inquire(request, client, question, state.now, &mut state.out))
            .await
    }

    /// Asks the shard something that has one answer.
    async fn ask(&self, ask: impl FnOnce(&mut State, Request)) -> Answer {
        let number = self.begin(ask);
        self.answer_to(number).await
    }

    /// The same, for an answer that is waited for later.
    fn begin(&self, ask: impl FnOnce(&mut State, Request)) -> u32 {
        let state = &mut *self.core.enter();
        let number = state.requests.begin();
        ask(state, Request { number, element: 0 });
        number
    }

    async fn answer_to(&self, number: u32) -> Answer {
        let (_, answer) = poll_fn(|cx| self.core.look().requests.poll(number, cx.waker())).await;
        self.core.look().requests.end(number);
        answer
    }

    async fn publish(&self, body: Vec<u8>) -> Reply {
        let held = body.capacity();
        self.core.look().figures.body_bytes += held;
        let begun = self.begin_publish(body).await;
        self.core.look().figures.body_bytes -= held;
        let (number, mut answer) = match begun {
            Ok(begun) => begun,
            Err(reply) => return reply,
        };
        while !answer.is_complete() {
            let (element, outcome) = poll_fn(|cx| self.core.look().requests.poll(number, cx.waker())).await;
            answer.settle(element, outcome_of(&outcome));
        }
        self.core.look().requests.end(number);
        answer.reply()
    }

    /// Takes a publish apart and gives its elements to the shard.
    async fn begin_publish(&self, body: Vec<u8>) -> Result<(u32, PublishAnswer), Reply> {
        let mut reading = Reading::new(body);
        let (mut publish, mut answer) =
            self.in_steps(|state, left| reading.step(&mut state.parser, left).transpose()).await?;
        let number = self.core.enter().requests.begin();
        self.in_steps(|state, left| {
            while *left > 0 {
                let Some((element, text)) = publish.next() else { return Some(()) };
                *left = left.saturating_sub(text.len());
                if let Some(publication) = answer.note(element, state.parser.publication(text)) {
                    let request = Request { number, element };
                    let command = command_of(&publication);
                    state.shard.publish(request, Some(publication.from), &command, state.now, &mut state.out);
                }
            }
            None
        })
        .await;
        Ok((number, answer))
    }

    /// Does what costs time by the byte, until it says that it is done: no more in a turn than the core can afford.
    async fn in_steps<T>(&self, mut step: impl FnMut(&mut State, &mut usize) -> Option<T>) -> T {
        loop {
            {
                let state = &mut *self.core.enter();
                let mut left = state.requests.readable(state.now.mono_ms);
                if left > 0 {
                    let done = step(state, &mut left);
                    state.requests.left(left);
                    if let Some(done) = done {
                        return done;
                    }
                }
            }
            // Not a wake of ourselves: in a turn that comes by one the core does not look at its sockets.
            monoio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn sessions(&self, client: &ClientId, answer: Answer) -> Reply {
        let Answer::Sessions { home, sessions } = answer else { return unanswered(answer) };
        let identity = &self.core.look().identity;
        let row = |info: SessionInfo| SessionRow {
            session: match info.gateway.or(home) {
                Some(Peer { node, incarnation }) if node != identity.node() => {
                    SessionId { node, incarnation, session: info.session }
                }
                _ => identity.session(info.session),
            },
            state: if info.live { SessionState::Live } else { SessionState::CatchUp },
            cursor_lag: info.cursor_lag,
            since_ms: info.since_ms,
        };
        let home = home.map_or(identity.node(), |home| home.node);
        clients::sessions(client.as_ref(), home, sessions.into_iter().map(row))
    }

    fn page(&self, client: &ClientId, answer: Answer) -> Reply {
        let Answer::Pulled(page) = answer else { return unanswered(answer) };
        let (resumed, cursor, more) = (page.resumed, page.cursor, page.more);
        let log_epoch = self.core.look().identity.log_epoch;
        let messages = page.envelopes.iter().map(|it| (&it.envelope, it.at_ms, it.position));
        let reply = pulled(Pulled { client: client.as_ref(), log_epoch, resumed, cursor, more }, messages);
        // It is read again when there is room. Pages on their way here are bounded by the reads that may be out.
        let held = self.core.look().figures.body_bytes;
        if held + reply.body.len() > BODY_BYTES { Reply::crowded() } else { reply }
    }

    async fn reply(&mut self, reply: Reply, manner: Manner) -> Next {
        if let Some(refusal) = reply.refusal {
            self.core.enter().figures.refuse(refusal);
        }
        let mut out = Vec::with_capacity(256 + reply.body.len());
        reply.write(manner, &mut out);
        drop(reply);
        self.since = Instant::now();
        self.write(out).await
    }

    /// Writes all of it. What the peer has not taken counts as long as it is here.
    async fn write(&mut self, bytes: Vec<u8>) -> Next {
        let held = bytes.capacity();
        self.core.look().figures.body_bytes += held;
        let is_taken = self.socket.write(bytes).await;
        self.core.look().figures.body_bytes -= held;
        if is_taken { Next::Go } else { Next::End }
    }

    /// The last reply was written: the peer reads it to its end before the socket goes.
    async fn part(mut self) {
        self.uncount();
        self.socket.finish();
        arrive::drain(&self.core, &mut self.socket).await;
    }

    /// Keeps the core's count of what exchanges hold, with what TLS holds of records that are not whole.
    fn count_held(&mut self) {
        let held = self.exchange.held() + self.socket.held_bytes();
        let bytes = &mut self.core.look().figures.body_bytes;
        *bytes = *bytes + held - std::mem::replace(&mut self.held, held);
    }

    fn uncount(&mut self) {
        self.core.look().figures.body_bytes -= std::mem::take(&mut self.held);
    }
}

/// The connection ends with this reply.
const CLOSING: Manner = Manner { keep_alive: false, head_only: false };

fn outcome_of(answer: &Answer) -> Outcome {
    match *answer {
        Answer::Done { at_ms } => Outcome::Durable { at_ms },
        Answer::Refused { code, retry_after_ms } => {
            Outcome::Refused { code, retry_after_ms: (retry_after_ms > 0).then_some(retry_after_ms) }
        }
        _ => Outcome::Refused { code: ErrorCode::Internal, retry_after_ms: None },
    }
}

fn done(answer: Answer) -> Reply {
    match answer {
        Answer::Done { .. } => Reply::done(),
        other => unanswered(other),
    }
}

/// What a request is answered that was not told what it asked for.
fn unanswered(answer: Answer) -> Reply {
    match answer {
        Answer::Refused { code, retry_after_ms } => {
            Reply::failed(code, (retry_after_ms > 0).then_some(retry_after_ms))
        }
        Answer::NoHome(why) => Reply::no_home(match why {
            NoHome::Nowhere => "no node is the home of this client at the moment; try again",
            NoHome::Crowded => "too many questions to other nodes are waiting; try again later",
            NoHome::Silent => "the node that is this client's home did not answer in time; try again",
            NoHome::Unavailable => "the node that is this client's home cannot answer yet; try again",
        }),
        Answer::Done { .. } | Answer::Pulled(_) | Answer::Sessions { .. } => {
            Reply::failed(ErrorCode::Internal, None)
        }
    }
}

/// Serves it on its own task.
pub(super) fn take_over(core: &Shared, moved: Moved) {
    monoio::spawn(go_on(Rc::clone(core), moved));
}
