//! The post itself: its inputs, and in which order what follows from them is done.
//!
//! Everything that is for a link goes through one line and leaves it at the end of each input if the node may speak:
//! values in their order, then the hellos that are due. So a life of a link never begins while something of the one before
//! still waits, and no mark passes what a core said before it.
//!
//! May it speak? The membership says so: it holds its ordinal and has read the cluster log to its end. Whether the view has
//! this node in it is not asked ([`Members::holds`]): who was counted out for a moment, by a silence of Kafka, would be
//! silent on links that are as good as they were, and break them all. Its homes keep it for `node_timeout`; what it says to
//! them meanwhile is judged by them, and as a home it has nothing to say, for it owns nothing. But the view must have a
//! version that all its nodes speak.

use super::Output;
use super::attention::{Attention, Every};
use super::counts::{Drop, PostCounts, Sort};
use super::desk::Desk;
use super::gateway::Gateway;
use super::handover::Handover;
use super::home::Home;
use super::saying::Saying;
use super::whereabouts::Whereabouts;
use crate::cluster::{self, Members, NodePartition, Raw, Unsaid, View};
use crate::limits::{ALIVE_MS, KAFKA_SILENT_MS, NODES};
use crate::model::{Asker, Dispatch, Parcel, Partition, Peer, Topology};
use crate::wire::node_record::{Beside, Down, NodeRecord, Says, Unreadable, Up, fitting};

/// Time between two marks to a gateway.
const MARK_MS: u64 = 1_000;

/// Who a node is, and what it is made of.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// As a member of its cluster.
    pub member: cluster::Settings,
    /// Partitions and cores. The partitions are the cluster's.
    pub topology: Topology,
}

/// One node's way to all others.
#[derive(Debug)]
pub struct Post {
    node_timeout_ms: u64,
    members: Members,
    gateway: Gateway,
    home: Home,
    /// What is to be said on links.
    line: Unsaid<Saying>,
    attention: Attention,
    alive: Every,
    mark: Every,
    /// When Kafka said something last.
    heard_ms: u64,
    desk: Desk,
}

impl Post {
    /// A node that starts. The first it says is [`Output::ToCores`]: nobody is at home anywhere.
    ///
    /// Panics if a setting is out of its bounds: they were checked with the configuration.
    pub fn new(settings: Settings, now_ms: u64, out: &mut Vec<Output>) -> Self {
        let Settings { member, topology } = settings;
        assert_eq!(
            member.constants.partitions,
            topology.partitions(),
            "one cluster has one number of partitions"
        );
        let mut said = Vec::new();
        let members = Members::new(member, now_ms, &mut said);
        let desk = Desk {
            me: Peer { node: member.ordinal, incarnation: members.incarnation().0 },
            link_ms: 0,
            whereabouts: Whereabouts::new(topology, member),
            handover: None,
            counts: PostCounts::default(),
            tray: Vec::new(),
        };
        let mut post = Self {
            node_timeout_ms: member.constants.node_timeout_ms.into(),
            members,
            gateway: Gateway::default(),
            home: Home::new(topology.cores()),
            line: Unsaid::default(),
            attention: Attention::new(now_ms),
            alive: Every::new(ALIVE_MS, now_ms),
            mark: Every::new(MARK_MS, now_ms),
            heard_ms: now_ms,
            desk,
        };
        post.tell_routes();
        post.carry_out(said);
        out.append(&mut post.desk.tray);
        post
    }

    /// The next record of the cluster log.
    pub fn on_record(&mut self, raw: Raw<'_>, now_ms: u64, out: &mut Vec<Output>) {
        self.heard_ms = now_ms;
        self.member(now_ms, out, |members, said| members.on_record(raw, now_ms, said));
    }

    /// The answer to [`Output::ReadToEnd`]: the cluster log held the offsets from `start` to below `end`.
    pub fn on_end(&mut self, request: u64, start: u64, end: u64, now_ms: u64, out: &mut Vec<Output>) {
        self.heard_ms = now_ms;
        self.member(now_ms, out, |members, said| members.on_end(request, start, end, now_ms, said));
    }

    /// The consumer of the cluster log was told that what it read is not what the log holds, or that its place is gone. It
    /// goes on at the log's first offset.
    pub fn on_lost_place(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.member(now_ms, out, |members, said| members.on_lost_place(now_ms, said));
    }

