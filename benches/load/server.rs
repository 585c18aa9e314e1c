//! What the server under test costs, as the kernel counts it.

use crate::sys;
use std::fs;
use std::time::{Duration, Instant};

/// The process to be watched, or the processes of all nodes, as one.
#[derive(Clone, Copy)]
pub struct Server {
    /// There are as many for the whole of a run.
    pids: &'static [u32],
}

/// What a window of time has cost.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub wall: Duration,
    /// User and system time; `None` without `--pid`.
    pub cpu: Option<Duration>,
    /// The load generator's own.
    pub own_cpu: Option<Duration>,
}

/// The beginning of a window.
pub struct Window {
    server: Option<Server>,
    began: Instant,
    cpu: Option<Duration>,
    own_cpu: Option<Duration>,
}

impl Server {
    pub fn new(pids: &[u32]) -> Result<Self, String> {
        match pids.iter().find(|pid| cpu(**pid).is_none()) {
            Some(pid) => Err(format!("there is no process {pid} to read the CPU time of")),
            None => Ok(Self { pids: Vec::leak(pids.to_vec()) }),
        }
    }

    /// User and system time so far.
    pub fn cpu(self) -> Option<Duration> {
        self.pids.iter().map(|pid| cpu(*pid)).sum()
    }

    /// Resident memory of their own, KiB.
    pub fn rss_kib(self) -> Option<u64> {
        self.pids.iter().map(|pid| rss_kib(*pid)).sum()
    }
}

fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, may hold anything but ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_nanos(ticks * 1_000_000_000 / sys::ticks_per_second()))
}

fn rss_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Window {
    pub fn open(server: Option<Server>) -> Self {
        Self { server, began: Instant::now(), cpu: server.and_then(Server::cpu), own_cpu: own_cpu() }
    }

    pub fn close(&self) -> Cost {
        let spent = |now: Option<Duration>, then| now.zip(then).map(|(now, then)| now.saturating_sub(then));
        let cpu = spent(self.server.and_then(Server::cpu), self.cpu);
        Cost { wall: self.began.elapsed(), cpu, own_cpu: spent(own_cpu(), self.own_cpu) }
    }
}

impl Cost {
    /// CPU microseconds for each of so many.
    pub fn cpu_us_each(self, of: u64) -> Option<f64> {
        self.cpu.filter(|_| of > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / of as f64)
    }

    /// Share of one CPU.
    pub fn cpu_share(self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.as_secs_f64() / self.wall.as_secs_f64())
    }

    /// The load generator's: near 1 it was the bottleneck, and the server's share says the rest.
    pub fn own_cpu_share(self) -> Option<f64> {
        self.own_cpu.map(|cpu| cpu.as_secs_f64() / self.wall.as_secs_f64())
    }
}

fn own_cpu() -> Option<Duration> {
    cpu(std::process::id())
}
