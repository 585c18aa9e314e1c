//! `corepost serve`: a configuration, a log, a node, and the signals that end it.

use super::reload::Settings;
use super::{Exit, Flags, logging, say};
use crate::admin::{Admin, Supervisor};
use crate::backplane::kafka::Trouble;
use crate::config::{ClusterConfig, ClusterTopics, ClusterTrouble, check_cluster, resolve};
use crate::node::{Ending, Node, NodeConfig, Running, StartError};
use crate::placement::Plan;
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

pub(super) const EXAMPLES: &str = "\
Each flag is also a key of the TOML file (`ping_interval = \"25s\"`) and a name in the environment
(COREPOST_PING_INTERVAL=25s). A flag counts before the environment, that before the file, that before the default.
Times are written 500ms, 25s, 10m, 1h, 7d; sizes 4096, 64KiB, 10GiB.

Examples:
  corepost serve                                              development: this machine only, no tokens
  openssl rand 32 > jwt.key
  corepost serve --listen 0.0.0.0:8080 --jwt-key jwt.key      clients present tokens
  corepost serve --config corepost.toml --log-format json     in a container
  corepost serve --kafka k1:9092,k2:9092 --node 3             a node of a cluster; `corepost topics create` comes first
When it is ready it prints one line: ready listen=IP:PORT admin=IP:PORT
SIGTERM drains, and so does `corepost drain`: partitions go to other nodes, every session is told its own moment to go. A
second SIGTERM cuts those that are left. SIGHUP reads the configuration again: keys, certificate, origins, drain window
and log level count at once, all else is said.";

/// Beyond the drain window, this long is waited for what is under way; and at least so long for other nodes to serve what
/// was this one's.
const GRACE: Duration = Duration::from_secs(9);

/// Raised when the admin address is asked for a drain. Unlike SIGTERM it may come again and means no more.
const DRAIN: i32 = SIGUSR1;

/// Arguments of `serve`.
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub(super) fn run(self) -> Exit {
        let given = self.flags.with_environment();
        let effective = match resolve(&given) {
            Ok(effective) => effective,
            Err(mistakes) => {
                eprint!("{mistakes}");
                return Exit::Usage;
            }
        };
        let log = logging::start(effective.config.log);
        effective.notes.iter().for_each(|note| warn!("{note}"));
        let Plan { cores, is_pinned, backplane, store, .. } = &effective.config.placement;
        info!(?cores, is_pinned, %backplane, %store, "placement");
        start(Settings::new(given, effective, log))
    }
}

/// Runs a node until it is told to end.
fn start(mut settings: Settings) -> Exit {
    // First of all, for by default it ends the process, and Kafka may take its time to answer.
    let mut signals = match Signals::new([SIGHUP]) {
        Ok(signals) => signals,
        Err(error) => return deaf(&error),
    };
    let config = settings.config();
    let node = match config.cluster.as_ref().map(check).transpose() {
        Ok(None) => NodeConfig::of(config),
        Ok(Some(topics)) => NodeConfig::of_cluster(config, &topics),
        Err(exit) => return exit,
    };
    // Before anything starts, so that a signal is never met by the default action half-way; and not before there is
    // something to be ended in order.
    let mut ends = [SIGTERM, SIGINT, DRAIN].into_iter();
    if let Err(error) = ends.try_for_each(|signal| signals.add_signal(signal)) {
        return deaf(&error);
    }
    let running = match Node::start(&node) {
        Ok(running) => running,
        Err(StartError::Log(error)) if error.exit_code() == 3 => {
            fail(&error.to_string());
            return Exit::DataDirectory;
        }
        Err(StartError::Refused(refusal)) => return ended(&Ending::Refused(refusal)),
        Err(error) => return fail(&error.to_string()),
    };
    let build =
        vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("driver", running.driver.to_string())];
    let supervisor = Supervisor::of_environment();
    let window_ms = settings.drain_window_ms();
    let within_ms = move || window_ms.load(Ordering::Relaxed) + GRACE.as_millis() as u64;
    let begin = || drop(signal_hook::low_level::raise(DRAIN));
    let left_out = settings.log().left_out();
    let drain_by = running.drain_by(begin, within_ms);
    let certificate_end = settings.certificate_end().clone();
    certificate_end.watch();
    let not_after_s = move || certificate_end.not_after_s();
    let left_out = move || left_out.lines();
    let sources = running.sources(drain_by, left_out, not_after_s, supervisor.clone(), build);
    let admin = match Admin::start(config.admin, sources) {
        Ok(admin) => admin,
        Err(error) => return fail(&error.to_string()),
    };
    if let Some(exit) = join(&running, &mut settings, &mut signals) {
        return exit;
    }
    if say(&format!("ready listen={} admin={}\n", running.addr, admin.addr)) != Exit::Done {
        return fail("nobody reads standard output");
    }
    supervisor.ready();
    let mut is_told = false;
    for signal in signals.forever() {
        match signal {
            SIGHUP => settings.reload(&running),
            _ => {
                is_told = signal != DRAIN;
                break;
            }
        }
    }
    supervisor.stopping();
    match running.ending() {
        Some(ending) => ended(&ending),
        None => drain(settings.config().drain_window_ms, running, is_told, &mut signals),
    }
}