    /// The node's own partition was looked for. Nothing is claimed before it is assigned at its end.
    pub fn on_node_partition(&mut self, found: NodePartition, now_ms: u64, out: &mut Vec<Output>) {
        self.member(now_ms, out, |members, said| members.on_node_partition(found, now_ms, said));
    }

    /// The producer has given up an [`Output::Append`]: it will not come, or nobody knows.
    pub fn on_unwritten(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.member(now_ms, out, |members, said| members.on_unwritten(now_ms, said));
    }

    /// The node is about to go: its partitions move at once to those that stay, while it says and hears all that it did.
    /// [`Post::on_stop`] comes when its sessions are gone and [`Post::handing_over`] has nothing left.
    pub fn on_drain(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let Desk { handover, whereabouts, .. } = &mut self.desk;
        handover.get_or_insert_with(|| Handover::new(whereabouts));
        if crate::sabotaged!(DrainsUnsaid) {
            return;
        }
        self.member(now_ms, out, |members, said| members.on_drain(now_ms, said));
    }

    /// The node stops: it says `leave` as soon as it may, then [`Output::Left`]. Called last, after its sessions are gone:
    /// from here on nothing else is said.
    pub fn on_stop(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.member(now_ms, out, |members, said| members.on_stop(now_ms, said));
    }

    /// About every 100 ms.
    pub fn on_tick(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.begin(now_ms);
        if self.alive.is_due(now_ms) {
            self.ask_members(|members, said| members.on_tick(now_ms, said));
        }
        self.gateway.tick(&mut self.desk);
        self.home.tick(self.node_timeout_ms, &mut self.desk);
        self.attend_heirs();
        let may_speak = self.speak(now_ms);
        if self.mark.is_due(now_ms) && may_speak {
            self.home.mark(&mut self.desk);
        }
        out.append(&mut self.desk.tray);
    }

    /// The next record of our own partition of the node topic.
    pub fn on_node_record(
        &mut self,
        read: Result<NodeRecord, Unreadable>,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        self.heard_ms = now_ms;
        self.begin(now_ms);
        match read {
            Ok(record) => self.hear(record),
            Err(why) => self.cannot_read(why),
        }
        self.end(now_ms, out);
    }

    /// Records of our own partition of the node topic are lost: it was out of range, or the consumer was told so.
    pub fn on_node_records_lost(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.begin(now_ms);
        self.gateway.sever(&mut self.desk);
        self.home.sever(&mut self.desk);
        self.end(now_ms, out);
    }

    /// The producer has not taken, or has given up, an [`Output::ToNode`] to that start of that node.
    pub fn on_given_up(&mut self, peer: Peer, now_ms: u64, out: &mut Vec<Output>) {
        self.begin(now_ms);
        self.gateway.break_off(peer, &mut self.desk);
        self.home.break_off(peer, &mut self.desk);
        self.end(now_ms, out);
    }

    /// What a core has for other nodes, in its order. The more at once, the fewer records its joins take.
    pub fn on_dispatches(
        &mut self,
        core: u16,
        dispatches: impl IntoIterator<Item = Dispatch>,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        assert!(core < self.desk.whereabouts.topology.cores(), "there is no core {core}");
        self.begin(now_ms);
        let may_speak = self.may_speak(now_ms);
        for dispatch in dispatches {
            self.take(core, dispatch, may_speak);
        }
        self.end(now_ms, out);
    }

    /// Which start of which node this is. Final before anything is said to other nodes.
    pub fn me(&self) -> Peer {
        self.desk.me
    }

    /// Whether the newest view has this node in it.
    pub fn is_member(&self) -> bool {
        self.members.holds()
    }

    /// The newest view; empty before the first.
    pub fn view(&self) -> &View {
        self.members.view()
    }

    /// Of a node that drains: what was its own and is not live at a new home yet, as far as is known here. `None` before its
    /// drain.
    pub fn handing_over(&self) -> Option<Vec<Partition>> {
        let Desk { handover, whereabouts, .. } = &self.desk;
        handover.as_ref().map(|handover| handover.left(whereabouts).collect())
    }

