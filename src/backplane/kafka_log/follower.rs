//! The thread that follows the partitions which are this node's: takes what was read, tells the cores, fills the index,
//! and has readers served.
//!
//! In each turn: what was decided and answered meanwhile, then records, then the index, then reads. So a read finds in the
//! index whatever its core had heard of when it asked.

use super::asker::Answer;
use super::filler::{self, Filled};
use super::hands::Hands;
use super::readers::Sought;
use super::{Deliver, KafkaHealth, KafkaLogOptions};
use crate::backplane::index::{Index, Opened};
use crate::backplane::kafka::{Bell, Reader, Trouble};
use crate::limits::{KAFKA_FOLLOW_RECORDS, KAFKA_TURN_MS};
use crate::log::{Read, Revocation, Ticket};
use crate::model::Partition;
use crate::tail::End;
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What the follower is told.
pub(super) enum Command {
    /// These partitions are this node's from now on; it stands by for those.
    Own { owned: Vec<Partition>, standby: Vec<Partition> },
    /// A page, please.
    Read(Read),
    /// The index has too few of a read for the last so many.
    Short(Read),
    /// These cannot be done now. Said here, for a core must not wait for its own inbox.
    Refuse(Vec<Ticket>),
    /// Older tokens of a client are to be refused.
    Revoke(Ticket, Revocation),
    /// A question was answered.
    Answer(Answer),
    /// Where logs ended when it was asked.
    Ends { asked_ms: u64, ends: Vec<(u16, End)> },
    /// The end.
    Stop,
}

/// The thread.
pub(super) struct Follower {
    reader: Reader,
    filled: Receiver<Filled>,
    hands: Hands,
    health: Arc<KafkaHealth>,
}

impl Follower {
    /// With an index that was just opened.
    pub fn open(
        options: &KafkaLogOptions,
        (index, opened): (Index, Opened),
        bell: &Bell,
        commands: &Sender<Command>,
        pages: Sender<Sought>,
        deliver: &Deliver,
        health: &Arc<KafkaHealth>,
    ) -> Result<Self, Trouble> {
        let (fill, filled) = filler::start(options, bell)?;
        let hands = Hands::open(options, (index, opened), bell, commands, (fill, pages), deliver, health)?;
        let topology = options.topology;
        let reader = Reader::open(&options.connection, &options.topic, topology.partitions(), bell)?;
        Ok(Self { reader, filled, hands, health: Arc::clone(health) })
    }

    /// Until it is told to stop.
    pub fn run(mut self, commands: &Receiver<Command>, rung: &Receiver<()>) {
        loop {
            let _ = rung.recv_timeout(Duration::from_millis(KAFKA_TURN_MS));
            for command in commands.try_iter() {
                match command {
                    Command::Stop => return self.hands.commit(),
                    other => self.hands.obey(other),
                }
            }
            for filled in self.filled.try_iter() {
                self.hands.filled(filled);
            }
            self.read_elsewhere();
            self.reader.take(KAFKA_FOLLOW_RECORDS, |told| self.hands.told(told));
            self.health.readers_made_anew[0].store(self.reader.made_anew(), Relaxed);
            self.hands.follow_states();
            self.hands.tick();
            self.read_elsewhere();
            self.hands.tell();
            self.hands.commit();
            self.hands.serve();
        }
    }

    /// Partitions are read, or no longer read, as it was decided.
    fn read_elsewhere(&mut self) {
        let unassign = std::mem::take(&mut self.hands.unassign);
        let assign = std::mem::take(&mut self.hands.assign);
        let done = self.reader.unassign(&unassign).and_then(|()| self.reader.assign(&assign));
        if let Err(trouble) = done {
            tracing::error!(%trouble, "partitions cannot be read");
        }
    }
}
