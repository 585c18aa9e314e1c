//! Power cuts: nothing is fsynced, so much may be gone, but what is covered is there, whatever of the disk is.
//!
//! The load runs in a child process under `shim.c`; the cut is a kill, after which `disk.rs` plays the directory as it
//! would be on the disk.

use crate::disk::{Chance, Cut, Disk};
use crate::shim;
use crate::stage::*;
use corepost::backplane::index::{Coverage, IndexOptions, Put};
use corepost::log::{ReadFrom, Record};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const CUTS: u64 = 15;
const CLIENTS: u64 = 5;

/// Small tables and short buckets, so that all that happens in days happens within the test.
fn small() -> IndexOptions {
    IndexOptions { memtable_bytes: 96 << 10, retention_ms: 40_000, ..options() }
}

fn client(offset: u64) -> String {
    format!("c{}", offset % CLIENTS)
}

/// The record that stands at an offset for ever.
fn record(offset: u64) -> Put {
    put(
        offset,
        offset * 3,
        &client(offset),
        &format!("{offset} {}", "x".repeat(offset as usize * 37 % 3_000)),
    )
}

#[test]
fn what_is_covered_after_a_power_cut_is_there() {
    let home = TempDir::new("index-powercut");
    let dir = home.path().join("data");
    drop(Stage::open(&dir, small()));
    let (mut chance, mut wiped, mut held, mut lost) = (Chance(0x5eed_0003), 0, 0, 0);
    for life in 0..CUTS {
        let cut = [Cut::Everything, Cut::Pages, Cut::Prefix][life as usize % 3];
        let committed = one_life(home.path(), cut, &mut chance);
        let mut stage = Stage::open(&dir, small());
        stage.show_all();
        wiped += u32::from(stage.wiped.is_some());
        if let Some(why) = &stage.wiped {
            println!("cut {life} ({cut:?}): {why:?}");
        }
        let coverage = stage.kept.first().map_or(Coverage::default(), |kept| kept.coverage);
        lost += u32::from(coverage.next < committed);
        if stage.kept.is_empty() {
            continue;
        }
        held += 1;
        let mut found: Vec<Record> = Vec::new();
        for offset in 0..CLIENTS {
            let page = stage.read(&client(offset), ReadFrom::Oldest, coverage.next);
            found.extend(page.map_or_else(|error| panic!("cut {life}: {error:?}"), |page| page.records));
        }
        found.sort_unstable_by_key(|record| record.offset);
        let found: Vec<_> =
            found.into_iter().map(|found| (found.offset, found.at_ms, found.envelope)).collect();
        let covered =
            (coverage.from..coverage.next).map(record).map(|put| (put.offset, put.at_ms, put.envelope));
        assert!(found.into_iter().eq(covered), "cut {life} ({cut:?}): {coverage:?} is not what is there");
    }
    println!("{CUTS} cuts: {held} left something, {lost} took something, {wiped} were begun anew");
    assert!(held > CUTS as u32 / 2 && lost > 0, "{held} held, {lost} lost: the test sees nothing");
    assert!(wiped <= 2, "{wiped} of {CUTS} could not be read");
}

/// One life under load, ended by a cut. Returns what had been committed.
fn one_life(home: &Path, cut: Cut, chance: &mut Chance) -> u64 {
    let (dir, log) = (home.join("data"), home.join("shim.log"));
    let _ = std::fs::remove_file(&log);
    let mut disk = Disk::of(&dir);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["powercut::child_under_load", "--exact", "--nocapture", "--test-threads=1"]);
    child.env("LD_PRELOAD", shim::library()).env("POWERCUT_DIR", &dir).env("POWERCUT_LOG", &log);
    let mut child = child.env("POWERCUT_CHILD", &dir).stdout(Stdio::piped()).spawn().unwrap();
    let wanted = 1 + chance.below(60);
    let (mut count, mut committed) = (0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let Some(next) = line.strip_prefix("committed ") else { continue };
        committed = next.parse().unwrap();
        count += 1;
        if count == wanted {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(count >= wanted, "the child ended by itself: {status}");
    disk.follow(&std::fs::read(&log).unwrap());
    let after = home.join("after");
    let _ = std::fs::remove_dir_all(&after);
    disk.cut(&dir, &after, cut, chance);
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&after, &dir).unwrap();
    committed
}

/// Not a test of its own: the process that loses its power. It goes on where it was, and drops now and then what is old.
#[test]
fn child_under_load() {
    let Ok(dir) = std::env::var("POWERCUT_CHILD") else { return };
    let mut stage = Stage::open(Path::new(&dir), small());
    let mut coverage = stage.kept.first().map_or(Coverage::default(), |kept| kept.coverage);
    for batch in 0.. {
        let next = coverage.next + 1 + batch % 60;
        stage.commit(portion((coverage.next..next).map(record).collect(), coverage.from, next));
        coverage.next = next;
        println!("committed {next}");
        if batch % 10 == 9 {
            let cuts = stage.index.expire(next * 3).unwrap();
            coverage.from = cuts.first().map_or(coverage.from, |cut| cut.from);
        }
    }
}
