//! How a Kafka is reached.

use super::options::KafkaOptions;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Brokers, and what the operator sets of librdkafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Some of the brokers, as `HOST:PORT,…`; the others are learnt from them.
    pub brokers: String,
    /// Security and whatever else.
    pub options: KafkaOptions,
}

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
