//! The real program as a child, and what must hold of it after every attack.

use super::stalls::stalls;
use super::{MIB, Metrics, Peer, http, within};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One attack at a time: two at once would be each other's noise on a machine with two cores.
static ONE: Mutex<()> = Mutex::new(());
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Time in which two clients that have just come must have exchanged their messages.
const PAIR: Duration = Duration::from_secs(2);

/// Whether the program is unoptimised. `TEST_PROGRAM=target/release/corepost` tells the same stories to another.
pub fn is_slow() -> bool {
    cfg!(debug_assertions) && std::env::var_os("TEST_PROGRAM").is_none()
}

pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    dir: PathBuf,
    /// Resident bytes after the first pair of clients.
    pub base: usize,
    /// Turns that were late before the first attack: those of the start.
    late_at_start: f64,
    endless_at_start: f64,
    stalls_at_start: u32,
    _one: MutexGuard<'static, ()>,
}

/// What an attack may leave behind.
#[derive(Clone, Copy)]
pub struct Unharmed {
    /// Resident bytes above those at the start.
    pub grown: usize,
    /// So much work at once that an unoptimised program cannot be in time; an optimised one must.
    pub heavy: bool,
}

impl Default for Unharmed {
    /// What buffers, recent envelopes and the store's caches may have come to; an attack with more says so.
    fn default() -> Self {
        Self { grown: 48 * MIB, heavy: false }
    }
}

impl Server {
    /// In development mode, on two cores.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With more arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("hostile-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let cores: &[&str] = if arguments.contains(&"--cores") { &[] } else { &["--cores", "2"] };
        let program = std::env::var_os("TEST_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_corepost").into());
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--durability", "process", "--log-level", "error", "--data"])
            .arg(&dir)
            .args(cores)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let field = |name: &str| {
            let (_, rest) = line.split_once(name).unwrap_or_else(|| panic!("not ready: {line:?}"));
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        let (addr, admin) = (field("listen="), field("admin="));
        let (late_at_start, endless_at_start, stalls_at_start) = (0.0, 0.0, stalls());
        Self { child, addr, admin, dir, base: 0, late_at_start, endless_at_start, stalls_at_start, _one: one }
            .warmed()
    }

    /// After the first messages, when what is built once is built. With keys, clients need tokens, and a test looks
    /// after its own pairs.
    fn warmed(mut self) -> Self {
        if http(self.addr, "GET", "/v1/clients/warm", "", b"").0 == 200 {
            self.pair("warm");
        }
        self.base = self.rss();
        let metrics = self.metrics();
        (self.late_at_start, self.endless_at_start) = (metrics.late(), metrics.turns_over_quarter_second());
        self.stalls_at_start = stalls();
        self
    }

    pub fn session(&self, client: &str) -> Peer {
        Peer::session(self.addr, client)
    }

    pub fn metrics(&self) -> Metrics {
        let answer =
            super::ask(self.admin, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false);
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Metrics::parse(body)
    }

    /// Resident bytes of the process, by the kernel.
    pub fn rss(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the process lives");
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Descriptors it holds.
    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A new pair of clients exchanges a durable and an ephemeral message.
    pub fn pair(&self, name: &str) {
        self.pair_as(&format!("{name}-a"), |client| Peer::session(self.addr, client), &format!("{name}-b"));
    }

    /// The same where clients come in another way.
    pub fn pair_as(&self, a: &str, come: impl Fn(&str) -> Peer, b: &str) {
        let began = Instant::now();
        let (mut alice, mut bob) = (come(a), come(b));
        let id = format!("pair-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        alice.say(&json!({"type": "send", "id": id, "to": b, "body": id}));
        assert_eq!(alice.hear_of("ack")["id"], id);
        assert_eq!(bob.hear_of("message")["body"], id);
        bob.say(&json!({"type": "send", "to": a, "ephemeral": true, "body": 7}));
        assert_eq!(alice.hear_of("message")["ephemeral"], true);
        assert!(began.elapsed() < PAIR, "a pair needed {:?}", began.elapsed());
    }

    /// The same while a flood goes on, whose writers alone would fill every CPU there is: who is starved by it is not
    /// served for as long as it lasts, and who is not waits its turn. How long it took.
    pub fn pair_in_flood(&self) -> Duration {
        let began = Instant::now();
        let (mut alice, mut bob) = (self.session("calm-a"), self.session("calm-b"));
        let id = format!("calm-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        alice.say(&json!({"type": "send", "id": id, "to": "calm-b", "body": id}));
        assert_eq!(alice.hear_of("ack")["id"], id);
        assert_eq!(bob.hear_of("message")["body"], id);
        let most = if is_slow() { PAIR * 8 } else { PAIR * 4 };
        assert!(began.elapsed() < most, "a pair in a flood needed {:?}", began.elapsed());
        began.elapsed()
    }

    /// What must hold after each attack. `what`: which one, for the message.
    pub fn unharmed(&mut self, what: &str) {
        self.unharmed_by(what, Unharmed::default());
    }

    /// The same with other bounds.
    pub fn unharmed_by(&mut self, what: &str, bounds: Unharmed) {
        assert!(self.is_alive(), "the process ended after: {what}");
        self.pair("pair");
        if !(is_slow() && bounds.heavy) {
            self.punctual(what);
        }
        self.small(what, bounds);
    }

    /// No turn was late since the start by its own doing: neither by the scheduler's, which the program knows, nor by the
    /// host's, which this test has seen. One more is forgiven that is far from endless: what an attack makes slow it makes
    /// slow each of the many times it comes. An unoptimised program is some thirty times slower, so there only what would
    /// be far too late at any speed fails.
    pub fn punctual(&self, what: &str) {
        let metrics = self.metrics();
        let stalls = stalls() - self.stalls_at_start;
        let late = metrics.late() - self.late_at_start - f64::from(stalls);
        let endless = metrics.turns_over_quarter_second() - self.endless_at_start;
        let is_endless = late > 0.0 && endless > 0.0;
        let failed = is_endless || (late > 1.0 && !is_slow());
        assert!(
            !failed,
            "{late} late turns beyond {stalls} stalls of CPUs, {endless} of 250 ms, after: {what}\n{}",
            metrics.show("corepost_core_")
        );
    }

    /// Its memory comes back within its bound.
    pub fn small(&self, what: &str, Unharmed { grown, .. }: Unharmed) {
        let most = self.base + grown;
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.rss() > most {
            assert!(
                Instant::now() < deadline,
                "{} KiB resident of {} KiB at the start, after: {what}\n{}",
                self.rss() / 1024,
                self.base / 1024,
                self.metrics().show("corepost_memory_bytes")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// No socket of an attack is left.
    pub fn empty(&self) {
        within(15, "every session is gone", || self.metrics().sum("corepost_sessions", &[]) == 0.0);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut rest = Vec::new();
        if let Some(mut out) = self.child.stdout.take() {
            let _ = out.read_to_end(&mut rest);
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
