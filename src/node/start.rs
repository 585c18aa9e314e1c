//! Starting and stopping: probe, bind, pin, run; and every thread is either running or joined.

use super::core::{self, Mail};
use super::gate::Gate;
use super::report::Life;
use super::{Figures, abort};
use crate::access::{Access, Proxies, Rate};
use crate::admin::Phase;
use crate::backplane::{Embedded, Log, OpenError, Options, Recovered};
use crate::limits::{
    CONNECTIONS, CORE_BACKLOG, CORES, DEDUPE_MS, HANDSHAKE_MS, ID_BYTES, JSON_DEPTH, MESSAGE_BYTES,
    OWN_FILES, PARTITIONS, RECIPIENTS,
};
use crate::log::LogEvent;
use crate::mesh::{Address, Inbox, Load, inboxes};
use crate::model::{Durability, IdRef, Position, SessionId, SessionRef, Topology};
use crate::net::{Driver, ListenError, Refused, Wish, bind, choose};
use crate::router::Settings;
use crate::wire::json::{Face, Limits};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, thread};

/// What a node is started with.
#[derive(Clone)]
pub struct NodeConfig {
    /// Where clients connect. Port 0: any free one.
    pub listen: SocketAddr,
    /// The CPU of each core; empty: not pinned.
    pub cpus: Vec<usize>,
    /// How cores talk to the kernel.
    pub driver: Wish,
    /// Who may connect. Without any key: development mode, with `/v1/echo`.
    pub access: Access,
    /// Of every core's shard; its topology says how many cores there are. The core in it means nothing.
    pub settings: Settings,
    /// Largest message.
    pub message_bytes: usize,
    /// This node's ordinal.
    pub node: u16,
    /// Where the log is and how; `None`: no sessions, only echo.
    pub log: Option<(PathBuf, Options)>,
    /// From accept to a complete request head.
    pub handshake_ms: u64,
    /// Connections in all; `None`: as many as open files allow.
    pub max_connections: Option<u32>,
    /// Connections of one address.
    pub max_connections_per_ip: Option<u32>,
    /// New connections a second.
    pub connect_rate: Option<Rate>,
    /// Who begins connections with a PROXY header.
    pub proxies: Proxies,
}

impl NodeConfig {
    /// A node in development mode without a log: all defaults.
    pub fn echo(listen: SocketAddr, cores: u16) -> Self {
        Self {
            listen,
            cpus: Vec::new(),
            driver: Wish::Best,
            access: Access::default(),
            settings: Settings::new(0, Topology::new(PARTITIONS, cores)),
            message_bytes: MESSAGE_BYTES,
            node: 0,
            log: None,
            handshake_ms: HANDSHAKE_MS,
            max_connections: None,
            max_connections_per_ip: None,
            connect_rate: None,
            proxies: Proxies::default(),
        }
    }

    fn cores(&self) -> usize {
        usize::from(self.settings.topology.cores())
    }

    /// `limits` of a `welcome`.
    fn limits(&self) -> Limits {
        let options = self.log.as_ref().map(|(_, options)| options);
        let durability = options.map_or(Durability::Fsync, |options| options.durability);
        Limits {
            message_bytes: self.message_bytes,
            recipients: RECIPIENTS,
            id_bytes: ID_BYTES,
            json_depth: JSON_DEPTH,
            ping_interval_ms: self.settings.ping_interval_ms,
            retention_ms: options.map_or(0, |options| options.retention_ms),
            dedupe_ms: DEDUPE_MS,
            durability: durability.as_str(),
        }
    }
}

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
    pub(super) cache_bytes: u64,
    pub(super) life: Life,
    gate: Arc<Gate>,
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
    /// This CPU does not exist or is not ours.
    Cpu(usize),
    /// The log could not be opened.
    Log(OpenError),
    /// A number of cores or CPUs that makes no sense.
    Cores(String),
    /// A core's thread or ring could not be made.
    Core(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => write!(f, "{error}"),
            Self::Driver(refused) => write!(f, "{refused}"),
            Self::Cpu(cpu) => write!(f, "CPU {cpu} cannot be used; taskset -p shows which can"),
            Self::Log(error) => write!(f, "{error}"),
            Self::Cores(why) => write!(f, "{why}"),
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
    pub(super) settings: Settings,
    pub(super) message_bytes: usize,
    pub(super) identity: Identity,
    pub(super) heads: Arc<[Position]>,
    pub(super) log: Option<Log>,
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
        let (log, recovered) = open_log(config, &addresses, Arc::clone(&over))?;
        let running = Running {
            addr: config.listen,
            driver,
            threads: Vec::new(),
            shown: (0..config.cores()).map(|_| Arc::default()).collect(),
            addresses: Addresses(addresses),
            log,
            cache_bytes: config.log.as_ref().map_or(0, |(_, options)| options.cache_bytes),
            life: Life::default(),
            gate: Arc::new(gate(config)),
            over,
        };
        let identity = Identity {
            log_epoch: recovered.log_epoch,
            node: config.node,
            incarnation: unix_ms(),
            limits_json: config.limits().json().into(),
        };
        let core = CoreConfig {
            index: 0,
            driver,
            access: Arc::new(config.access.clone()),
            settings: config.settings.clone(),
            message_bytes: config.message_bytes,
            identity,
            heads: recovered.heads.into(),
            log: running.log.clone(),
            shown: Arc::default(),
            address: running.addresses.0[0].clone(),
            handshake_ms: config.handshake_ms,
            gate: Arc::clone(&running.gate),
            proxies: config.proxies.clone(),
        };
        running.start_cores(config, &core, inboxes)
    }
}

