//! Every setting once: its name, its default and what it is for.
//!
//! Flags, keys of the file and names in the environment are all made from this table, so none of them can be
//! missing or spelt differently. `--ping-interval` is `ping_interval` in the file and `COREPOST_PING_INTERVAL` in
//! the environment.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file.
    pub key: &'static str,
    /// What its value is called in the help.
    pub value: &'static str,
    /// As if it had been written there.
    pub default: Option<&'static str>,
    /// Where it belongs in the help.
    pub group: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// Whether it may be given more than once.
    pub many: bool,
    /// Its values are `NAME=VALUE`, of which only the names may be shown.
    pub is_secret: bool,
}

/// Those that a running node takes over on SIGHUP; all others need a start.
pub const LIVE_SETTINGS: [&str; 8] =
    ["jwt_key", "jwks", "api_keys", "allow_origin", "tls_cert", "tls_key", "drain_window", "log_level"];

/// Before the upper-case key.
pub const ENVIRONMENT_PREFIX: &str = "COREPOST_";
/// The setting that names the file, and so cannot stand in it.
pub const FILE_SETTING: &str = "config";
/// Names in the environment that belong to our tests.
pub const TEST_VARIABLES: [&str; 3] = ["COREPOST_TEST", "COREPOST_SEED", "COREPOST_SEEDS"];

const fn set(
    group: &'static str,
    key: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { default: Some(default), ..unset(group, key, value, help) }
}

const fn unset(group: &'static str, key: &'static str, value: &'static str, help: &'static str) -> Setting {
    Setting { key, value, default: None, group, help, many: false, is_secret: false }
}

const PLACE: &str = "Where it listens and runs";
const ACCESS: &str = "Who may come in (nothing here: development mode, on this machine only)";
const LOG: &str = "The log of messages";
const LIFE: &str = "Times";
const LIMITS: &str = "Limits";
const OUTPUT: &str = "What it says";
const KAFKA: &str = "The cluster";

/// Those of every node, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    unset(
        PLACE,
        FILE_SETTING,
        "FILE",
        "Read settings from this TOML file: the flags' names with `_` for `-`",
    ),
    set(
        PLACE,
        "listen",
        "IP:PORT",
        "127.0.0.1:8080",
        "WebSocket clients and the HTTP API; port 0 takes a free one",
    ),
    set(PLACE, "admin", "IP:PORT", "127.0.0.1:9090", "/livez, /readyz and /metrics; keep it private"),
    unset(
        PLACE,
        "node",
        "N",
        "This node's ordinal [default: 0; in a cluster the number at the end of the hostname, as in chat-7]",
    ),
    unset(
        PLACE,
        "cores",
        "N",
        "Pinned threads [default: one for each CPU that is not kept for Kafka and the store]",
    ),
    unset(
        PLACE,
        "cpus",
        "LIST|auto",
        "CPUs to pin them to, as in 0-3,8 [default: `corepost placement` shows which]",
    ),
    unset(
        PLACE,
        "backplane_cpus",
        "LIST|auto",
        "CPUs for threads about Kafka [default: beside the cores if there are enough]",
    ),
    unset(PLACE, "store_cpus", "LIST|auto", "CPUs for threads of the store [default: with the backplane]"),
    unset(
        PLACE,
        "irq_cpus",
        "LIST|auto",
        "CPUs for network interrupts: cores keep off them; `corepost placement` says which goes where",
    ),
    set(
        PLACE,
        "driver",
        "auto|uring|epoll",
        "auto",
        "How sockets are served; auto is io_uring, or epoll where it is refused",
    ),
    unset(
        ACCESS,
        "jwt_key",
        "FILE",
        "Checks tokens: a raw secret of 32 bytes or more (HS256), or PEM public keys (RS256, ES256, EdDSA)",
    ),
    unset(ACCESS, "jwks", "FILE", "Checks tokens: a JWKS document; may stand beside --jwt-key"),
    unset(
        ACCESS,
        "api_keys",
        "FILE",
        "Opens the HTTP API: one key a line, 16 to 256 characters, `#` comments",
    ),
    unset(
        ACCESS,
        "tls_cert",
        "FILE",
        "Speak TLS 1.2 and 1.3: the certificate and those that vouch for it, PEM [default: plain connections]",
    ),
    unset(ACCESS, "tls_key", "FILE", "The certificate's private key, PEM; both are read again on SIGHUP"),
    Setting {
        many: true,
        ..unset(
            ACCESS,
            "allow_origin",
            "ORIGIN",
            "Web pages that may connect, as https://app.example.org or https://*.example.org; may be repeated \
             [default: every page, in development mode this machine's]",
        )
    },
    Setting {
        many: true,
        ..unset(
            ACCESS,
            "proxy_from",
            "CIDR",
            "Proxies that begin each connection with a PROXY v2 header (HAProxy: send-proxy-v2), as 10.0.0.0/8 or \
             192.0.2.7, so that their clients' addresses count; may be repeated; needs keys [default: none]",
        )
    },
    set(LOG, "data", "DIR", "./corepost-data", "Where messages are kept; made if absent"),
    set(
        LOG,
        "durability",
        "fsync|process",
        "fsync",
        "What an acknowledged message survives: a power cut, or only the end of the process",
    ),
    set(LOG, "retention", "TIME", "7d", "Messages older than this go"),
    set(
        LOG,
        "retention_size",
        "SIZE",
        "10GiB",
        "Bytes of all messages kept; when reached, sends are refused",
    ),
    set(
        LOG,
        "mailbox_messages",
        "N",
        "100000",
        "Messages of one client; when reached, sends to it are refused",
    ),
    set(LOG, "mailbox_bytes", "SIZE", "64MiB", "Bytes of one client's messages; likewise"),
    set(LOG, "store_cache", "SIZE", "64MiB", "Memory for blocks of the store"),
    set(LOG, "recent_bytes", "SIZE", "32MiB", "Memory of each core for the newest messages"),
    set(
        LIFE,
        "drain_window",
        "TIME",
        "10s",
        "Over how long sessions are sent away when the process is told to end",
    ),
    set(LIFE, "handshake_timeout", "TIME", "5s", "From accept to a complete request head"),
    set(LIFE, "ping_interval", "TIME", "25s", "Silence after which a socket is pinged"),
    set(LIFE, "pong_timeout", "TIME", "10s", "Silence after a ping that means the peer is gone"),
    set(LIFE, "cursor_refresh", "TIME", "1h", "Quiet time after which a client is told its position"),
    unset(LIMITS, "max_connections", "N", "Connections in all [default: as many as open files are allowed]"),
    set(LIMITS, "max_connections_per_ip", "N", "off", "Connections of one address (IPv6: of one /64)"),
    set(LIMITS, "connect_rate", "N", "off", "New connections a second"),
    set(LIMITS, "messages_per_second", "N", "off", "Messages a session may send, one for each recipient"),
    set(LIMITS, "bytes_per_second", "SIZE", "off", "Bytes of durable messages a session may send, likewise"),
    set(LIMITS, "sessions_per_client", "N", "64", "Sessions of one client at a time"),
    set(LIMITS, "message_bytes", "SIZE", "64KiB", "One message as it comes in; larger ones are refused"),
    set(
        LIMITS,
        "outbound_bytes",
        "SIZE",
        "256KiB",
        "What waits for a slow reader before it falls back to replay",
    ),
    set(OUTPUT, "log_format", "human|json", "human", "How the log on standard error looks"),
    set(OUTPUT, "log_level", "LEVEL", "info", "error, warn, info, debug or trace; never bodies or tokens"),
];

