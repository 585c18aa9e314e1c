//! From a configuration as it is meant to what a node is started with.

use super::start::NodeConfig;
use crate::backplane::Options;
use crate::config::{self, Config};
use crate::limits::PARTITIONS;
use crate::model::Topology;
use crate::net::Wish;
use crate::router::Settings;

impl NodeConfig {
    /// The node that this configuration means.
    pub fn of(config: &Config) -> Self {
        let topology = Topology::new(PARTITIONS, config.cores());
        let options = Options {
            durability: config.durability,
            retention_ms: config.retention_ms,
            retention_bytes: config.retention_bytes,
            cache_bytes: config.store_cache_bytes,
            mailbox_envelopes: config.mailbox_messages,
            mailbox_bytes: config.mailbox_bytes,
            ..Options::new(topology)
        };
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
            cpus: config.cpus.clone(),
            driver: match config.driver {
                config::Driver::Auto => Wish::Best,
                config::Driver::Uring => Wish::Uring,
                config::Driver::Epoll => Wish::Epoll,
            },
            access: config.access.clone(),
            settings,
            message_bytes: config.message_bytes,
            node: config.node,
            log: Some((config.data.clone(), options)),
            handshake_ms: config.handshake_ms,
            max_connections: config.max_connections,
            max_connections_per_ip: config.max_connections_per_ip,
            connect_rate: config.connect_rate,
            proxies: config.proxies.clone(),
        }
    }
}