/// Opens the log, which tells each core through its inbox.
fn open_log(
    config: &NodeConfig,
    addresses: &[Address<Mail>],
    over: Arc<AtomicBool>,
) -> Result<(Option<Log>, Recovered), StartError> {
    let Some((dir, options)) = &config.log else {
        let heads = vec![Position::START; usize::from(config.settings.topology.partitions())];
        return Ok((None, Recovered { log_epoch: 0, heads, floors: Arc::from([]) }));
    };
    let addresses = addresses.to_vec();
    let deliver = move |core: u16, events: Vec<LogEvent>| {
        let address = &addresses[usize::from(core)];
        // A core that cannot keep up holds up the log's thread: appends then stay unanswered, their cores come to
        // their bound, and the senders' sockets are not read. A core never waits for the log, so this ends.
        while address.load().depth > CORE_BACKLOG && !over.load(Ordering::Relaxed) {
            thread::sleep(BACKLOG_PAUSE);
        }
        address.post(events.into_iter().map(Mail::Log).collect());
    };
    let (log, recovered) = Embedded::open(dir, options.clone(), deliver).map_err(StartError::Log)?;
    Ok((Some(Log::Embedded(log)), recovered))
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

fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
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
            let cpu = config.cpus.get(index).copied();
            let addresses = self.addresses.0.clone();
            let ready = ready.clone();
            let thread = thread::Builder::new()
                .name(format!("core-{index}"))
                .spawn(move || live(core, cpu, socket, inbox, addresses, ready))
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
    // core_affinity panics on a number that its mask cannot hold; any other that is not ours it refuses.
    if let Some(&cpu) = config.cpus.iter().find(|&&cpu| cpu >= libc::CPU_SETSIZE as usize) {
        return Err(StartError::Cpu(cpu));
    }
    Ok(())
}

/// A core's thread, from pinning to the end.
fn live(
    config: CoreConfig,
    cpu: Option<usize>,
    socket: std::net::TcpListener,
    inbox: Inbox<Mail>,
    addresses: Vec<Address<Mail>>,
    ready: Sender<Result<(), StartError>>,
) {
    abort::on_panic_of_this_thread();
    if let Some(cpu) = cpu
        && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
    {
        let _ = ready.send(Err(StartError::Cpu(cpu)));
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

    /// Takes no new connections, and tells each session its own moment to go within the window. Sessions that are
    /// left are in [`Figures::connections`]; then [`Running::stop`].
    pub fn drain(&self, window_ms: u64) {
        self.life.set(Phase::Draining);
        for address in &self.addresses.0 {
            address.post(vec![Mail::Drain(window_ms)]);
        }
    }

    /// Whether no session and no request is left.
    pub fn is_drained(&self) -> bool {
        self.gate.busy() == 0
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
        self.over.store(true, Ordering::Relaxed);
        // After the cores, so that everything they have accepted becomes durable.
        if let Some(log) = self.log.take() {
            log.stop();
        }
    }
}
