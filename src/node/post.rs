//! The thread between this node's cores and all other nodes: the shell of the pure [`crate::post`].
//!
//! It reads this node's partition of the node topic and the cluster topic, takes what the cores have for other nodes, and
//! carries out what the post decides. It waits for no core and no broker; a tick every 100 ms keeps it going.

use super::core::Mail;
use super::ending::{Ending, Endings};
use super::post_shown::{Seen, Shown};
use super::report::Life;
use crate::admin::Phase;
use crate::backplane::KafkaLog;
use crate::backplane::kafka::{
    Bell, ClusterTold, ClusterTopic, Connection, NoWay, NodeTold, NodeTopic, Sending, Trouble,
};
use crate::cluster::{self, Constants, Incarnation, NodePartition, Protocols, Raw, Record, Refusal};
use crate::host::mono_ms;
use crate::limits::{POST_BEGIN_MS, POST_TAKE, POST_TICK_MS};
use crate::mesh::Address;
use crate::model::{Dispatch, Parcel, Peer, Topology};
use crate::post::{Output, Post, Settings};
use crate::wire::node_record::NodeRecord;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a node speaks to others.
const PROTOCOLS: Protocols = Protocols { min: 1, max: 1 };

/// How a node's post is to be.
#[derive(Clone)]
pub(super) struct PostOptions {
    pub connection: Connection,
    pub node_topic: String,
    pub cluster_topic: String,
    pub ordinal: u16,
    pub incarnation: Incarnation,
    pub node_timeout_ms: u32,
    pub log_epoch: u64,
    pub standby: bool,
    pub topology: Topology,
}

/// What a core hands its dispatches to. Clones are the same.
#[derive(Clone)]
pub(super) struct PostBox {
    letters: Sender<Letter>,
    bell: Bell,
}

enum Letter {
    From(u16, Vec<Dispatch>),
    Drain,
    Stop,
}

impl PostBox {
    /// What a core has for other nodes, in its order.
    pub fn post(&self, core: u16, dispatches: Vec<Dispatch>) {
        self.tell(Letter::From(core, dispatches));
    }

    fn tell(&self, letter: Letter) {
        // After the stop nobody is there to be told.
        let _ = self.letters.send(letter);
        self.bell.ring();
    }
}

/// A post that runs.
pub(super) struct Posting {
    pub postbox: PostBox,
    thread: JoinHandle<()>,
    shown: Arc<Shown>,
}

impl Posting {
    /// Starts it; the cores are told of everything through their inboxes.
    pub fn start(
        options: PostOptions,
        log: KafkaLog,
        cores: Vec<Address<Mail>>,
        ends: (Life, Endings),
    ) -> Result<Self, NoWay> {
        let (bell, rung) = Bell::new();
        // Unbounded: what cores have is taken at once, and what cannot be said waits in the post, which is bounded.
        let (letters, to_post) = unbounded();
        let shown = Arc::new(Shown::new(mono_ms()));
        let office = Office::open(options, log, cores, ends, &bell, Arc::clone(&shown))?;
        let thread = std::thread::Builder::new().name("post".into()).spawn(move || {
            office.run(&to_post, &rung);
        });
        let failed = |error: std::io::Error| {
            NoWay::Trouble(Trouble::Failed { doing: "start the post", reason: error.to_string() })
        };
        Ok(Self { postbox: PostBox { letters, bell }, thread: thread.map_err(failed)?, shown })
    }

    /// What anybody may see of it.
    pub fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    /// The node drains: its partitions go to others, and what became of them is shown.
    pub fn drain(&self) {
        self.postbox.tell(Letter::Drain);
    }

    /// Says that the node leaves, and ends. Waits a little for the word to be written.
    pub fn stop(self) {
        self.postbox.tell(Letter::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the post's thread panicked");
        }
    }
}

/// The post and all that it is connected to.
struct Office {
    post: Post,
    options: PostOptions,
    cluster: ClusterTopic,
    node: NodeTopic,
    log: KafkaLog,
    cores: Vec<Address<Mail>>,
    life: Life,
    endings: Endings,
    shown: Arc<Shown>,
    out: Vec<Output>,
    /// By core, what this turn has for it.
    mail: Vec<Vec<Mail>>,
    /// A question for the cluster log's end that could not be asked.
    unasked: Option<u64>,
    has_partition: bool,
    next_tick: Instant,
    /// The node stops: until when at most.
    leaving: Option<Instant>,
    has_said_leave: bool,
    /// Words in the cluster log whose writing is not told yet.
    under_way: usize,
    bytes: Vec<u8>,
}

