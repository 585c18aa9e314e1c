//! What the stories are told with.

mod api;
mod metrics;
mod peer;
mod place;
#[cfg(target_arch = "x86_64")]
mod profile;
mod secured;
mod server;
mod session;
mod tunnel;

pub use api::Api;
pub use metrics::Metrics;
pub use peer::{Got, Peer, frame, http, upgrade_request};
pub use place::{API_KEY, Place, claims, corepost, is_slow, now_s, token};
#[cfg(target_arch = "x86_64")]
pub use profile::{Profile, filters_on};
pub use secured::Secured;
pub use server::{Kept, Server, finish, signal, wait};
pub use session::{Heard, Knock, Session, send};
pub use tunnel::{client, connect, trusting, tunnel};

use corepost::backplane::Options;
use corepost::model::Durability;
use corepost::net::Wish;
use corepost::node::{Figures, Node, NodeConfig, Running};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A development node on a free port, without a log.
pub fn node(cores: u16, driver: Wish) -> Running {
    Node::start(&NodeConfig { driver, ..NodeConfig::echo("127.0.0.1:0".parse().unwrap(), cores) }).unwrap()
}

/// A data directory of this test's own, empty.
pub fn data(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static TIDY: Once = Once::new();
    TIDY.call_once(tidy);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("e2e-{}-{number}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

/// Removes what earlier runs left: those that failed keep their folders to be looked at, until the next run.
fn tidy() {
    for entry in std::fs::read_dir(env!("CARGO_TARGET_TMPDIR")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let run = name.strip_prefix("e2e-").and_then(|rest| rest.split('-').next());
        if run.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A node with sessions, on the log in `data`.
pub fn router(cores: u16, driver: Wish, data: &Path) -> NodeConfig {
    let config = NodeConfig::echo("127.0.0.1:0".parse().unwrap(), cores);
    let options = Options { durability: Durability::Process, ..Options::new(config.settings.topology) };
    NodeConfig { driver, log: Some((data.to_owned(), options)), ..config }
}

/// The drivers this machine has, for stories that must hold on each.
pub fn drivers() -> Vec<Wish> {
    let uring = corepost::net::choose(Wish::Uring);
    if let Err(refused) = &uring {
        eprintln!("only epoll is tested: {refused}");
    }
    if uring.is_ok() { vec![Wish::Uring, Wish::Epoll] } else { vec![Wish::Epoll] }
}

/// Waits until `holds`, or fails after ten seconds.
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    eventually_in(what, Duration::from_secs(10), holds);
}

/// Waits until `holds`, or fails after so long.
pub fn eventually_in(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `holds` on every core. Each takes over by itself what was read again, and the kernel chooses which one takes a
/// connection: sixteen in a row are those of one core once in 2^15 times, where there are two.
pub fn eventually_on_every_core(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || (0..16).all(|_| holds()));
}

/// How long a story waits for what must come. Nothing is expected to take nearly so long; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A copy of a folder.
pub fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-r").args([from, to]).status().unwrap();
    assert!(status.success(), "{} was not copied", from.display());
}

/// All cores' figures together. They are about a second old.
pub fn total(node: &Running, of: impl Fn(&Figures) -> u64) -> u64 {
    node.figures().iter().map(of).sum()
}
