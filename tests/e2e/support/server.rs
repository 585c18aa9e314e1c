//! The real program as a child process. It is killed, by its own ID, when the story lets go of it.

use super::{Api, Metrics, PATIENCE};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub struct Server {
    child: Child,
    /// Where clients connect.
    pub addr: SocketAddr,
    /// Where health and metrics are.
    pub admin: SocketAddr,
    stderr: PathBuf,
    /// What it says on standard output after the ready line.
    said: Receiver<String>,
}

impl Server {
    /// Nothing if it ends before it is ready.
    pub(super) fn start(mut command: Command, dir: &Path) -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let stderr = dir.join(format!("stderr-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let log = std::fs::File::create(&stderr).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, addr: nowhere, admin: nowhere, stderr, said };
        // A node that joins a cluster on a machine with other work took 29 s once.
        let ready = server.said.recv_timeout(2 * PATIENCE).ok()?;
        let (addr, admin) = ready
            .strip_prefix("ready listen=")
            .and_then(|rest| rest.split_once(" admin="))
            .unwrap_or_else(|| panic!("no ready line: {ready}"));
        (server.addr, server.admin) = (addr.parse().unwrap(), admin.parse().unwrap());
        Some(server)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// What it says on standard output after the ready line, until it ends.
    pub fn rest_of_stdout(&self) -> Vec<String> {
        self.said.iter().collect()
    }

    /// Sends a signal, as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Kills it, and is back when nothing of it is left.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn exit_code(&mut self) -> i32 {
        wait(&mut self.child).code().expect("it ends by itself, not by a signal")
    }

    /// Ends it as an operator would, with nobody connected.
    pub fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.exit_code(), 0, "{}", self.log());
    }

    /// A connection to its HTTP API.
    pub fn api(&self) -> Api {
        Api::connect(self.addr)
    }

    /// What it counts now.
    pub fn metrics(&self) -> Metrics {
        Metrics::read(self.admin)
    }

    /// Waits until every core has been told of all that is durable. An ack may be a moment ahead of what the recipient's
    /// core knows (a `welcome` is said from knowledge younger than a second), so who counts exactly waits first.
    pub fn settle(&self) {
        super::eventually("every core has been told of everything", || {
            let metrics = self.metrics();
            metrics.sum("corepost_records_read_total", "")
                == metrics.sum("corepost_records_written_total", "")
        });
    }

    /// Bytes of it in memory.
    pub fn resident(&self) -> usize {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server of this story said:\n{}", self.log());
        }
    }
}

/// A child that is killed, by its own ID, when the story lets go of it.
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a child a signal, as `TERM`.
pub fn signal(child: &Child, name: &str) {
    let told = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status().unwrap();
    assert!(told.success(), "nobody took SIG{name}");
}

/// Waits for the end of a child, or kills it and fails.
pub fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("process {} does not end", child.id());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The end of a child, and all that it said.
pub fn finish(mut child: Child) -> Output {
    let read = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            stream.map(|mut stream| stream.read_to_end(&mut all));
            all
        })
    };
    let stdout = read(child.stdout.take().map(|it| Box::new(it) as _));
    let stderr = read(child.stderr.take().map(|it| Box::new(it) as _));
    let status = wait(&mut child);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}
