//! How a Kafka is reached.

use super::options::KafkaOptions;
use super::trouble::Trouble;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// Brokers, and what the operator sets of librdkafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Some of the brokers, as `HOST:PORT,…`; the others are learnt from them.
    pub brokers: String,
    /// Security and whatever else.
    pub options: KafkaOptions,
}

/// What serves every client that moves records.
const USUAL: &[(&str, &str)] = &[
    // A broker that stands still says nothing; librdkafka's own minute would be longer than anybody waits.
    ("socket.timeout.ms", "10000"),
    // Who leads what is learnt from errors; this is for what nobody sends to or reads.
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// Properties that we set and that have two names.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("linger.ms", "queue.buffering.max.ms"),
    ("compression.type", "compression.codec"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
];

impl Connection {
    /// What every client of ours begins with.
    pub(super) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "corepost")
            .set("allow.auto.create.topics", "false")
            // librdkafka's own is 10 s: nodes that come back so far apart after an outage would take each other for dead.
            .set("reconnect.backoff.max.ms", "500")
            .set_log_level(RDKafkaLogLevel::Critical);
        let trusts = ["ssl.ca.location", "ssl.ca.pem", "ssl.certificate.verify"];
        if self.is_encrypted() && trusts.iter().all(|name| self.options.get(name).is_none()) {
            // Ours is an OpenSSL of its own, whose folder of certificates nobody has filled.
            config.set("ssl.ca.location", "probe");
        }
        for (name, value) in self.options.iter() {
            config.set(name, value);
        }
        config
    }

    /// A client that moves records. `fixed`: what a promise or a bound depends on; operators cannot set it. `usual`: what
    /// serves most, where an operator has not said otherwise.
    pub(super) fn config_of(&self, fixed: &[(&str, &str)], usual: &[(&str, &str)]) -> ClientConfig {
        let mut config = self.client_config();
        for (name, value) in USUAL.iter().chain(usual).filter(|(name, _)| !self.is_set(name)) {
            config.set(*name, *value);
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config
    }

    /// librdkafka does not take its options.
    pub(super) fn refused(&self, error: &KafkaError) -> Trouble {
        Trouble::Options(self.options.hide(&error.to_string()))
    }

    /// By any of its names: which of two names of a property counts is chance.
    fn is_set(&self, name: &str) -> bool {
        let other = OTHER_NAMES.iter().find(|(ours, _)| *ours == name);
        [Some(name), other.map(|(_, other)| *other)]
            .into_iter()
            .flatten()
            .any(|n| self.options.get(n).is_some())
    }

    /// Whether Kafka's own tools need a file of settings to get in, too.
    pub fn is_secured(&self) -> bool {
        self.protocol().is_some_and(|protocol| !protocol.eq_ignore_ascii_case("plaintext"))
    }

    fn is_encrypted(&self) -> bool {
        self.protocol().is_some_and(|protocol| protocol.to_ascii_lowercase().ends_with("ssl"))
    }

    fn protocol(&self) -> Option<&str> {
        self.options.get("security.protocol")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[&str]) -> ClientConfig {
        let options = KafkaOptions::parse(options.iter().copied()).unwrap();
        Connection { brokers: "k:9092".into(), options }.client_config()
    }

    #[test]
    fn no_client_makes_topics_by_chance_and_options_count() {
        let config = config(&["client.id=mine"]);
        assert_eq!(config.get("allow.auto.create.topics"), Some("false"));
        assert_eq!(
            (config.get("bootstrap.servers"), config.get("client.id")),
            (Some("k:9092"), Some("mine"))
        );
        assert_eq!(config.get("ssl.ca.location"), None);
    }

    #[test]
    fn an_operator_may_choose_what_no_promise_depends_on() {
        let options = ["queue.buffering.max.ms=7", "socket.timeout.ms=5000"];
        let options = KafkaOptions::parse(options).unwrap();
        let connection = Connection { brokers: "k:9092".into(), options };
        let fixed = [("acks", "all"), ("queue.buffering.max.kbytes", "1")];
        let config = connection.config_of(&fixed, &[("linger.ms", "1"), ("compression.type", "lz4")]);
        let told = |name: &str| config.get(name);
        assert_eq!((told("linger.ms"), told("queue.buffering.max.ms")), (None, Some("7")));
        assert_eq!((told("socket.timeout.ms"), told("compression.type")), (Some("5000"), Some("lz4")));
        assert_eq!((told("acks"), told("topic.metadata.refresh.interval.ms")), (Some("all"), Some("60000")));
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn tls_looks_for_the_systems_certificates_unless_others_are_named() {
        let probes = |options: &[&str]| config(options).get("ssl.ca.location").map(str::to_owned);
        assert_eq!(probes(&["security.protocol=SASL_SSL"]).as_deref(), Some("probe"));
        assert_eq!(probes(&["security.protocol=ssl", "ssl.ca.location=/ca.pem"]).as_deref(), Some("/ca.pem"));
        assert_eq!(probes(&["security.protocol=ssl", "ssl.ca.pem=x"]), None);
        assert_eq!(probes(&["security.protocol=sasl_plaintext"]), None);
    }
}
