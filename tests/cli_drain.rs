//! `corepost drain`: an operator takes a real node out of service.
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
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use support::{Api, Place, Session, corepost, eventually};

fn drain(admin: impl std::fmt::Display) -> Child {
    let admin = format!("http://{admin}");
    let mut command = corepost();
    command.args(["drain", "--admin", &admin]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn all(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_node_is_drained_and_watched_to_its_end() {
    let mut server = Place::new("cli-drain").with("cores", 2).with("drain-window", "3s").start();
    let mut sessions: Vec<Session> =
        (0..6).map(|n| Session::open(server.addr, &format!("client=c{n}"))).collect();
    assert_eq!(Api::connect(server.admin).get("/drain").json()["draining"], false);
    assert_eq!(Api::connect(server.admin).get("/readyz").status, 200, "who looks drains nothing");
    let watching = drain(server.admin);
    sessions.iter_mut().for_each(|session| assert_eq!(session.frame()["type"], "drain"));
    assert_eq!(Api::connect(server.admin).get("/readyz").status, 503);
    sessions.iter_mut().for_each(|session| assert_eq!(session.close_code(), 1012));
    let output = watching.wait_with_output().unwrap();
    let told = all(&output);
    assert_eq!((output.status.code(), server.exit_code()), (Some(0), 0), "{told}{}", server.log());
    let lines: Vec<&str> = told.lines().collect();
    let (last, progress) = lines.split_last().unwrap();
    assert!(progress.len() >= 2 && progress.iter().all(|line| line.starts_with("draining: ")), "{told}");
    assert!(progress[0].ends_with(" sessions left") && last.starts_with("gone after "), "{told}");
}

/// Two who ask, a supervisor that sends SIGTERM behind them: it drains once, and nobody is cut.
#[test]
fn asked_again_it_drains_on() {
    let mut server = Place::new("cli-drain-again").with("cores", 1).with("drain-window", "1h").start();
    let mut sessions: Vec<Session> = (0..2).map(|_| Session::open(server.addr, "client=stays")).collect();
    let first = drain(server.admin);
    sessions.iter_mut().for_each(|session| assert_eq!(session.frame()["type"], "drain"));
    let second = drain(server.admin);
    for _ in 0..3 {
        assert_eq!(Api::connect(server.admin).ask("POST", "/drain", b"").unwrap().status, 202);
    }
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.ended().is_none(), "one of them may stay for half an hour: {}", server.log());
    drop(sessions);
    for watching in [first, second] {
        let output = watching.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", all(&output));
    }
    assert_eq!(server.exit_code(), 0, "{}", server.log());

    // And a second SIGTERM cuts, as ever.
    let mut server = Place::new("cli-drain-cut").with("cores", 1).with("drain-window", "1h").start();
    let mut session: Vec<Session> = (0..2).map(|_| Session::open(server.addr, "client=stays")).collect();
    let watching = drain(server.admin);
    session.iter_mut().for_each(|session| assert_eq!(session.frame()["type"], "drain"));
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.ended().is_none(), "{}", server.log());
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0, "{}", server.log());
    assert_eq!(watching.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn what_cannot_be_drained_is_told_with_the_next_step() {
    let nobody = drain("127.0.0.1:1").wait_with_output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    let why = all(&nobody);
    assert!(why.contains("is `corepost serve` running there?") && why.contains("--admin"), "{why}");

    let server = Place::new("cli-drain-api").start();
    let api = drain(server.addr).wait_with_output().unwrap();
    assert_eq!(api.status.code(), Some(1));
    assert!(all(&api).contains("--admin address?"), "{}", all(&api));
    assert!(support::Api::connect(server.admin).get("/readyz").status == 200, "nothing was drained");
    server.stop();

    let help = all(&corepost().args(["drain", "--help"]).output().unwrap());
    for word in ["--admin", "rolling restart", "/readyz", "--drain-window", "Exit codes: 0"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

/// A node that says this of itself, for ever. `started_ms` is as of then.
fn pretend(started_ms: &'static AtomicU64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap();
            let status = if head[..length].starts_with(b"POST") { "202 Accepted" } else { "200 OK" };
            let body = format!(
                r#"{{"draining":true,"sessions":3,"partitions":2,"within_ms":0,"started_ms":{}}}"#,
                started_ms.load(SeqCst)
            );
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    addr
}

#[test]
fn a_node_that_does_not_go_is_a_failure_with_what_is_left() {
    static STARTED_MS: AtomicU64 = AtomicU64::new(1);
    let output = drain(pretend(&STARTED_MS)).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = all(&output);
    assert!(told.contains("3 sessions left, 2 partitions not live at their new homes"), "{told}");
    assert!(told.contains("has not gone after 6s") && told.contains("second SIGTERM"), "{told}");
}

#[test]
fn who_starts_at_once_in_its_place_is_not_taken_for_it() {
    static STARTED_MS: AtomicU64 = AtomicU64::new(1);
    let begun = Instant::now();
    let watching = drain(pretend(&STARTED_MS));
    std::thread::sleep(Duration::from_millis(500));
    STARTED_MS.store(2, SeqCst);
    let output = watching.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", all(&output));
    assert!(all(&output).contains("another one has started") && begun.elapsed() < Duration::from_secs(5));
}
