//! Starting and stopping: probe, bind, pin, run; and every thread is either running or joined.

use super::cluster::ClusterNode;
use super::config::NodeConfig;
use super::core::{self, Mail};
use super::ending::{Ending, Endings};
use super::gate::Gate;
use super::guard::Guard;
use super::place::Place;
use super::post::{PostBox, Posting};
use super::report::Life;
use super::{Figures, abort};
use crate::access::{Access, Proxies};
use crate::admin::Phase;
use crate::backplane::kafka::Trouble;
use crate::backplane::{Embedded, Log, OpenError, Options, Recovered};
use crate::cluster::Refusal;
use crate::host::unix_ms;
use crate::limits::{CONNECTIONS, CORE_BACKLOG, CORES, OWN_FILES};
use crate::log::LogEvent;
use crate::mesh::{Address, Inbox, Load, inboxes};
use crate::model::{IdRef, Partition, Position, SessionId, SessionRef};
use crate::net::{Driver, ListenError, Refused, bind, choose};
use crate::router::Settings;
use crate::wire::json::Face;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, thread};

/// A node that runs until [`Running::stop`].
pub struct Running {
    /// Where it listens, with the real port.
    pub addr: SocketAddr,
    /// How its cores talk to the kernel.
    pub driver: Driver,
    threads: Vec<JoinHandle<()>>,
    pub(super) addresses: Addresses,
    shown: Vec<Arc<Mutex<Figures>>>,
    log: Option<Log>,
    pub(super) posting: Option<Posting>,
    guard: Option<Guard>,
    endings: Endings,
    pub(super) life: Life,
    pub(super) gate: Arc<Gate>,
    /// The cores have ended: nobody takes what the log tells.
    over: Arc<AtomicBool>,
}

pub(super) struct Addresses(pub(super) Vec<Address<Mail>>);

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a node of {} cores on {}, {}", self.addresses.0.len(), self.addr, self.driver)
    }
}

/// Why a node did not start. Nothing of it is left running.
#[derive(Debug)]
pub enum StartError {
    /// The port cannot be had.
    Listen(ListenError),
    /// The driver that was asked for cannot be had.
    Driver(Refused),
    /// A core cannot have the CPU that was named for it.
    Cpu {
        /// Which.
        cpu: usize,
        /// What the kernel says.
        error: io::Error,
    },
    /// The log could not be opened.
    Log(OpenError),
    /// A number of cores or CPUs that makes no sense.
    Cores(String),
    /// Kafka cannot be reached, or not as it must be.
    Kafka(Trouble),
    /// The cluster cannot have this node.
    Refused(Refusal),
    /// A core's thread or ring could not be made.
    Core(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => write!(f, "{error}"),
            Self::Driver(refused) => write!(f, "{refused}"),
            Self::Cpu { cpu, error } => write!(
                f,
                "a core cannot be kept to CPU {cpu}, which was named for it: {error}; taskset -p shows which CPUs can be \
                 used, and a seccomp profile must allow sched_setaffinity"
            ),
            Self::Log(error) => write!(f, "{error}"),
            Self::Cores(why) => write!(f, "{why}"),
            Self::Kafka(trouble) => write!(f, "{trouble}"),
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Core(error) => write!(f, "a core could not start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What one core is told.
#[derive(Clone)]
pub(super) struct CoreConfig {
    pub(super) index: u16,
    pub(super) driver: Driver,
    pub(super) access: Arc<Access>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) settings: Settings,
    pub(super) message_bytes: usize,
    pub(super) identity: Identity,
    pub(super) heads: Arc<[Position]>,
    pub(super) log: Option<Log>,
    pub(super) post: Option<PostBox>,
    pub(super) shown: Arc<Mutex<Figures>>,
    /// Its own, for what its inbox counts.
    pub(super) address: Address<Mail>,
    pub(super) handshake_ms: u64,
    pub(super) gate: Arc<Gate>,
    pub(super) proxies: Proxies,
}

/// What all frames of this start of this node say of it.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) log_epoch: u64,
    node: u16,
    incarnation: u64,
    limits_json: Arc<str>,
}

impl Identity {
    /// What the frames of this client's sessions say.
    pub(super) fn face<'f>(&'f self, client: IdRef<'f>) -> Face<'f> {
        let Self { log_epoch, node, incarnation, limits_json } = self;
        Face { log_epoch: *log_epoch, client, node: *node, incarnation: *incarnation, limits_json }
    }

