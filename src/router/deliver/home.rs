//! The home half of a shard: mailboxes, and every attached session moved along its own.
//!
//! What always holds: a session is sent, in order and without a gap, what lies after its position — envelopes as they
//! are appended while it is live, pages within its credit while it is not; whoever is live has been sent everything
//! up to the head. Nothing is said to be complete from a log that has been silent for
//! [`FRESH_MS`](crate::limits::FRESH_MS), nor of a partition that is not served: who is attached there waits, and is
//! judged again when a term begins.

use super::mailbox::{Mailbox, Phase, Recent};
use super::reads::Reads;
use super::recent::RecentOrder;
use super::tenure::Tenures;
use crate::counters::Dropped;
use crate::limits::STALE_PER_TICK;
use crate::log::Record;
use crate::model::{
    Ask, ByClient, ClientId, Delivered, Dispatch, Envelope, Head, HelloFrom, HelloSession, IdRef, Kind,
    Parcel, Partition, Peer, Position, Reach, SessionRef, Start, ToHome, Via,
};
use crate::router::line::Line;
use crate::router::output::Output;
use crate::router::settings::Settings;
use crate::router::turn::Turn;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Milliseconds between two marks to the other cores (DESIGN.md §6: each second).
const MARK_MS: u64 = 1_000;

/// The mailboxes of one core.
#[derive(Debug)]
pub struct Home {
    pub(super) settings: Settings,
    pub(super) log_epoch: u64,
    pub(super) tenures: Tenures,
    pub(super) mailboxes: ByClient<Box<Mailbox>>,
    pub(super) recent: RecentOrder,
    pub(super) reads: Reads,
    /// Pages for other nodes that were asked of the log: at most [`crate::limits::QUESTIONS_HEARD`].
    pub(super) pages_for_others: usize,
    /// Where the ways lead by which sessions of other nodes come. The post keeps as many as there are links.
    pub(super) gateways: BTreeMap<Via, Peer>,
    /// Where those want to start who have not been told yet. One for an attachment at most.
    pub(super) starting: HashMap<Reach, Start>,
    /// Who waits for a fresher log, or for the log to come to where it stands.
    pub(super) stale: Line<Reach, Stale>,
    /// Where the line ended at the last beat: who came before is served, [`STALE_PER_TICK`] at a time.
    pub(super) stale_due: u64,
    /// Clients whose older tokens are refused: bounded by [`crate::limits::REVOCATIONS`].
    pub(super) revoked: ByClient<u64>,
    /// The same of everybody, where revocations came that there was no room for.
    pub(super) all_revoked: Option<u64>,
    /// By core of this node: sessions there that are attached here.
    pub(super) attached: Vec<u32>,
    pub(super) marked_ms: u64,
}

/// A session that is to be judged with the next beat.
#[derive(Debug)]
pub(super) struct Stale {
    pub client: ClientId,
    pub ask: Ask,
    /// Until when the log may come to where it stands, if it stands beyond what is known of it.
    pub until_ms: Option<u64>,
}

impl Home {
    /// A home of a log of that epoch, whose partitions have these heads; without any it serves none yet.
    pub fn new(settings: Settings, log_epoch: u64, heads: &[Position]) -> Self {
        Self {
            log_epoch,
            tenures: Tenures::new(settings.topology.partitions(), heads),
            mailboxes: ByClient::default(),
            recent: RecentOrder::new(settings.recent_bytes),
            reads: Reads::new(settings.bounds.reads_in_flight),
            pages_for_others: 0,
            gateways: BTreeMap::new(),
            starting: HashMap::new(),
            stale: Line::default(),
            stale_due: 0,
            revoked: ByClient::default(),
            all_revoked: None,
            attached: vec![0; usize::from(settings.topology.cores())],
            marked_ms: 0,
            settings,
        }
    }

    /// How far a partition has been applied.
    pub fn head(&self, partition: Partition) -> Position {
        self.tenures.head(partition)
    }

    /// The number of the present term of a partition, if it is served.
    pub fn term(&self, partition: Partition) -> Option<u64> {
        self.tenures.term(partition)
    }

    /// Bytes of recent envelopes.
    pub fn recent_bytes(&self) -> usize {
        self.recent.bytes()
    }