/// Waits until the node has joined its cluster, if it is one's. How the process ends, if it does before that.
fn join(running: &Running, settings: &mut Settings, signals: &mut Signals) -> Option<Exit> {
    let (begun, mut said) = (Instant::now(), Instant::now());
    while !running.has_joined() {
        let mut is_told = false;
        for signal in signals.pending() {
            match signal {
                SIGHUP => settings.reload(running),
                _ => is_told = true,
            }
        }
        // It may be the signal by which the node itself says that it must end.
        if let Some(ending) = running.ending() {
            return Some(ended(&ending));
        }
        if is_told {
            return Some(Exit::Done);
        }
        if said.elapsed() > Duration::from_secs(2) {
            said = Instant::now();
            info!(waited = ?begun.elapsed(), "joining the cluster");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// The node itself has found that it must end.
fn ended(ending: &Ending) -> Exit {
    let failed = fail(&ending.to_string());
    [Exit::Topics, Exit::Cluster].into_iter().find(|exit| *exit as u8 == ending.exit_code()).unwrap_or(failed)
}

/// What a node needs of its cluster before it starts, or how the process ends without it.
fn check(cluster: &ClusterConfig) -> Result<ClusterTopics, Exit> {
    let brokers = &cluster.connection.brokers;
    check_cluster(cluster, || warn!("waiting for Kafka at {brokers} …")).map_err(|trouble| {
        fail(&trouble.to_string());
        match trouble {
            ClusterTrouble::Kafka { trouble: Trouble::Options(_), .. } => Exit::Usage,
            ClusterTrouble::Kafka { .. } => Exit::Failed,
            ClusterTrouble::Topics(_) => Exit::Topics,
        }
    })
}

fn deaf(error: &io::Error) -> Exit {
    fail(&format!("cannot listen for signals: {error}"))
}

fn fail(why: &str) -> Exit {
    error!("{why}");
    Exit::Failed
}

/// Hands partitions over and sends all sessions away, each at its own moment, then ends. Whoever ends it by a signal a
/// second time (`is_told`: has done so once) does not wait for them.
fn drain(window_ms: u64, running: Running, mut is_told: bool, signals: &mut Signals) -> Exit {
    let (begun, window) = (Instant::now(), Duration::from_millis(window_ms));
    info!(?window, "draining: no new connections; every session is told its own moment to go");
    running.drain(window_ms);
    while !may_go(&running, begun) && begun.elapsed() < window + GRACE && running.ending().is_none() {
        let is_told_again = signals.pending().any(|signal| [SIGTERM, SIGINT].contains(&signal));
        if is_told_again && std::mem::replace(&mut is_told, true) {
            warn!("told to end a second time: the sessions that are left are cut");
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let left: Vec<u16> = running.handing_over().iter().map(|partition| partition.0).collect();
    if !left.is_empty() {
        warn!(partitions = ?left, "not known to be live at new homes; their clients wait for those; see /readyz of the other nodes");
    }
    let ending = running.ending();
    running.stop();
    if let Some(ending) = ending {
        return ended(&ending);
    }
    info!(took = ?begun.elapsed(), "everything acknowledged is durable; the end");
    Exit::Done
}

/// Nobody is left, and what was this node's is live elsewhere, or was waited for.
fn may_go(running: &Running, begun: Instant) -> bool {
    running.is_drained() && (running.has_handed_over() || begun.elapsed() >= GRACE)
}
