//! Asks, again and again, where the followed logs end: how it is known that nothing is missing of them.

use super::KafkaLogOptions;
use super::follower::Command;
use crate::backplane::kafka::{Bell, Offsets, Place, Trouble};
use crate::backplane::thread::spawn;
use crate::host::mono_ms;
use crate::limits::{FRESH_MS, KAFKA_WATCH_MS};
use crate::tail::End;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::time::Duration;

// Two answers in a row may be late before what is known is too old.
const _: () = assert!(3 * KAFKA_WATCH_MS < FRESH_MS);

/// Starts it. What is sent is whom to watch from now on; it ends when the sender is dropped.
pub(super) fn start(
    options: &KafkaLogOptions,
    bell: &Bell,
    commands: &Sender<Command>,
) -> Result<Sender<Vec<u16>>, Trouble> {
    let (watch, watched) = unbounded();
    let mut offsets = Offsets::open(&options.connection, &options.topic)?;
    let (bell, commands) = (bell.clone(), commands.clone());
    let run = move || {
        run(&mut offsets, &watched, |ends| {
            let _ = commands.send(ends);
            bell.ring();
        });
    };
    let thread = spawn("kafka-watch", &options.on_thread, run);
    thread.map_err(|error| Trouble::Failed { doing: "watch", reason: error.to_string() })?;
    Ok(watch)
}

fn run(offsets: &mut Offsets, watched: &Receiver<Vec<u16>>, tell: impl Fn(Command)) {
    let pause = Duration::from_millis(KAFKA_WATCH_MS);
    let mut partitions = Vec::new();
    loop {
        match watched.recv_timeout(pause) {
            Ok(others) => partitions = watched.try_iter().last().unwrap_or(others),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if partitions.is_empty() {
            continue;
        }
        let asked_ms = mono_ms();
        let found = offsets.ends(&partitions, Duration::from_millis(FRESH_MS));
        let end = |place: Place| End { offset: place.offset, leader_epoch: place.leader_epoch };
        let ends = found.into_iter().map(|(partition, place)| (partition, end(place))).collect();
        tell(Command::Ends { asked_ms, ends });
    }
}