    /// What happened so far, and what is there.
    pub fn counts(&self) -> PostCounts {
        PostCounts {
            members: self.members.counts(),
            uplinks: self.gateway.links(),
            downlinks: self.home.links(),
            waiting: self.line.len(),
            waiting_bytes: self.line.bytes(),
            ..self.desk.counts
        }
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.members.invariants();
        self.line.invariants();
        self.gateway.invariants(&self.desk);
        self.home.invariants();
        self.desk.whereabouts.invariants(self.desk.me);
        if let Some(handover) = &self.desk.handover {
            handover.invariants(&self.desk.whereabouts);
        }
        assert!(self.desk.tray.is_empty(), "what is to be done was handed out");
    }

    fn begin(&mut self, now_ms: u64) {
        self.attention.pass(now_ms);
        self.desk.link_ms = self.attention.ms();
    }

    fn end(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.speak(now_ms);
        out.append(&mut self.desk.tray);
    }

    /// An input that is the membership's.
    fn member(
        &mut self,
        now_ms: u64,
        out: &mut Vec<Output>,
        give: impl FnOnce(&mut Members, &mut Vec<cluster::Output>),
    ) {
        self.begin(now_ms);
        self.ask_members(give);
        self.end(now_ms, out);
    }

    fn ask_members<T>(&mut self, ask: impl FnOnce(&mut Members, &mut Vec<cluster::Output>) -> T) -> T {
        let mut said = Vec::new();
        let answer = ask(&mut self.members, &mut said);
        self.carry_out(said);
        answer
    }

    fn carry_out(&mut self, said: Vec<cluster::Output>) {
        for output in said {
            let output = match output {
                cluster::Output::Say(record) => Output::Append(record),
                cluster::Output::ReadToEnd { request } => Output::ReadToEnd { request },
                cluster::Output::Exit(refusal) => Output::Exit(refusal),
                cluster::Output::Left => Output::Left,
                cluster::Output::View(view) => {
                    self.on_view(&view);
                    continue;
                }
            };
            self.desk.tray.push(output);
        }
    }

    fn on_view(&mut self, view: &View) {
        self.desk.me.incarnation = self.members.incarnation().0;
        let news = self.desk.whereabouts.on_view(self.desk.me, self.members.holds(), view);
        if let Some(version) = self.desk.whereabouts.spoken.filter(|_| news.spoken) {
            self.desk.tray.push(Output::Speak { version });
        }
        if news.routes {
            self.tell_routes();
        }
        if news.own {
            let own = self.desk.whereabouts.own.clone();
            self.desk.tray.push(Output::Own(own));
        }
        self.gateway.on_view(&mut self.desk);
        self.home.on_view(&mut self.desk);
        let Desk { handover, whereabouts, .. } = &mut self.desk;
        if let Some(handover) = handover {
            handover.on_view(whereabouts);
        }
        self.attend_heirs();
    }

    /// Whose word a drain waits for must have a link to say it by.
    fn attend_heirs(&mut self) {
        if let Some(handover) = &self.desk.handover {
            let awaited = handover.awaited(&self.desk.whereabouts);
            self.gateway.attend(awaited, &self.desk);
        }
    }

    fn tell_routes(&mut self) {
        let routes = self.desk.whereabouts.routes.clone();
        self.desk.tell_cores(Parcel::Routes { routes });
    }

    fn hear(&mut self, record: NodeRecord) {
        let NodeRecord { from, to, says } = record;
        let desk = &mut self.desk;
        desk.counts.heard[Sort::of(&says) as usize] += 1;
        desk.me.incarnation = self.members.incarnation().0;
        if to != desk.me.incarnation {
            return desk.drop(Drop::OtherIncarnation);
        }
        if from.node == desk.me.node || usize::from(from.node) >= NODES {
            return desk.drop(Drop::Stranger);
        }
        match says {
            Says::Up { stamp, value } => self.home.hear(from, stamp, value, desk),
            Says::Down { stamp, value } => self.gateway.hear(from, stamp, value, desk),
            Says::Beside(value @ (Beside::Whisper { .. } | Beside::Question { .. })) => {
                self.home.pass_on(from, value, desk);
            }
            Says::Beside(value @ (Beside::Ephemeral { .. } | Beside::Findings { .. })) => {
                self.gateway.pass_on(from, value, desk);
            }
        }
    }

    fn cannot_read(&mut self, why: Unreadable) {
        let counts = &mut self.desk.counts;
        let count = match why {
            Unreadable::NewerVersion => &mut counts.newer,
            Unreadable::Damaged { .. } => &mut counts.damaged,
        };
        *count += 1;
        if *count == 1 {
            self.desk.tray.push(Output::Unreadable(why));
        }
    }

