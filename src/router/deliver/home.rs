//! The home half of a shard: mailboxes, and every attached session moved along its own.
//!
//! What always holds: a session is sent, in order and without a gap, what lies after its position — envelopes as they
//! are appended while it is live, pages within its credit while it is not; whoever is live has been sent everything
//! up to the head. Nothing is said to be complete from a log that has been silent for [`FRESH_MS`].

use super::begin::{At, Beginning};
use super::mailbox::{Attachment, Mailbox, Phase, Recent, Token};
use super::reads::Reads;
use super::recent::RecentOrder;
use crate::counters::Dropped;
use crate::limits::{FRESH_MS, STALE_PER_TICK};
use crate::log::{ReadFrom, Record};
use crate::model::{
    Ask, ByClient, ClientId, Credit, Delivered, Envelope, IdRef, Kind, Parcel, Partition, Position,
    SessionRef, ToHome,
};
use crate::router::line::Line;
use crate::router::output::Output;
use crate::router::settings::Settings;
use crate::router::turn::Turn;
use std::sync::Arc;

/// Milliseconds between two marks to the other cores (DESIGN.md §6: each second).
const MARK_MS: u64 = 1_000;

/// The mailboxes of one core.
#[derive(Debug)]
pub struct Home {
    pub(super) settings: Settings,
    pub(super) log_epoch: u64,
    /// By partition: everything of this core's clients up to here has been applied.
    pub(super) heads: Box<[Position]>,
    /// Monotonic time at which the log was last heard of.
    pub(super) heard_ms: Option<u64>,
    pub(super) mailboxes: ByClient<Box<Mailbox>>,
    pub(super) recent: RecentOrder,
    pub(super) reads: Reads,
    /// Who waits for a fresher log.
    pub(super) stale: Line<Stale>,
    /// Where the line ended at the last beat: who came before is served, [`STALE_PER_TICK`] at a time.
    pub(super) stale_due: u64,
    /// Clients whose older tokens are refused: bounded by [`crate::limits::REVOCATIONS`].
    pub(super) revoked: ByClient<u64>,
    /// By core: sessions there that are attached here.
    pub(super) attached: Vec<u32>,
    pub(super) marked_ms: u64,
    pub(super) marked: Option<Arc<[Position]>>,
}

/// What a session waits for a fresher log with.
#[derive(Debug)]
pub(super) enum Stale {
    Attach { client: ClientId, say: ToHome },
    Begin { client: ClientId, ask: Ask, beginning: Beginning, from: ReadFrom },
    Pump { client: ClientId, ask: Ask },
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
            mailboxes: ByClient::default(),
            recent: RecentOrder::new(settings.recent_bytes),
            reads: Reads::new(settings.bounds.reads_in_flight),
            stale: Line::default(),
            stale_due: 0,
            revoked: ByClient::default(),
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
                self.stale.join(session, Stale::Attach { client, say });
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
            ToHome::Renew { issued_at } => self.renewed(&client, session, issued_at, turn),
            ToHome::Detach => self.detach(&client, session),
        }
    }

    pub(super) fn detach(&mut self, client: &ClientId, session: SessionRef) {
        self.stale.leave(session);
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let Some(at) = mailbox.attachments.iter().position(|a| a.session == session) else { return };
        mailbox.attachments.remove(at);
        self.attached[usize::from(session.core)] -= 1;
        if mailbox.is_idle() {
            self.mailboxes.remove(client);
        }
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
            None => {
                self.mailboxes.entry(client.to_client()).or_insert_with(|| Box::new(Mailbox::new(before)))
            }
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
        self.stale_due = self.stale.end();
        self.serve_stale(turn);
    }

    /// Those who waited for the last beat go on, so many at a time: a crowd that came while the log was silent does
    /// not hold up everyone else.
    fn serve_stale(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..STALE_PER_TICK {
            if !self.is_fresh(turn.now.mono_ms) {
                return;
            }
            let Some((session, stale)) = self.stale.serve_before(self.stale_due) else { return };
            match stale {
                Stale::Attach { client, say } => self.on_say(client, session, say, turn),
                Stale::Begin { client, ask, beginning, from } => {
                    self.begin(&client, session, ask, beginning, At::Log(from), turn);
                }
                Stale::Pump { client, ask } => self.pump(&client, session, ask, turn),
            }
        }
    }

    /// A session that still asks this waits for the next beat.
    pub(super) fn wait(&mut self, session: SessionRef, ask: Ask, stale: Stale) {
        let (Stale::Attach { client, .. } | Stale::Begin { client, .. } | Stale::Pump { client, .. }) =
            &stale;
        if self.mailboxes.get_mut(client).is_some_and(|mailbox| mailbox.find(session, ask).is_some()) {
            self.stale.join(session, stale);
        }
    }

    pub(super) fn erase(&mut self, client: IdRef<'_>, position: Position) {
        let Some(mailbox) = self.mailboxes.get_mut(client.as_str()) else { return };
        // What memory held stays in the order of eviction, whose bytes it still occupies until its turn.
        mailbox.erase(position);
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

    /// Time passes: the other cores' sessions are told how far they have been served.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        self.serve_stale(turn);
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

    pub(super) fn partition(&self, client: &ClientId) -> Partition {
        self.settings.topology.place(client.as_ref()).partition
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.recent.invariants();
        self.stale.invariants();
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

/// The live sessions of a mailbox on other cores than `here`, by core in order.
pub(super) fn elsewhere(mailbox: &Mailbox, here: u16) -> Vec<(u16, Vec<SessionRef>)> {
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

#[cfg(test)]
#[path = "home_tests.rs"]
mod tests;
