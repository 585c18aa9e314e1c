//! The machine: what happened goes in, what to do comes out.
//!
//! What always holds: the held cursor never moves back within one log, and moves past a message only when that
//! message was given to the application; a connection whose frames do not join up is left, never believed.

use super::backoff::Backoff;
use super::ending::{Ending, GaveUp, Next, Parting};
use super::held::Held;
use super::letter::{Frame, Letter};
use super::link::{Due, Link, Open};
use super::outbox::{Outbox, Refused, Unsent};
use super::output::{Delivery, Options, Output, Stats};
use crate::limits::{BACKOFF_FORGIVEN_MS, CONNECT_MS, RETRY_MOST_MS, TOKEN_TRIES};
use crate::model::{ClientId, Heard, HeardError, HeardMessage, HeardWelcome, Now};
use std::collections::VecDeque;

/// One client: its cursor, its outbox and its connection.
#[derive(Clone, Debug)]
pub struct Client {
    from: Option<Box<str>>,
    token: Option<Box<str>>,
    tokens_refused: u32,
    held: Option<Held>,
    link: Link,
    outbox: Outbox,
    backoff: Backoff,
    outputs: VecDeque<Output>,
    stats: Stats,
    ids: u64,
}

impl Client {
    /// A client at rest: its first [`Client::tick`] asks for a connection.
    pub fn new(options: Options) -> Self {
        let mut backoff = Backoff::new(options.seed);
        let ids = backoff.dice().throw();
        Self {
            from: options.from,
            token: options.token,
            tokens_refused: 0,
            held: options.cursor.as_deref().and_then(Held::new),
            link: Link::Waiting { until_ms: 0 },
            outbox: Outbox::default(),
            backoff,
            outputs: VecDeque::new(),
            stats: Stats::default(),
            ids,
        }
    }

    /// The next thing to do. To be called until `None` after every input.
    pub fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The cursor held: everything up to it was given to the application.
    pub fn cursor(&self) -> Option<&str> {
        self.held.as_ref().map(Held::as_str)
    }

    /// What to add to the URL of a connect: `&cursor=…&from=…`, as far as there is any.
    pub fn query(&self) -> String {
        let mut query = String::new();
        for (name, value) in [("cursor", self.cursor()), ("from", self.from.as_deref())] {
            if let Some(value) = value {
                query.push('&');
                query.push_str(name);
                query.push('=');
                query.push_str(value);
            }
        }
        query
    }

    /// `from=` of a connect.
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The token to present.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Counts since its making.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Letters that wait for an answer.
    pub fn unanswered(&self) -> usize {
        self.outbox.len()
    }

    /// Whether a shell may well take another letter from its application.
    pub fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Whether the present connection has come to its `welcome`.
    pub fn is_welcome(&self) -> bool {
        matches!(&self.link, Link::Open(Open { welcomed_ms: Some(_), .. }))
    }

    /// Whether there will be no further attempt.
    pub fn is_over(&self) -> bool {
        matches!(self.link, Link::Over)
    }

    /// A message ID that nobody used before.
    pub fn fresh_id(&mut self) -> ClientId {
        let (random, count) = (self.backoff.dice().throw(), self.ids);
        self.ids = self.ids.wrapping_add(1);
        ClientId::new(&format!("{random:016x}{count:016x}")).expect("hexadecimal digits are an identifier")
    }

