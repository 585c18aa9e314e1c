//! `corepost listen`, `send` and `token` against a server, as somebody uses them.

use crate::support::{Kept, PATIENCE, Place, Server, Session, corepost, eventually_in, finish, token};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

/// `listen`, with what it prints.
struct Listener {
    child: Kept,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stdout, shared) = (child.stdout.take().unwrap(), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                shared.lock().unwrap().push(line);
            }
        });
        Self { child: Kept(child), lines }
    }

    fn frames(&self, kind: &str) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let frames = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        frames.filter(|frame| frame["type"] == kind).collect()
    }

    fn texts(&self) -> Vec<String> {
        let text = |frame: &Value| frame["body"]["text"].as_str().unwrap_or_default().to_owned();
        self.frames("message").iter().map(text).collect()
    }

    fn hears(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        eventually_in(what, PATIENCE, || holds(self));
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) -> i32 {
        let pid = self.child.0.id();
        Command::new("sh").arg("-c").arg(format!("kill -INT {pid}")).status().unwrap();
        let stdin = self.child.0.stdin.take();
        drop(stdin);
        crate::support::wait(&mut self.child.0).code().unwrap()
    }
}

fn url(server: &Server) -> String {
    format!("ws://{}", server.addr)
}

fn listen(server: &Server, more: &[&str]) -> Listener {
    let mut command = corepost();
    command.args(["listen", "--as", "bob", "--json", "--url", &url(server)]).args(more);
    Listener::start(command)
}

fn send(server: &Server, more: &[&str]) -> Output {
    let mut command = corepost();
    command.args(["send", "--as", "alice", "--to", "bob", "--url", &url(server)]).args(more);
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn ok(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_chat_in_two_terminals() {
    let place = Place::new("commands");
    let server = place.start();
    let bob = listen(&server, &[]);
    bob.hears("he is welcome", |bob| bob.frames("welcome").len() == 1);
    assert!(ok(&send(&server, &["hi"])).starts_with("ack "));
    assert!(ok(&send(&server, &["--json", r#"{"text":"as JSON"}"#])).contains(r#""type":"ack""#));
    ok(&send(&server, &["--ephemeral", "typing"]));
    ok(&send(&server, &["--id", "named", "once"]));
    ok(&send(&server, &["--id", "named", "once"]));
    bob.hears("all of it", |bob| bob.texts().len() >= 4);
    assert_eq!(bob.texts(), ["hi", "as JSON", "typing", "once"]);
    assert_eq!(bob.interrupt(), 0);
}

#[test]
fn lines_of_standard_input_are_sent_in_order() {
    let place = Place::new("commands-stdin");
    let server = place.start();
    let mut command = corepost();
    command.args(["send", "--as", "alice", "--to", "bob", "--url", &url(&server), "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for n in 0..500 {
            writeln!(stdin, "line {n}").unwrap();
        }
    });
    let output = finish(child);
    writer.join().unwrap();
    assert_eq!(ok(&output).lines().filter(|line| line.starts_with("ack ")).count(), 500);
    server.settle();
    let there = Session::open(server.addr, "client=bob&from=start").replay();
    let texts: Vec<String> = there.iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, (0..500).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[test]
fn a_listener_with_a_cursor_file_misses_nothing_over_restarts_of_either() {
    let place = Place::new("commands-restart").with("drain-window", "1s");
    let file = place.path("bob.cursor").display().to_string();
    let mut server = place.start();
    // A client must find the server where it was.
    let place = place.with("listen", server.addr);
    let bob = listen(&server, &["--cursor-file", &file]);
    bob.hears("he is welcome", |bob| bob.frames("welcome").len() == 1);
    ok(&send(&server, &["one"]));
    bob.hears("one", |bob| bob.texts() == ["one"]);
    server.kill();
    server = again(&place);
    ok(&send(&server, &["two"]));
    bob.hears("two, though the server was killed", |bob| bob.texts() == ["one", "two"]);
    assert_eq!(bob.frames("welcome")[1]["resumed"], true);
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);
    drop(server);
    server = again(&place);
    ok(&send(&server, &["three"]));
    bob.hears("three, though the server was restarted", |bob| bob.texts() == ["one", "two", "three"]);
    assert_eq!(bob.interrupt(), 0);
    ok(&send(&server, &["four"]));
    server.settle();
    let bob = listen(&server, &["--cursor-file", &file]);
    bob.hears("what came while he was away", |bob| bob.texts() == ["four"]);
    assert_eq!(bob.frames("welcome")[0]["missed"], 1);
    assert_eq!(bob.interrupt(), 0);
    let bob = listen(&server, &["--from", "-2"]);
    bob.hears("the last two", |bob| bob.texts() == ["three", "four"]);
}

/// On the same port, which somebody's outgoing connection may hold for a moment.
fn again(place: &Place) -> Server {
    let mut server = None;
    eventually_in("the port is free", PATIENCE, || {
        server = place.try_start();
        server.is_some()
    });
    server.unwrap()
}

#[test]
fn exit_codes_say_whose_fault_it_was() {
    let place = Place::keyed("commands-exits");
    let server = place.start();
    // No token, a good one, one of somebody else, one that expired.
    assert_eq!(send(&server, &["hi"]).status.code(), Some(1));
    let good = token("alice");
    ok(&send(&server, &["--token", &good, "hi"]));
    assert_eq!(send(&server, &["--token", &token("eve"), "hi"]).status.code(), Some(1));
    let file = place.write("alice.jwt", &good).display().to_string();
    ok(&send(&server, &["--token", &format!("@{file}"), "hi again"]));
    let mut command = corepost();
    let key = place.path("jwt.key").display().to_string();
    command.args(["token", "--sub", "alice", "--ttl", "1h", "--send", "bob", "--jwt-key", &key]);
    let made = ok(&finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()));
    ok(&send(&server, &["--token", made.trim(), "permitted"]));
    let output = send(&server, &["--to", "carol", "--token", made.trim(), "forbidden"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("forbidden"), "{output:?}");
    for wrong in [&["--url", "nowhere", "hi"][..], &["--json", "{", "x"], &["--to", "b\"", "hi"], &[]] {
        assert_eq!(send(&server, wrong).status.code(), Some(2), "{wrong:?}");
    }
    // Nobody there, and no patience.
    let addr = server.addr;
    server.kill();
    let mut command = corepost();
    let nowhere = format!("ws://{addr}");
    command.args(["send", "--as", "alice", "--to", "bob", "--timeout", "1", "--url", &nowhere, "hi"]);
    let output = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(output.status.code(), Some(1));
}
