//! Questions about topics, for commands and a node's start: each blocks until it is answered or has waited too long.
//!
//! Asking makes no topic. Some brokers make one for everyone who names it as a producer does, so partitions are asked for
//! as a consumer, whose requests forbid it, and settings only of topics that are there.

use super::block_on::block_on;
use super::connection::Connection;
use super::ear::Ear;
use super::token;
use super::trouble::{Trouble, code_of};
use crate::limits::{KAFKA_ANSWER_MS, KAFKA_COMING_MS};
use crate::topics::{Found, FoundTopic, NewTopic};
use rdkafka::admin::{
    AdminClient, AdminOptions, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Asks for settings and makes topics.
type Client = AdminClient<DefaultClientContext>;

/// A connection to a Kafka that has answered once.
pub struct Admin {
    connection: Connection,
    /// Asks for partitions: consumers have it that asking makes no topic.
    consumer: BaseConsumer<Ear>,
}

const ANSWER: Duration = Duration::from_millis(KAFKA_ANSWER_MS);
const COMING: Duration = Duration::from_millis(KAFKA_COMING_MS);
/// Time for one broker of several that could answer; the last one asked has all that is left.
const TRY: Duration = Duration::from_secs(2);
/// Between two looks at what librdkafka has to say.
const LOOK: Duration = Duration::from_millis(50);

impl Admin {
    /// Connects. `waiting` is called once if that takes more than a second.
    pub fn connect(connection: &Connection, waiting: impl FnOnce()) -> Result<Self, Trouble> {
        let mut talkative = connection.client_config();
        // So that it also logs why a connection was closed; the ear takes that and nothing else.
        talkative.set_log_level(RDKafkaLogLevel::Info);
        let ear = Ear::new(connection.options.clone());
        let consumer: BaseConsumer<Ear> =
            talkative.create_with_context(ear).map_err(|error| connection.refused(&error))?;
        wait_for_brokers(&consumer, &connection.brokers, waiting)?;
        Ok(Self { connection: connection.clone(), consumer })
    }

    /// Those of the topics that are there.
    pub fn describe(&self, names: &[String]) -> Result<Found, Trouble> {
        let mut there = Vec::new();
        for name in names {
            if let Some(replicas) = self.replicas(name)? {
                there.push(FoundTopic { name: name.clone(), replicas, settings: BTreeMap::new() });
            }
        }
        let mut found = Found(there);
        self.add_settings(&mut found)?;
        Ok(found)
    }

    /// Makes topics. One that has come to be there meanwhile is left as it is.
    pub fn create(&self, topics: &[NewTopic]) -> Result<(), Trouble> {
        const DOING: &str = "make the topics";
        const NEEDED: &str = "Create on the cluster, or on topics with this prefix";
        let new = topics.iter().map(|topic| {
            let replication = TopicReplication::Fixed(topic.replicas);
            let new = rdkafka::admin::NewTopic::new(&topic.name, topic.partitions, replication);
            topic.settings.iter().fold(new, |new, (name, value)| new.set(name, value))
        });
        let new: Vec<_> = new.collect();
        let made = self.ask(DOING, NEEDED, |client, time| {
            let options = AdminOptions::new().request_timeout(Some(time)).operation_timeout(Some(time));
            client.create_topics(&new, &options)
        })?;
        for result in made {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(Trouble::of_code(DOING, NEEDED, code)),
            }
        }
        let names: Vec<_> = topics.iter().map(|topic| topic.name.clone()).collect();
        self.wait_until_all_know(&names)
    }

    /// A topic is made before every broker has heard of it.
    fn wait_until_all_know(&self, names: &[String]) -> Result<(), Trouble> {
        let deadline = Instant::now() + ANSWER;
        for name in names {
            while self.replicas(name)?.is_none() {
                if Instant::now() > deadline {
                    return Err(self.silent());
                }
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    /// A topic without settings is one that we may not ask about, or that a broker has not heard of yet: rdkafka does not
    /// say which, so a little is waited.
    fn add_settings(&self, found: &mut Found) -> Result<(), Trouble> {
        const DOING: &str = "tell the topics' settings";
        const NEEDED: &str = "DescribeConfigs on topics with this prefix";
        let deadline = Instant::now() + COMING;
        loop {
            let without: Vec<_> = found.0.iter().filter(|topic| topic.settings.is_empty()).collect();
            if without.is_empty() {
                return Ok(());
            }
            let topics: Vec<_> = without.iter().map(|topic| ResourceSpecifier::Topic(&topic.name)).collect();
            let told = self.ask(DOING, NEEDED, |client, time| {
                client.describe_configs(&topics, &AdminOptions::new().request_timeout(Some(time)))
            })?;
            let told = told.into_iter().collect::<Result<Vec<_>, _>>();
            let told = told.map_err(|code| Trouble::of_code(DOING, NEEDED, code))?;
            for resource in told {
                let topic = found.0.iter_mut().find(|topic| resource.specifier == named(&topic.name));
                let entries = resource.entries.into_iter();
                let settings = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
                if let Some(topic) = topic {
                    topic.settings = settings;
                }
            }
            if found.0.iter().any(|topic| topic.settings.is_empty()) {
                if Instant::now() > deadline {
                    return Err(Trouble::Forbidden(NEEDED));
                }
                std::thread::sleep(LOOK);
            }
        }
    }

    /// For each partition of a topic how many brokers are to hold it; `None` if the topic is not there.
    fn replicas(&self, name: &str) -> Result<Option<Vec<usize>>, Trouble> {
        const DOING: &str = "tell the topics' partitions";
        const NEEDED: &str = "Describe on topics with this prefix";
        let metadata = self.consumer.fetch_metadata(Some(name), ANSWER);
        let metadata =
            metadata.map_err(|error| Trouble::of_asking(DOING, NEEDED, &error, &self.connection.options))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        match topic.map(|topic| (topic, topic.error().map(RDKafkaErrorCode::from))) {
            None | Some((_, Some(RDKafkaErrorCode::UnknownTopicOrPartition))) => Ok(None),
            Some((_, Some(code))) => Err(Trouble::of_code(DOING, NEEDED, code)),
            Some((topic, None)) => Ok(Some(topic.partitions().iter().map(|p| p.replicas().len()).collect())),
        }
    }

    /// Asks a question, which may be asked twice, until somebody answers it or has had enough time.
    ///
    /// A client keeps to the broker that it chose by chance, though that be the one that has just gone: each time it is
    /// a new client that asks.
    fn ask<T, F: Future<Output = Result<T, KafkaError>>>(
        &self,
        doing: &'static str,
        needed: &'static str,
        question: impl Fn(&Client, Duration) -> F,
    ) -> Result<T, Trouble> {
        let deadline = Instant::now() + ANSWER;
        let options = &self.connection.options;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.silent());
            }
            let time = if left > 3 * TRY { TRY } else { left };
            let client: Client =
                self.connection.client_config().create().map_err(|e| self.connection.refused(&e))?;
            if let Some(tokens) = options.tokens() {
                // rdkafka polls no events of such a client.
                token::give(client.inner(), tokens).map_err(|bad| Trouble::NotLetIn(bad.to_string()))?;
            }
            // librdkafka keeps to the time it was given; what is added is for its own threads.
            match block_on(question(&client, time), Instant::now() + time + COMING) {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) if !timed_out(&error) => {
                    return Err(Trouble::of_asking(doing, needed, &error, options));
                }
                _ => {}
            }
        }
    }

    fn silent(&self) -> Trouble {
        Trouble::Silent {
            brokers: self.connection.brokers.clone(),
            seconds: ANSWER.as_secs(),
            reason: self.consumer.client().context().heard().reason,
        }
    }
}