impl Office {
    fn open(
        options: PostOptions,
        log: KafkaLog,
        cores: Vec<Address<Mail>>,
        (life, endings): (Life, Endings),
        bell: &Bell,
        shown: Arc<Shown>,
    ) -> Result<Self, NoWay> {
        let node = NodeTopic::open(&options.connection, &options.node_topic, options.ordinal, bell)?;
        let mut cluster =
            ClusterTopic::open(&options.connection, &options.cluster_topic, bell).map_err(NoWay::Trouble)?;
        cluster.begin().map_err(NoWay::Trouble)?;
        let member = cluster::Settings {
            ordinal: options.ordinal,
            incarnation: options.incarnation,
            protocols: PROTOCOLS,
            constants: Constants {
                partitions: options.topology.partitions(),
                node_timeout_ms: options.node_timeout_ms,
                log_epoch: options.log_epoch,
            },
        };
        let mut out = Vec::new();
        let post = Post::new(Settings { member, topology: options.topology }, mono_ms(), &mut out);
        let now = Instant::now();
        Ok(Self {
            post,
            cluster,
            node,
            log,
            mail: cores.iter().map(|_| Vec::new()).collect(),
            cores,
            life,
            endings,
            shown,
            out,
            unasked: None,
            has_partition: false,
            next_tick: now,
            leaving: None,
            has_said_leave: false,
            under_way: 0,
            bytes: Vec::new(),
            options,
        })
    }

    fn run(mut self, letters: &Receiver<Letter>, rung: &Receiver<()>) {
        loop {
            let wait = self.next_tick.saturating_duration_since(Instant::now());
            let _ = rung.recv_timeout(wait);
            for letter in letters.try_iter() {
                match letter {
                    Letter::From(core, dispatches) => {
                        self.post.on_dispatches(core, dispatches, mono_ms(), &mut self.out);
                    }
                    Letter::Drain => self.post.on_drain(mono_ms(), &mut self.out),
                    Letter::Stop => {
                        self.leaving.get_or_insert(Instant::now() + LEAVE);
                        self.post.on_stop(mono_ms(), &mut self.out);
                    }
                }
            }
            // Before the tick: after a stall the marks that wait are heard before anybody's silence is judged.
            self.hear_nodes();
            self.hear_cluster();
            self.tick();
            self.carry_out();
            let has_left = self.has_said_leave && self.under_way == 0;
            if self.leaving.is_some_and(|until| has_left || Instant::now() >= until) {
                return;
            }
        }
    }

    fn hear_nodes(&mut self) {
        let Self { node, post, out, has_partition, .. } = self;
        node.take(POST_TAKE, |told| match told {
            NodeTold::Record { version, value, .. } => {
                post.on_node_record(NodeRecord::read(version, value), mono_ms(), out);
            }
            NodeTold::Lost => {
                *has_partition = false;
                post.on_node_records_lost(mono_ms(), out);
            }
            NodeTold::Trouble(code) => tracing::debug!(%code, "our node partition cannot be read now"),
            NodeTold::GivenUp(peer) => post.on_given_up(peer, mono_ms(), out),
        });
    }

    fn hear_cluster(&mut self) {
        let Self { cluster, post, out, under_way, shown, .. } = self;
        let (mut is_lost, mut unanswered) = (false, None);
        cluster.take(POST_TAKE, |told| match told {
            ClusterTold::Record(seen) => {
                let (offset, version, value) = (seen.offset, seen.version, seen.value);
                let raw = Raw { offset, append_ms: seen.at_ms, version, value };
                shown.heard(mono_ms());
                post.on_record(raw, mono_ms(), out);
            }
            ClusterTold::Lost => {
                is_lost = true;
                post.on_lost_place(mono_ms(), out);
            }
            ClusterTold::Trouble(code) => tracing::debug!(%code, "the cluster topic cannot be read now"),
            ClusterTold::Written(written) => {
                *under_way = under_way.saturating_sub(1);
                if written.is_there {
                    shown.written();
                } else {
                    post.on_unwritten(mono_ms(), out);
                }
            }
            ClusterTold::Ends(answer) => match answer.ends {
                Some(ends) => post.on_end(answer.question, ends.start, ends.end, mono_ms(), out),
                None => unanswered = Some(answer.question),
            },
        });
        if is_lost && let Err(trouble) = cluster.begin() {
            tracing::error!(%trouble, "the cluster topic cannot be read");
        }
        // With the next tick: where a broker is still making the topic, that there is no answer is told at once.
        self.unasked = unanswered.or(self.unasked);
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + Duration::from_millis(POST_TICK_MS);
        if !self.has_partition {
            self.begin_partition();
        }
        if let Some(question) = self.unasked {
            self.ask_ends(question);
        }
        self.post.on_tick(mono_ms(), &mut self.out);
        // What follows from it first: who sees a member finds the log told of what is its own.
        self.carry_out();
        self.show();
    }

