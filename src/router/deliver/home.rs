//! The home half of a shard: mailboxes, and every attached session moved along its own.
//!
//! What always holds: a session is sent, in order and without a gap, what lies after its position — envelopes as they
//! are appended while it is live, pages within its credit while it is not; whoever is live has been sent everything
//! up to the head. Nothing is said to be complete from a log that has been silent for [`FRESH_MS`].

use super::begin::{At, Beginning};
use super::mailbox::{Attachment, Mailbox, Phase, Recent, Token};
use super::reads::{Purpose, Reads};
use super::recent::RecentOrder;
use crate::counters::Dropped;
use crate::limits::{FRESH_MS, PULL_BYTES, REVOCATIONS};
use crate::log::{Page, Read, ReadFrom, ReadTicket, Record, Revocation, Unreadable};
use crate::model::{
    Ask, Attached, ClientId, Credit, Delivered, Dismissal, Envelope, ErrorCode, IdRef, Kind, Parcel,
    Partition, Position, Push, SessionRef, Start, ToHome, ToSession, Unresumed,
};
use crate::router::output::{Answer, Output, Pulled, Request};
use crate::router::settings::Settings;
use crate::router::turn::Turn;
use std::collections::HashMap;
use std::sync::Arc;

/// Milliseconds between two marks to the other cores (DESIGN.md §6: each second).
const MARK_MS: u64 = 1_000;

/// The mailboxes of one core.
#[derive(Debug)]
pub struct Home {
    settings: Settings,
    log_epoch: u64,
    /// By partition: everything of this core's clients up to here has been applied.
    heads: Box<[Position]>,
    /// Monotonic time at which the log was last heard of.
    heard_ms: Option<u64>,
    mailboxes: HashMap<ClientId, Mailbox>,
    recent: RecentOrder,
    reads: Reads,
    /// Who waits for a fresher log. At most one entry per session that asks.
    stale: Vec<Stale>,
    /// Clients whose older tokens are refused: bounded by [`REVOCATIONS`].
    revoked: HashMap<ClientId, u64>,
    /// By core: sessions there that are attached here.
    attached: Vec<u32>,
    marked_ms: u64,
    marked: Option<Arc<[Position]>>,
}

/// Somebody who waits for a fresher log.
#[derive(Debug)]
enum Stale {
    Attach { client: ClientId, session: SessionRef, say: ToHome },
    Begin { client: ClientId, session: SessionRef, ask: Ask, beginning: Beginning, from: ReadFrom },
    Pump { client: ClientId, session: SessionRef, ask: Ask },
}

/// One session, for who asks about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Which.
    pub session: SessionRef,
    /// Whether it gets envelopes as they are appended.
    pub live: bool,
    /// Offsets of its partition it lies behind.
    pub cursor_lag: u64,
    /// When it was upgraded, Unix milliseconds.
    pub since_ms: u64,
}

impl Home {
    /// A home of a log of that epoch, whose partitions have these heads.
    pub fn new(settings: Settings, log_epoch: u64, heads: &[Position]) -> Self {
        assert_eq!(heads.len(), usize::from(settings.topology.partitions()), "a head for each partition");
        Self {
            log_epoch,
            heads: heads.into(),
            heard_ms: None,
            mailboxes: HashMap::new(),
            recent: RecentOrder::new(settings.recent_bytes),
            reads: Reads::new(settings.bounds.reads_in_flight),
            stale: Vec::new(),
            revoked: HashMap::new(),
            attached: vec![0; usize::from(settings.topology.cores())],
            marked_ms: 0,
            marked: None,
            settings,
        }
    }

    /// The log's epoch.
    pub fn log_epoch(&self) -> u64 {
        self.log_epoch
    }

    /// How far a partition has been applied.
    pub fn head(&self, partition: Partition) -> Position {
        self.heads[usize::from(partition.0)]
    }

