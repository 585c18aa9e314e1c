//! What librdkafka says of its connections beside the answers to questions.

use super::options::KafkaOptions;
use super::trouble::Trouble;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::sync::{Mutex, PoisonError};

/// Remembers what was said last, with the values of options taken out.
#[derive(Debug, Default)]
pub(super) struct Ear {
    options: KafkaOptions,
    heard: Mutex<Heard>,
}

/// What was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// A trouble that will not pass by itself.
    pub final_trouble: Option<Trouble>,
    /// The last reason why a connection failed.
    pub reason: Option<String>,
    /// No broker has a connection.
    pub all_down: bool,
}

impl Ear {
    pub(super) fn new(options: KafkaOptions) -> Self {
        Self { options, heard: Mutex::default() }
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Ear {
    // The same things come as errors; what else is logged is of no use to who asks one question.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _line: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let reason = self.options.hide(reason);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => heard.all_down = true,
            code => {
                let trouble = code.and_then(|code| Trouble::of_connecting(code, &reason));
                heard.final_trouble = heard.final_trouble.take().or(trouble);
                heard.reason = Some(reason);
            }
        }
    }
}

impl ConsumerContext for Ear {}