    fn show(&self) {
        let (is_member, nodes) = (self.post.is_member(), self.post.view().members().len());
        let trouble = self.cluster.trouble().or_else(|| self.node.trouble());
        let (handing_over, counts) = (self.post.handing_over(), self.post.counts());
        let left = handing_over.as_ref().map(Vec::len);
        let readers_made_anew = [self.node.readers_made_anew(), self.cluster.readers_made_anew()];
        let seen = Seen { is_member, nodes, trouble, handing_over, counts, readers_made_anew };
        let before = self.shown.see(seen);
        if before.is_member != is_member {
            tracing::info!(ordinal = self.options.ordinal, nodes, is_member, "membership");
        }
        match (before.handing_over.map(|before| before.len()), left) {
            (before, Some(0)) if before != Some(0) => {
                tracing::info!("what was this node's is live at its new homes");
            }
            (None, Some(partitions)) => tracing::info!(partitions, "handing over what is this node's"),
            _ => {}
        }
    }

    /// Reads our own partition from its end on. Blocks a little, which is noticed as a late loop if it is long. A broker that is
    /// still making the topic says at once that it cannot tell, and is asked with each tick.
    fn begin_partition(&mut self) {
        match self.node.begin(Duration::from_millis(POST_BEGIN_MS)) {
            Ok(Some(_)) => {
                self.has_partition = true;
                self.post.on_node_partition(NodePartition::Assigned, mono_ms(), &mut self.out);
            }
            Ok(None) => {}
            Err(trouble) => tracing::warn!(%trouble, "our node partition cannot be read"),
        }
    }

    fn ask_ends(&mut self, question: u64) {
        self.unasked = (!self.cluster.ask_ends(question)).then_some(question);
    }

    /// Does what the post wants done, in order, and what follows from that.
    fn carry_out(&mut self) {
        while !self.out.is_empty() {
            for output in std::mem::take(&mut self.out) {
                self.carry_out_one(output);
            }
        }
        for (core, mail) in self.cores.iter().zip(&mut self.mail) {
            if !mail.is_empty() {
                core.post(std::mem::take(mail));
            }
        }
    }

    fn carry_out_one(&mut self, output: Output) {
        match output {
            Output::Append(record) => {
                self.under_way += 1;
                if !self.cluster.write(Record::VERSION, &record.value(), 0) {
                    self.under_way -= 1;
                    self.post.on_unwritten(mono_ms(), &mut self.out);
                }
            }
            Output::ReadToEnd { request } => self.ask_ends(request),
            Output::Exit(refusal) => self.exit(refusal),
            Output::Left => self.has_said_leave = true,
            // This program writes the first version, which is all that there is.
            Output::Speak { version } => tracing::info!(version, "the protocol that all nodes speak"),
            Output::Own(own) => {
                let standby = if self.options.standby { own.standby } else { Vec::new() };
                tracing::info!(owned = own.owned.len(), standby = standby.len(), "partitions of this node");
                self.log.own(own.owned, standby);
            }
            Output::ToNode { ordinal, record } => {
                self.bytes.clear();
                record.write(&mut self.bytes);
                let peer = Peer { node: ordinal, incarnation: record.to };
                if self.node.send(peer, &self.bytes) == Sending::Refused {
                    self.post.on_given_up(peer, mono_ms(), &mut self.out);
                }
            }
            Output::ToCore { core, parcel } => self.mail(core, parcel),
            Output::ToCores(parcel) => {
                (0..self.cores.len()).for_each(|core| self.mail(core as u16, parcel.clone()));
            }
            Output::Unreadable(why) => {
                tracing::warn!("a record for this node {why}; further ones are counted only");
            }
        }
    }

    fn mail(&mut self, core: u16, parcel: Parcel) {
        let from = self.cores.len() as u16;
        self.mail[usize::from(core)].push(Mail::Parcel { from, parcel });
    }

    /// The node must end at once: its signal handler finds the reason here.
    fn exit(&mut self, refusal: Refusal) {
        self.life.set(Phase::Draining);
        for core in &self.cores {
            core.post(vec![Mail::Stop]);
        }
        self.endings.end(Ending::Refused(refusal));
    }
}

/// How long the last word may take to be written.
const LEAVE: Duration = Duration::from_secs(2);
