//! Asks the brokers what a partition needs to begin, where its log begins, and where a time is: on a thread of its own,
//! since every answer is waited for.

use super::KafkaLogOptions;
use super::follower::Command;
use super::patience::Patience;
use crate::backplane::kafka::{Bell, History, Offsets, Trouble};
use crate::backplane::thread::spawn;
use crate::host::unix_ms;
use crate::log::Read;
use crate::tail::{Begin, Bounds, Ground, Place, Stored, Witness};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A question.
pub(super) enum Question {
    /// What is needed to begin a partition of which the index has this.
    Begin { partition: u16, attempt: u64, stored: Option<Stored> },
    /// Where these logs begin.
    Grounds(Vec<u16>),
    /// What stands where this record was read.
    Witness { partition: u16, attempt: u64, witness: Witness },
    /// The first offset at or after a time, for a read.
    Since { read: Read, at_ms: u64 },
}

/// An answer. What cannot be answered in time is not answered, but for a begin.
pub(super) enum Answer {
    Begin {
        partition: u16,
        attempt: u64,
        /// With the first offset of the dedupe window; `None`: nobody answered, ask again.
        begin: Option<Box<(Begin, Option<u64>)>>,
    },
    Ground {
        partition: u16,
        ground: Ground,
    },
    Witness {
        partition: u16,
        attempt: u64,
        witness: Witness,
        /// Of whose time the record there is; `Some(None)`: it was deleted. `None`: nobody knows, ask again.
        found: Option<Option<u32>>,
    },
    /// `None`: nobody answered. `Some(None)`: there is nothing so young yet.
    Since {
        read: Read,
        offset: Option<Option<u64>>,
    },
}

/// For all questions about a time that have come together.
const SINCE: Duration = Duration::from_secs(2);

/// Starts it; it ends when the sender is dropped. Questions are one of each partition and read at a time.
pub(super) fn start(
    options: &KafkaLogOptions,
    bell: &Bell,
    commands: &Sender<Command>,
) -> Result<Sender<Question>, Trouble> {
    let (ask, asked) = unbounded();
    let mut asker = Asker {
        offsets: Offsets::open(&options.connection, &options.topic)?,
        history: History::open(&options.connection, &options.topic)?,
        retention_ms: options.retention_ms,
        never: AtomicBool::new(false),
        bell: bell.clone(),
        commands: commands.clone(),
    };
    let run = move || {
        asker.history.meet_brokers(&asker.offsets);
        asker.run(&asked);
    };
    let thread = spawn("kafka-ask", &options.on_thread, run);
    thread.map_err(|error| Trouble::Failed { doing: "ask", reason: error.to_string() })?;
    Ok(ask)
}

struct Asker {
    offsets: Offsets,
    history: History,
    retention_ms: u64,
    never: AtomicBool,
    bell: Bell,
    commands: Sender<Command>,
}

impl Asker {
    fn run(&mut self, asked: &Receiver<Question>) {
        while let Ok(first) = asked.recv() {
            // Many partitions begin at once: they are asked about together.
            let (mut begins, mut grounds) = (BTreeMap::new(), BTreeSet::new());
            let (mut witnesses, mut times) = (Vec::new(), Vec::new());
            for question in std::iter::once(first).chain(asked.try_iter()) {
                match question {
                    // The newest of a partition counts.
                    Question::Begin { partition, attempt, stored } => {
                        begins.insert(partition, (attempt, stored));
                    }
                    Question::Grounds(partitions) => grounds.extend(partitions),
                    Question::Witness { partition, attempt, witness } => {
                        witnesses.push((partition, attempt, witness));
                    }
                    Question::Since { read, at_ms } => times.push((read, at_ms)),
                }
            }
            // What many wait for comes first. Whoever asks about a time has one answer and asks again.
            self.begins(begins);
            self.witnesses(witnesses);
            self.grounds(&Vec::from_iter(grounds));
            let late = Instant::now() + SINCE;
            times.into_iter().for_each(|(read, at_ms)| self.since(read, at_ms, late));
        }
    }

