//! Three nodes over real Kafka, with the real HAProxy in front, by `tuning/haproxy.cfg`.
//!
//! Runs only with `COREPOST_TEST=all`. Its clients are the program's own `listen` and `send`, which do what a client of the
//! protocol is to do.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod balancer_support;
mod kafka_support;

use balancer_support::{balancer, free_addresses, tuned};
use kafka_support::{Cluster, corepost, errors, is_asked_for, program, text, without_ours};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CLIENTS: usize = 6;
const BEFORE: usize = 10;
const AFTER: usize = 30;

/// A process of this story, with its outputs in files. It is killed with the story.
struct Process {
    name: String,
    child: Child,
    dir: PathBuf,
}

impl Process {
    fn start(dir: &Path, name: &str, command: &mut Command) -> Self {
        let file = |kind| File::create(dir.join(format!("{name}.{kind}"))).unwrap();
        command.stdin(Stdio::piped()).stdout(file("out")).stderr(file("err"));
        let child = without_ours(command).spawn().unwrap();
        Self { name: name.to_owned(), child, dir: dir.to_owned() }
    }

    fn said(&self, kind: &str) -> String {
        std::fs::read_to_string(self.dir.join(format!("{}.{kind}", self.name))).unwrap()
    }

    /// Its complete lines of standard output, as JSON.
    fn frames(&self) -> Vec<Value> {
        let said = self.said("out");
        let complete = said.rsplit_once('\n').map_or("", |(complete, _)| complete);
        complete.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn welcomes(&self) -> Vec<Value> {
        self.frames().into_iter().filter(|frame| frame["type"] == "welcome").collect()
    }

    fn heard(&self) -> Vec<String> {
        let messages = self.frames().into_iter().filter(|frame| frame["type"] == "message");
        messages.map(|frame| frame["body"]["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Writes a line every 100 ms.
    fn type_lines(&mut self, lines: std::ops::Range<usize>) {
        for line in lines {
            let stdin = self.child.stdin.as_mut().expect("it was not closed");
            writeln!(stdin, "message {line}").unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.name, self.said("err"));
        }
    }
}

/// A node of the cluster.
struct Node {
    process: Process,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Node {
    fn start(dir: &Path, kafka: &str, ordinal: usize) -> Self {
        let mut command = Command::new(program());
        command.current_dir(dir).args(["serve", "--replication", "1", "--kafka", kafka, "--node"]);
        command.arg(ordinal.to_string()).args([
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--data",
        ]);
        command.arg(format!("data-{ordinal}")).args(["--jwt-key", "jwt.key", "--proxy-from", "127.0.0.2"]);
        let process = Process::start(dir, &format!("node-{ordinal}"), &mut command);
        eventually("a node is ready", || process.said("out").ends_with('\n'));
        let said = process.said("out");
        let words: Vec<&str> = said.split_whitespace().collect();
        let address = |word: &str, name: &str| word.strip_prefix(name).expect(name).parse().unwrap();
        let (listen, admin) = (address(words[1], "listen="), address(words[2], "admin="));
        Self { process, listen, admin }
    }

    /// The sum of a metric's series with this label.
    fn metric(&self, name: &str, label: &str) -> f64 {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let series =
            answer.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }
}

/// HAProxy in front of them, and where it listens.
fn haproxy(dir: &Path, nodes: &[Node]) -> (Process, SocketAddr) {
    let [front] = free_addresses();
    let written = ["127.0.0.1:8180 port 9190", "127.0.0.1:8181 port 9191", "127.0.0.1:8182 port 9192"];
    let mut changes = vec![
        ("bind 127.0.0.1:8100", format!("bind {front}")),
        // So that a check that fails shows within this test.
        ("inter 1s", "inter 100ms fall 1".to_owned()),
    ];
    for (written, Node { listen, admin, .. }) in written.into_iter().zip(nodes) {
        changes.push((written, format!("{listen} port {}", admin.port())));
    }
    std::fs::write(dir.join("haproxy.cfg"), tuned("haproxy.cfg", &changes)).unwrap();
    let mut command = Command::new(balancer("haproxy", "haproxy"));
    command.current_dir(dir).args(["-db", "-f", "haproxy.cfg"]);
    let process = Process::start(dir, "haproxy", &mut command);
    eventually("HAProxy listens", || TcpStream::connect(front).is_ok());
    (process, front)
}

fn client(dir: &Path, id: &str, front: SocketAddr, arguments: &[String]) -> Process {
    let token =
        corepost(&["token", "--sub", id, "--ttl", "1h", "--jwt-key", dir.join("jwt.key").to_str().unwrap()]);
    assert!(token.status.success(), "{}", errors(&token));
    let mut command = Command::new(program());
    command.arg(&arguments[0]).args([
        "--as",
        id,
        "--url",
        &format!("ws://{front}"),
        "--token",
        text(&token).trim(),
    ]);
    command.args(&arguments[1..]);
    Process::start(dir, id, &mut command)
}

fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn messages(upto: usize) -> Vec<String> {
    (0..upto).map(|line| format!("message {line}")).collect()
}

#[test]
fn a_node_behind_haproxy_is_killed_and_its_clients_miss_nothing_elsewhere() {
    if !is_asked_for() {
        return;
    }
    let kafka = Cluster::start("cluster-haproxy", 1, "");
    let made = corepost(&["topics", "create", "--kafka", &kafka.brokers, "--replication", "1"]);
    assert!(made.status.success(), "{}", errors(&made));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-haproxy");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("jwt.key"), [7; 32]).unwrap();
    let mut nodes: Vec<Node> = (0..3).map(|ordinal| Node::start(&dir, &kafka.brokers, ordinal)).collect();
    let (haproxy, front) = haproxy(&dir, &nodes);

    // One after the other, so that each node gets two.
    let ids: Vec<String> = (0..CLIENTS).map(|client| format!("client-{client}")).collect();
    let mut listeners = Vec::new();
    for id in &ids {
        let listener = client(&dir, id, front, &["listen".into(), "--json".into()]);
        eventually("a client is welcome", || !listener.welcomes().is_empty());
        listeners.push(listener);
    }
    let node_of = |listener: &Process| listener.welcomes().last().unwrap()["node"].as_u64().unwrap();
    let mut held: Vec<u64> = listeners.iter().map(node_of).collect();
    let victim = held[0];
    let stay: Vec<bool> = held.iter().map(|&node| node != victim).collect();
    held.sort_unstable();
    assert_eq!(held, [0, 0, 1, 1, 2, 2]);

    // Its node may be the one that is killed: then it sends again to another one what was not acknowledged.
    let recipients = ids.iter().flat_map(|id| ["--to".to_owned(), id.clone()]);
    let send: Vec<String> =
        std::iter::once("send".to_owned()).chain(recipients).chain(["-".to_owned()]).collect();
    let mut alice = client(&dir, "alice", front, &send);
    alice.type_lines(0..BEFORE);
    eventually("all have heard it", || listeners.iter().all(|listener| listener.heard() == messages(BEFORE)));
    let sum = |name: &str, label: &str| nodes.iter().map(|node| node.metric(name, label)).sum::<f64>();
    let delivered = |way| sum("corepost_node_records_total", &format!("way=\"{way}\",kind=\"deliver\""));
    let written = (BEFORE * CLIENTS) as f64;
    // Counts are copies, a moment old.
    eventually("what was delivered between nodes is counted", || {
        sum("corepost_records_written_total", "topic=\"mailbox\"") == written
            && delivered("read") == delivered("written")
    });
    assert_eq!(
        sum("corepost_records_read_total", "topic=\"mailbox\""),
        written,
        "each is read once, by its home"
    );
    assert!(delivered("read") <= written, "and by no node without its recipient");

    nodes[victim as usize].process.child.kill().unwrap();
    alice.type_lines(BEFORE..AFTER);
    drop(alice.child.stdin.take());
    assert!(alice.child.wait().unwrap().success(), "all of it is durable");
    for (listener, stays) in listeners.iter().zip(stay) {
        eventually("nothing is missing", || listener.heard().len() >= AFTER);
        assert_eq!(listener.heard(), messages(AFTER), "{} hears each once, in order", listener.name);
        let welcomes = listener.welcomes();
        assert_eq!(welcomes.len() == 1, stays, "{welcomes:?}");
        if !stays {
            assert_ne!(node_of(listener), victim);
            assert_eq!(welcomes.last().unwrap()["resumed"], true);
        }
    }
    eventually("HAProxy sees that the node is gone", || {
        haproxy.said("err").contains(&format!("node{victim} is DOWN"))
    });
}
