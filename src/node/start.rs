//! Starting and stopping: probe, bind, pin, run; and every thread is either running or joined.

use super::core::{self, Mail};
use super::{Figures, abort};
use crate::limits::{CORES, PARTITIONS};
use crate::mesh::{Address, Inbox, Load, inboxes};
use crate::model::Topology;
use crate::net::{Driver, ListenError, Refused, Wish, bind, choose};
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::{fmt, io, thread};

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where clients connect. Port 0: any free one.
    pub listen: SocketAddr,
    /// How many cores, 1 to [`CORES`].
    pub cores: usize,
    /// The CPU of each core; empty: not pinned.
    pub cpus: Vec<usize>,
    /// How cores talk to the kernel.
    pub driver: Wish,
    /// No keys: `/v1/echo` is served.
    pub development: bool,
}

/// A node that runs until [`Running::stop`].
#[derive(Debug)]
pub struct Running {
    /// Where it listens, with the real port.
    pub addr: SocketAddr,
    /// How its cores talk to the kernel.
    pub driver: Driver,
    threads: Vec<JoinHandle<()>>,
    pub(super) addresses: Addresses,
    shown: Vec<Arc<Mutex<Figures>>>,
}

pub(super) struct Addresses(pub(super) Vec<Address<Mail>>);

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores", self.0.len())
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
            Self::Cores(why) => write!(f, "{why}"),
            Self::Core(error) => write!(f, "a core could not start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What one core is told.
#[derive(Clone, Debug)]
pub(super) struct CoreConfig {
    pub(super) index: u16,
    pub(super) topology: Topology,
    pub(super) driver: Driver,
    pub(super) development: bool,
    pub(super) shown: Arc<Mutex<Figures>>,
}

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
        let bound = bind(config.listen, config.cores).map_err(StartError::Listen)?;
        let (inboxes, addresses) = inboxes::<Mail>(config.cores);
        let mut running = Running {
            addr: bound.addr,
            driver,
            threads: Vec::new(),
            shown: (0..config.cores).map(|_| Arc::default()).collect(),
            addresses: Addresses(addresses),
        };
        let (ready, started) = channel();
        let sockets = bound.sockets.into_iter();
        for (index, (socket, inbox)) in sockets.zip(inboxes).enumerate() {
            let core = CoreConfig {
                index: index as u16,
                topology: Topology::new(PARTITIONS, config.cores as u16),
                driver,
                development: config.development,
                shown: Arc::clone(&running.shown[index]),
            };
            let cpu = config.cpus.get(index).copied();
            let addresses = running.addresses.0.clone();
            let ready = ready.clone();
            let thread = thread::Builder::new()
                .name(format!("core-{index}"))
                .spawn(move || live(core, cpu, socket, inbox, addresses, ready))
                .map_err(StartError::Core)?;
            running.threads.push(thread);
        }
        drop(ready);
        for _ in 0..config.cores {
            started.recv().unwrap_or_else(|_| Err(StartError::Core(io::Error::other("its thread ended"))))?;
        }
        tracing::info!(addr = %running.addr, cores = config.cores, %driver, "listening");
        Ok(running)
    }
}

fn check(config: &NodeConfig) -> Result<(), StartError> {
    if !(1..=CORES).contains(&config.cores) {
        return Err(StartError::Cores(format!("{} cores; it may be 1 to {CORES}", config.cores)));
    }
    if !config.cpus.is_empty() && config.cpus.len() != config.cores {
        let (cpus, cores) = (config.cpus.len(), config.cores);
        return Err(StartError::Cores(format!("{cpus} CPUs for {cores} cores; name one for each")));
    }
    // Before any thread is: core_affinity panics on a number that no mask can hold.
    let ours = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(&cpu) = config.cpus.iter().find(|&&cpu| ours.iter().all(|core| core.id != cpu)) {
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
    }
}