    /// Where a time is, for a read; nobody knows it where that would take too long.
    fn since(&mut self, read: Read, at_ms: u64, late: Instant) {
        let (partition, left) = (read.partition.0, late.saturating_duration_since(Instant::now()));
        let found = match left.is_zero() {
            true => None,
            false => self.offsets.firsts_since(&[(partition, at_ms)], left).remove(&partition),
        };
        // Nothing is so young yet, or nobody has answered: two things.
        self.answer(Answer::Since { read, offset: found.map(|place| place.map(|place| place.offset)) });
    }

    /// Whether new leaders have what was read. After an election that is asked of many at once, one after the other.
    fn witnesses(&mut self, witnesses: Vec<(u16, u64, Witness)>) {
        let patience = Patience::new();
        let partitions: Vec<u16> = witnesses.iter().map(|(partition, ..)| *partition).collect();
        let starts = self.offsets.starts(&partitions, patience.next());
        for (partition, attempt, witness) in witnesses {
            let offset = witness.record.offset;
            let found = starts.get(&partition).and_then(|start| match start.offset <= offset {
                true => {
                    let found = self.last_before(partition, offset, offset + 1, patience)?;
                    found.map(|place| Some(place.leader_epoch))
                }
                false => Some(None),
            });
            self.answer(Answer::Witness { partition, attempt, witness, found });
        }
    }

    fn begins(&mut self, begins: BTreeMap<u16, (u64, Option<Stored>)>) {
        let (partitions, patience): (Vec<u16>, _) = (begins.keys().copied().collect(), Patience::new());
        let starts = self.offsets.starts(&partitions, patience.next());
        let ends = self.offsets.ends(&partitions, patience.next());
        let young = self.young(&partitions, patience);
        for (partition, (attempt, stored)) in begins {
            let places = starts.get(&partition).zip(ends.get(&partition));
            let begin = places.and_then(|(start, end)| {
                let (start, leader_epoch) = (start.offset, end.leader_epoch.unwrap_or(0));
                let last = match end.offset > start {
                    true => self.last_before(partition, start, end.offset, patience)?,
                    false => None,
                };
                let settled = self.settled(partition, start, end.offset, patience);
                // Without an answer it would be refused what it may have.
                let ground = Ground { start, settled, young: *young.get(&partition)? };
                let bounds = Bounds { ground, end: end.offset, last, leader_epoch };
                let begin = Begin::new(stored, bounds);
                let window = match begin.window_ms() {
                    // Nothing is so young, or nobody has answered: two things.
                    Some(at_ms) => {
                        let asked = [(partition, at_ms)];
                        let found = self.offsets.firsts_since(&asked, patience.next()).remove(&partition)?;
                        // Retention that has come between may have taken a part of the window: asked again.
                        let again = self.offsets.starts(&[partition], patience.next()).remove(&partition)?;
                        if again.offset > start {
                            return None;
                        }
                        found.map(|place| place.offset)
                    }
                    None => None,
                };
                Some(Box::new((begin, window)))
            });
            self.answer(Answer::Begin { partition, attempt, begin });
        }
    }

    fn grounds(&mut self, partitions: &[u16]) {
        let patience = Patience::new();
        let starts = self.offsets.starts(partitions, patience.next());
        let ends = self.offsets.ends(partitions, patience.next());
        let young = self.young(partitions, patience);
        for (partition, start) in starts {
            let Some((end, young)) = ends.get(&partition).zip(young.get(&partition)) else { continue };
            let settled = self.settled(partition, start.offset, end.offset, patience);
            let ground = Ground { start: start.offset, settled, young: *young };
            self.answer(Answer::Ground { partition, ground });
        }
    }

