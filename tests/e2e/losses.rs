//! Promise 3 where the disk has not kept what was told: the cursor of a lost time is `truncated`, a hole is `damaged`,
//! and whoever held nothing of either goes on.

use crate::support::{Place, Server, Session, copy, eventually};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[allow(dead_code, reason = "the kindest cut shows nothing here")]
#[path = "../powercut/disk.rs"]
mod disk;
#[path = "../powercut/shim.rs"]
mod shim;

/// Bob's session since this cursor.
fn since(server: &Server, cursor: &str) -> Session {
    Session::open(server.addr, &format!("client=bob&cursor={cursor}&from=start"))
}

/// Messages to bob, until they are more than what was lost: only then can they be taken for it.
fn deliver(server: &Server, bodies: std::ops::Range<u32>) {
    let mut alice = Session::open(server.addr, "client=alice");
    bodies.for_each(|n| drop(alice.deliver("bob", &format!("{}-{n}", server.pid()), n)));
    server.settle();
}

#[track_caller]
fn is_unresumed(session: &Session, why: &str) {
    let welcome = &session.welcome;
    assert_eq!((&welcome["resumed"], &welcome["reason"]), (&json!(false), &json!(why)), "{welcome}");
}

#[test]
fn what_was_told_before_a_backup_was_put_back_is_truncated() {
    let place = Place::new("losses-backup");
    let (data, backup) = (place.path("data"), place.path("backup"));
    let server = place.start();
    deliver(&server, 0..3);
    let kept = Session::open(server.addr, "client=bob").cursor;
    server.stop();
    copy(&data, &backup);

    let server = place.start();
    deliver(&server, 10..13);
    let lost = Session::open(server.addr, "client=bob").cursor;
    server.kill();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    // Lives are told apart by the second they begin in, and the lost one may have begun in the first one's, whose name it
    // then has plus one. No operator is quicker.
    std::thread::sleep(std::time::Duration::from_millis(2_100));

    let server = place.start();
    is_unresumed(&since(&server, &lost), "future");
    // As many as were lost, and more: the lost cursor now lies within what there is, and yet names another past.
    deliver(&server, 20..25);
    let mut bob = since(&server, &lost);
    is_unresumed(&bob, "truncated");
    assert_eq!(bob.replay(), [0, 1, 2, 20, 21, 22, 23, 24]);
    let mut bob = since(&server, &kept);
    assert_eq!((&bob.welcome["resumed"], &bob.welcome["missed"]), (&json!(true), &json!(5)));
    assert_eq!(bob.replay(), [20, 21, 22, 23, 24]);
}

#[test]
fn what_a_power_cut_took_from_a_log_without_fsync_is_truncated() {
    let place = Place::new("losses-power").with("durability", "process");
    let (data, after, log) = (place.path("data"), place.path("after"), place.path("shim.log"));
    let server = place.start();
    deliver(&server, 0..3);
    let kept = Session::open(server.addr, "client=bob").cursor;
    // The end of a life makes all of it durable.
    server.stop();

    let mut before = disk::Disk::of(&data);
    let mut watched = place.serve();
    watched.env("LD_PRELOAD", shim::library()).env("POWERCUT_DIR", &data).env("POWERCUT_LOG", &log);
    let server = place.run(watched);
    deliver(&server, 10..13);
    let lost = Session::open(server.addr, "client=bob").cursor;
    server.kill();
    before.follow(&std::fs::read(&log).unwrap());
    before.cut(&data, &after, disk::Cut::Everything, &mut disk::Chance(1));
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&after, &data).unwrap();

    let server = place.start();
    deliver(&server, 20..25);
    let mut bob = since(&server, &lost);
    is_unresumed(&bob, "truncated");
    assert_eq!(
        bob.replay(),
        [0, 1, 2, 20, 21, 22, 23, 24],
        "acknowledged as `process` promises: not by a power cut"
    );
    assert_eq!(since(&server, &kept).replay(), [20, 21, 22, 23, 24]);
}

/// Bodies so long that some of them are moved from the journal to tables.
const LONG: usize = 60_000;
/// That is more than a table takes at first.
const MANY: u32 = 500;

#[test]
fn a_hole_in_the_store_is_damaged_for_whoever_must_read_over_it() {
    let place = Place::new("losses-hole").with("mailbox-bytes", "1GiB").with("recent-bytes", "64KiB");
    let server = place.start();
    let mut bob = Session::open(server.addr, "client=bob");
    let first = bob.cursor.clone();
    let mut alice = Session::open(server.addr, "client=alice");
    for n in 0..MANY {
        alice.deliver("bob", &n.to_string(), format!("{n} {}", "x".repeat(LONG)));
    }
    bob.bodies(MANY as usize);
    let last = bob.cursor.clone();
    drop((alice, bob));
    server.stop();
    let largest = tables(&place.path("data")).into_iter().max_by_key(|path| path.metadata().unwrap().len());
    let largest = largest.expect("some rows are in tables");
    let mut bytes = std::fs::read(&largest).unwrap();
    assert!(bytes.len() > 4 * LONG, "{} holds the messages", largest.display());
    let middle = bytes.len() / 4;
    bytes[middle..middle + 64].fill(0x55);
    std::fs::write(&largest, bytes).unwrap();

    let server = place.start();
    // Who has it all behind it is not concerned.
    deliver(&server, 0..1);
    let mut bob = since(&server, &last);
    assert_eq!(bob.welcome["resumed"], true, "{}", bob.welcome);
    assert_eq!(bob.replay(), [0]);
    // Who must read over it is told so, and gets what is after it, in order and without another hole.
    let mut bob = since(&server, &first);
    is_unresumed(&bob, "damaged");
    let numbers: Vec<u32> = bob.replay().iter().filter_map(number).collect();
    assert!(!numbers.is_empty() && numbers.len() < MANY as usize, "{} are left", numbers.len());
    assert!(numbers.iter().copied().eq(numbers[0]..MANY), "a hole after the hole");
    // And from there on all is well.
    drop(bob);
    let cursor = since(&server, &last).cursor;
    deliver(&server, 1..2);
    assert_eq!(since(&server, &cursor).replay().last(), Some(&json!(1)));
    eventually("it is logged", || server.log().contains("the store is damaged"));
}

fn number(body: &Value) -> Option<u32> {
    body.as_str()?.split(' ').next()?.parse().ok()
}

/// All table files of a store.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let own = if folder.ends_with("tables") { files } else { Vec::new() };
    folders.iter().flat_map(|inner| tables(inner)).chain(own).collect()
}
