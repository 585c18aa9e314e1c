//! Properties of librdkafka that an operator sets: `--kafka-option K=V`.

use super::token;
use crate::limits::KAFKA_OPTIONS;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use std::collections::BTreeMap;
use std::fmt;

/// Properties by name, none of which Corepost sets itself. All are known to this librdkafka.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaOptions(BTreeMap<String, String>);

/// Why a text is no property that may be set. Names only, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadOption {
    /// There is no `=` in it. What it is cannot be told, so it is not repeated.
    NoValue,
    /// Corepost sets this one itself.
    Ours(String, &'static str),
    /// It was given before.
    Twice(String),
    /// librdkafka does not know it, or not in this build; its own words.
    Unknown(String, String),
    /// librdkafka does not take the value.
    Value(String),
    /// SASL by tokens, without saying where they are.
    NoToken(String),
    /// More than [`KAFKA_OPTIONS`].
    TooMany,
}

/// What Corepost sets itself, and why nobody else may.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "the brokers are named by --kafka"),
    ("metadata.broker.list", "the brokers are named by --kafka"),
    ("enable.idempotence", "a message must be in the log once and in order"),
    ("enable.gapless.guarantee", "a message must be in the log once and in order"),
    ("max.in.flight", "a message must be in the log once and in order"),
    ("max.in.flight.requests.per.connection", "a message must be in the log once and in order"),
    ("acks", "acknowledged means durable, so each topic has its own"),
    ("request.required.acks", "acknowledged means durable, so each topic has its own"),
    ("delivery.report.only.error", "every ack follows a delivery report"),
    ("message.timeout.ms", "what fails must fail together, so Corepost gives records up itself"),
    ("delivery.timeout.ms", "what fails must fail together, so Corepost gives records up itself"),
    ("queue.buffering.max.messages", "memory is bounded by Corepost (README, limits)"),
    ("queue.buffering.max.kbytes", "memory is bounded by Corepost (README, limits)"),
    ("queued.max.messages.kbytes", "memory is bounded by Corepost (README, limits)"),
    ("message.max.bytes", "the topics say how large a record may be"),
    ("enable.partition.eof", "Corepost asks for the ends of logs itself"),
    ("transactional.id", "nodes use no transactions"),
    ("partitioner", "a client's partition is worked out by Corepost"),
    (
        "allow.auto.create.topics",
        "a topic made by chance breaks the contract; `corepost topics create` makes them",
    ),
    ("auto.offset.reset", "a hole in the log must be told, not skipped"),
    ("enable.auto.commit", "positions are kept beside what was read"),
    ("auto.commit.enable", "positions are kept beside what was read"),
    ("enable.auto.offset.store", "positions are kept beside what was read"),
    ("isolation.level", "all records count; producers use no transactions"),
    ("group.id", "partitions are assigned by Corepost, not by consumer groups"),
    ("group.instance.id", "partitions are assigned by Corepost, not by consumer groups"),
    ("group.protocol", "partitions are assigned by Corepost, not by consumer groups"),
    ("sasl.oauthbearer.method", "tokens come from a file (sasl.oauthbearer.config=token-file=PATH)"),
    (
        "enable.sasl.oauthbearer.unsecure.jwt",
        "tokens come from a file (sasl.oauthbearer.config=token-file=PATH)",
    ),
];

/// The mechanism by tokens, under either name that a property of it has.
const BY_TOKEN: &str = "OAUTHBEARER";
const MECHANISMS: [&str; 2] = ["sasl.mechanism", "sasl.mechanisms"];
const TOKEN_CONFIG: &str = "sasl.oauthbearer.config";

impl KafkaOptions {
    /// Reads texts `K=V`; everything that is wrong with any of them.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<BadOption>> {
        let (mut options, mut wrong) = (BTreeMap::new(), Vec::new());
        for text in texts {
            if options.len() == KAFKA_OPTIONS {
                wrong.push(BadOption::TooMany);
                break;
            }
            match parse_one(text) {
                Ok((name, _)) if options.contains_key(name) => wrong.push(BadOption::Twice(name.into())),
                Ok((name, value)) => drop(options.insert(name.to_owned(), value.to_owned())),
                Err(bad) => wrong.push(bad),
            }
        }
        let options = Self(options);
        if let Some(mechanism) = options.token_mechanism()
            && options.token_config().and_then(token::file_of).is_none()
        {
            wrong.push(BadOption::NoToken(mechanism.into()));
        }
        if wrong.is_empty() { Ok(options) } else { Err(wrong) }
    }

    /// The name by which SASL with tokens is chosen, if it is.
    fn token_mechanism(&self) -> Option<&'static str> {
        let by_token = |name: &&str| self.get(name).is_some_and(|value| value.eq_ignore_ascii_case(BY_TOKEN));
        MECHANISMS.into_iter().find(by_token)
    }

    fn token_config(&self) -> Option<&str> {
        self.get(TOKEN_CONFIG)
    }

    /// What says where tokens are, if clients show one.
    pub(super) fn tokens(&self) -> Option<&str> {
        self.token_mechanism().and_then(|_| self.token_config())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What librdkafka or a broker says, with the name of an option in place of its value. Values of three characters or
    /// fewer stay: they cannot be told from other words.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut values: Vec<_> = self.iter().filter(|(_, value)| value.len() > 3).collect();
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("<{name}>")))
    }
}

fn parse_one(text: &str) -> Result<(&str, &str), BadOption> {
    let (name, value) = text.split_once('=').ok_or(BadOption::NoValue)?;
    let name = name.trim();
    if let Some((_, why)) = OURS.iter().find(|(ours, _)| *ours == name) {
        return Err(BadOption::Ours(name.into(), why));
    }
    let mut alone = ClientConfig::new();
    alone.set(name, value);
    match alone.create_native_config() {
        Ok(_) => Ok((name, value)),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, words, ..)) => {
            Err(BadOption::Unknown(name.into(), words))
        }
        Err(_) => Err(BadOption::Value(name.into())),
    }
}

