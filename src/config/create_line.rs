//! The command that makes the topics that these settings ask for, to be copied from a message and run.
//!
//! It says what was said here, in the same words where that can be shown. Values of `--kafka-option` cannot: what stands
//! in the file is taken from there, and in the place of others stands `…`.

use super::reader::Reader;
use super::settings::{KAFKA_SETTINGS, Setting};
use super::source::Source;
use crate::backplane::kafka::Connection;
use crate::topics::Plan;
use std::fmt;

/// `corepost topics create --kafka …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateLine {
    line: String,
    /// Whether a `…` in it must be replaced.
    has_gaps: bool,
}

impl CreateLine {
    pub(super) fn new(read: &Reader<'_>, connection: &Connection, plan: &Plan) -> Self {
        let mut words = Vec::new();
        let file = KAFKA_SETTINGS.iter().find_map(|setting| match &read.written(setting.key)?.source {
            Source::File { path, .. } => Some(path),
            _ => None,
        });
        words.extend(file.map(|path| format!("--config {}", quoted(path))));
        let mut has_gaps = false;
        for setting in KAFKA_SETTINGS {
            let Some(written) = read.written(setting.key) else { continue };
            if matches!(written.source, Source::File { .. }) {
                continue;
            }
            if setting.is_secret {
                words.extend(written.names().map(|name| format!("--{} {name}=…", setting.flag())));
                has_gaps |= written.names().next().is_some();
            } else {
                words.push(format!("--{} {}", setting.flag(), quoted(&meant(setting, connection, plan))));
            }
        }
        Self { line: format!("corepost topics create {}", words.join(" ")), has_gaps }
    }
}

/// The value of a setting as it was understood.
fn meant(setting: &Setting, connection: &Connection, plan: &Plan) -> String {
    match setting.key {
        "kafka" => connection.brokers.clone(),
        "topic_prefix" => plan.prefix.clone(),
        "partitions" => plan.partitions.to_string(),
        "replication" => plan.replication.as_str().to_owned(),
        other => unreachable!("{other} is a setting about Kafka that this line cannot say"),
    }
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

impl fmt::Display for CreateLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gaps = if self.has_gaps { "\n  with the value of each option in the place of `…`" } else { "" };
        write!(f, "{}{gaps}", self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Given, resolve_kafka};

    fn line(flags: &[(&'static str, &[&str])], environment: &[(&str, &str)]) -> String {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let given = Given {
            flags: flags.iter().map(|(key, values)| (*key, texts(values))).collect(),
            environment: environment.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect(),
            hostname: None,
        };
        resolve_kafka(&given).unwrap().create.to_string()
    }

    #[test]
    fn what_was_said_is_said_again_and_no_default() {
        assert_eq!(line(&[("kafka", &["k:1"])], &[]), "corepost topics create --kafka k:1");
        let some: [(&str, &[&str]); 3] =
            [("kafka", &["k:1, [::1]:2"]), ("topic_prefix", &["chat.eu"]), ("replication", &["1"])];
        assert_eq!(
            line(&some, &[("COREPOST_PARTITIONS", "8")]),
            "corepost topics create --kafka 'k:1,[::1]:2' --topic-prefix chat.eu --partitions 8 --replication 1"
        );
    }

    #[test]
    fn a_value_of_an_option_is_left_to_who_runs_it_or_to_the_file() {
        let flags: [(&str, &[&str]); 2] =
            [("kafka", &["k:1"]), ("kafka_option", &["client.id=hunter2", "linger.ms=1"])];
        assert_eq!(
            line(&flags, &[]),
            "corepost topics create --kafka k:1 --kafka-option client.id=… --kafka-option linger.ms=…\n  with the \
             value of each option in the place of `…`"
        );
        let path = std::env::temp_dir().join(format!("corepost's-line-{}.toml", std::process::id()));
        std::fs::write(&path, "kafka = 'k:1'\npartitions = 8\nkafka_option = ['client.id=hunter2']\n")
            .unwrap();
        let path = path.to_str().unwrap();
        let expected = path.replace('\'', r"'\''");
        assert_eq!(
            line(&[("config", &[path]), ("partitions", &["16"])], &[]),
            format!("corepost topics create --config '{expected}' --partitions 16")
        );
        std::fs::remove_file(path).unwrap();
    }
}
