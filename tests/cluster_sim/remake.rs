//! A mailbox topic that is deleted and made again: another log, which the nodes notice one by one.
//!
//! Until it looks, a node knows the topic by an ID that no broker knows any more. It is told nothing of what the new one
//! holds, and what it appends goes there.

use crate::truth::Truth;
use crate::what::What;
use crate::world::{World, note};
use corepost::limits::KAFKA_SAME_LOG_MS;
use std::collections::BTreeMap;

impl World {
    /// All that was said is lost, and no promise is about it any more.
    pub fn remake(&mut self) {
        note!(self, "the mailbox topic is made again");
        self.former.insert(self.kafka.log_epoch, std::mem::take(&mut self.truth));
        let settled = self.kafka.mail.iter().map(|mail| mail.settled()).collect();
        self.former_settled.insert(self.kafka.log_epoch, settled);
        self.kafka.remake();
    }

    /// A process looks whether the topics are the same ones. If not, it ends.
    pub fn guard(&mut self, life: u32) {
        if self.is_elsewhere(life) && self.outage_ms().is_none() {
            return self.die(life, "the mailbox topic is another log");
        }
        self.arrange_in(life, KAFKA_SAME_LOG_MS, What::Guard);
    }

    /// From where on the window of each record of a partition is known to be in that log, which may be one of those before.
    pub fn settled_of(&self, log_epoch: u64, partition: u16) -> u64 {
        let of = usize::from(partition);
        self.former_settled
            .get(&log_epoch)
            .map_or_else(|| self.kafka.mail[of].settled(), |settled| settled[of])
    }

    /// The topic that a process began with is gone.
    pub fn is_elsewhere(&self, life: u32) -> bool {
        self.processes[&life].log_epoch != self.kafka.log_epoch
    }
}

/// What is true of that log.
pub fn truth_of<'a>(log: u64, present: u64, truth: &'a Truth, former: &'a BTreeMap<u64, Truth>) -> &'a Truth {
    if log == present { truth } else { &former[&log] }
}

#[test]
fn where_the_topic_is_made_again_everybody_is_told_and_begins_anew() {
    for seed in 0..20 {
        let mut world = crate::upgrade::begun(seed);
        world.remake();
        world.pass(40_000);
        world.finale();
        let held = world.devices.iter().filter(|device| !device.is_over && device.held.is_some()).count();
        assert!(world.stats.epochs >= held as u64, "{held} held something of what is gone");
        assert_eq!(world.former.len(), 1);
    }
}
