//! Others' judgement of our WebSocket: the Autobahn suite, cases 1–7, 9 and 10, against `/v1/echo`.
//!
//! Runs only with `COREPOST_TEST=all`, for it needs Python 2.7 and half a minute. Every case must be OK or
//! informational, in what it did and in how it closed.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

use corepost::net::Wish;
use corepost::node::{Node, NodeConfig};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_case_is_ok_on_io_uring() {
    judge("uring", Wish::Uring, &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"], 301);
}

#[test]
fn framing_and_closing_are_ok_on_epoll() {
    judge("epoll", Wish::Epoll, &["1.*", "2.*", "5.*", "7.*"], 80);
}

/// Runs these cases, of which there must be at least so many.
fn judge(name: &str, driver: Wish, cases: &[&str], least: usize) {
    if std::env::var("COREPOST_TEST").as_deref() != Ok("all") {
        eprintln!("not run: set COREPOST_TEST=all to let the Autobahn suite judge");
        return;
    }
    let suite = suite();
    let listen = "127.0.0.1:0".parse().unwrap();
    let node = Node::start(&NodeConfig { driver, ..NodeConfig::echo(listen, 1) }).unwrap();
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("autobahn-{name}"));
    let _ = fs::remove_dir_all(&report);
    fs::create_dir_all(&report).unwrap();
    let spec = serde_json::json!({
        "options": {"failByDrop": false},
        "outdir": report,
        "servers": [{"agent": name, "url": format!("ws://{}/v1/echo", node.addr), "options": {"version": 18}}],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    fs::write(report.join("spec.json"), spec.to_string()).unwrap();
    // Its exit code says nothing: the index does.
    let output = Command::new(suite)
        .args(["-m", "fuzzingclient", "-s", "spec.json"])
        .current_dir(&report)
        .output()
        .unwrap();
    let index = fs::read(report.join("index.json")).unwrap_or_else(|error| {
        panic!("the suite left no index ({error}): {}", String::from_utf8_lossy(&output.stderr))
    });
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let verdicts = index[name].as_object().unwrap();
    let good = |verdict: &serde_json::Value| matches!(verdict.as_str(), Some("OK" | "INFORMATIONAL"));
    let bad: Vec<_> =
        verdicts.iter().filter(|(_, v)| !good(&v["behavior"]) || !good(&v["behaviorClose"])).collect();
    assert!(bad.is_empty(), "{} of {} cases: {bad:#?}; see {}", bad.len(), verdicts.len(), report.display());
    assert!(verdicts.len() >= least, "only {} cases ran", verdicts.len());
    eprintln!("{} cases on {}", verdicts.len(), node.driver);
}

/// The suite, installed once for both tests and kept under `target/`.
fn suite() -> PathBuf {
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONCE.lock();
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahn-suite");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/autobahn/install.sh");
    let output = Command::new(script).arg(&venv).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    venv.join("bin/wstest")
}
