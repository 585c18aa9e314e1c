//! Settings as they are meant: typed, in bounds, consistent with each other. A [`Config`] is a good one.

use super::cluster::ClusterConfig;
use super::keyfiles::KeyFiles;
use super::tlsfiles::TlsFiles;
use crate::access::{Access, Proxies, Rate, SendRates};
use crate::model::Durability;
use crate::placement::Plan;
use crate::words::words;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

words! {
    /// What serves the sockets.
    Driver {
        /// io_uring, or epoll where it is refused.
        Auto = "auto",
        /// io_uring, or the end.
        Uring = "uring",
        /// epoll, also where io_uring would work.
        Epoll = "epoll",
    }
}

words! {
    /// How the log on standard error looks.
    LogFormat {
        /// For people.
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// How much is logged.
    LogLevel {
        /// What needs somebody.
        Error = "error",
        /// What may need somebody.
        Warn = "warn",
        /// What happens to the process as a whole.
        Info = "info",
        /// What happens to single sessions.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// The log's look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOutput {
    /// How it looks.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// Everything that a node is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Clients and the HTTP API.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub admin: SocketAddr,
    /// This node's ordinal; in a cluster below [`crate::limits::NODES`].
    pub node: u16,
    /// The cluster that it is a node of; `None`: it is alone, with a log of its own.
    pub cluster: Option<ClusterConfig>,
    /// Which CPUs run what, and how many cores there are.
    pub placement: Plan,
    /// What serves the sockets.
    pub driver: Driver,
    /// Where the log is kept.
    pub data: PathBuf,
    /// What an acknowledged message survives.
    pub durability: Durability,
    /// Messages older than this go.
    pub retention_ms: u64,
    /// Bytes of all messages kept.
    pub retention_bytes: u64,
    /// Messages of one mailbox.
    pub mailbox_messages: u64,
    /// Bytes of one mailbox.
    pub mailbox_bytes: u64,
    /// Memory for blocks of the store.
    pub store_cache_bytes: u64,
    /// Memory of each core for the newest messages.
    pub recent_bytes: usize,
    /// Over how long sessions are sent away at the end.
    pub drain_window_ms: u64,
    /// From accept to a complete request head.
    pub handshake_ms: u64,
    /// Silence after which a socket is pinged.
    pub ping_interval_ms: u64,
    /// Silence after a ping that means the peer is gone.
    pub pong_timeout_ms: u64,
    /// Quiet time after which a client is told its position.
    pub cursor_refresh_ms: u64,
    /// Connections in all; `None` is as many as open files allow.
    pub max_connections: Option<u32>,
    /// Connections of one address.
    pub max_connections_per_ip: Option<u32>,
    /// New connections a second.
    pub connect_rate: Option<Rate>,
    /// What each session may send.
    pub send_rates: SendRates,
    /// Sessions of one client at a time.
    pub sessions_per_client: usize,
    /// Bytes of one message as it comes in.
    pub message_bytes: usize,
    /// Bytes that wait for a slow reader.
    pub outbound_bytes: usize,
    /// The log's look.
    pub log: LogOutput,
    /// Where the keys are, to read them again.
    pub key_files: KeyFiles,
    /// What was in them, and the origins.
    pub access: Access,
    /// Where the certificate is, to read it again; `None`: connections are plain.
    pub tls_files: Option<TlsFiles>,
    /// What was in it.
    pub tls: Option<Arc<ServerConfig>>,
    /// When its certificate ends, in seconds since 1970, where that can be told.
    pub tls_not_after_s: Option<u64>,
    /// Who begins connections with a PROXY header. None in development mode.
    pub proxies: Proxies,
}

impl Config {
    /// How many cores.
    pub fn cores(&self) -> u16 {
        u16::try_from(self.placement.cores.len()).expect("limits::CORES bounds the cores")
    }
}