    /// One thing that a core has for another node.
    fn take(&mut self, core: u16, dispatch: Dispatch, may_speak: bool) {
        match dispatch {
            Dispatch::ToHome { home, client, session, say } => {
                self.wait(Saying::Up { home, value: Up::Session { client, session, say } });
            }
            Dispatch::Join { home, session } => self.wait(Saying::Join { home, session }),
            Dispatch::ToSession { via, client, session, term, say } => {
                self.wait(Saying::Down { via, value: Down::Session { client, session, term, say } });
            }
            Dispatch::Deliver { via, sessions, delivered } => {
                self.wait(Saying::Down { via, value: Down::Deliver { sessions, delivered } });
            }
            Dispatch::Heads { heads } => self.home.on_heads(core, heads),
            Dispatch::Whisper { .. }
            | Dispatch::Ephemeral { .. }
            | Dispatch::Ask { .. }
            | Dispatch::Tell { .. }
                if !may_speak =>
            {
                self.desk.drop(Drop::MayNotSpeak);
            }
            Dispatch::Whisper { home, to, envelope } => {
                self.say_beside(home, Beside::Whisper { to, envelope });
            }
            Dispatch::Ask { home, number, client, question } => {
                let asker = Asker { core, number };
                self.say_beside(home, Beside::Question { asker, client, question });
            }
            Dispatch::Tell { to, asker, findings } => {
                self.say_beside(to, Beside::Findings { asker, findings });
            }
            Dispatch::Ephemeral { via, client, sessions, envelope } => {
                self.home.say_beside(via, Beside::Ephemeral { client, sessions, envelope }, &mut self.desk);
            }
        }
    }

    /// Says a value beside links, if its node is alive.
    fn say_beside(&mut self, to: Peer, value: Beside) {
        if self.desk.whereabouts.alive.contains_key(&to) {
            self.desk.tell_node(to, Says::Beside(value));
        } else {
            self.desk.drop(Drop::NotInView);
        }
    }

    /// A value gets into the line. One that leads nowhere does not, and one that has no room breaks its link.
    fn wait(&mut self, saying: Saying) {
        let reaches = match &saying {
            Saying::Up { home, .. } | Saying::Join { home, .. } => {
                self.gateway.reaches(*home, &mut self.desk)
            }
            Saying::Down { via, .. } => self.home.reaches(*via, &mut self.desk),
        };
        if !reaches {
            return;
        }
        let bytes = saying.bytes();
        let Err(refused) = self.line.wait(saying, bytes) else { return };
        self.desk.drop(Drop::NoRoom);
        match refused {
            Saying::Up { home, .. } | Saying::Join { home, .. } => {
                self.gateway.break_off(home, &mut self.desk)
            }
            Saying::Down { via, .. } => self.home.break_off_via(via, &mut self.desk),
        }
    }

    fn may_speak(&mut self, now_ms: u64) -> bool {
        self.ask_members(|members, said| members.may_speak(now_ms, said))
            && self.desk.whereabouts.spoken.is_some()
    }

    /// All that may be said now, and whether anything may.
    fn speak(&mut self, now_ms: u64) -> bool {
        let may_speak = self.may_speak(now_ms);
        if may_speak {
            self.desk.me.incarnation = self.members.incarnation().0;
            while let Some(saying) = self.line.take() {
                self.say(saying);
            }
            // Our own word comes each second: while nothing does, a hello would be lost, and the next one, too.
            if now_ms < self.heard_ms + KAFKA_SILENT_MS {
                self.gateway.greet(&mut self.desk);
            }
        }
        may_speak
    }

    fn say(&mut self, saying: Saying) {
        match saying {
            Saying::Up { home, value } => self.gateway.say(home, value, &mut self.desk),
            Saying::Down { via, value } => self.home.say(via, value, &mut self.desk),
            Saying::Join { home, session } => {
                let behind = self.line.iter().map_while(|saying| saying.joining(home));
                let more = fitting(std::iter::once(&session).chain(behind)).saturating_sub(1);
                let mut sessions = vec![session];
                for _ in 0..more {
                    if let Some(Saying::Join { session, .. }) = self.line.take() {
                        sessions.push(session);
                    }
                }
                self.gateway.say(home, Up::More(sessions), &mut self.desk);
            }
        }
    }
}