    /// A session of ours, as it is named to everybody.
    pub(super) fn session(&self, session: SessionRef) -> SessionId {
        SessionId { node: self.node, incarnation: self.incarnation, session }
    }

    /// The node's ordinal.
    pub(super) fn node(&self) -> u16 {
        self.node
    }
}

/// How long the log's thread waits for a core before it looks again.
const BACKLOG_PAUSE: Duration = Duration::from_micros(200);

/// Starts nodes.
#[derive(Debug)]
pub struct Node;

impl Node {
    /// Starts one. Returns when every core listens.
    ///
    /// From then on a panic on a core's thread ends the process (see `node/abort`).
    pub fn start(config: &NodeConfig) -> Result<Running, StartError> {
        check(config)?;
        let (driver, refused) = choose(config.driver).map_err(StartError::Driver)?;
        if let Some(refused) = refused {
            tracing::warn!("{refused}. Running on epoll, which costs more per message");
        }
        let (inboxes, addresses) = inboxes::<Mail>(config.cores());
        let over = Arc::new(AtomicBool::new(false));
        let life = Life::default();
        let endings = Endings::default();
        let (log, posting, guard, opened) = match &config.cluster {
            Some(cluster) => {
                // librdkafka's threads, and all others that are started here, inherit these CPUs.
                let _there = config.visit_backplane();
                join(config, cluster, &addresses, &over, (life.clone(), endings.clone()))?
            }
            None => {
                let (log, recovered) = open_log(config, &addresses, &over)?;
                (log, None, None, (recovered, unix_ms()))
            }
        };
        let (recovered, incarnation) = opened;
        let running = Running {
            addr: config.listen,
            driver,
            threads: Vec::new(),
            shown: (0..config.cores()).map(|_| Arc::default()).collect(),
            addresses: Addresses(addresses),
            log,
            posting,
            guard,
            endings,
            life,
            gate: Arc::new(gate(config)),
            over,
        };
        let identity = Identity {
            log_epoch: recovered.log_epoch,
            node: config.node,
            incarnation,
            limits_json: config.limits().json().into(),
        };
        let core = CoreConfig {
            index: 0,
            driver,
            access: Arc::new(config.access.clone()),
            tls: config.tls.clone(),
            settings: Settings { is_clustered: config.cluster.is_some(), ..config.settings.clone() },
            message_bytes: config.message_bytes,
            identity,
            heads: recovered.heads.into(),
            log: running.log.clone(),
            post: running.posting.as_ref().map(|posting| posting.postbox.clone()),
            shown: Arc::default(),
            address: running.addresses.0[0].clone(),
            handshake_ms: config.handshake_ms,
            gate: Arc::clone(&running.gate),
            proxies: config.proxies.clone(),
        };
        running.start_cores(config, &core, inboxes)
    }
}

/// What a node stands on: its log, its links to other nodes, who sees to the topics, and which log and life that is.
type Opened = (Option<Log>, Option<Posting>, Option<Guard>, (Recovered, u64));

/// Opens the cluster's log and enters the cluster.
fn join(
    config: &NodeConfig,
    cluster: &ClusterNode,
    addresses: &[Address<Mail>],
    over: &Arc<AtomicBool>,
    (life, endings): (Life, Endings),
) -> Result<Opened, StartError> {
    let joined = cluster.open(config, deliver_to(addresses, over))?;
    let posting = cluster.post(config, &joined, addresses.to_vec(), (life, endings.clone()))?;
    let guard = cluster.guard(&joined, endings)?;
    let recovered = Recovered { log_epoch: joined.log_epoch, heads: Vec::new(), floors: Arc::from([]) };
    let opened = (recovered, joined.incarnation.0);
    Ok((Some(Log::Kafka(joined.log)), Some(posting), Some(guard), opened))
}

/// Opens the log, which tells each core through its inbox.
fn open_log(
    config: &NodeConfig,
    addresses: &[Address<Mail>],
    over: &Arc<AtomicBool>,
) -> Result<(Option<Log>, Recovered), StartError> {
    let Some((dir, options)) = &config.log else {
        let heads = vec![Position::START; usize::from(config.settings.topology.partitions())];
        return Ok((None, Recovered { log_epoch: 0, heads, floors: Arc::from([]) }));
    };
    let deliver = deliver_to(addresses, over);
    let options = Options { on_thread: config.on_thread(), ..options.clone() };
    let (log, recovered) = Embedded::open(dir, options, deliver).map_err(StartError::Log)?;
    Ok((Some(Log::Embedded(log)), recovered))
}

/// Gives a core what its log has for it.
fn deliver_to(
    addresses: &[Address<Mail>],
    over: &Arc<AtomicBool>,
) -> impl Fn(u16, Vec<LogEvent>) + Send + Sync + use<> {
    let (addresses, over) = (addresses.to_vec(), Arc::clone(over));
    move |core: u16, events: Vec<LogEvent>| {
        let address = &addresses[usize::from(core)];
        // A core that cannot keep up holds up the log's thread: appends then stay unanswered, their cores come to
        // their bound, and the senders' sockets are not read. A core never waits for the log, so this ends.
        while address.load().depth > CORE_BACKLOG && !over.load(Ordering::Relaxed) {
            thread::sleep(BACKLOG_PAUSE);
        }
        address.post(events.into_iter().map(Mail::Log).collect());
    }
}

/// Who may connect: no more than there are descriptors for, less those that the node needs itself.
fn gate(config: &NodeConfig) -> Gate {
    let files = open_files().saturating_sub(OWN_FILES);
    let most = config.max_connections.map_or(CONNECTIONS, |most| most as usize);
    if most > files {
        tracing::warn!(
            most,
            files,
            "the limit of open files allows fewer connections; raise it (ulimit -n, LimitNOFILE)"
        );
    }
    Gate::new(most.min(files), config.max_connections_per_ip, config.connect_rate)
}

/// The process's limit of open files, raised as far as it may be.
fn open_files() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write only the struct they are given, which lives beyond them.
    #[allow(unsafe_code)]
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return usize::MAX;
        }
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