/// Those about Kafka, which `topics` takes too.
pub const KAFKA_SETTINGS: &[Setting] = &[
    unset(
        KAFKA,
        "kafka",
        "HOSTS",
        "Brokers of Apache Kafka, as HOST:PORT,HOST:PORT; the others are learnt from them",
    ),
    set(
        KAFKA,
        "topic_prefix",
        "PREFIX",
        "corepost",
        "Topics are called PREFIX.mailbox, .state, .node, .cluster",
    ),
    set(
        KAFKA,
        "partitions",
        "N",
        "64",
        "Partitions of mailbox and state; the same for every node, and for the life of the topics",
    ),
    set(
        KAFKA,
        "replication",
        "3|1",
        "3",
        "Brokers that hold each message; with 1 a disk that fails takes acknowledged messages with it, for trials",
    ),
    Setting {
        many: true,
        is_secret: true,
        ..unset(
            KAFKA,
            "kafka_option",
            "NAME=VALUE",
            "A property of librdkafka, as security.protocol=ssl; may be repeated. Passwords are better kept in the \
             file: other users of this machine see the command line",
        )
    },
];

/// Those of a node in a cluster.
pub const CLUSTER_SETTINGS: &[Setting] = &[
    set(
        KAFKA,
        "node_timeout",
        "TIME",
        "5s",
        "Silence after which the other nodes take this one for dead; the same for every node",
    ),
    set(KAFKA, "standby", "0|1", "0", "1: partitions are also followed by the node that would own them next"),
];

/// Every setting, in the order of the help: those of `serve` and `check`.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain(of_clusters())
}

/// Those that mean nothing without `--kafka`, and that one.
pub fn of_clusters() -> impl Iterator<Item = &'static Setting> {
    KAFKA_SETTINGS.iter().chain(CLUSTER_SETTINGS)
}

/// The setting that names the file, and those about Kafka.
pub fn of_topics() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.key == FILE_SETTING).chain(KAFKA_SETTINGS)
}

impl Setting {
    /// The setting of this name in the file.
    pub fn find(key: &str) -> Option<&'static Self> {
        all().find(|setting| setting.key == key)
    }

    /// Its flag, without the dashes.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.key.to_ascii_uppercase())
    }
}

/// The known name nearest to `key`, if one is near enough to have been meant.
pub fn nearest(key: &str) -> Option<&'static str> {
    let wanted = key.replace('-', "_").to_ascii_lowercase();
    let (setting, distance) = all().map(|s| (s, distance(s.key, &wanted))).min_by_key(|(_, d)| *d)?;
    (distance <= 1 + setting.key.len() / 4).then_some(setting.key)
}

/// How many characters must be added, removed or replaced to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_stands_there_once_under_a_plain_name() {
        for (n, setting) in all().enumerate() {
            assert!(setting.key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", setting.key);
            assert!(all().take(n).all(|other| other.key != setting.key), "{} twice", setting.key);
        }
        let setting = Setting::find("ping_interval").unwrap();
        assert_eq!(
            (setting.flag().as_str(), setting.variable().as_str()),
            ("ping-interval", "COREPOST_PING_INTERVAL")
        );
    }

    #[test]
    fn the_nearest_name_is_one_that_could_have_been_meant() {
        assert_eq!(nearest("retension"), Some("retention"));
        assert_eq!(nearest("ping-intervall"), Some("ping_interval"));
        assert_eq!(nearest("LISTEN"), Some("listen"));
        assert_eq!(nearest("kafka_brokers"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
