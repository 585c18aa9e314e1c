//! The settings about Kafka: how it is reached, and what is asked of its topics.

use super::create_line::CreateLine;
use super::raw::Given;
use super::reader::Reader;
use super::some;
use super::source::{Mistakes, Source};
use super::values::{Problem, numbers, word};
use crate::backplane::kafka::{BadOption, Connection, KafkaOptions};
use crate::limits::{KAFKA_BROKERS, PARTITIONS_MOST, TOPIC_PREFIX_BYTES};
use crate::topics::{Plan, Replication};

/// A good configuration of everything about Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// How it is reached.
    pub connection: Connection,
    /// What is asked of its topics.
    pub plan: Plan,
    /// The command that makes its topics.
    pub create: CreateLine,
}

/// Everything that is wrong, or a configuration that Kafka can be spoken to with.
pub fn resolve_kafka(given: &Given) -> Result<KafkaConfig, Mistakes> {
    some::resolve(given, |read| {
        let kafka = read_kafka(read, PARTITIONS_MOST);
        if kafka.is_none() && !read.is_written("kafka") {
            read.mistake("kafka", "is not there; name the brokers: --kafka HOST:PORT".into());
        }
        kafka
    })
}

/// `None` without `--kafka`; mistakes stay with the reader.
pub(super) fn read_kafka(read: &mut Reader<'_>, partitions_most: u16) -> Option<KafkaConfig> {
    let brokers = read.optional("kafka", brokers);
    let texts = read.several("kafka_option");
    let options = KafkaOptions::parse(texts.iter().map(String::as_str)).unwrap_or_else(|wrong| {
        let told = wrong.iter().map(|bad| problem_of(bad, read)).collect::<Vec<_>>();
        told.into_iter().for_each(|problem| read.mistake("kafka_option", problem));
        KafkaOptions::default()
    });
    let plan = Plan {
        prefix: read.required("topic_prefix", prefix),
        partitions: read.required("partitions", numbers(1, u32::from(partitions_most))) as u16,
        replication: read.required("replication", word(Replication::ALL, Replication::as_str)),
    };
    let connection = Connection { brokers: brokers?, options };
    let create = CreateLine::new(read, &connection, &plan);
    Some(KafkaConfig { connection, plan, create })
}

/// A name in the environment that nobody knows may be a piece of a password with a comma in it.
fn problem_of(bad: &BadOption, read: &Reader<'_>) -> Problem {
    let is_parted = read
        .written("kafka_option")
        .is_some_and(|written| written.source == Source::Environment && written.texts.len() > 1);
    match bad {
        BadOption::Unknown(..) if is_parted => {
            "an option of a name that librdkafka does not know, which is not repeated here: commas part the options, so \
             it may be a piece of a value; put an option whose value has a comma into the file"
                .into()
        }
        bad => bad.to_string(),
    }
}

