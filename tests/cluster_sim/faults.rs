//! What goes wrong, and what operators do.

use crate::plan::Fault;
use crate::upgrade::{BOTH, FIRST, SECOND};
use crate::what::{Route, Thread, What};
use crate::world::{World, note};

impl World {
    /// Something goes wrong, and the next fault is arranged.
    pub fn fault(&mut self) {
        if !self.is_rough || self.plan.faults.is_empty() {
            return;
        }
        let after_ms = 1_000 + self.dice.below(9_000);
        self.arrange(after_ms, What::Fault);
        let at = self.dice.below(self.plan.faults.len() as u64) as usize;
        let fault = self.plan.faults[at];
        let Some(life) = self.pick_life() else { return };
        note!(self, "FAULT {fault:?}, #{life} if anybody");
        self.stats.faults += 1;
        self.inflict(fault, life);
    }

    fn pick_life(&mut self) -> Option<u32> {
        let lives = self.lives();
        let at = self.dice.below(lives.len().max(1) as u64);
        lives.get(at as usize).copied()
    }

    pub fn inflict(&mut self, fault: Fault, life: u32) {
        let timeout_ms = u64::from(self.plan.node_timeout_ms);
        match fault {
            Fault::Crash => self.crash(life),
            Fault::Pause => {
                let times = [1_000, 3_000, 6_000, 12_000, 35_000, 60_000];
                let at = self.dice.below(times.len() as u64) as usize;
                self.pause(life, times[at]);
            }
            Fault::Flap => {
                let ms = timeout_ms + self.dice.below(2_500);
                self.pause(life, ms);
            }
            Fault::Stall => {
                let ms = 500 + self.dice.below(6_000);
                let threads = self.processes[&life].threads(self.plan.partitions);
                let at = self.dice.below(threads.len() as u64) as usize;
                self.stall(life, threads[at], ms);
            }
            Fault::Outage => {
                let most_ms = if self.one_in(6) { 45_000 } else { 12_000 };
                let ms = 300 + self.dice.below(most_ms);
                let until_ms = (self.now.mono_ms + ms).min(self.talk_until_ms);
                self.kafka.out_until_ms = self.kafka.out_until_ms.max(until_ms);
            }
            Fault::Unsure => {
                let ms = 500 + self.dice.below(6_000);
                self.kafka.unsure_until_ms = (self.now.mono_ms + ms).min(self.talk_until_ms);
            }
            Fault::Restart => {
                let ordinal = self.processes[&life].ordinal;
                self.stop(ordinal);
            }
            Fault::Roll => {
                for (nth, ordinal) in self.wanted.clone().into_keys().enumerate() {
                    self.arrange(nth as u64 * 6_000, What::Stop { ordinal });
                }
            }
            Fault::Scale => self.scale(),
            Fault::Twin => {
                let ordinal = self.processes[&life].ordinal;
                let disk = self.new_disk();
                if self.one_in(2) {
                    // Two starters, neither of whom has read the other.
                    self.crash(life);
                    let after_ms = self.dice.below(4_000);
                    return self.arrange(after_ms, What::Start { ordinal, disk, is_supervised: false });
                }
                self.start(ordinal, disk, false);
            }
            Fault::Elect => {
                let at = self.dice.below(self.kafka.mail.len() as u64) as usize;
                self.kafka.mail[at].elect();
            }
            Fault::Flip => {
                let ms = timeout_ms - 500 + self.dice.below(2_000);
                self.hold_up(life, Route::Cluster, ms);
            }
            Fault::Rift => self.rift(life),
            Fault::Hush => {
                let (deaf_ms, silence_ms) = (50 + self.dice.below(800), 5_000 + self.dice.below(10_000));
                self.deaf_until_ms = self.now.mono_ms + deaf_ms;
                self.hushed_until_ms = self.now.mono_ms + silence_ms;
            }
            Fault::Overtake => self.overtake(),
            Fault::Version => {
                let ordinal = self.processes[&life].ordinal;
                let programs = [FIRST, BOTH, SECOND];
                let at = self.dice.below(3) as usize;
                self.programs.insert(ordinal, programs[at]);
                if self.one_in(3) { self.crash(life) } else { self.stop(ordinal) }
            }
            Fault::Remake => self.remake(),
            Fault::Truncate => {
                let partition = self.dice.below(self.kafka.mail.len() as u64) as u16;
                let many = 1 + self.dice.below(12);
                self.truncate(partition, many);
            }
        }
    }

