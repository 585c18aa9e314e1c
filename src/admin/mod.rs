//! What an operator's machines ask: is it alive, is it ready, what does it count.
//!
//! It has an address, a thread and a small runtime of its own: nobody who asks here delays a core, and a core that
//! hangs does not keep `/livez` and `/readyz` from saying so. The runtime is the epoll driver, on which a read may
//! be dropped when its time is up, and which is never refused.

mod answer;
mod cluster_families;
mod drain;
mod families;
mod health;
mod memory;
mod metrics;
mod questions;
mod report;
mod server;
mod supervisor;

pub use cluster_families::CLUSTER_FAMILIES;
pub use drain::{Drain, Progress};
pub use families::{FAMILIES, Family, Kind};
pub use health::{Unready, unready};
pub use metrics::render;
pub use questions::Question;
pub use report::{
    ByWord, ClusterReport, CoreMemory, CoreReport, LogReport, LogTrouble, Phase, Reports, Topic,
};
pub use supervisor::Supervisor;

use std::net::{SocketAddr, TcpListener};
use std::{fmt, io};

/// Where the answers come from. Nothing here waits: cores are asked, and answer when they can.
pub struct Sources {
    /// How many cores there are.
    pub cores: u16,
    /// Hands a question to a core, which answers it with a [`CoreReport`] in its next turn.
    pub ask: Box<dyn Fn(u16, Question) + Send>,
    /// How the log is.
    pub log: Box<dyn Fn() -> LogReport + Send>,
    /// How its part in a cluster is, if it has one.
    pub cluster: Box<dyn Fn() -> Option<ClusterReport> + Send>,
    /// How far the node's life is.
    pub phase: Box<dyn Fn() -> Phase + Send>,
    /// How it is drained.
    pub drain: Drain,
    /// How many lines its log has left out.
    pub lines_left_out: Box<dyn Fn() -> u64 + Send>,
    /// When the certificate that clients are shown ends, in seconds since 1970.
    pub certificate_not_after_s: Box<dyn Fn() -> Option<u64> + Send>,
    /// Who is told that all cores answer.
    pub supervisor: Supervisor,
    /// Labels of `corepost_build_info`, `version` among them.
    pub build: Vec<(&'static str, String)>,
}

/// A running admin server; it ends with the process.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    /// Where it listens, with the real port.
    pub addr: SocketAddr,
}

/// Why there is none.
#[derive(Debug)]
pub struct AdminError {
    /// Where it should have listened.
    pub addr: SocketAddr,
    /// Why it does not.
    pub error: io::Error,
}

impl Admin {
    /// Listens, and answers on a thread of its own, which inherits the affinity of the caller's.
    pub fn start(listen: SocketAddr, sources: Sources) -> Result<Self, AdminError> {
        let failed = |error| AdminError { addr: listen, error };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        server::spawn(listener, sources).map_err(failed)?;
        Ok(Self { addr })
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "{addr} is in use by another process; stop it or choose another --admin")
            }
            _ => write!(f, "cannot serve the admin address {addr}: {error}"),
        }
    }
}

impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