    /// When [`Client::tick`] has something to do.
    pub fn next_tick_ms(&self) -> Option<u64> {
        match &self.link {
            Link::Waiting { until_ms } => Some(*until_ms),
            Link::Connecting { deadline_ms } => Some(*deadline_ms),
            Link::Open(open) => {
                let times = [Some(open.deadline_ms), open.ping_ms(), open.leave_ms, self.outbox.next_ms()];
                times.into_iter().flatten().min()
            }
            Link::NeedsToken | Link::Over => None,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) {
        let now_ms = now.mono_ms;
        match &mut self.link {
            Link::Waiting { until_ms } if now_ms >= *until_ms => {
                self.link = Link::Connecting { deadline_ms: now_ms + CONNECT_MS };
                self.outputs.push_back(Output::Connect);
            }
            Link::Connecting { deadline_ms } if now_ms >= *deadline_ms => self.leave(Parting::TooSlow, now),
            Link::Open(open) => match open.due(now_ms) {
                Due::Nothing => self.transmit_due(now_ms),
                Due::Ping => {
                    open.ping(now_ms);
                    self.outputs.push_back(Output::Transmit(Frame::Ping));
                }
                Due::Leave(why) => self.leave(why, now),
            },
            _ => {}
        }
    }

    /// The upgrade was answered with 101.
    pub fn opened(&mut self, now: Now) {
        if !matches!(self.link, Link::Connecting { .. }) {
            return;
        }
        self.link = Link::Open(Open::new(now.mono_ms, self.held.is_some()));
        self.transmit_due(now.mono_ms);
    }

    /// The connection, or the attempt at one, has ended.
    pub fn closed(&mut self, ending: Ending, now: Now) {
        let leave_ms = match &self.link {
            Link::Open(open) => open.leave_ms,
            Link::Connecting { .. } => None,
            Link::Waiting { .. } | Link::NeedsToken | Link::Over => return,
        };
        self.settle(now);
        match ending.next() {
            Next::Reconnect { at_least_ms } => {
                let after_ms = match leave_ms {
                    // The server gave this session its own moment, so that not all come at once.
                    Some(leave_ms) => leave_ms.saturating_sub(now.mono_ms),
                    None => self.backoff.wait_ms(at_least_ms),
                };
                self.wait(after_ms, Some(ending), now);
            }
            Next::NeedToken if self.tokens_refused >= TOKEN_TRIES => self.give_up(GaveUp::Unauthorized),
            Next::NeedToken => {
                self.tokens_refused += 1;
                self.link = Link::NeedsToken;
                self.outputs.push_back(Output::NeedToken);
            }
            Next::GiveUp(why) => self.give_up(why),
        }
    }

    /// Another token: presented by the next connect, or in band when connected.
    pub fn renew(&mut self, token: &str, now: Now) {
        self.token = Some(token.into());
        match self.link {
            Link::NeedsToken => self.link = Link::Waiting { until_ms: now.mono_ms },
            Link::Open(_) => self.outputs.push_back(Output::Transmit(Frame::Auth(token.into()))),
            _ => {}
        }
    }

    /// Takes a letter; it leaves the outbox by [`Output::Acknowledged`] or [`Output::Failed`] and in no other way.
    pub fn send(&mut self, letter: Letter, now: Now) -> Result<(), Unsent> {
        if self.is_over() {
            return Err(Unsent::Over);
        }
        self.outbox.push(letter)?;
        if matches!(self.link, Link::Open(_)) {
            self.transmit_due(now.mono_ms);
        }
        Ok(())
    }

    /// Sends beside the log: now or not at all.
    pub fn send_ephemeral(&mut self, to: Vec<ClientId>, body: &[u8]) -> Result<(), Unsent> {
        match self.link {
            Link::Open(_) => {
                self.outputs.push_back(Output::Transmit(Frame::Ephemeral { to, body: body.into() }));
                Ok(())
            }
            Link::Over => Err(Unsent::Over),
            _ => Err(Unsent::Away),
        }
    }

    /// Asks the server for a sign of life and its position now. What was sent before was taken up before the answer.
    pub fn ping(&mut self, now: Now) {
        if let Link::Open(open) = &mut self.link {
            open.ping(now.mono_ms);
            self.outputs.push_back(Output::Transmit(Frame::Ping));
        }
    }

    /// The application wants no more: the connection is left for good.
    pub fn stop(&mut self) {
        if matches!(self.link, Link::Open(_) | Link::Connecting { .. }) {
            self.outputs.push_back(Output::Disconnect(Parting::Stopped));
        }
        if !self.is_over() {
            self.give_up(GaveUp::Stopped);
        }
    }

    /// Any byte from the server is life: control frames, parts of messages.
    pub fn noticed(&mut self, now: Now) {
        if let Link::Open(open) = &mut self.link {
            open.alive(now.mono_ms);
        }
    }

    /// A frame came. What the application is to be given is returned.
    pub fn heard<'a>(&mut self, heard: &Heard<'a>, now: Now) -> Option<Delivery<'a>> {
        let Link::Open(open) = &mut self.link else { return None };
        open.alive(now.mono_ms);
        let welcomed = open.welcomed_ms.is_some();
        match heard {
            Heard::Welcome(welcome) => self.welcome(welcome, now),
            Heard::Message(_) | Heard::Live { .. } | Heard::Cursor { .. } if !welcomed => {
                self.leave(Parting::Nonsense, now);
            }
            Heard::Message(message) => return self.message(message, now),
            Heard::Ephemeral { from, body } => return Some(Delivery::Ephemeral { from: *from, body }),
            Heard::Live { cursor } | Heard::Cursor { cursor } => self.move_to(cursor, now),
            Heard::Pong { cursor } => {
                if let Some(cursor) = cursor {
                    self.move_to(cursor, now);
                }
            }
            Heard::Drain { reconnect_after_ms, cursor } => {
                open.leave_ms = Some(now.mono_ms + (*reconnect_after_ms).min(RETRY_MOST_MS));
                if let Some(cursor) = cursor {
                    self.move_to(cursor, now);
                }
            }
            Heard::Ack { id, at_ms } => {
                if let Some(letter) = self.outbox.acknowledged(id) {
                    self.outputs.push_back(Output::Acknowledged { letter, at_ms: *at_ms });
                }
            }
            Heard::Error(error) => self.refused(error, now),
            Heard::Unknown { .. } => {}
        }
        None
    }

    fn welcome(&mut self, welcome: &HeardWelcome<'_>, now: Now) {
        let Link::Open(open) = &mut self.link else { return };
        let Some(start) = Held::new(welcome.cursor).filter(|_| open.welcomed_ms.is_none()) else {
            return self.leave(Parting::Nonsense, now);
        };
        open.welcome(now.mono_ms, welcome.ping_interval_ms);
        let resumed = !open.presented || welcome.resumed == Some(true);
        self.stats.welcomes += 1;
        self.tokens_refused = 0;
        if !resumed {
            self.stats.losses += 1;
            let reason = welcome.reason.unwrap_or("unsaid").into();
            self.outputs.push_back(Output::Lost { reason });
        } else if let Some(held) = self.held.as_ref().filter(|held| welcome.cursor > held.as_str()) {
            // "Resumed" further on than we asked for is a loss that the server does not admit.
            let (held, prev) = (held.as_str().into(), welcome.cursor.into());
            return self.hole(held, prev, now);
        }
        if !resumed || self.held.is_none() {
            self.held = Some(start);
        }
    }

    fn message<'a>(&mut self, message: &HeardMessage<'a>, now: Now) -> Option<Delivery<'a>> {
        let held = self.held.as_ref().map_or("", Held::as_str);
        if message.cursor <= held {
            self.stats.duplicates += 1;
            return None;
        }
        if message.prev > held {
            let (held, prev) = (held.into(), message.prev.into());
            self.hole(held, prev, now);
            return None;
        }
        let Some(cursor) = Held::new(message.cursor) else {
            self.leave(Parting::Nonsense, now);
            return None;
        };
        self.held = Some(cursor);
        self.stats.delivered += 1;
        Some(Delivery::Message(*message))
    }

    fn hole(&mut self, held: Box<str>, prev: Box<str>, now: Now) {
        self.stats.holes += 1;
        self.outputs.push_back(Output::Hole { held, prev });
        self.leave(Parting::Hole, now);
    }

    /// Nothing for us up to there.
    fn move_to(&mut self, cursor: &str, now: Now) {
        if cursor <= self.cursor().unwrap_or("") {
            return;
        }
        match Held::new(cursor) {
            Some(held) => self.held = Some(held),
            None => self.leave(Parting::Nonsense, now),
        }
    }

    fn refused(&mut self, error: &HeardError<'_>, now: Now) {
        let (code, message) = (error.code.into(), error.message.into());
        match self.outbox.refused(error, &mut self.backoff, now.mono_ms) {
            Refused::Again => {}
            Refused::Failed(letter) => {
                let failed =
                    error.failed.iter().map(|failed| (failed.to.into(), failed.code.into())).collect();
                self.outputs.push_back(Output::Failed { letter, code, message, failed });
            }
            Refused::Unknown => self.outputs.push_back(Output::Complaint { code, message }),
        }
    }

    fn transmit_due(&mut self, now_ms: u64) {
        let Self { outbox, outputs, .. } = self;
        outbox.depart(now_ms, |letter| outputs.push_back(Output::Transmit(Frame::Send(letter))));
    }

    /// Leaves the connection on our own account, and comes back.
    fn leave(&mut self, why: Parting, now: Now) {
        self.settle(now);
        // A frame that was about to be written on the connection that is left would reach the next one instead.
        self.outputs.retain(|output| !matches!(output, Output::Transmit(_)));
        self.outputs.push_back(Output::Disconnect(why));
        let after_ms = if why == Parting::Drained { 0 } else { self.backoff.wait_ms(0) };
        self.wait(after_ms, None, now);
    }

    /// A connection is over: was it a good one, and what was under way must go again.
    fn settle(&mut self, now: Now) {
        if let Link::Open(Open { welcomed_ms: Some(welcomed_ms), .. }) = self.link
            && now.mono_ms >= welcomed_ms + BACKOFF_FORGIVEN_MS
        {
            self.backoff.forgive();
        }
        self.outbox.strand();
    }

    fn wait(&mut self, after_ms: u64, ending: Option<Ending>, now: Now) {
        self.link = Link::Waiting { until_ms: now.mono_ms + after_ms };
        self.outputs.push_back(Output::Waiting { after_ms, ending });
    }

    fn give_up(&mut self, why: GaveUp) {
        self.link = Link::Over;
        self.outputs.push_back(Output::GaveUp(why));
    }

    /// What always holds; for tests.
    #[cfg(test)]
    pub(super) fn invariants(&self) {
        self.outbox.invariants();
        let connected = matches!(self.link, Link::Open(_));
        let in_flight = self.outbox.in_flight();
        assert!(connected || in_flight == 0, "{in_flight} letters are under way without a connection");
        assert!(!self.is_welcome() || self.held.is_some(), "who is welcome holds a cursor");
        assert!(self.tokens_refused <= TOKEN_TRIES);
    }
}