    /// Bytes of recent envelopes.
    pub fn recent_bytes(&self) -> usize {
        self.recent.bytes()
    }

    /// Whether what is known of the log is young enough to say `welcome` and `live` from.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        self.heard_ms.is_some_and(|heard_ms| now_ms < heard_ms + FRESH_MS)
    }

    /// A session of one of our clients speaks.
    pub fn on_say(&mut self, client: ClientId, session: SessionRef, say: ToHome, turn: &mut Turn<'_>) {
        match say {
            ToHome::Attach { .. } if !self.is_fresh(turn.now.mono_ms) => {
                self.stale.push(Stale::Attach { client, session, say });
            }
            ToHome::Attach { ask, start, credit, issued_at, by_token, since_ms } => {
                let token = if by_token { Token::Issued(issued_at.unwrap_or(0)) } else { Token::None };
                let Credit(credit) = credit;
                let head = self.head(self.partition(&client));
                let attachment = Attachment {
                    session,
                    ask,
                    phase: Phase::Waiting,
                    credit,
                    position: head,
                    since_ms,
                    token,
                };
                self.attach(client, attachment, start, turn);
            }
            ToHome::Resume { ask, position, credit } => {
                let attachments = self.mailboxes.get_mut(&client).map(|mailbox| &mut mailbox.attachments);
                let Some(attachment) =
                    attachments.and_then(|all| all.iter_mut().find(|a| a.session == session))
                else {
                    return turn.counters.drop(Dropped::StaleAsk);
                };
                (attachment.ask, attachment.position, attachment.credit) = (ask, position, credit.0);
                attachment.phase = Phase::Held;
                if credit.0 > 0 {
                    self.pump(&client, session, ask, turn);
                }
            }
            ToHome::Renewed { issued_at } => self.renewed(&client, session, issued_at, turn),
            ToHome::Detach => self.detach(&client, session),
        }
    }

    fn attach(&mut self, client: ClientId, attachment: Attachment, start: Start, turn: &mut Turn<'_>) {
        let (session, ask) = (attachment.session, attachment.ask);
        if self.is_revoked(&client, attachment.token) {
            return turn.say_session(&client, session, ToSession::Dismissed(Dismissal::Revoked));
        }
        let head = self.head(self.partition(&client));
        let mailbox = self.mailboxes.entry(client.clone()).or_insert_with(|| Mailbox::new(head));
        if mailbox.attachments.len() >= self.settings.sessions_per_client {
            return turn.say_session(&client, session, ToSession::Dismissed(Dismissal::TooManySessions));
        }
        let (beginning, at) = Beginning::judge(start, self.log_epoch, head, Some(mailbox));
        mailbox.attachments.reserve_exact(1);
        mailbox.attachments.push(attachment);
        self.attached[usize::from(session.core)] += 1;
        self.begin(&client, session, ask, beginning, at, turn);
    }

    /// A session's attach is answered, or the log asked where it begins.
    fn begin(
        &mut self,
        client: &ClientId,
        session: SessionRef,
        ask: Ask,
        beginning: Beginning,
        at: At,
        turn: &mut Turn<'_>,
    ) {
        let position = match at {
            At::Memory(position) => position,
            At::Log(from) => {
                let purpose = Purpose::Attach { session, ask, beginning, from };
                let bounds = self.settings.bounds;
                return self.read(client, from, bounds.page_bytes, bounds.page_envelopes, purpose, turn);
            }
        };
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let counted = self.settings.bounds.missed_counted;
        let after = mailbox.recent_after(position.max(mailbox.recent_from));
        let missed = after.take(counted as usize + 1).count() as u32;
        let (missed, more) = (missed.min(counted), missed > counted);
        let Some(attachment) = mailbox.find(session, ask) else { return };
        attachment.position = position;
        let replay = beginning.replays();
        if !replay {
            attachment.phase = Phase::Live;
        }
        let attached = Attached { ask, position, resumed: beginning.resumed, missed, more, replay };
        turn.say_session(client, session, ToSession::Attached(attached));
        if replay {
            self.pump(client, session, ask, turn);
        }
    }

    /// Moves a session that lies behind as far as memory and credit go, then asks the log or says that it is live.
    fn pump(&mut self, client: &ClientId, session: SessionRef, ask: Ask, turn: &mut Turn<'_>) {
        let fresh = self.is_fresh(turn.now.mono_ms);
        let head = self.head(self.partition(client));
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let (last, recent_from, erased) = (mailbox.last, mailbox.recent_from, mailbox.erased);
        let Some(attachment) = mailbox.find(session, ask) else { return };
        if attachment.position < erased {
            // What was erased under it is skipped: nothing that is still served lies before.
            attachment.position = erased;
            let skip = ToSession::Replay { ask, envelopes: Vec::new(), through: erased };
            turn.say_session(client, session, skip);
        }
        let (position, credit) = (attachment.position, attachment.credit);
        if position < last && position < recent_from {
            let bytes = attachment.credit.min(self.settings.bounds.page_bytes);
            if attachment.credit == 0 {
                return self.stop(client, session, ask, turn);
            }
            attachment.phase = Phase::Waiting;
            let purpose = Purpose::Page { session, ask };
            let envelopes = self.settings.bounds.page_envelopes;
            return self.read(client, ReadFrom::After(position), bytes, envelopes, purpose, turn);
        }
        if position < last {
            let envelopes: Vec<Delivered> = in_memory(mailbox, position, credit);
            let Some(through) = envelopes.last().map(|delivered| delivered.position) else {
                return self.stop(client, session, ask, turn);
            };
            let complete = through >= last;
            let attachment = mailbox.find(session, ask).expect("it was there a line above");
            attachment.credit = attachment.credit.saturating_sub(cost(&envelopes));
            attachment.position = through;
            turn.say_session(client, session, ToSession::Replay { ask, envelopes, through });
            if !complete {
                return self.stop(client, session, ask, turn);
            }
        }
        let attachment = mailbox.find(session, ask).expect("it was there a line above");
        if !fresh {
            attachment.phase = Phase::Waiting;
            return self.stale.push(Stale::Pump { client: client.clone(), session, ask });
        }
        attachment.phase = Phase::Live;
        attachment.position = attachment.position.max(head);
        turn.say_session(client, session, ToSession::Live { ask, position: head });
    }

    fn stop(&mut self, client: &ClientId, session: SessionRef, ask: Ask, turn: &mut Turn<'_>) {
        let Some(attachment) = self.mailboxes.get_mut(client).and_then(|m| m.find(session, ask)) else {
            return;
        };
        attachment.phase = Phase::Held;
        turn.say_session(client, session, ToSession::Stop { ask });
    }

    /// A session lives by another token, which may be one that was revoked.
    fn renewed(
        &mut self,
        client: &ClientId,
        session: SessionRef,
        issued_at: Option<u64>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let Some(attachment) = mailbox.attachments.iter_mut().find(|a| a.session == session) else { return };
        attachment.token = Token::Issued(issued_at.unwrap_or(0));
        let token = attachment.token;
        if self.is_revoked(client, token) {
            turn.say_session(client, session, ToSession::Dismissed(Dismissal::Revoked));
        }
    }

    fn detach(&mut self, client: &ClientId, session: SessionRef) {
        self.stale.retain(|stale| !stale.is_of(session));
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let Some(at) = mailbox.attachments.iter().position(|a| a.session == session) else { return };
        mailbox.attachments.remove(at);
        self.attached[usize::from(session.core)] -= 1;
        if mailbox.is_idle() {
            self.mailboxes.remove(client);
        }
    }

    fn read(
        &mut self,
        client: &ClientId,
        from: ReadFrom,
        page_bytes: u32,
        page_envelopes: u32,
        purpose: Purpose,
        turn: &mut Turn<'_>,
    ) {
        let partition = self.partition(client);
        let count_to =
            if matches!(purpose, Purpose::Page { .. }) { 0 } else { self.settings.bounds.missed_counted };
        let ticket = ReadTicket { core: turn.core, read: 0 };
        let upto = self.head(partition);
        let read = Read {
            ticket,
            client: client.clone(),
            partition,
            from,
            upto,
            page_bytes,
            page_envelopes,
            count_to,
        };
        self.reads.ask(read, purpose, turn);
    }

    /// The log answered a read.
    pub fn on_page(&mut self, ticket: ReadTicket, page: Result<Page, Unreadable>, turn: &mut Turn<'_>) {
        let (client, purpose) = self.reads.answered(ticket);
        match purpose {
            Purpose::Pull { request, beginning, limit } => {
                self.pulled(&client, request, beginning, limit, page, turn);
            }
            Purpose::Attach { session, ask, beginning, from } => match page {
                Ok(page) => self.attached_by_log(&client, session, ask, beginning, page, turn),
                Err(Unreadable::Unresumed(why)) => {
                    let (beginning, at) = beginning.refused(why, self.head(self.partition(&client)));
                    self.begin(&client, session, ask, beginning, at, turn);
                }
                Err(Unreadable::Unavailable) => {
                    self.stale.push(Stale::Begin { client, session, ask, beginning, from })
                }
            },
            Purpose::Page { session, ask } => match page {
                Ok(page) => self.feed(&client, session, ask, page, turn),
                // The erase itself has not been told yet. It comes before the next beat, and is skipped then.
                Err(Unreadable::Unresumed(Unresumed::Erased)) => {
                    self.stale.push(Stale::Pump { client, session, ask });
                }
                // Continuity ended under the session: it must come back and be told why.
                Err(Unreadable::Unresumed(_)) => {
                    turn.say_session(&client, session, ToSession::Dismissed(Dismissal::Discontinued));
                }
                Err(Unreadable::Unavailable) => self.stale.push(Stale::Pump { client, session, ask }),
            },
        }
        let mailboxes = &self.mailboxes;
        let wanted = |read: &Read, purpose: &Purpose| match purpose {
            Purpose::Pull { .. } => true,
            Purpose::Attach { session, ask, .. } | Purpose::Page { session, ask } => {
                mailboxes.get(&read.client).is_some_and(|mailbox| {
                    mailbox.attachments.iter().any(|a| a.session == *session && a.ask == *ask)
                })
            }
        };
        self.reads.advance(wanted, turn);
    }

    fn attached_by_log(
        &mut self,
        client: &ClientId,
        session: SessionRef,
        ask: Ask,
        beginning: Beginning,
        page: Page,
        turn: &mut Turn<'_>,
    ) {
        let Some(attachment) = self.mailboxes.get_mut(client).and_then(|m| m.find(session, ask)) else {
            return;
        };
        attachment.position = page.start;
        let (missed, more) = (page.counted, page.more);
        let attached =
            Attached { ask, position: page.start, resumed: beginning.resumed, missed, more, replay: true };
        turn.say_session(client, session, ToSession::Attached(attached));
        self.feed(client, session, ask, page, turn);
    }

    /// Sends a page as far as the session's credit goes.
    fn feed(&mut self, client: &ClientId, session: SessionRef, ask: Ask, page: Page, turn: &mut Turn<'_>) {
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let erased = mailbox.erased;
        let Some(attachment) = mailbox.find(session, ask) else { return };
        let (mut envelopes, mut through, mut whole) = (Vec::new(), attachment.position, true);
        for record in page.records {
            let (at_ms, position) = (record.at_ms, record.position());
            if position <= attachment.position || position <= erased {
                continue;
            }
            let cost = Push::message_cost(&record.envelope);
            if cost > attachment.credit && (attachment.credit == 0 || !envelopes.is_empty()) {
                whole = false;
                break;
            }
            attachment.credit = attachment.credit.saturating_sub(cost);
            envelopes.push(Delivered { envelope: record.envelope, at_ms, prev: through, position });
            through = position;
        }
        if whole {
            through = through.max(page.through);
        }
        attachment.position = through;
        turn.say_session(client, session, ToSession::Replay { ask, envelopes, through });
        if whole { self.pump(client, session, ask, turn) } else { self.stop(client, session, ask, turn) }
    }

    /// A durable record of one of our clients. Returns what its live sessions on this core, now in `here`, get.
    pub fn apply(
        &mut self,
        record: Record,
        here: &mut Vec<SessionRef>,
        turn: &mut Turn<'_>,
    ) -> Option<Delivered> {
        here.clear();
        turn.counters.records_read += 1;
        let (position, at) = (record.position(), usize::from(record.partition.0));
        let before = std::mem::replace(&mut self.heads[at], position);
        assert!(position > before, "records of a partition come in order: {position:?} after {before:?}");
        if record.envelope.kind() == Kind::Erase {
            self.erase(record.envelope.to(), position);
            return None;
        }
        let client = record.envelope.to();
        let mailbox = match self.mailboxes.get_mut(client.as_str()) {
            Some(mailbox) => mailbox,
            None => self.mailboxes.entry(client.to_client()).or_insert_with(|| Mailbox::new(before)),
        };
        let Record { at_ms, envelope, .. } = record;
        let recent = Recent { envelope, at_ms, position };
        let delivered = recent.delivered(mailbox.last);
        mailbox.last = position;
        self.recent.add(mailbox, recent);
        for attachment in &mut mailbox.attachments {
            if attachment.phase == Phase::Live {
                attachment.position = position;
                if attachment.session.core == turn.core {
                    here.push(attachment.session);
                }
            }
        }
        for (core, sessions) in elsewhere(mailbox, turn.core) {
            turn.out.push(Output::Parcel {
                core,
                parcel: Parcel::Deliver { sessions, delivered: delivered.clone() },
            });
        }
        self.recent.evict(&mut self.mailboxes);
        Some(delivered)
    }

    /// Everything up to here has been told.
    pub fn on_head(&mut self, partition: Partition, head: Position) {
        let known = &mut self.heads[usize::from(partition.0)];
        *known = head.max(*known);
    }

    /// The log is alive and has told everything it had to.
    pub fn on_beat(&mut self, turn: &mut Turn<'_>) {
        self.heard_ms = Some(turn.now.mono_ms);
        for stale in std::mem::take(&mut self.stale) {
            match stale {
                Stale::Attach { client, session, say } => self.on_say(client, session, say, turn),
                Stale::Begin { client, session, ask, beginning, from } => {
                    self.begin(&client, session, ask, beginning, At::Log(from), turn);
                }
                Stale::Pump { client, session, ask } => self.pump(&client, session, ask, turn),
            }
        }
    }

    fn erase(&mut self, client: IdRef<'_>, position: Position) {
        let Some(mailbox) = self.mailboxes.get_mut(client.as_str()) else { return };
        // What memory held stays in the order of eviction, whose bytes it still occupies until its turn.
        mailbox.recent.clear();
        mailbox.recent_from = position;
        mailbox.erased = position;
        if mailbox.is_idle() {
            self.mailboxes.remove(client.as_str());
        }
    }

    /// A message beside the log, to who is live now. Returns whether any session on this core, now in `here`, gets it.
    pub fn whisper(
        &mut self,
        client: IdRef<'_>,
        envelope: &Envelope,
        here: &mut Vec<SessionRef>,
        turn: &mut Turn<'_>,
    ) {
        here.clear();
        let Some(mailbox) = self.mailboxes.get(client.as_str()).filter(|m| !m.attachments.is_empty()) else {
            return turn.counters.drop(Dropped::NobodyThere);
        };
        for attachment in &mailbox.attachments {
            match attachment.phase {
                Phase::Live if attachment.session.core == turn.core => here.push(attachment.session),
                Phase::Live => {}
                Phase::Waiting | Phase::Held => turn.counters.drop(Dropped::NotLive),
            }
        }
        for (core, sessions) in elsewhere(mailbox, turn.core) {
            let parcel =
                Parcel::Ephemeral { client: client.to_client(), sessions, envelope: envelope.clone() };
            turn.out.push(Output::Parcel { core, parcel });
        }
    }

    /// A page for an app that holds no socket.
    pub fn pull(
        &mut self,
        request: Request,
        client: &ClientId,
        start: Start,
        limit: u32,
        turn: &mut Turn<'_>,
    ) {
        let head = self.head(self.partition(client));
        let (beginning, at) = Beginning::judge(start, self.log_epoch, head, None);
        self.pull_at(client, request, beginning, at, limit, turn);
    }

    fn pull_at(
        &mut self,
        client: &ClientId,
        request: Request,
        beginning: Beginning,
        at: At,
        limit: u32,
        turn: &mut Turn<'_>,
    ) {
        match at {
            At::Memory(cursor) => {
                let pulled = Pulled { resumed: beginning.resumed, records: Vec::new(), cursor, more: false };
                turn.out.push(Output::Answer(request, Answer::Pulled(pulled)));
            }
            At::Log(from) => {
                let purpose = Purpose::Pull { request, beginning, limit };
                self.read(client, from, PULL_BYTES as u32, limit, purpose, turn);
            }
        }
    }

    fn pulled(
        &mut self,
        client: &ClientId,
        request: Request,
        beginning: Beginning,
        limit: u32,
        page: Result<Page, Unreadable>,
        turn: &mut Turn<'_>,
    ) {
        let answer = match page {
            Ok(page) => {
                let more = page.counted as usize > page.records.len() || page.more;
                let Page { records, through, .. } = page;
                Answer::Pulled(Pulled { resumed: beginning.resumed, records, cursor: through, more })
            }
            Err(Unreadable::Unavailable) => {
                Answer::Refused { code: ErrorCode::Unavailable, retry_after_ms: FRESH_MS as u32 }
            }
            Err(Unreadable::Unresumed(why)) => {
                let (beginning, at) = beginning.refused(why, self.head(self.partition(client)));
                return self.pull_at(client, request, beginning, at, limit, turn);
            }
        };
        turn.out.push(Output::Answer(request, answer));
    }

    /// The sessions of a client.
    pub fn sessions_of(&self, client: &str) -> Vec<SessionInfo> {
        let Some(mailbox) = self.mailboxes.get(client) else { return Vec::new() };
        let info = |a: &Attachment| SessionInfo {
            session: a.session,
            live: a.phase == Phase::Live,
            cursor_lag: match a.phase {
                Phase::Live => 0,
                Phase::Waiting | Phase::Held => mailbox.last.offset.saturating_sub(a.position.offset),
            },
            since_ms: a.since_ms,
        };
        mailbox.attachments.iter().map(info).collect()
    }

    /// Sends all sessions of a client away. Returns how many.
    pub fn disconnect(&mut self, client: &ClientId, turn: &mut Turn<'_>) -> usize {
        self.dismiss(client, Dismissal::Disconnected, |_| true, turn)
    }

    /// Older tokens of a client are refused from now on.
    pub fn on_revoked(&mut self, revocation: Revocation, turn: &mut Turn<'_>) {
        let Revocation { client, issued_until_s } = revocation;
        let until = self.revoked.entry(client.clone()).or_insert(issued_until_s);
        *until = (*until).max(issued_until_s);
        let until = *until;
        let older = |token| matches!(token, Token::Issued(issued_s) if issued_s <= until);
        self.dismiss(&client, Dismissal::Revoked, older, turn);
    }

    /// Whether one more revocation can be remembered.
    pub fn can_revoke(&self, client: &ClientId) -> bool {
        self.revoked.contains_key(client)
            || self.revoked.len() < REVOCATIONS / usize::from(self.settings.topology.cores())
    }

    fn is_revoked(&self, client: &ClientId, token: Token) -> bool {
        matches!((token, self.revoked.get(client)), (Token::Issued(issued_s), Some(&until)) if issued_s <= until)
    }

    fn dismiss(
        &mut self,
        client: &ClientId,
        why: Dismissal,
        whom: impl Fn(Token) -> bool,
        turn: &mut Turn<'_>,
    ) -> usize {
        let Some(mailbox) = self.mailboxes.get(client) else { return 0 };
        let chosen = mailbox.attachments.iter().filter(|a| whom(a.token));
        chosen.map(|a| turn.say_session(client, a.session, ToSession::Dismissed(why))).count()
    }

    /// Time passes: the other cores' sessions are told how far they have been served.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        if turn.now.mono_ms < self.marked_ms + MARK_MS {
            return;
        }
        self.marked_ms = turn.now.mono_ms;
        let others = (0..self.settings.topology.cores())
            .filter(|&core| core != turn.core && self.attached[usize::from(core)] > 0);
        for core in others {
            if self.marked.as_ref().is_none_or(|marked| marked[..] != self.heads[..]) {
                self.marked = Some(self.heads[..].into());
            }
            let heads = self.marked.clone().expect("it was made a line above");
            turn.out.push(Output::Parcel { core, parcel: Parcel::Mark { heads } });
        }
    }

    fn partition(&self, client: &ClientId) -> Partition {
        self.settings.topology.place(client.as_ref()).partition
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.recent.invariants();
        let mut attached = vec![0; self.attached.len()];
        for mailbox in self.mailboxes.values() {
            mailbox.invariants();
            assert!(!mailbox.is_idle(), "a mailbox that nobody needs was kept");
            for attachment in &mailbox.attachments {
                attached[usize::from(attachment.session.core)] += 1;
            }
        }
        assert_eq!(attached, self.attached);
    }
}

