//! From a configuration as it is meant to what a node is started with.

use super::cluster::ClusterNode;
use super::config::NodeConfig;
use crate::backplane::Options;
use crate::config::{self, ClusterTopics, Config};
use crate::limits::PARTITIONS;
use crate::model::Topology;
use crate::net::Wish;
use crate::router::Settings;

impl NodeConfig {
    /// The node of a cluster that this configuration means, whose topics are these.
    pub fn of_cluster(config: &Config, topics: &ClusterTopics) -> Self {
        let cluster = config.cluster.as_ref().map(|cluster| ClusterNode {
            connection: cluster.connection.clone(),
            plan: topics.plan.clone(),
            node_timeout_ms: cluster.node_timeout_ms,
            standby: cluster.standby,
            retention_ms: topics.retention_ms,
            data: config.data.clone(),
            cache_bytes: config.store_cache_bytes,
        });
        Self { cluster, ..Self::of(config) }
    }

    /// The node that this configuration means, but for its cluster.
    pub fn of(config: &Config) -> Self {
        let partitions = config.cluster.as_ref().map_or(PARTITIONS, |cluster| cluster.plan.partitions);
        let topology = Topology::new(partitions, config.cores());
        let options = Options {
            durability: config.durability,
            retention_ms: config.retention_ms,
            retention_bytes: config.retention_bytes,
            cache_bytes: config.store_cache_bytes,
            mailbox_envelopes: config.mailbox_messages,
            mailbox_bytes: config.mailbox_bytes,
            ..Options::new(topology)
        };
        let placement = &config.placement;
        let settings = Settings {
            ping_interval_ms: config.ping_interval_ms,
            pong_timeout_ms: config.pong_timeout_ms,
            cursor_refresh_ms: config.cursor_refresh_ms,
            sessions_per_client: config.sessions_per_client,
            outbound_bytes: config.outbound_bytes as u32,
            recent_bytes: config.recent_bytes,
            rates: config.send_rates,
            ..Settings::new(0, topology)
        };
        Self {
            listen: config.listen,
            cpus: if placement.is_pinned {
                placement.cores.iter().map(|cpu| usize::from(*cpu)).collect()
            } else {
                Vec::new()
            },
            are_cpus_named: placement.is_named,
            backplane_cpus: placement.backplane.clone(),
            store_cpus: placement.store.clone(),
            driver: match config.driver {
                config::Driver::Auto => Wish::Best,
                config::Driver::Uring => Wish::Uring,
                config::Driver::Epoll => Wish::Epoll,
            },
            access: config.access.clone(),
            tls: config.tls.clone(),
            settings,
            message_bytes: config.message_bytes,
            node: config.node,
            log: config.cluster.is_none().then(|| (config.data.clone(), options)),
            cluster: None,
            handshake_ms: config.handshake_ms,
            max_connections: config.max_connections,
            max_connections_per_ip: config.max_connections_per_ip,
            connect_rate: config.connect_rate,
            proxies: config.proxies.clone(),
        }
    }
}