    /// The last record; `Some(None)` where there is none. `None`: nobody answered.
    fn last_before(
        &mut self,
        partition: u16,
        start: u64,
        end: u64,
        patience: Patience,
    ) -> Option<Option<Place>> {
        let look = |seen: crate::backplane::kafka::Seen<'_>| Place {
            offset: seen.offset(),
            leader_epoch: seen.leader_epoch().unwrap_or(0),
            at_ms: seen.at().map_or(0, |at| at.ms),
        };
        self.history.last_before(partition, start..end, patience.next(), &self.never, look).ok()
    }

    /// The first offset whose window holds nothing that was deleted, where something was.
    fn settled(&mut self, partition: u16, start: u64, end: u64, patience: Patience) -> Option<u64> {
        if start == 0 {
            return None;
        }
        let first_ms = first_ms(&mut self.history, partition, start..end, patience.next(), &self.never)?;
        self.first_since(&[(partition, Ground::settled_from(first_ms))], patience).remove(&partition)?
    }

    /// Who was not answered is missing.
    fn young(&mut self, partitions: &[u16], patience: Patience) -> BTreeMap<u16, Option<u64>> {
        let since_ms = Ground::young_from(unix_ms(), self.retention_ms);
        let since: Vec<_> = partitions.iter().map(|&partition| (partition, since_ms)).collect();
        self.first_since(&since, patience)
    }

    fn first_since(&mut self, since: &[(u16, u64)], patience: Patience) -> BTreeMap<u16, Option<u64>> {
        let found = self.offsets.firsts_since(since, patience.next());
        found.into_iter().map(|(partition, place)| (partition, place.map(|place| place.offset))).collect()
    }

    fn answer(&self, answer: Answer) {
        // After the stop nobody waits for it.
        let _ = self.commands.send(Command::Answer(answer));
        self.bell.ring();
    }
}

/// The log time of the first record at or after an offset.
pub(super) fn first_ms(
    history: &mut History,
    partition: u16,
    range: Range<u64>,
    time: Duration,
    stop: &AtomicBool,
) -> Option<u64> {
    let mut first = None;
    let read = history.read(partition, range, time, stop, |seen| {
        first = seen.at().map(|at| at.ms);
        ControlFlow::Break(())
    });
    read.ok().and(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::kafka::mock::{Mock, TOPIC};

    /// It was 45 s, and those of brokers that answer waited as long.
    #[test]
    fn a_silent_broker_does_not_hold_up_the_beginning_of_the_others_for_long() {
        let mock = Mock::new(3, 6);
        for partition in 0..6 {
            mock.cluster.partition_leader(TOPIC, partition, Some(1 + partition % 3)).unwrap();
        }
        let (commands, answers) = unbounded();
        let mut asker = Asker {
            offsets: Offsets::open(&mock.connection, TOPIC).unwrap(),
            history: History::open(&mock.connection, TOPIC).unwrap(),
            retention_ms: 1_000_000,
            never: AtomicBool::new(false),
            bell: Bell::new().0,
            commands,
        };
        let patience = Duration::from_secs(30);
        assert_eq!(asker.offsets.ends(&[0, 1, 2, 3, 4, 5], patience).len(), 6);
        mock.cluster.broker_down(2).unwrap();
        let begun = Instant::now();
        asker.begins((0..6).map(|partition| (partition, (1, None))).collect());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let mut answered = Vec::new();
        for command in answers.try_iter() {
            let Command::Answer(Answer::Begin { partition, begin, .. }) = command else {
                panic!("a beginning")
            };
            answered.extend(begin.map(|_| partition));
        }
        assert!(answered.iter().all(|partition| [0, 2, 3, 5].contains(partition)), "{answered:?}");
        // Who is silent is known now, and asked last.
        asker.begins((0..6).map(|partition| (partition, (2, None))).collect());
        let begun = answers.try_iter().filter_map(|command| match command {
            Command::Answer(Answer::Begin { partition, begin, .. }) => begin.map(|_| partition),
            _ => None,
        });
        assert_eq!(begun.collect::<Vec<_>>(), [0, 2, 3, 5]);
    }
}