impl Running {
    /// Starts the threads. An error drops what was started, which stops it.
    fn start_cores(
        mut self,
        config: &NodeConfig,
        core: &CoreConfig,
        inboxes: Vec<Inbox<Mail>>,
    ) -> Result<Self, StartError> {
        let bound = bind(config.listen, config.cores()).map_err(StartError::Listen)?;
        self.addr = bound.addr;
        let (ready, started) = channel();
        for (index, (socket, inbox)) in bound.sockets.into_iter().zip(inboxes).enumerate() {
            let shown = Arc::clone(&self.shown[index]);
            let address = self.addresses.0[index].clone();
            let core = CoreConfig { index: index as u16, shown, address, ..core.clone() };
            let place = Place::of_core(config, index);
            let addresses = self.addresses.0.clone();
            let ready = ready.clone();
            let thread = thread::Builder::new()
                .name(format!("core-{index}"))
                .spawn(move || live(core, place, socket, inbox, addresses, ready))
                .map_err(StartError::Core)?;
            self.threads.push(thread);
        }
        drop(ready);
        for _ in 0..config.cores() {
            started.recv().unwrap_or_else(|_| Err(StartError::Core(io::Error::other("its thread ended"))))?;
        }
        tracing::info!(addr = %self.addr, cores = config.cores(), driver = %self.driver, "listening");
        self.life.set(Phase::Serving);
        Ok(self)
    }
}

fn check(config: &NodeConfig) -> Result<(), StartError> {
    let (cpus, cores) = (config.cpus.len(), config.cores());
    if !(1..=CORES).contains(&cores) {
        return Err(StartError::Cores(format!("{cores} cores; it may be 1 to {CORES}")));
    }
    if cpus != 0 && cpus != cores {
        return Err(StartError::Cores(format!("{cpus} CPUs for {cores} cores; name one for each")));
    }
    Ok(())
}

