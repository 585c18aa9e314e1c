//! Resolves settings: reads each, then judges what holds between them.

use super::cluster::{applies, is_in_cluster, read_cluster, read_node};
use super::keyfiles::KeyFiles;
use super::placement::read_placement;
use super::raw::{Given, Raw, Written};
use super::reader::Reader;
use super::resolved::{Config, Driver, LogFormat, LogLevel, LogOutput};
use super::settings::{FILE_SETTING, Setting, all};
use super::some::read_sockets;
use super::source::{Mistakes, Source};
use super::tlsfiles::{Shown, TlsFiles};
use super::values::{
    Problem, address, count, duration, number, numbers, show_duration, show_size, size, unless_off, within,
    word,
};
use crate::access::{Origins, Proxies, Rate, SendRates};
use crate::limits::{MESSAGE_BYTES, PAGE_BYTES, PUBLISH_BYTES, RATE_MOST, SESSIONS_MOST};
use crate::model::Durability;
use crate::placement::{Note, Plan};
use std::fmt;
use std::path::PathBuf;

/// A good configuration and where each of its values comes from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// What is meant.
    pub config: Config,
    /// What is no mistake but worth a line at the start.
    pub notes: Vec<String>,
    pub(super) raw: Raw,
}

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// Everything that is wrong, or a configuration that a node can be started with. Reads the files it names.
pub fn resolve(given: &Given) -> Result<Effective, Mistakes> {
    let (raw, mistakes) = Raw::read(given);
    let mut reader = Reader::new(&raw, mistakes);
    let read = &mut reader;
    let _ = read.optional(FILE_SETTING, path);
    let mut notes = Vec::new();
    let key_files = KeyFiles {
        jwt_key: read.optional("jwt_key", path),
        jwks: read.optional("jwks", path),
        api_keys: read.optional("api_keys", path),
    };
    let origins = origins(read);
    let access = key_files.read(origins).unwrap_or_else(|wrong| {
        wrong.into_iter().for_each(|mistake| read.mistake(mistake.setting, mistake.problem));
        Default::default()
    });
    notes.extend(key_files.notes());
    let (tls_files, shown) = tls(read);
    let config = Config {
        listen: read.required("listen", address),
        admin: read.required("admin", address),
        node: read_node(read, given),
        cluster: read_cluster(read, &mut notes),
        placement: placement(read, &mut notes),
        driver: read.required("driver", word(Driver::ALL, Driver::as_str)),
        data: read.required("data", path),
        durability: read.required("durability", word(Durability::ALL, Durability::as_str)),
        retention_ms: read.required("retention", times(SECOND, 3_650 * DAY)),
        retention_bytes: read.required("retention_size", sizes(1 << 20, 1 << 50)),
        mailbox_messages: read.required("mailbox_messages", within(count, (1, 1 << 40), number)),
        mailbox_bytes: read.required("mailbox_bytes", sizes(1 << 10, 1 << 50)),
        store_cache_bytes: read.required("store_cache", sizes(1 << 20, 1 << 40)),
        recent_bytes: read.required("recent_bytes", sizes(64 << 10, 1 << 40)) as usize,
        drain_window_ms: read.required("drain_window", times(0, HOUR)),
        handshake_ms: read.required("handshake_timeout", times(100, 60 * SECOND)),
        ping_interval_ms: read.required("ping_interval", times(SECOND, HOUR)),
        pong_timeout_ms: read.required("pong_timeout", times(100, HOUR)),
        cursor_refresh_ms: read.required("cursor_refresh", times(SECOND, 7 * DAY)),
        max_connections: read_sockets(read),
        max_connections_per_ip: optional_number(read, "max_connections_per_ip"),
        connect_rate: rate(read, "connect_rate", count, number),
        send_rates: SendRates {
            messages: rate(read, "messages_per_second", count, number),
            bytes: rate(read, "bytes_per_second", size, show_size),
        },
        sessions_per_client: read.required("sessions_per_client", numbers(1, SESSIONS_MOST)) as usize,
        message_bytes: read.required("message_bytes", sizes(128, PUBLISH_BYTES as u64)) as usize,
        outbound_bytes: read.required("outbound_bytes", sizes(PAGE_BYTES as u64, 1 << 30)) as usize,
        log: LogOutput {
            format: read.required("log_format", word(LogFormat::ALL, LogFormat::as_str)),
            level: read.required("log_level", word(LogLevel::ALL, LogLevel::as_str)),
        },
        key_files,
        access,
        tls_files,
        tls_not_after_s: shown.as_ref().and_then(|shown| shown.not_after_s),
        tls: shown.map(|shown| shown.config),
        proxies: proxies(read),
    };
    judge(read, &config, &mut notes);
    let (asked, mistakes) = reader.done();
    debug_assert!(all().all(|s| asked.contains(&s.key)), "a setting nobody reads: {asked:?}");
    if mistakes.is_empty() { Ok(Effective { config, notes, raw }) } else { Err(Mistakes(mistakes)) }
}