impl Stale {
    fn is_of(&self, name: SessionRef) -> bool {
        match self {
            Self::Attach { session, .. } | Self::Begin { session, .. } | Self::Pump { session, .. } => {
                *session == name
            }
        }
    }
}

/// What memory holds after `position`, as far as the credit goes, but at least one where there is any credit.
fn in_memory(mailbox: &Mailbox, position: Position, credit: u32) -> Vec<Delivered> {
    let (mut envelopes, mut prev, mut left) = (Vec::new(), position, credit);
    let all = mailbox.recent_after(position);
    let skipped = usize::from(crate::sabotaged!(ResumeSkipsOne) && all.size_hint().1 > Some(1));
    for recent in all.skip(skipped) {
        let cost = Push::message_cost(&recent.envelope);
        if cost > left && (left == 0 || !envelopes.is_empty()) {
            break;
        }
        left = left.saturating_sub(cost);
        envelopes.push(recent.delivered(prev));
        prev = recent.position;
    }
    envelopes
}

fn cost(envelopes: &[Delivered]) -> u32 {
    envelopes.iter().map(|delivered| Push::message_cost(&delivered.envelope)).sum()
}

/// The live sessions of a mailbox on other cores than `here`, by core in order.
fn elsewhere(mailbox: &Mailbox, here: u16) -> Vec<(u16, Vec<SessionRef>)> {
    let mut cores: Vec<(u16, Vec<SessionRef>)> = Vec::new();
    for attachment in &mailbox.attachments {
        let session = attachment.session;
        if attachment.phase != Phase::Live || session.core == here {
            continue;
        }
        match cores.iter_mut().find(|(core, _)| *core == session.core) {
            Some((_, sessions)) => sessions.push(session),
            None => cores.push((session.core, vec![session])),
        }
    }
    cores
}