/// Names only.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue => write!(
                f,
                "an option without `=`; write NAME=VALUE (in the environment commas part the options, so one whose \
                 value has a comma goes into the file)"
            ),
            Self::Ours(name, why) => write!(f, "`{name}` is set by Corepost itself: {why}; leave it out"),
            Self::Twice(name) => write!(f, "`{name}` is there twice; keep one"),
            Self::Unknown(name, words) => write!(
                f,
                "`{name}` cannot be set ({words}); librdkafka's CONFIGURATION.md has all properties"
            ),
            Self::Value(name) => {
                write!(f, "`{name}` has a value that librdkafka does not take; ")?;
                if cfg!(feature = "kafka-tls") {
                    write!(f, "its CONFIGURATION.md has the values")
                } else {
                    write!(f, "this build is without the feature kafka-tls: it has no TLS and no SCRAM")
                }
            }
            Self::NoToken(name) => write!(
                f,
                "`{name}` is {BY_TOKEN}, and nothing says where the token is; add \
                 {TOKEN_CONFIG}=token-file=PATH, a file that somebody else keeps fresh"
            ),
            Self::TooMany => write!(f, "there are more than {KAFKA_OPTIONS} options"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(texts: &[&str]) -> Vec<String> {
        let wrong = KafkaOptions::parse(texts.iter().copied()).unwrap_err();
        wrong.iter().map(BadOption::to_string).collect()
    }

    #[test]
    fn whatever_librdkafka_knows_passes_through() {
        let options = KafkaOptions::parse(["sasl.username=eve", "sasl.password=a=b", "linger.ms=5"]).unwrap();
        assert_eq!(options.get("sasl.password"), Some("a=b"));
        assert_eq!(options.iter().count(), 3);
    }

    #[test]
    fn what_is_wrong_is_told_all_at_once_and_without_values() {
        let told = wrong(&[
            "enable.idempotence=hunter2",
            "hunter2",
            "no.such.thing=hunter2",
            "security.protocol=hunter2",
            "linger.ms=1",
            "linger.ms=2",
            "sasl.mechanism=OAUTHBEARER",
        ]);
        assert_eq!(told.len(), 6);
        assert!(told[5].contains("`sasl.mechanism` is OAUTHBEARER, and nothing says where"), "{told:?}");
        assert!(told[0].contains("`enable.idempotence` is set by Corepost itself"), "{told:?}");
        assert!(told[1].contains("without `=`"), "{told:?}");
        assert!(told[2].contains("No such configuration property"), "{told:?}");
        assert!(told[3].contains("`security.protocol` has a value"), "{told:?}");
        assert!(told[4].contains("twice"), "{told:?}");
        assert!(told.iter().all(|line| !line.contains("hunter2")), "{told:?}");
        let many: Vec<String> = (0..=KAFKA_OPTIONS).map(|n| format!("client.id={n}")).collect();
        assert_eq!(KafkaOptions::parse(many.iter().map(String::as_str)).unwrap_err().len(), KAFKA_OPTIONS);
    }

    #[test]
    fn tokens_are_shown_from_the_file_that_is_named_and_only_by_their_mechanism() {
        let file = "sasl.oauthbearer.config=token-file=/run/token";
        let of = |texts: &[&str]| KafkaOptions::parse(texts.iter().copied()).unwrap();
        let by_token = of(&["sasl.mechanisms=oauthbearer", file]);
        assert_eq!(by_token.tokens(), Some("token-file=/run/token"));
        assert_eq!(of(&["sasl.mechanism=PLAIN", file]).tokens(), None);
        let told = wrong(&["sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.config=principal=admin"]);
        assert!(told.len() == 1 && told[0].contains("token-file=PATH"), "{told:?}");
    }

    /// A name that librdkafka does not have would be refused by nobody.
    #[test]
    fn every_property_of_ours_is_one_of_librdkafka() {
        for (name, _) in OURS {
            let mut alone = ClientConfig::new();
            alone.set(*name, "?");
            let refused = alone.create_native_config().err();
            let unknown =
                matches!(refused, Some(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)));
            assert!(!unknown, "{name}");
        }
    }

    #[test]
    fn no_value_is_printed() {
        let options = KafkaOptions::parse(["sasl.password=hunter2", "sasl.username=hunter"]).unwrap();
        assert_eq!(format!("{options:?}"), r#"{"sasl.password", "sasl.username"}"#);
        assert_eq!(options.hide("no hunter2, hunter"), "no <sasl.password>, <sasl.username>");
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn tls_sasl_and_every_compression_are_in_this_build() {
        for text in ["security.protocol=sasl_ssl", "ssl.ca.location=probe", "sasl.mechanism=SCRAM-SHA-512"] {
            assert!(KafkaOptions::parse([text]).is_ok(), "{text}");
        }
        for codec in ["lz4", "zstd", "gzip", "snappy"] {
            assert!(KafkaOptions::parse([format!("compression.codec={codec}").as_str()]).is_ok(), "{codec}");
        }
        let mut built = ClientConfig::new();
        built.set("builtin.features", "?");
        let all = ClientConfig::new().create_native_config().unwrap().get("builtin.features").unwrap();
        for feature in ["gzip", "snappy", "lz4", "zstd", "ssl", "sasl", "sasl_plain", "sasl_scram"] {
            assert!(all.split(',').any(|one| one == feature), "{feature} is not in {all}");
        }
    }
}