/// Where the certificate is, and what is in it.
fn tls(read: &mut Reader<'_>) -> (Option<TlsFiles>, Option<Shown>) {
    let (cert, key) = (read.optional("tls_cert", path), read.optional("tls_key", path));
    let files = TlsFiles::of(cert, key).map_err(|alone| vec![alone]);
    let both = files.and_then(|files| Ok((files.clone(), files.map(|files| files.read()).transpose()?)));
    both.unwrap_or_else(|wrong| {
        wrong.into_iter().for_each(|mistake| read.mistake(mistake.setting, mistake.problem));
        (None, None)
    })
}

/// What must hold between settings that are each good in themselves.
fn judge(read: &mut Reader<'_>, config: &Config, notes: &mut Vec<String>) {
    if config.key_files.is_empty() {
        if config.listen.ip().is_loopback() {
            notes.push(
                "development mode: no keys are configured, so every client is who it says it is; only this \
                 machine can connect"
                    .into(),
            );
        } else {
            read.mistake(
                "listen",
                format!(
                    "{} can be reached from other machines, but no keys are configured, so anybody could be \
                     anybody; add --jwt-key, --jwks or --api-keys, or listen on 127.0.0.1:{}",
                    config.listen,
                    config.listen.port()
                ),
            );
        }
        if !config.proxies.is_empty() {
            // A page or program elsewhere would come in by the proxy, and nobody would ask it for a token.
            let problem = "lets other machines in through a proxy, but no keys are configured, so anybody could be \
                           anybody; add --jwt-key, --jwks or --api-keys, or remove --proxy-from";
            read.mistake("proxy_from", problem.into());
        }
    } else if config.access.keys.is_none() {
        notes.push("no --jwt-key and no --jwks: no client can connect, only the HTTP API is open".into());
    } else if config.access.api_keys.is_none() {
        notes.push("no --api-keys: the HTTP API is closed".into());
    }
    if config.proxies.contain_everybody() {
        let note = "--proxy-from holds every address: whoever can connect must send a PROXY header, and may claim any \
                    address in it";
        notes.push(note.into());
    }
    if config.listen == config.admin && config.listen.port() != 0 {
        read.mistake("admin", format!("{} is where --listen is; take another port", config.admin));
    }
    let needed = PAGE_BYTES + 2 * config.message_bytes;
    if config.outbound_bytes < needed {
        read.mistake(
            "outbound_bytes",
            format!(
                "{} does not hold a page of replay and two messages of --message-bytes; write at least {}",
                show_size(config.outbound_bytes as u64),
                show_size(needed as u64)
            ),
        );
    }
    if !is_in_cluster(read) {
        judge_quotas(read, config, notes);
    }
}

/// Of a lone node's own log.
fn judge_quotas(read: &mut Reader<'_>, config: &Config, notes: &mut Vec<String>) {
    if config.cluster.is_some() && config.message_bytes > MESSAGE_BYTES {
        // Every home must take what any gateway has acknowledged.
        let most = show_size(MESSAGE_BYTES as u64);
        read.mistake(
            "message_bytes",
            format!("is more than a record of a cluster holds; write at most {most}"),
        );
    }
    if config.mailbox_bytes < config.message_bytes as u64 {
        let least = show_size(config.message_bytes as u64);
        read.mistake("mailbox_bytes", format!("holds no message of --message-bytes; write at least {least}"));
    }
    if config.retention_bytes < config.mailbox_bytes {
        let size = show_size(config.retention_bytes);
        notes.push(format!(
            "--retention-size ({size}) is smaller than --mailbox-bytes: one client can fill it"
        ));
    }
}

/// What keeps a node from running well is told at its start, the rest by `corepost placement`.
fn placement(read: &mut Reader<'_>, notes: &mut Vec<String>) -> Plan {
    let placed = read_placement(read).map(|placed| placed.plan).unwrap_or_default();
    let is_told = |note: &&Note| {
        matches!(note, Note::Crowded { .. } | Note::Unpinned { .. } | Note::AllIsolated { .. })
    };
    notes.extend(placed.notes.iter().filter(is_told).map(Note::to_string));
    placed
}

