//! What the supervisor of this process is told, as systemd wants it (sd_notify(3), sd_watchdog_enabled(3)): that it is ready, that it
//! ends, and, for as long as every core answers, that it lives. Without `NOTIFY_SOCKET` nobody is told anything.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// Who has started this process and wants to hear of it. Clones tell the same one.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    socket: Option<Arc<UnixDatagram>>,
    /// Silence after which it restarts the process; `None`: it waits for no word.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names, if it can be reached.
    pub fn of_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| *usec > 0 && is_ours).map(Duration::from_micros);
        match Self::at(&name, watchdog) {
            Ok(supervisor) => supervisor,
            Err(error) => {
                tracing::warn!(?name, %error, "the supervisor's socket cannot be reached: it is told nothing");
                Self::default()
            }
        }
    }

    /// At a socket of this name: a path, or behind `@` an abstract one.
    pub(super) fn at(name: &OsStr, watchdog: Option<Duration>) -> std::io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        let addr = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        socket.connect_addr(&addr)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(Arc::new(socket)), watchdog })
    }

    /// Clients may come.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Every core has answered just now.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How often it hears that: four times in its time, for an answer may take a second.
    pub(super) fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 4)
    }

    fn tell(&self, what: &str) {
        // A supervisor that does not listen, or whose queue is full, hears the next word.
        let _ = self.socket.as_ref().map(|socket| socket.send(what.as_bytes()));
    }
}
