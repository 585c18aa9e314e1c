//! Killed or cut short: rows and how far they go are lost together or not at all.

use crate::stage::*;
use corepost::backplane::index::Coverage;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is covered is found, all of it and nothing else, and the state is that of the coverage.
fn holds_together(dir: &Path) -> u64 {
    let stage = Stage::open_and_show(dir);
    assert_eq!(stage.wiped, None);
    let Some(kept) = stage.kept.first() else { return 0 };
    let Coverage { from, next } = kept.coverage;
    assert_eq!((from, kept.state.as_slice()), (0, next.to_string().as_bytes()));
    assert_eq!(stage.mailbox("bob", next), numbers(0..next));
    next
}

#[test]
fn a_kill_takes_nothing_that_was_committed() {
    let dir = TempDir::new("index-kill");
    let mut known = 0;
    for life in 0..6u64 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["crashes::child_that_commits", "--exact", "--nocapture", "--test-threads=1"]);
        child.env("INDEX_CHILD", dir.path()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut count = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(next) = line.strip_prefix("committed ") {
                known = next.parse().unwrap();
                count += 1;
            }
            if count == 30 + life * 17 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let held = holds_together(dir.path());
        assert!(held >= known, "life {life} had committed {known}, and {held} are there");
    }
    assert!(known > 6 * 30 * 5, "{known}");
}

/// Not a test of its own: the process that is killed.
#[test]
fn child_that_commits() {
    let Ok(dir) = std::env::var("INDEX_CHILD") else { return };
    let mut stage = Stage::open(Path::new(&dir), options());
    let mut next = stage.kept.first().map_or(0, |kept| kept.coverage.next);
    loop {
        stage.commit(portion(puts("bob", next..next + 7), 0, next + 7));
        next += 7;
        println!("committed {next}");
    }
}

fn journal(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir.join("store")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "jnl")).max().unwrap()
}

#[test]
fn wherever_the_journal_is_cut_rows_and_state_roll_back_together() {
    let dir = TempDir::new("index-torn");
    let (live, torn) = (dir.path().join("live"), dir.path().join("torn"));
    let mut stage = Stage::open(&live, options());
    let mut ends = Vec::new();
    for next in 1..=12 {
        stage.commit(portion(puts("bob", next - 1..next), 0, next));
        let bytes = std::fs::read(journal(&live)).unwrap();
        ends.push(bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1);
    }
    let mut seen = std::collections::BTreeSet::new();
    for cut in (ends[3]..=ends[11]).step_by(11).chain([ends[11]]) {
        let _ = std::fs::remove_dir_all(&torn);
        copy_dir(&live, &torn);
        std::fs::File::options().write(true).open(journal(&torn)).unwrap().set_len(cut as u64).unwrap();
        let next = holds_together(&torn);
        // Batches end with a mark that says nothing new: without it a batch does not count.
        let whole = ends.partition_point(|&end| end <= cut) as u64;
        assert!(next == whole || next + 1 == whole, "cut at {cut}: {next} of {whole} batches");
        seen.insert(next);

        // What was lost is read again, and may have changed meanwhile.
        let mut stage = Stage::open(&torn, options());
        stage.commit(portion(vec![put(next, 1_000, "bob", "another one")], 0, next + 1));
        assert_eq!(stage.mailbox("bob", next + 1).last().unwrap(), "another one");
    }
    assert!(seen.len() >= 8, "{seen:?}");
}