fn origins(read: &mut Reader<'_>) -> Origins {
    let texts = read.several("allow_origin");
    Origins::new(texts.iter().map(String::as_str)).unwrap_or_else(|(text, bad)| {
        read.mistake("allow_origin", format!("{text:?} {bad}"));
        Origins::default()
    })
}

fn proxies(read: &mut Reader<'_>) -> Proxies {
    let texts = read.several("proxy_from");
    Proxies::new(texts.iter().map(String::as_str)).unwrap_or_else(|wrong| {
        wrong.into_iter().for_each(|(text, bad)| read.mistake("proxy_from", format!("{text:?} {bad}")));
        Proxies::default()
    })
}

fn optional_number(read: &mut Reader<'_>, key: &'static str) -> Option<u32> {
    read.required(key, unless_off(numbers(1, u32::MAX))).map(|n| n as u32)
}

fn rate(
    read: &mut Reader<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<u64, Problem>,
    show: impl Fn(u64) -> String,
) -> Option<Rate> {
    let read = read.required(key, unless_off(within(parse, (1, u64::from(RATE_MOST)), show)));
    read.map(|n| Rate::per_second(n as u32))
}

fn path(text: &str) -> Result<PathBuf, Problem> {
    if text.is_empty() { Err("is no path; name a file or directory".into()) } else { Ok(text.into()) }
}

fn times(least_ms: u64, most_ms: u64) -> impl Fn(&str) -> Result<u64, Problem> {
    within(duration, (least_ms, most_ms), show_duration)
}

fn sizes(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, Problem> {
    within(size, (least, most), show_size)
}

/// As a file that could be given to `--config`, each value with its source behind it. Settings that mean nothing here,
/// and those whose values may not be shown, are comments.
impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_cluster = self.config.cluster.is_some();
        for setting in all() {
            match self.raw.get(setting.key) {
                _ if !applies(setting, in_cluster) => {
                    let place = if in_cluster { "in a cluster" } else { "without kafka" };
                    writeln!(f, "# {:<42} # means nothing {place}", setting.key)?;
                }
                Some(written) => Self::write_written(f, setting, written)?,
                None => writeln!(
                    f,
                    "# {:<42} # {}",
                    format!("{} is not set", setting.key),
                    self.unset(setting.key)
                )?,
            }
        }
        Ok(())
    }
}

impl Effective {
    fn write_written(f: &mut fmt::Formatter<'_>, setting: &Setting, written: &Written) -> fmt::Result {
        let Written { texts, source, .. } = written;
        let key = setting.key;
        if key == FILE_SETTING {
            return writeln!(f, "# settings of {:?}, named by: {source}", texts[0]);
        }
        if setting.is_secret {
            let names: Vec<&str> = written.names().collect();
            return writeln!(
                f,
                "# {:<42} # {source}; values are not shown",
                format!("{key} of {}", names.join(", "))
            );
        }
        let shown = match &texts[..] {
            [one] => format!("{key} = {one:?}"),
            several => format!("{key} = {several:?}"),
        };
        writeln!(f, "{shown:<44} # {source}")
    }

    /// What an absent setting means here.
    fn unset(&self, key: &str) -> String {
        let config = &self.config;
        let meaning = match key {
            "node" if config.cluster.is_some() => format!("{}, from the hostname", config.node),
            "node" => config.node.to_string(),
            "kafka" => "a node alone, with a log of its own".into(),
            "kafka_option" => "none".into(),
            "cores" => format!("{} cores", config.cores()),
            "cpus" if config.placement.is_pinned => format!("CPUs {:?}", config.placement.cores),
            "cpus" => "not pinned".into(),
            "backplane_cpus" => format!("CPUs {}", config.placement.backplane),
            "store_cpus" => format!("CPUs {}", config.placement.store),
            "irq_cpus" => "those of the cores; `corepost placement` shows them".into(),
            "max_connections" => "as many as open files are allowed".into(),
            "allow_origin" if config.access.is_development() => "pages of this machine".into(),
            "allow_origin" => "every page".into(),
            "proxy_from" => "nobody's PROXY header is taken".into(),
            _ => return Source::Default.to_string(),
        };
        format!("{}: {meaning}", Source::Default)
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
