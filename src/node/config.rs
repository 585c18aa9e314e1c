//! What a node is started with.

use super::cluster::ClusterNode;
use crate::access::{Access, Proxies, Rate};
use crate::backplane::{OnThread, Options};
use crate::host::{Visit, keep_to, visit};
use crate::limits::{DEDUPE_MS, HANDSHAKE_MS, ID_BYTES, JSON_DEPTH, MESSAGE_BYTES, PARTITIONS, RECIPIENTS};
use crate::model::{Durability, Topology};
use crate::net::Wish;
use crate::placement::Cpus;
use crate::router::Settings;
use crate::wire::json::Limits;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a node is started with.
#[derive(Clone)]
pub struct NodeConfig {
    /// Where clients connect. Port 0: any free one.
    pub listen: SocketAddr,
    /// The CPU of each core; empty: not pinned.
    pub cpus: Vec<usize>,
    /// Somebody means these very CPUs, so a core that cannot have its own is an error; otherwise it runs anywhere.
    pub are_cpus_named: bool,
    /// Where threads about Kafka run; empty: anywhere.
    pub backplane_cpus: Cpus,
    /// Where the store's threads run; empty: anywhere.
    pub store_cpus: Cpus,
    /// How cores talk to the kernel.
    pub driver: Wish,
    /// Who may connect. Without any key: development mode, with `/v1/echo`.
    pub access: Access,
    /// The certificate to show and its key; `None`: connections are plain.
    pub tls: Option<Arc<ServerConfig>>,
    /// Of every core's shard; its topology says how many cores there are. The core in it means nothing.
    pub settings: Settings,
    /// Largest message.
    pub message_bytes: usize,
    /// This node's ordinal.
    pub node: u16,
    /// Where the log is and how; `None`: no sessions, only echo.
    pub log: Option<(PathBuf, Options)>,
    /// The cluster that it is a node of, in the place of a log of its own.
    pub cluster: Option<ClusterNode>,
    /// From accept to a complete request head.
    pub handshake_ms: u64,
    /// Connections in all; `None`: as many as open files allow.
    pub max_connections: Option<u32>,
    /// Connections of one address.
    pub max_connections_per_ip: Option<u32>,
    /// New connections a second.
    pub connect_rate: Option<Rate>,
    /// Who begins connections with a PROXY header.
    pub proxies: Proxies,
}

impl NodeConfig {
    /// A node in development mode without a log: all defaults.
    pub fn echo(listen: SocketAddr, cores: u16) -> Self {
        Self {
            listen,
            cpus: Vec::new(),
            are_cpus_named: true,
            backplane_cpus: Cpus::default(),
            store_cpus: Cpus::default(),
            driver: Wish::Best,
            access: Access::default(),
            tls: None,
            settings: Settings::new(0, Topology::new(PARTITIONS, cores)),
            message_bytes: MESSAGE_BYTES,
            node: 0,
            log: None,
            cluster: None,
            handshake_ms: HANDSHAKE_MS,
            max_connections: None,
            max_connections_per_ip: None,
            connect_rate: None,
            proxies: Proxies::default(),
        }
    }

    /// Called on each thread of the log with its name: sends it to its CPUs.
    pub(super) fn on_thread(&self) -> OnThread {
        let (backplane, store) = (self.backplane_cpus.clone(), self.store_cpus.clone());
        Arc::new(move |name| {
            let cpus = if name.starts_with("store") { &store } else { &backplane };
            if !cpus.is_empty()
                && let Err(error) = keep_to(cpus)
            {
                tracing::warn!(thread = name, %cpus, %error, "cannot run there, so it runs anywhere");
            }
        })
    }

    /// The calling thread is on the backplane's CPUs until the value is dropped; where that is not allowed it stays.
    pub(super) fn visit_backplane(&self) -> Option<Visit> {
        if self.backplane_cpus.is_empty() {
            return None;
        }
        let visit = visit(&self.backplane_cpus);
        visit.map_err(|error| tracing::warn!(cpus = %self.backplane_cpus, %error, "threads about Kafka run anywhere")).ok()
    }

    pub(super) fn cores(&self) -> usize {
        usize::from(self.settings.topology.cores())
    }

    /// `limits` of a `welcome`.
    pub(super) fn limits(&self) -> Limits {
        let options = self.log.as_ref().map(|(_, options)| options);
        // Kafka's acks=all is no less than an fsync.
        let durability = options.map_or(Durability::Fsync, |options| options.durability);
        let cluster = self.cluster.as_ref().and_then(|cluster| cluster.retention_ms);
        Limits {
            message_bytes: self.message_bytes,
            recipients: RECIPIENTS,
            id_bytes: ID_BYTES,
            json_depth: JSON_DEPTH,
            ping_interval_ms: self.settings.ping_interval_ms,
            retention_ms: options.map(|options| options.retention_ms).or(cluster).unwrap_or(0),
            dedupe_ms: DEDUPE_MS,
            durability: durability.as_str(),
        }
    }
}
