//! What librdkafka says of its connections beside the answers to questions.

use super::options::KafkaOptions;
use super::trouble::Trouble;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers what was said last, with the values of options taken out.
#[derive(Debug, Default)]
pub(super) struct Ear {
    options: KafkaOptions,
    heard: Mutex<Heard>,
}

/// What was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// A trouble that will not pass by itself, at one broker at least.
    pub trouble: Option<Trouble>,
    /// The last reason why a connection failed.
    pub reason: Option<String>,
    /// Each broker that was named has been tried in vain.
    pub all_down: bool,
}

impl Ear {
    pub(super) fn new(options: KafkaOptions) -> Self {
        Self { options, heard: Mutex::default() }
    }

    pub(super) fn heard(&self) -> Heard {
        self.lock().clone()
    }

    fn hear(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        let reason = self.options.hide(reason);
        let trouble = Trouble::of_connecting(code, &reason);
        let mut heard = self.lock();
        heard.trouble = heard.trouble.take().or(trouble);
        heard.reason = Some(reason);
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Ear {
    /// A connection that is closed on us is only logged.
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        if facility == "FAIL" {
            // `[thrd:HOST:PORT/bootstrap]: HOST:PORT/bootstrap: Disconnected …`
            let reason = line.split_once("]: ").map_or(line, |(_, reason)| reason);
            self.hear(None, reason);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.lock().all_down = true,
            code => self.hear(code, reason),
        }
    }
}

impl ConsumerContext for Ear {}
