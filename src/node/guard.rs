//! Looks whether the mailbox topic is still the same one, every second, and now and then whether all keep their contract.
//!
//! What a topic promises holds only under its settings (DESIGN.md §6). Where they break, nothing more is acknowledged and
//! nobody is welcomed until they are mended; a topic that was made again is another log, and this node must begin anew.

use super::ending::{Ending, Endings};
use crate::backplane::KafkaLog;
use crate::backplane::kafka::{Admin, Connection, Offsets, TopicId, Trouble};
use crate::limits::{KAFKA_GUARD_LOOKS, KAFKA_SAME_LOG_MS};
use crate::topics::{Contract, Plan, Topic};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

/// The thread that looks. Dropped, it ends.
pub(super) struct Guard {
    is_over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Starts it, for a log of that epoch.
    pub fn start(
        connection: Connection,
        plan: Plan,
        log_epoch: u64,
        log: KafkaLog,
        endings: Endings,
    ) -> io::Result<Self> {
        let (is_over, over) = bounded(0);
        let run = move || watch(&connection, &plan, log_epoch, &log, &endings, &over);
        let thread = std::thread::Builder::new().name("kafka-guard".into()).spawn(run)?;
        Ok(Self { is_over: Some(is_over), thread: Some(thread) })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.is_over.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(
    connection: &Connection,
    plan: &Plan,
    log_epoch: u64,
    log: &KafkaLog,
    endings: &Endings,
    over: &Receiver<()>,
) {
    let contract = Contract::of(plan);
    let (mut broken, mut looks, mut mailbox) = (Vec::new(), 0, None);
    while over.recv_timeout(Duration::from_millis(KAFKA_SAME_LOG_MS)) == Err(RecvTimeoutError::Timeout) {
        mailbox = mailbox.or_else(|| Offsets::open(connection, &plan.name(Topic::Mailbox)).ok());
        let time = Duration::from_millis(KAFKA_SAME_LOG_MS);
        if let Some(Ok(Some(id))) = mailbox.as_ref().map(|mailbox| TopicId::of(mailbox, time))
            && id.epoch() != log_epoch
        {
            return endings.end(Ending::OtherLog);
        }
        looks = (looks + 1) % KAFKA_GUARD_LOOKS;
        if looks > 0 {
            continue;
        }
        // A Kafka that does not answer has broken nothing; that it is away shows elsewhere.
        let Ok(differences) = compare(connection, plan, &contract) else { continue };
        if differences != broken {
            differences.iter().for_each(|difference| tracing::error!("{difference}"));
            match differences.is_empty() {
                true => tracing::info!("the topics keep their contract again"),
                false => tracing::error!(
                    "nothing is acknowledged until the topics keep their contract: `corepost topics check`"
                ),
            }
            log.suspend(!differences.is_empty());
            broken = differences;
        }
    }
}

fn compare(
    connection: &Connection,
    plan: &Plan,
    contract: &Contract,
) -> Result<Vec<crate::topics::Difference>, Trouble> {
    let found = Admin::connect(connection, || ())?.describe(&plan.names())?;
    Ok(contract.compare(&found))
}