fn brokers(text: &str) -> Result<String, Problem> {
    let all: Vec<&str> = text.split(',').map(str::trim).collect();
    if all.len() > KAFKA_BROKERS {
        return Err(format!("names more than {KAFKA_BROKERS} brokers; a few of them are enough"));
    }
    if text.contains("://") {
        return Err("has a scheme; write HOST:PORT, and TLS as --kafka-option security.protocol=ssl".into());
    }
    let is_good = |broker: &&str| {
        let (host, port) = broker.rsplit_once(':').unwrap_or((broker, "9092"));
        let is_v6 = host.starts_with('[') && host.ends_with(']');
        let plain = !host.contains(|c: char| c.is_whitespace() || (c == ':' && !is_v6) || c == '/');
        !host.is_empty() && plain && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    match all.iter().find(|broker| !is_good(broker)) {
        Some(bad) => Err(format!("has {bad:?}, which is no broker; write HOST:PORT,HOST:PORT")),
        None => Ok(all.join(",")),
    }
}

fn prefix(text: &str) -> Result<String, Problem> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || !text.chars().all(known) {
        Err("is no prefix for topics; Kafka takes letters, digits, `.`, `_` and `-`".into())
    } else if text.len() > TOPIC_PREFIX_BYTES {
        Err(format!("is too long for the name of a topic; {TOPIC_PREFIX_BYTES} characters are possible"))
    } else {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mistake;
    use super::*;
    use crate::limits::PARTITIONS;

    fn given(flags: &[(&'static str, &str)]) -> Given {
        let mut given = Given::default();
        for (key, text) in flags {
            given.flags.entry(key).or_default().push((*text).to_owned());
        }
        given
    }

    fn told(result: Result<impl Sized, Mistakes>) -> Vec<String> {
        result.err().unwrap_or_default().0.iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn brokers_alone_are_enough() {
        let kafka = resolve_kafka(&given(&[("kafka", "a:9092, [::1]:9093,c")])).unwrap();
        assert_eq!(kafka.connection.brokers, "a:9092,[::1]:9093,c");
        assert!(kafka.connection.options.is_empty());
        let plan =
            Plan { prefix: "corepost".into(), partitions: PARTITIONS, replication: Replication::Three };
        assert_eq!(kafka.plan, plan);
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_value_of_an_option() {
        let told = told(resolve_kafka(&given(&[
            ("kafka", "a:9092,:1"),
            ("topic_prefix", "our topics"),
            ("partitions", "0"),
            ("replication", "2"),
            ("kafka_option", "sasl.pasword=hunter2"),
            ("kafka_option", "group.id=hunter2"),
        ])));
        assert_eq!(told.len(), 6, "{told:#?}");
        let parts = [
            "flag --kafka: \"a:9092,:1\" has \":1\", which is no broker",
            "flag --kafka-option: `sasl.pasword` cannot be set",
            "flag --kafka-option: `group.id` is set by Corepost itself",
            "flag --topic-prefix: \"our topics\" is no prefix",
            "flag --partitions: \"0\" is out of bounds; write 1 to 1024",
            "flag --replication: \"2\" is unknown; write one of 3, 1",
        ];
        assert!(told.iter().zip(parts).all(|(line, part)| line.contains(part)), "{told:#?}");
        assert!(told.iter().all(|line| !line.contains("hunter2")), "{told:#?}");
    }

    #[test]
    fn without_brokers_it_says_how_to_name_them() {
        let told = told(resolve_kafka(&Given::default()));
        assert!(told.len() == 1 && told[0].contains("--kafka HOST:PORT"), "{told:?}");
    }

    #[test]
    fn a_scheme_is_said_another_way() {
        for bad in ["ssl://a:9093", "a:0", "a b:1", "", "a:9092,", "::1"] {
            assert!(brokers(bad).is_err(), "{bad}");
        }
        assert!(brokers("ssl://a:9093").unwrap_err().contains("security.protocol=ssl"));
        assert!(prefix(&"x".repeat(201)).unwrap_err().contains("200"));
    }

    #[test]
    fn the_environment_and_other_settings_of_the_file_are_read_too() {
        let environment = [("COREPOST_KAFKA", "k:1"), ("COREPOST_KAFKA_OPTION", "linger.ms=1,client.id=x")];
        let environment = environment.map(|(name, value)| (name.into(), value.into())).to_vec();
        let kafka = resolve_kafka(&Given { environment, ..given(&[("listen", "0.0.0.0:1")]) }).unwrap();
        assert_eq!(format!("{:?}", kafka.connection.options), r#"{"client.id", "linger.ms"}"#);
    }

    #[test]
    fn a_piece_of_a_password_behind_a_comma_is_not_taken_for_a_name() {
        let at = |text: &str| {
            let environment = vec![("COREPOST_KAFKA_OPTION".to_owned(), text.to_owned())];
            told(resolve_kafka(&Given { environment, ..given(&[("kafka", "k:1")]) }))
        };
        let parted = at("sasl.password=x,hunter2=y");
        assert!(parted.len() == 1 && parted[0].contains("into the file"), "{parted:?}");
        assert!(!parted[0].contains("hunter2"), "{parted:?}");
        assert!(at("sasl.pasword=x")[0].contains("`sasl.pasword`"), "one alone is a name");
    }

    #[test]
    fn a_file_that_is_no_toml_is_told_without_what_stands_in_it() {
        let path = std::env::temp_dir().join(format!("corepost-kafka-{}.toml", std::process::id()));
        std::fs::write(&path, "kafka = \"k:1\"\nkafka_option = [\"sasl.password=hunter2\", oops]\n").unwrap();
        let told = told(resolve_kafka(&given(&[("config", path.to_str().unwrap()), ("kafka", "k:1")])));
        std::fs::remove_file(path).unwrap();
        assert!(told[0].contains("is no TOML: TOML parse error at line 2"), "{told:?}");
        assert!(!told[0].contains("hunter2"), "{told:?}");
    }
}