fn timed_out(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{OperationTimedOut, RequestTimedOut};
    matches!(code_of(error), Some(OperationTimedOut | RequestTimedOut))
}

fn named(topic: &str) -> OwnedResourceSpecifier {
    OwnedResourceSpecifier::Topic(topic.to_owned())
}

/// Waits until a broker has answered. Who is not let in learns of it at once; where nobody listens, a little is waited,
/// for brokers may be on their way.
fn wait_for_brokers(
    consumer: &BaseConsumer<Ear>,
    brokers: &str,
    waiting: impl FnOnce(),
) -> Result<(), Trouble> {
    let begun = Instant::now();
    let mut waiting = Some(waiting);
    loop {
        // Serves what librdkafka has to say.
        let _ = consumer.poll(Duration::ZERO);
        let heard = consumer.context().heard();
        match heard.no_token.or(heard.trouble) {
            Some(trouble @ Trouble::NotLetIn(_)) => return Err(trouble),
            // Another broker may have a better name or certificate.
            Some(trouble) if heard.all_down => return Err(trouble),
            _ => {}
        }
        let waited = begun.elapsed();
        if heard.all_down && waited > COMING {
            return Err(Trouble::of_all_down(brokers, heard.reason, waited));
        }
        if waited > ANSWER {
            let (brokers, seconds) = (brokers.into(), ANSWER.as_secs());
            return Err(Trouble::Silent { brokers, seconds, reason: heard.reason });
        }
        if waited > Duration::from_secs(1)
            && let Some(waiting) = waiting.take()
        {
            waiting();
        }
        if consumer.client().fetch_cluster_id(LOOK).is_some() {
            return Ok(());
        }
    }
}
