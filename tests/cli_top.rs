//! `corepost top`: an operator watches a real node, on a real terminal and as text.
#![cfg(feature = "serve")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "a test, which tells its story with a part of the support"
)]

#[path = "e2e/support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{PATIENCE, Place, Session, corepost, eventually};

fn top(arguments: &[&str]) -> Output {
    corepost().arg("top").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn one_picture_shows_each_node_that_is_asked_and_says_of_the_silent_one_why() {
    let server = Place::new("top-once").with("cores", 2).start();
    let sessions =
        ["alice", "bob", "bob"].map(|client| Session::open(server.addr, &format!("client={client}")));
    let admin = server.admin.to_string();
    eventually("its sessions are counted", || {
        server.metrics().sum("corepost_sessions", "") == sessions.len() as f64
    });
    let seen = top(&["--once", "--every", "1s", "--url", &admin, "--url", "127.0.0.1:1"]);
    let picture = text(&seen.stdout);
    assert_eq!(seen.status.code(), Some(0), "{picture}{}", text(&seen.stderr));
    let row = |is: &dyn Fn(&[&str]) -> bool| {
        let rows = picture.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|words| words.first() == Some(&admin.as_str()))
            .find(|words| is(words))
            .unwrap_or_default()
    };
    let node = row(&|words| words.get(1) == Some(&"alone"));
    assert_eq!(node.get(2), Some(&"3"), "its sessions: {picture}");
    let rated = |words: &[&str]| words[3..].iter().filter(|word| **word == "0").count();
    assert!(rated(&node) >= 3, "nothing was sent or refused, and that is known: {picture}");
    for core in ["0", "1"] {
        assert!(row(&|words| words.get(1) == Some(&core)).contains(&"%"), "core {core}: {picture}");
    }
    let silent = picture.lines().find(|line| line.starts_with("127.0.0.1:1 ")).expect("a row for each node");
    assert!(silent.contains("cannot reach"), "{picture}");

    let nobody = top(&["--once", "--url", "127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", text(&nobody.stdout));
    let api = top(&["--once", "--url", &server.addr.to_string()]);
    assert!(text(&api.stdout).contains("--admin address?"), "{}", text(&api.stdout));
    server.stop();
}

#[test]
fn mistakes_are_told() {
    let piped = top(&[]);
    assert_eq!(piped.status.code(), Some(1));
    assert!(text(&piped.stderr).contains("--once"), "{}", text(&piped.stderr));
    let hasty = top(&["--every", "1ms"]);
    assert_eq!(hasty.status.code(), Some(2));
    assert!(text(&hasty.stderr).contains("at least 200ms"), "{}", text(&hasty.stderr));
    let many = vec!["127.0.0.1:1"; 65].join(",");
    assert_eq!(top(&["--once", "--url", &many]).status.code(), Some(2));
}

/// A command on a terminal, which util-linux' `script` makes; it ends with the story.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn run(command: &str) -> Self {
        // One that is made without another behind it has no size.
        let command = format!("stty rows 40 columns 120; exec {command}");
        let mut script = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux' script");
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let (mut from, into) = (script.stdout.take().unwrap(), Arc::clone(&drawn));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                into.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        let keys = script.stdin.take().unwrap();
        Self { script, keys, drawn }
    }

    /// Waits until this is drawn.
    fn shows(&self, what: &str) {
        let drawn = || text(&self.drawn.lock().unwrap());
        let begun = Instant::now();
        while !drawn().contains(what) {
            assert!(begun.elapsed() < PATIENCE, "never drawn: {what:?} in {:?}", drawn());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
    }
}

#[test]
fn on_a_terminal_it_draws_obeys_keys_and_leaves_the_terminal_as_it_was() {
    let server = Place::new("top-terminal").start();
    let program = env!("CARGO_BIN_EXE_corepost");
    let mut terminal = Terminal::run(&format!("{program} top --every 200ms --url {}", server.admin));
    terminal.shows("\u{1b}[?1049h");
    // A terminal is told only what changes: of `not yet`, all that makes it `alone`; of the busiest, what makes it the slowest.
    terminal.shows("alone");
    terminal.shows("busiest");
    terminal.keys.write_all(b"s").unwrap();
    terminal.shows("slow");
    terminal.keys.write_all(b"q").unwrap();
    terminal.shows("\u{1b}[?1049l");
    assert!(terminal.script.wait().unwrap().success());
    server.stop();
}
