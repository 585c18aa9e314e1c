//! `corepost serve`: a configuration, a log, a node, and the signals that end it.

use super::reload::Settings;
use super::{Exit, Flags, logging, say};
use crate::admin::{Admin, Supervisor};
use crate::backplane::kafka::Trouble;
use crate::config::{ClusterConfig, ClusterTopics, ClusterTrouble, check_cluster, resolve};
use crate::node::{Ending, Node, NodeConfig, Running, StartError};
use crate::placement::Plan;
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
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
SIGTERM drains: every session is told its own moment to go. SIGHUP reads the
configuration again: keys, certificate, origins, drain window and log level count at once, all else is said.";

/// Beyond the drain window, this long is waited for what is under way.
const GRACE: Duration = Duration::from_secs(9);

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
    let config = settings.config();
    let node = match config.cluster.as_ref().map(check).transpose() {
        Ok(None) => NodeConfig::of(config),
        Ok(Some(topics)) => NodeConfig::of_cluster(config, &topics),
        Err(exit) => return exit,
    };
    // Before anything starts, so that a signal is never met by the default action half-way.
    let mut signals = match Signals::new([SIGTERM, SIGINT, SIGHUP]) {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot listen for signals: {error}")),
    };
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
    let admin = match Admin::start(config.admin, running.sources(supervisor.clone(), build)) {
        Ok(admin) => admin,
        Err(error) => return fail(&error.to_string()),
    };
    if let Some(exit) = join(&running, &mut signals) {
        return exit;
    }
    if say(&format!("ready listen={} admin={}\n", running.addr, admin.addr)) != Exit::Done {
        return fail("nobody reads standard output");
    }
    supervisor.ready();
    for signal in signals.forever() {
        match signal {
            SIGHUP => settings.reload(&running),
            _ => break,
        }
    }
    supervisor.stopping();
    match running.ending() {
        Some(ending) => ended(&ending),
        None => drain(settings.config().drain_window_ms, running, &mut signals),
    }
}

/// Waits until the node has joined its cluster, if it is one's. How the process ends, if it does before that.
fn join(running: &Running, signals: &mut Signals) -> Option<Exit> {
    let (begun, mut said) = (Instant::now(), Instant::now());
    while !running.has_joined() {
        let is_told = signals.pending().any(|signal| signal != SIGHUP);
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

fn fail(why: &str) -> Exit {
    error!("{why}");
    Exit::Failed
}

/// Sends all sessions away, each at its own moment, then ends. A second signal does not wait for them.
fn drain(window_ms: u64, running: Running, signals: &mut Signals) -> Exit {
    let (begun, window) = (Instant::now(), Duration::from_millis(window_ms));
    info!(?window, "draining: no new connections; every session is told its own moment to go");
    running.drain(window_ms);
    while !running.is_drained() && begun.elapsed() < window + GRACE {
        if signals.pending().any(|signal| signal != SIGHUP) {
            warn!("told to end a second time: the sessions that are left are cut");
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let ending = running.ending();
    running.stop();
    if let Some(ending) = ending {
        return ended(&ending);
    }
    info!(took = ?begun.elapsed(), "everything acknowledged is durable; the end");
    Exit::Done
}