/// A core's thread, from pinning to the end.
fn live(
    config: CoreConfig,
    place: Option<Place>,
    socket: std::net::TcpListener,
    inbox: Inbox<Mail>,
    addresses: Vec<Address<Mail>>,
    ready: Sender<Result<(), StartError>>,
) {
    abort::on_panic_of_this_thread();
    if let Some(Err(error)) = place.map(Place::take) {
        let _ = ready.send(Err(error));
        return;
    }
    let driver = config.driver;
    let outcome = driver.block_on(core::run(config, socket, inbox, &addresses, || {
        // The starter may have given up on another core's account.
        let _ = ready.send(Ok(()));
    }));
    if let Err(error) = outcome.and_then(|result| result) {
        let _ = ready.send(Err(StartError::Core(error)));
    }
}

impl Running {
    /// Closes all connections, ends all cores, and waits for them.
    pub fn stop(self) {}

    /// Whoever connects from now on is judged by these keys; sessions stay.
    pub fn renew_access(&self, access: Access) {
        let access = Arc::new(access);
        for address in &self.addresses.0 {
            address.post(vec![Mail::Access(Arc::clone(&access))]);
        }
    }

    /// Whoever connects from now on is shown this certificate. Nothing where connections are plain.
    pub fn renew_tls(&self, tls: Arc<ServerConfig>) {
        for address in &self.addresses.0 {
            address.post(vec![Mail::Tls(Arc::clone(&tls))]);
        }
    }

    /// Not ready from now on; hands its partitions over; takes no new connections, and tells each session its own moment
    /// to go within the window. [`Running::stop`] comes when [`Running::is_drained`] and [`Running::has_handed_over`].
    pub fn drain(&self, window_ms: u64) {
        self.life.set(Phase::Draining);
        // First of all: a new home takes a moment, and sessions that go find it there.
        if let Some(posting) = &self.posting {
            posting.drain();
        }
        for address in &self.addresses.0 {
            address.post(vec![Mail::Drain(window_ms)]);
        }
    }

    /// Whether no session and no request is left.
    pub fn is_drained(&self) -> bool {
        self.gate.busy() == 0
    }

    /// Whether what this node owned as its drain began is live at new homes, or nobody is there to take it. Always, without
    /// a cluster.
    pub fn has_handed_over(&self) -> bool {
        self.posting.as_ref().is_none_or(|posting| posting.shown().has_handed_over())
    }

    /// Of a node that drains: what is not live at its new home yet.
    pub fn handing_over(&self) -> Vec<Partition> {
        self.posting.as_ref().map_or_else(Vec::new, |posting| posting.shown().handing_over())
    }

    /// Why this node must end, if one of its threads has found that it must.
    pub fn ending(&self) -> Option<Ending> {
        self.endings.first()
    }

    /// Whether it serves what is its own: always, but in a cluster that it has not joined yet.
    pub fn has_joined(&self) -> bool {
        let Some(posting) = &self.posting else { return true };
        let Some(Log::Kafka(log)) = &self.log else { return true };
        let reading = log.health().read();
        posting.shown().is_member() && reading.served == reading.owned
    }

    /// The log this node runs on.
    pub fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// Each core's figures, at most about a second old.
    pub fn figures(&self) -> Vec<Figures> {
        let copy = |shown: &Arc<Mutex<Figures>>| match shown.lock() {
            Ok(figures) => figures.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        };
        self.shown.iter().map(copy).collect()
    }

    /// What went through each core's inbox.
    pub fn mesh(&self) -> Vec<Load> {
        self.addresses.0.iter().map(Address::load).collect()
    }
}

/// Also when a start failed half-way: no core outlives its node.
impl Drop for Running {
    fn drop(&mut self) {
        for address in &self.addresses.0 {
            address.post(vec![Mail::Stop]);
        }
        for thread in self.threads.drain(..) {
            // A core's panic has ended the process before this.
            let _ = thread.join();
        }
        // After the sessions are gone: it says that this node leaves.
        if let Some(posting) = self.posting.take() {
            posting.stop();
        }
        self.over.store(true, Ordering::Relaxed);
        // After the cores, so that everything they have accepted becomes durable.
        if let Some(log) = self.log.take() {
            log.stop();
        }
        // Last, for it may be waiting for Kafka's answer.
        drop(self.guard.take());
    }
}
