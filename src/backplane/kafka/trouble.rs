//! Why a question to Kafka has no answer, and what to do about it.

use super::options::KafkaOptions;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::fmt;
use std::time::Duration;

/// Why there is no answer. No text here holds the value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The options contradict each other or name what is not there: a mistake of the configuration.
    Options(String),
    /// No broker takes a connection.
    NobodyThere {
        /// As they were named.
        brokers: String,
        /// The last thing that was heard.
        reason: String,
    },
    /// Somebody takes connections and closes them.
    CutOff {
        /// As they were named.
        brokers: String,
        /// The last thing that was heard.
        reason: String,
    },
    /// A name that cannot be resolved.
    UnknownHost(String),
    /// The brokers do not let us in.
    NotLetIn(String),
    /// TLS failed.
    Tls(String),
    /// There is a connection perhaps, but no answer in time.
    Silent {
        /// As they were named.
        brokers: String,
        /// How long it was waited, in seconds.
        seconds: u64,
        /// The last thing that was heard, if any.
        reason: Option<String>,
    },
    /// We were let in, but may not do this.
    Forbidden(&'static str),
    /// A topic cannot have as many replicas as it should.
    TooFewBrokers,
    /// Anything else.
    Failed {
        /// What was asked.
        doing: &'static str,
        /// What was answered.
        reason: String,
    },
}

impl Trouble {
    /// What librdkafka reported of one broker while nothing was asked yet. `None`: it may pass.
    pub(super) fn of_connecting(code: Option<RDKafkaErrorCode>, reason: &str) -> Option<Self> {
        match code {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
                Some(Self::NotLetIn(reason.into()))
            }
            Some(RDKafkaErrorCode::SSL) => Some(Self::Tls(reason.into())),
            // A port that speaks no TLS ends the handshake as any connection may end.
            _ if reason.contains("SSL handshake failed") => Some(Self::Tls(reason.into())),
            Some(RDKafkaErrorCode::Resolve) => Some(Self::UnknownHost(reason.into())),
            _ => None,
        }
    }

    /// No broker has kept a connection for so long.
    pub(super) fn of_all_down(brokers: &str, reason: Option<String>, waited: Duration) -> Self {
        let brokers = brokers.to_owned();
        match reason {
            Some(reason) if reason.contains("Connect to") => Self::NobodyThere { brokers, reason },
            Some(reason) if reason.contains("Disconnected") => Self::CutOff { brokers, reason },
            reason => Self::Silent { brokers, seconds: waited.as_secs(), reason },
        }
    }

    /// What a question was answered with. `needed`: the permission that it takes.
    pub(super) fn of_asking(
        doing: &'static str,
        needed: &'static str,
        error: &KafkaError,
        options: &KafkaOptions,
    ) -> Self {
        match code_of(error) {
            Some(code) => Self::of_code(doing, needed, code),
            None => Self::Failed { doing, reason: options.hide(&error.to_string()) },
        }
    }

    pub(in crate::backplane) fn of_code(
        doing: &'static str,
        needed: &'static str,
        code: RDKafkaErrorCode,
    ) -> Self {
        match code {
            RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                Self::Forbidden(needed)
            }
            RDKafkaErrorCode::InvalidReplicationFactor => Self::TooFewBrokers,
            code => Self::Failed { doing, reason: code.to_string() },
        }
    }
}

/// The code in an error, also in that of a question to an [`rdkafka::admin::AdminClient`], which rdkafka leaves out.
pub(super) fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// What happened and the next step.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(reason) => {
                write!(f, "librdkafka refuses its options: {reason}; mend --kafka-option")
            }
            Self::NobodyThere { brokers, reason } => write!(
                f,
                "no Kafka listens at {brokers} ({reason}); check --kafka and that the brokers run (for a trial: \
                 kafka/up.sh 1)"
            ),
            Self::CutOff { brokers, reason } => write!(
                f,
                "connections to {brokers} are closed before Kafka answers ({reason}); check that the port is a \
                 broker's, and that --kafka-option security.protocol is the port's (ssl, sasl_ssl, sasl_plaintext)"
            ),
            Self::UnknownHost(reason) => write!(f, "there is no such host ({reason}); check --kafka"),
            Self::NotLetIn(reason) => write!(
                f,
                "Kafka does not let us in ({reason}); check the --kafka-option of security.protocol, sasl.mechanism, \
                 sasl.username and sasl.password"
            ),
            Self::Tls(reason) => write!(
                f,
                "TLS with Kafka failed ({reason}); check that the port is one for TLS, and --kafka-option \
                 ssl.ca.location=FILE for a private authority"
            ),
            Self::Silent { brokers, seconds, reason } => {
                write!(f, "Kafka at {brokers} did not answer within {seconds} s")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))?;
                write!(
                    f,
                    "; check that the port is a broker's, that --kafka-option security.protocol is the port's, and that \
                     the addresses that the brokers advertise can be reached from here"
                )
            }
            Self::Forbidden(needed) => {
                write!(
                    f,
                    "Kafka forbids it: this principal needs {needed}; kafka/README.md lists all permissions"
                )
            }
            Self::TooFewBrokers => write!(
                f,
                "the cluster has fewer than three brokers; start more, or say --replication 1 for a trial on one"
            ),
            Self::Failed { doing, reason } => write!(f, "Kafka did not {doing}: {reason}"),
        }
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Librdkafka's own words, as they came from real brokers.
    #[test]
    fn what_was_heard_of_connections_is_told_apart() {
        let down = |reason: &str| {
            Trouble::of_all_down("k:1", Some(reason.into()), Duration::from_secs(3)).to_string()
        };
        let refused = "k:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert!(down(refused).starts_with("no Kafka listens at k:1"));
        let closed = "k:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN";
        assert!(down(closed).starts_with("connections to k:1 are closed before Kafka answers"));
        let late = "k:1/bootstrap: ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10";
        assert!(down(late).starts_with("Kafka at k:1 did not answer within 3 s (k:1/bootstrap: ApiVersion"));
        let plain = "ssl://k:1/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer";
        assert!(matches!(Trouble::of_connecting(None, plain), Some(Trouble::Tls(_))));
        let login = Some(RDKafkaErrorCode::Authentication);
        assert!(matches!(Trouble::of_connecting(login, "Invalid username"), Some(Trouble::NotLetIn(_))));
        assert_eq!(Trouble::of_connecting(Some(RDKafkaErrorCode::BrokerTransportFailure), refused), None);
    }
}