    /// A process is killed. Its store is left as it is, or is gone.
    pub fn crash(&mut self, life: u32) {
        if self.one_in(2) {
            let disk = self.processes[&life].disk;
            self.disks[disk as usize].shelves.clear();
        }
        self.die(life, "killed");
    }

    /// A process stands still; its threads go on within moments of each other.
    pub fn pause(&mut self, life: u32, ms: u64) {
        for thread in self.processes[&life].threads(self.plan.partitions) {
            let ms = ms + self.dice.below(100);
            self.stall(life, thread, ms);
        }
    }

    pub fn stall(&mut self, life: u32, thread: Thread, ms: u64) {
        // All faults end with the storm.
        let until_ms = (self.now.mono_ms + ms).min(self.talk_until_ms);
        self.process(life).pause(thread, until_ms);
    }

    /// A node dies; as the others see that, a thread of one of them stands still.
    fn rift(&mut self, life: u32) {
        self.crash(life);
        let Some(other) = self.pick_life() else { return };
        let seen_ms = u64::from(self.plan.node_timeout_ms) + self.dice.below(1_500);
        let thread = match self.dice.below(4) {
            0 => Thread::Post,
            1 => Thread::Core(0),
            _ => Thread::Tail,
        };
        let ms = 500 + self.dice.below(5_000);
        self.arrange_in(other, seen_ms, What::Stall { thread, ms });
    }

    /// A device leaves; much is said to it; as it returns, whoever owns its partition is gone.
    fn overtake(&mut self) {
        let Some(device) = self.pick_device() else { return };
        let client = self.devices[device as usize].id.clone();
        let away_ms = 1_000 + self.dice.below(2_000);
        self.devices[device as usize].away_until_ms = self.now.mono_ms + away_ms;
        self.cut(device, true);
        let Some(other) = self.pick_device() else { return };
        for _ in 0..40 {
            self.say(other, vec![client.clone()], false);
        }
        let partition = self.partition(&client);
        let home = self.processes.iter().find(|(_, process)| process.own.owned.contains(&partition));
        let Some((&home, _)) = home else { return };
        let after_ms = away_ms + self.dice.below(2_500);
        if self.one_in(2) {
            self.arrange(after_ms, What::Kill { process: home });
        } else {
            let timeout_ms = u64::from(self.plan.node_timeout_ms);
            self.hold_up(home, Route::Cluster, after_ms.max(timeout_ms) + 300);
        }
    }

    fn scale(&mut self) {
        let least = self.wanted.len() <= 1;
        if least || (self.wanted.len() < 6 && self.one_in(2)) {
            let free = (0..crate::kafka::ORDINALS).find(|ordinal| !self.wanted.contains_key(ordinal));
            let (ordinal, disk) = (free.expect("there are more ordinals than nodes"), self.new_disk());
            self.wanted.insert(ordinal, disk);
            self.start(ordinal, disk, true);
        } else {
            let (last, _) = self.wanted.pop_last().expect("there are some");
            self.stop(last);
        }
    }

    /// An unclean election: a partition loses its newest records.
    pub fn truncate(&mut self, partition: u16, many: u64) {
        let lane = &mut self.kafka.mail[usize::from(partition)];
        let from = lane.truncate(many);
        let topology = self.topology;
        self.truth.cut(partition, lane, self.now.mono_ms, |client| {
            topology.place(client.as_ref()).partition.0 == partition
        });
        note!(self, "partition {partition} is cut at {from}");
        self.wake_keepers(partition);
    }
}
