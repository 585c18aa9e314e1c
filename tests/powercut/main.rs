//! Power cuts: a log under load loses its power again and again, and what was not fsynced is undone. Nothing that was
//! acknowledged may be missing, nothing may stand in another order, and duplicates are still known.
//!
//! The load runs in a child process under `shim.c`; the cut is a kill, after which `disk.rs` plays the directory as
//! it would be on the disk. The same with an fsync that does nothing must lose something, or we would see nothing.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used)]

mod disk;
mod shim;
#[path = "../store_support/mod.rs"]
mod store_support;

use corepost::backplane::Options;
use corepost::log::{Append, LogEvent, ReadFrom, Ticket};
use disk::{Chance, Cut, Disk};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use store_support::*;

const CLIENTS: u64 = 12;
const CUTS: u64 = 50;

/// Small tables and short buckets, so that all that happens in days happens within the test.
fn small() -> Options {
    Options { memtable_bytes: 96 << 10, retention_ms: 40_000, ..options() }
}

/// What was acknowledged: per client, offset → the message's number, over all lives.
type Acknowledged = BTreeMap<String, BTreeMap<u64, String>>;

#[test]
fn nothing_acknowledged_is_lost_by_fifty_power_cuts() {
    let home = TempDir::new("powercut");
    let dir = home.path().join("data");
    drop(TestLog::open(&dir, small()));
    let mut acknowledged = Acknowledged::new();
    let mut chance = Chance(0x5eed_0001);
    let mut total = 0;
    for life in 0..CUTS {
        let cut = [Cut::Everything, Cut::Pages, Cut::Prefix][life as usize % 3];
        total += one_life(home.path(), life, cut, &mut chance, true, &mut acknowledged);
        if let Err(lost) = verify(&dir, life, &mut acknowledged) {
            panic!("after cut {life} ({cut:?}): {lost}; its directory is {}", dir.display());
        }
    }
    println!("{total} acknowledged in {CUTS} lives, none lost");
    assert!(total > CUTS * 20, "only {total} messages were acknowledged: no load");
}

#[test]
fn without_fsync_something_is_lost_so_the_test_can_see() {
    let home = TempDir::new("powercut-nosync");
    let dir = home.path().join("data");
    drop(TestLog::open(&dir, small()));
    let mut acknowledged = Acknowledged::new();
    let mut chance = Chance(0x5eed_0002);
    for life in 0..3 {
        one_life(home.path(), life, Cut::Everything, &mut chance, false, &mut acknowledged);
        match verify(&dir, life, &mut acknowledged) {
            Ok(()) => {}
            Err(lost) => return println!("as it must be: {lost}"),
        }
    }
    panic!("nothing was lost although nothing was fsynced");
}

/// One life under load, ended by a cut. Returns how many messages were acknowledged.
fn one_life(
    home: &Path,
    life: u64,
    cut: Cut,
    chance: &mut Chance,
    fsync: bool,
    acknowledged: &mut Acknowledged,
) -> u64 {
    let (dir, log) = (home.join("data"), home.join("shim.log"));
    let _ = std::fs::remove_file(&log);
    let mut disk = Disk::of(&dir);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["child_under_load", "--exact", "--nocapture", "--test-threads=1"]);
    child.env("POWERCUT_CHILD", &dir).env("POWERCUT_LIFE", life.to_string());
    child.env("LD_PRELOAD", shim::library()).env("POWERCUT_DIR", &dir).env("POWERCUT_LOG", &log);
    if !fsync {
        child.env("POWERCUT_NOSYNC", "1");
    }
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let lines = stdout.lines();
    // The cut comes some time after the first acknowledgement, or in the middle of a start.
    let wanted = if life % 10 == 9 { 0 } else { 1 + chance.below(400) };
    if wanted == 0 {
        std::thread::sleep(Duration::from_millis(chance.below(250)));
        child.kill().unwrap();
    }
    let mut count = 0;
    for line in lines {
        let Ok(line) = line else { break };
        let Some(ack) = line.strip_prefix("ack ") else { continue };
        let [client, offset, id] = ack.split(' ').collect::<Vec<_>>()[..] else { continue };
        acknowledged.entry(client.to_owned()).or_default().insert(offset.parse().unwrap(), id.to_owned());
        count += 1;
        if count == wanted {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "the child ended by itself: {status}");
    match std::fs::read(&log) {
        Ok(trace) => disk.follow(&trace),
        // A cut in the middle of a start may come before the child has done anything at all.
        Err(error) if wanted == 0 && error.kind() == ErrorKind::NotFound => {}
        Err(error) => panic!("{} cannot be read: {error}", log.display()),
    }
    let after = home.join("after");
    let _ = std::fs::remove_dir_all(&after);
    disk.cut(&dir, &after, cut, chance);
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&after, &dir).unwrap();
    count
}