    /// Whether what is known of everything that is served is young enough to say `welcome` and `live` from.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        self.tenures.are_fresh(now_ms)
    }

    /// A session of one of our clients speaks.
    pub fn on_say(&mut self, client: ClientId, reach: Reach, say: ToHome, turn: &mut Turn<'_>) {
        match say {
            ToHome::Attach { ask, start, credit, issued_at, by_token, since_ms } => {
                let (session, from) = (reach.session, HelloFrom::Start(start));
                let hello =
                    HelloSession { client, session, ask, from, credit, issued_at, by_token, since_ms };
                self.join(reach, hello, turn);
            }
            ToHome::Resume { ask, position, credit } => {
                let attachments = self.mailboxes.get_mut(&client).map(|mailbox| &mut mailbox.attachments);
                let attachment = attachments.and_then(|all| all.iter_mut().find(|a| a.reach == reach));
                // Who resumes was welcomed, by this home or by another one.
                let Some(attachment) = attachment.filter(|_| !self.starting.contains_key(&reach)) else {
                    return turn.counters.drop(Dropped::StaleAsk);
                };
                (attachment.ask, attachment.position, attachment.credit) = (ask, position, credit.0);
                attachment.phase = Phase::Held;
                if credit.0 > 0 {
                    self.pump(&client, reach, ask, turn);
                }
            }
            ToHome::Renew { issued_at } => self.renewed(&client, reach, issued_at, turn),
            ToHome::Detach => self.detach(&client, reach),
        }
    }

    pub(super) fn detach(&mut self, client: &ClientId, reach: Reach) {
        self.stale.leave(reach);
        self.starting.remove(&reach);
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let Some(at) = mailbox.attachments.iter().position(|a| a.reach == reach) else { return };
        mailbox.attachments.remove(at);
        if reach.via == Via::HERE {
            self.attached[usize::from(reach.session.core)] -= 1;
        }
        if mailbox.is_idle() {
            self.mailboxes.remove(client);
        }
    }

    /// By this way sessions of that node come.
    pub fn meet(&mut self, via: Via, gateway: Peer) {
        self.gateways.insert(via, gateway);
    }

    /// This life of a gateway's link is over: its sessions are gone. They come again with its hello.
    pub fn forget(&mut self, via: Via) {
        assert_ne!(via, Via::HERE, "this node does not leave itself");
        self.gateways.remove(&via);
        self.mailboxes.retain(|_, mailbox| {
            mailbox.attachments.retain(|attachment| attachment.reach.via != via);
            !mailbox.is_idle()
        });
        self.starting.retain(|reach, _| reach.via != via);
        self.stale.retain(|reach| reach.via != via);
    }

    /// A partition is served from here on. Whoever is attached to one of its mailboxes is judged again, some at a time:
    /// what it had been given in an earlier term may not be what the log holds.
    pub fn begun(&mut self, partition: Partition, term: u64, head: Position) {
        let served = self.tenures.begin(partition, term, head);
        for (client, reach, ask) in self.restart(partition, served, head) {
            self.stale.join(reach, Stale { client, ask, until_ms: None });
        }
    }

    /// A partition is not served any more. Its gateways know that too, and take their sessions elsewhere.
    pub fn ended(&mut self, partition: Partition) {
        let served = self.tenures.end(partition);
        self.restart(partition, served, Position::START);
    }

    /// Nothing in memory of a partition's mailboxes counts any more. Who was live has had everything that was `served`,
    /// messages or not. Returns who is attached to them, in one order.
    fn restart(
        &mut self,
        partition: Partition,
        served: Option<Position>,
        head: Position,
    ) -> Vec<(ClientId, Reach, Ask)> {
        let topology = self.settings.topology;
        let mut attached = Vec::new();
        self.mailboxes.retain(|client, mailbox| {
            if topology.place(client.as_ref()).partition != partition {
                return true;
            }
            mailbox.restart(served, head);
            let waiting = mailbox.attachments.iter().filter(|a| a.phase == Phase::Waiting);
            attached.extend(waiting.map(|a| (client.clone(), a.reach, a.ask)));
            !mailbox.is_idle()
        });
        attached.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        attached
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
        let position = record.position();
        let before = self.tenures.apply(record.partition, position);
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
                if attachment.reach.is_on(turn.core) {
                    here.push(attachment.reach.session);
                }
            }
        }
        for (toward, sessions) in elsewhere(mailbox, turn.core) {
            let delivered = delivered.clone();
            turn.out.push(match toward {
                Toward::Core(core) => Output::parcel(core, Parcel::Deliver { sessions, delivered }),
                Toward::Link(via) => Output::dispatch(Dispatch::Deliver { via, sessions, delivered }),
            });
        }
        self.recent.evict(&mut self.mailboxes);
        Some(delivered)
    }

    /// Everything up to here has been told.
    pub fn on_head(&mut self, partition: Partition, head: Position) {
        self.tenures.reach(partition, head);
    }

    /// The log is alive and has told everything it had to.
    pub fn on_beat(&mut self, turn: &mut Turn<'_>) {
        self.tenures.heard_all(turn.now.mono_ms);
        self.stale_due = self.stale.end();
        self.serve_stale(turn);
    }

    /// The same of these partitions alone, as of that time.
    pub fn on_fresh(&mut self, partitions: &[Partition], asked_ms: u64, turn: &mut Turn<'_>) {
        let heard_ms = asked_ms.min(turn.now.mono_ms);
        partitions.iter().for_each(|&partition| self.tenures.heard(partition, heard_ms));
        self.stale_due = self.stale.end();
        self.serve_stale(turn);
    }

    /// Those who waited for the last beat go on, so many at a time: a crowd that came while the log was silent does
    /// not hold up everyone else. Who still has to wait stands behind those who came meanwhile.
    fn serve_stale(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..STALE_PER_TICK {
            let Some((reach, stale)) = self.stale.serve_before(self.stale_due) else { return };
            self.judge(reach, stale, turn);
        }
    }

    /// A session that still asks this waits for the next beat.
    pub(super) fn wait(&mut self, reach: Reach, stale: Stale) {
        let asks = self.mailboxes.get_mut(&stale.client).and_then(|mailbox| mailbox.find(reach, stale.ask));
        if let Some(attachment) = asks {
            attachment.phase = Phase::Waiting;
            self.stale.join(reach, stale);
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
                Phase::Live if attachment.reach.is_on(turn.core) => here.push(attachment.reach.session),
                Phase::Live => {}
                Phase::Waiting | Phase::Held => turn.counters.drop(Dropped::NotLive),
            }
        }
        for (toward, sessions) in elsewhere(mailbox, turn.core) {
            let (client, envelope) = (client.to_client(), envelope.clone());
            turn.out.push(match toward {
                Toward::Core(core) => Output::parcel(core, Parcel::Ephemeral { client, sessions, envelope }),
                Toward::Link(via) => {
                    Output::dispatch(Dispatch::Ephemeral { via, client, sessions, envelope })
                }
            });
        }
    }

    /// Time passes: everybody else's sessions are told how far they have been served.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        self.serve_stale(turn);
        if turn.now.mono_ms < self.marked_ms + MARK_MS {
            return;
        }
        self.marked_ms = turn.now.mono_ms;
        let served = self.tenures.served();
        let heads: Arc<[Head]> =
            served.map(|(partition, term, position)| Head { partition, term, position }).collect();
        let others = (0..self.settings.topology.cores())
            .filter(|&core| core != turn.core && self.attached[usize::from(core)] > 0);
        for core in others {
            turn.out.push(Output::parcel(core, Parcel::Mark { heads: Arc::clone(&heads) }));
        }
        if self.settings.is_clustered {
            turn.out.push(Output::dispatch(Dispatch::Heads { heads: heads.to_vec() }));
        }
    }

    pub(super) fn partition(&self, client: &ClientId) -> Partition {
        self.settings.topology.place(client.as_ref()).partition
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.recent.invariants();
        self.stale.invariants();
        let (mut attached, mut starting) = (vec![0; self.attached.len()], 0);
        for (client, mailbox) in &self.mailboxes {
            mailbox.invariants();
            assert!(!mailbox.is_idle(), "a mailbox that nobody needs was kept");
            let is_served = self.term(self.partition(client)).is_some();
            for attachment in &mailbox.attachments {
                if attachment.reach.via == Via::HERE {
                    attached[usize::from(attachment.reach.session.core)] += 1;
                }
                starting += usize::from(self.starting.contains_key(&attachment.reach));
                assert!(is_served || attachment.phase != Phase::Live, "{client} is live where nobody serves");
            }
        }
        assert_eq!(attached, self.attached);
        assert_eq!(starting, self.starting.len(), "who starts is attached");
    }
}

/// The way to sessions that are not on this core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toward {
    /// To another core of this node.
    Core(u16),
    /// To another node.
    Link(Via),
}

impl Toward {
    fn of(reach: Reach) -> Self {
        if reach.via == Via::HERE { Self::Core(reach.session.core) } else { Self::Link(reach.via) }
    }
}

/// The live sessions of a mailbox that are not on core `here`, by the way to them.
pub(super) fn elsewhere(mailbox: &Mailbox, here: u16) -> Vec<(Toward, Vec<SessionRef>)> {
    let mut ways: Vec<(Toward, Vec<SessionRef>)> = Vec::new();
    for attachment in &mailbox.attachments {
        let toward = Toward::of(attachment.reach);
        if attachment.phase != Phase::Live || toward == Toward::Core(here) {
            continue;
        }
        match ways.iter_mut().find(|(way, _)| *way == toward) {
            Some((_, sessions)) => sessions.push(attachment.reach.session),
            None => ways.push((toward, vec![attachment.reach.session])),
        }
    }
    ways
}

#[cfg(test)]
#[path = "home_tests.rs"]
mod tests;
