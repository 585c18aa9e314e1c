//! `corepost topics`: the cluster's topics beside the contract. `check` only looks; `create` makes what is missing and
//! changes nothing that is there.

use super::{Exit, KafkaFlags, say};
use crate::backplane::kafka::{Admin, Trouble};
use crate::config::{BrokenTopics, KafkaConfig, ONE_COPY, resolve_kafka};
use crate::topics::{Contract, Found, NewTopic, Replication, table};
use clap::{Args, Subcommand};

pub(super) const EXAMPLES: &str = "\
Examples:
  kafka/up.sh 1                                                     a Kafka to try it with; it prints its address
  corepost topics create --kafka 127.0.0.1:9092 --replication 1
  corepost topics check --kafka k1:9092,k2:9092
  corepost topics check --kafka k1:9093 --kafka-option security.protocol=ssl
What the topics must be, and why, is in kafka/README.md. Settings may also stand in the file of --config or in the
environment, as COREPOST_KAFKA. Exit codes: 0 the contract holds; 4 it does not, and what mends it is printed;
1 Kafka could not be asked; 2 a mistake in the arguments.";

/// Arguments of `topics`.
#[derive(Args)]
pub(super) struct Topics {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Compare the topics with the contract
    Check(KafkaFlags),
    /// Make the topics that are missing, then compare
    Create(KafkaFlags),
}

impl Topics {
    pub(super) fn run(self) -> Exit {
        let (flags, create) = match self.what {
            What::Check(flags) => (flags, false),
            What::Create(flags) => (flags, true),
        };
        let kafka = match resolve_kafka(&flags.with_environment()) {
            Ok(kafka) => kafka,
            Err(mistakes) => {
                eprint!("{mistakes}");
                return Exit::Usage;
            }
        };
        match ask(&kafka, create) {
            Ok(exit) => exit,
            Err(trouble) => {
                eprintln!("corepost topics: {trouble}");
                if matches!(trouble, Trouble::Options(_)) { Exit::Usage } else { Exit::Failed }
            }
        }
    }
}

fn ask(kafka: &KafkaConfig, create: bool) -> Result<Exit, Trouble> {
    if kafka.plan.replication == Replication::One {
        eprintln!("{ONE_COPY}");
    }
    let contract = Contract::of(&kafka.plan);
    let brokers = &kafka.connection.brokers;
    let admin = Admin::connect(&kafka.connection, || eprintln!("waiting for Kafka at {brokers} …"))?;
    let names = kafka.plan.names();
    let mut found = admin.describe(&names)?;
    if create {
        let missing: Vec<NewTopic> = contract.missing(&found).map(|topic| topic.new_topic()).collect();
        if !missing.is_empty() {
            admin.create(&missing)?;
            missing.iter().for_each(|topic| eprintln!("made {}", topic.name));
            found = admin.describe(&names)?;
        }
    }
    Ok(tell(kafka, &contract, &found))
}

/// The table, and below it each difference with what mends it.
fn tell(kafka: &KafkaConfig, contract: &Contract, found: &Found) -> Exit {
    let differences = contract.compare(found);
    let mut text = table(contract, found);
    if differences.is_empty() {
        return say(&text);
    }
    text += &BrokenTopics::new(differences, &kafka.connection, &kafka.plan, &kafka.create).to_string();
    match say(&text) {
        Exit::Done => Exit::Topics,
        failed => failed,
    }
}