/// Opens what the cut left and compares it with what was acknowledged.
fn verify(dir: &Path, life: u64, acknowledged: &mut Acknowledged) -> Result<(), String> {
    let log = TestLog::try_open(dir, small()).map_err(|error| format!("cannot be opened: {error}"))?;
    for (client, sent) in acknowledged.iter_mut() {
        let page = log.read_from(client, ReadFrom::Oldest).map_err(|error| format!("{error:?}"))?;
        let found: BTreeMap<u64, &str> =
            page.records.iter().map(|r| (r.offset, r.envelope.id().unwrap().as_str())).collect();
        if found.len() != page.records.len() {
            return Err(format!("{client} has an offset twice"));
        }
        let floor = floor(&log, client);
        for (offset, id) in sent.iter().filter(|(offset, _)| **offset >= floor) {
            if found.get(offset) != Some(&id.as_str()) {
                return Err(format!("{client}'s {id} at {offset} is {:?}", found.get(offset)));
            }
        }
        // Whatever stands there of this life stands there as it was sent: from the first one on, without a hole.
        let numbers: Vec<u64> = found
            .values()
            .filter_map(|id| id.split_once('-').filter(|(l, _)| *l == life.to_string())?.1.parse().ok())
            .collect();
        if floor < found.keys().next().copied().unwrap_or(0).max(1)
            && !numbers.iter().copied().eq(0..numbers.len() as u64)
        {
            return Err(format!("{client} has {numbers:?} of life {life}"));
        }
        if let Some((&offset, id)) =
            sent.last_key_value().filter(|(_, id)| id.starts_with(&format!("{life}-")))
        {
            let before = page.records.len();
            log.append_one(message(client, id, &body(id))).map_err(|error| format!("{error:?}"))?;
            let after =
                log.read_from(client, ReadFrom::Oldest).map_err(|error| format!("{error:?}"))?.records;
            if after.len() > before {
                return Err(format!("{client}'s {id} at {offset} is there twice"));
            }
        }
    }
    Ok(())
}

fn floor(log: &TestLog, client: &str) -> u64 {
    let p = usize::from(partition(client).0);
    let told = log.told(0).into_iter().rev().find_map(|event| match event {
        LogEvent::Floors(floors) => Some(floors[p]),
        _ => None,
    });
    told.unwrap_or(log.recovered.floors[p])
}

fn body(id: &str) -> String {
    let seed = id.bytes().fold(7usize, |n, b| n.wrapping_mul(31).wrapping_add(usize::from(b)));
    "x".repeat(100 + seed % 6_000)
}

/// Not a test of its own: the process that loses its power. It sends, and says what was acknowledged.
#[test]
fn child_under_load() {
    let Ok(dir) = std::env::var("POWERCUT_CHILD") else { return };
    let life = std::env::var("POWERCUT_LIFE").unwrap();
    let (answered, answers) = std::sync::mpsc::channel();
    let answered = std::sync::Mutex::new(answered);
    let (log, _) = corepost::backplane::Embedded::open(Path::new(&dir), small(), move |_, events| {
        let answered = answered.lock().unwrap();
        for event in events {
            match event {
                LogEvent::Appended(appended) => drop(answered.send(appended)),
                LogEvent::Refused(refused) => panic!("{refused:?}"),
                _ => {}
            }
        }
    })
    .unwrap();
    let name = |n: u64| (format!("c{}", n % CLIENTS), format!("{life}-{}", n / CLIENTS));
    let (mut sent, mut acked) = (0u64, 0u64);
    loop {
        while sent - acked < 100 {
            let batch = (sent..sent + 1 + sent % 17).map(|n| {
                let (client, id) = name(n);
                let ticket = Ticket { core: 0, send: n as u32, recipient: 0 };
                Append { ticket, partition: partition(&client), envelope: message(&client, &id, &body(&id)) }
            });
            let batch: Vec<_> = batch.collect();
            sent += batch.len() as u64;
            log.append(batch);
        }
        let appended = answers.recv().unwrap();
        let mut line = String::new();
        for appended in std::iter::once(appended).chain(answers.try_iter()) {
            let (client, id) = name(u64::from(appended.ticket.send));
            line += &format!("ack {client} {} {id}\n", appended.offset);
            acked += 1;
        }
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
    }
}
