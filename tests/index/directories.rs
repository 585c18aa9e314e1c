//! The data directory: whose it is, and what becomes of it when it is another log's.

use crate::stage::*;
use crate::store_support::{self, TestLog};
use corepost::backplane::index::{Index, IndexOptions, Wiped};
use corepost::backplane::{DirectoryKind, OpenError};
use std::path::Path;
use std::process::Command;

fn refusal(dir: &Path) -> OpenError {
    match Index::open(dir, options()) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[test]
fn a_directory_with_a_log_of_its_own_is_no_index_and_stays_as_it_is() {
    let dir = TempDir::new("index-of-log");
    let log = TestLog::open(dir.path(), store_support::options());
    log.append_one(message("bob", "m", "hers alone")).unwrap();
    drop(log);
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::OtherKind { found: DirectoryKind::Log, .. }), "{error}");
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("holds the log of a node without Kafka"), "{error}");
    let log = TestLog::open(dir.path(), store_support::options());
    assert_eq!(log.mailbox("bob"), ["hers alone"]);
}

#[test]
fn a_directory_with_an_index_is_no_log_and_the_program_says_so() {
    let dir = TempDir::new("log-of-index");
    Stage::open(dir.path(), options()).commit(portion(puts("bob", 0..3), 0, 3));
    let Err(error) = TestLog::try_open(dir.path(), store_support::options()) else { panic!("it was opened") };
    assert!(matches!(error, OpenError::OtherKind { found: DirectoryKind::Index, .. }), "{error}");

    let mut serve = Command::new(env!("CARGO_BIN_EXE_corepost"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]).arg(dir.path());
    let output = serve.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("holds the index of a node in a cluster"), "{said}");
    assert_eq!(Stage::open_and_show(dir.path()).mailbox("bob", 3), numbers(0..3));
}

#[test]
fn a_second_one_on_the_directory_is_told_so_and_a_newer_format_is_left_alone() {
    let dir = TempDir::new("index-in-use");
    let stage = Stage::open(dir.path(), options());
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::InUse { .. }) && error.exit_code() == 3, "{error}");
    drop(stage);
    std::fs::write(dir.path().join("format"), "corepost-index 2\n").unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::NewerFormat { found: 2, .. }) && error.exit_code() == 3, "{error}");
}

#[test]
fn the_index_of_another_log_is_wiped() {
    for other in [
        IndexOptions { log_epoch: LOG + 1, ..options() },
        IndexOptions { partitions: PARTITIONS * 2, ..options() },
    ] {
        let dir = TempDir::new("index-other-log");
        Stage::open(dir.path(), options()).commit(portion(puts("bob", 0..3), 0, 3));
        let mut stage = Stage::open(dir.path(), other);
        assert_eq!(stage.wiped, Some(Wiped::OtherLog { log_epoch: LOG, partitions: PARTITIONS }));
        assert_eq!((stage.kept.len(), stage.index.bytes()), (0, 0));
        stage.commit(portion(puts("bob", 7..8), 7, 8));
        assert_eq!(stage.mailbox("bob", 8), ["7"]);
        drop(stage);
        let stage = Stage::open(dir.path(), other);
        assert_eq!((stage.kept.len(), stage.wiped.clone()), (1, None), "it is that log's now");
    }
}

#[test]
fn a_damaged_index_is_begun_anew() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 3] = [
        ("a bucket that is gone", |store| {
            let newest =
                std::fs::read_dir(store.join("keyspaces")).unwrap().map(|entry| entry.unwrap().path());
            std::fs::remove_dir_all(newest.max_by_key(|path| number(path)).unwrap()).unwrap();
        }),
        ("a version nobody knows", |store| std::fs::write(store.join("version"), b"?").unwrap()),
        ("a start that was cut short", |store| std::fs::remove_file(store.join("version")).unwrap()),
    ];
    for (what, harm) in harms {
        let dir = TempDir::new("index-damaged");
        Stage::open(dir.path(), options()).commit(portion(puts("bob", 0..3), 0, 3));
        harm(&dir.path().join("store"));
        let mut stage = Stage::open(dir.path(), options());
        assert_eq!(stage.kept, [], "{what}");
        stage.commit(portion(puts("bob", 0..5), 0, 5));
        assert_eq!(stage.mailbox("bob", 5), numbers(0..5), "{what}");
    }
}

fn number(path: &Path) -> u64 {
    path.file_name().unwrap().to_str().unwrap().parse().unwrap()
}
