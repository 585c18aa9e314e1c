//! What a run is to do.

use crate::target::Target;
use clap::{Parser, ValueEnum};
use std::net::SocketAddrV4;
use std::path::PathBuf;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Pairs of sockets, each with `--outstanding` messages under way: the most that goes, and its cost.
    Throughput,
    /// Pairs of sockets at `--rate` messages per second in all: latency from the intended time of each.
    Rate,
    /// One socket sends to a list of `--sockets`.
    Fanout,
    /// `--sockets` that say nothing: memory and CPU of each.
    Idle,
    /// Connects `--sockets` as fast as it goes, `--at-once` under way.
    Storm,
    /// Retains `--retained` messages, `--missed` for each of `--sockets` clients evenly among them.
    Prepare,
    /// Clients of `prepare` return, `--at-once` at a time.
    Replay,
    /// `--sockets` clients on several nodes, of which the first drains, at `--rate` messages per second in all.
    Drain,
    /// `--sockets` clients that come and go, read slowly and are flooded for `--seconds`, at `--rate` messages per second.
    Soak,
    /// One reader that stops with `--messages` waiting.
    Slow,
}

/// Loads a message router and reads what it costs.
#[derive(Clone, Debug, Parser)]
#[command(name = "load", version)]
pub struct Args {
    /// What to measure.
    pub mode: Option<Mode>,
    /// Whom.
    #[arg(long, value_enum, default_value = "corepost")]
    pub target: Target,
    /// Where it listens. Of several nodes, client after client or pair after pair connects to the next.
    #[arg(long, default_value = "127.0.0.1:8080", value_delimiter = ',')]
    pub addr: Vec<SocketAddrV4>,
    /// Where those connect that receive, of pairs; without it, where those do that send.
    #[arg(long, value_delimiter = ',')]
    pub to_addr: Vec<SocketAddrV4>,
    /// The server's process or its nodes' processes: their CPU time and memory are read from /proc.
    #[arg(long, value_delimiter = ',')]
    pub pid: Vec<u32>,
    /// The admin address of the node that `drain` takes out of service.
    #[arg(long)]
    pub admin: Option<SocketAddrV4>,
    /// Of a cluster, the ordinals of all nodes; for `--home`.
    #[arg(long, value_delimiter = ',')]
    pub nodes: Vec<u16>,
    /// Clients are so chosen that their home is this node.
    #[arg(long)]
    pub home: Option<u16>,
    /// Partitions of the cluster; for `--home`.
    #[arg(long, default_value_t = 64)]
    pub partitions: u16,
    /// The CPU to run on; the server should have another.
    #[arg(long)]
    pub cpu: Option<usize>,
    /// Sockets, recipients or clients.
    #[arg(long, default_value_t = 1_000)]
    pub sockets: usize,
    /// Messages that each sender has under way.
    #[arg(long, default_value_t = 1)]
    pub outstanding: usize,
    /// Through the log, with acks.
    #[arg(long)]
    pub durable: bool,
    /// Bytes of a body, quotes included; at least 18.
    #[arg(long, default_value_t = 128)]
    pub body: usize,
    /// Length of the measured window.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Time before it.
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// Messages per second in all.
    #[arg(long, default_value_t = 10_000)]
    pub rate: u64,
    /// Handshakes or returning clients under way at a time.
    #[arg(long, default_value_t = 128)]
    pub at_once: usize,
    /// Messages that `prepare` retains.
    #[arg(long, default_value_t = 10_000_000)]
    pub retained: u64,
    /// Of them, those each returning client has missed.
    #[arg(long, default_value_t = 100)]
    pub missed: u64,
    /// Where `prepare` writes the clients' cursors and `replay` reads them.
    #[arg(long, default_value = "/tmp/corepost-load-cursors")]
    pub cursors: PathBuf,
    /// Clients of the file that `replay` leaves out, for an earlier run has used them.
    #[arg(long, default_value_t = 0)]
    pub skip: usize,
    /// Messages for the slow reader.
    #[arg(long, default_value_t = 20_000)]
    pub messages: u64,
    /// `slow` with a reader that does not stop, to compare with.
    #[arg(long)]
    pub reads: bool,
    /// Beside `replay` and `slow`, a pair that exchanges so many messages per second, and its latency.
    #[arg(long, default_value_t = 0)]
    pub pair_rate: u64,
    /// File of the secret of `--jwt-key`: connect with HS256 tokens instead of `client=`.
    #[arg(long)]
    pub hs256: Option<PathBuf>,
    /// The certificate of the server, named localhost: connect by TLS 1.3, with a whole handshake each.
    #[arg(long)]
    pub tls: Option<PathBuf>,
    /// First client ID, a hexadecimal number; all IDs are 16 digits.
    #[arg(long, default_value = "10ad000000000000")]
    pub ids: String,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    pub bench: bool,
}
