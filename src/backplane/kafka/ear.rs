//! What librdkafka says of its connections beside the answers to questions.

use super::options::KafkaOptions;
use super::token;
use super::trouble::Trouble;
use crate::limits::KAFKA_TROUBLE_MS;
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// There is no token to show now: what brokers then say of it is less of a help.
    pub no_token: Option<Trouble>,
    /// When it was heard last.
    pub troubled_at: Option<Instant>,
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

    /// A trouble that will not pass by itself and was heard lately: who was let in after all hears of no more. librdkafka
    /// repeats itself, but not often.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let heard = self.lock();
        let is_present = |at: Instant| at.elapsed() < Duration::from_millis(KAFKA_TROUBLE_MS);
        let trouble = heard.trouble.as_ref().filter(|_| heard.troubled_at.is_some_and(is_present));
        // As long as the last token is good, a missing one is no trouble.
        trouble.map(|trouble| heard.no_token.clone().unwrap_or_else(|| trouble.clone()))
    }

    /// Something has come through.
    pub(super) fn forget(&self) {
        let mut heard = self.lock();
        if heard.troubled_at.take().is_some() {
            heard.trouble = None;
        }
    }

    fn hear(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        let reason = self.options.hide(reason);
        let trouble = Trouble::of_connecting(code, &reason);
        let mut heard = self.lock();
        if trouble.is_some() {
            heard.troubled_at = Some(Instant::now());
        }
        heard.trouble = heard.trouble.take().or(trouble);
        heard.reason = Some(reason);
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Ear {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = token::generate(config);
        self.lock().no_token = token.as_ref().err().map(|bad| Trouble::NotLetIn(bad.to_string()));
        token
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_remembered_until_something_comes_through_and_holds_no_secret() {
        let options = KafkaOptions::parse(["sasl.password=hunter2"]).unwrap();
        let ear = Ear::new(options);
        ear.hear(Some(RDKafkaErrorCode::BrokerTransportFailure), "Connection refused");
        assert_eq!(ear.trouble(), None);
        ear.hear(Some(RDKafkaErrorCode::Authentication), "hunter2 is wrong");
        assert_eq!(ear.trouble(), Some(Trouble::NotLetIn("<sasl.password> is wrong".into())));
        ear.forget();
        assert_eq!(ear.trouble(), None);
    }
}
