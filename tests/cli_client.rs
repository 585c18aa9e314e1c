//! `corepost listen` and `corepost send` as a user runs them, against a server that follows a script.

#![cfg(feature = "serve")]
#![allow(missing_docs, clippy::unwrap_used)]

use corepost::wire::websocket::{
    Event, Opcode, PartialBudget, Receiver, Rules, check_upgrade, write_close, write_frame, write_switching,
};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// One connection, from the server's side.
struct Session {
    stream: TcpStream,
    /// The request's path and query.
    target: String,
    receiver: Receiver,
    budget: PartialBudget,
    heard: VecDeque<String>,
}

impl Session {
    /// Reads the head of the next connection's request.
    fn knock(listener: &TcpListener) -> (TcpStream, String) {
        let mut stream = accept(listener);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "the request ended early");
            head.push(byte[0]);
        }
        (stream, String::from_utf8(head).unwrap())
    }

    /// Upgrades the next connection and says welcome at this cursor.
    fn welcome(listener: &TcpListener, cursor: &str) -> Self {
        let (mut stream, head) = Self::knock(listener);
        let mut lines = head.trim_end().split("\r\n");
        let target = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n, v.as_bytes()));
        let upgrade = check_upgrade("GET", headers).unwrap();
        assert!(upgrade.offers_v1);
        let mut out = Vec::new();
        write_switching(&upgrade, &mut out);
        stream.write_all(&out).unwrap();
        let resumed = if target.contains("cursor=") { r#","resumed":true"# } else { "" };
        let client = target.split("client=").nth(1).unwrap().split('&').next().unwrap();
        let client = client.replace("%C3%B6", "ö");
        let mut session = Self {
            stream,
            receiver: Receiver::default(),
            budget: PartialBudget::default(),
            heard: VecDeque::new(),
            target: target.clone(),
        };
        session.say(&format!(
            r#"{{"type":"welcome","client":"{client}","session":"s0","node":0,"cursor":"{cursor}"{resumed},"missed":0,"limits":{{}}}}"#
        ));
        session
    }

    fn say(&mut self, text: &str) {
        let mut out = Vec::new();
        write_frame(Opcode::Text, text.as_bytes(), &mut out);
        self.stream.write_all(&out).unwrap();
    }

    fn message(&mut self, prev: &str, cursor: &str, text: &str) {
        self.say(&format!(
            r#"{{"type":"message","from":"alice","id":"i","at":5000,"prev":"{prev}","cursor":"{cursor}","body":{{"text":"{text}"}}}}"#
        ));
    }

    fn close(mut self, code: u16) {
        let mut out = Vec::new();
        write_close(Some(code), "", &mut out);
        self.stream.write_all(&out).unwrap();
        self.heard_all();
    }

    /// The next text message of the client.
    fn hear(&mut self) -> String {
        while self.heard.is_empty() {
            assert!(self.read(), "the client went away");
        }
        self.heard.pop_front().unwrap()
    }

    /// Reads until the client is gone.
    fn heard_all(&mut self) {
        while self.read() {}
    }

    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let Ok(n @ 1..) = self.stream.read(&mut bytes) else { return false };
        let mut input = &mut bytes[..n];
        while let Some(event) = self.receiver.next(&mut input, &Rules::CLIENT, &mut self.budget, 0).unwrap() {
            match event {
                Event::Message { data, .. } => {
                    self.heard.push_back(String::from_utf8(data.to_vec()).unwrap());
                }
                Event::Close(_) => return false,
                _ => {}
            }
        }
        true
    }
}

/// The next connection, or a failure: a client that stays away must not keep the test waiting for ever.
fn accept(listener: &TcpListener) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    listener.set_nonblocking(true).unwrap();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("nobody connects: {error}"),
        }
    }
}

fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A command under way. A test that fails leaves none behind.
struct Running(Option<Child>);

impl Running {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it is taken only to be finished")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn corepost(args: &[&str]) -> Running {
    let child = Command::new(env!("CARGO_BIN_EXE_corepost"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running(Some(child))
}

fn finish(mut child: Running, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = child.0.take().unwrap().wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

fn terminate(child: &mut Running) {
    // The shell's own `kill`: a small image has no other.
    let line = format!("kill {}", child.child().id());
    assert!(Command::new("sh").arg("-c").arg(line).status().unwrap().success());
}

#[test]
fn listen_prints_each_message_once_over_reconnects_and_runs() {
    let (listener, url) = server();
    let file = std::env::temp_dir().join(format!("corepost-listen-{}", std::process::id()));
    let file_text = file.to_str().unwrap();
    let args = ["listen", "--as", "böb", "--url", &url, "--cursor-file", file_text, "--from", "start"];
    let mut child = corepost(&args);
    let mut first = Session::welcome(&listener, "c1");
    assert_eq!(first.target, "/v1/ws?client=b%C3%B6b&from=start");
    first.message("c1", "c2", "one");
    first.close(1012);
    let mut second = Session::welcome(&listener, "c2");
    assert!(second.target.contains("&cursor=c2"), "{}", second.target);
    second.message("c1", "c2", "one");
    second.message("c2", "c3", "two");
    second.say(r#"{"type":"cursor","cursor":"c7"}"#);
    while std::fs::read_to_string(&file).unwrap() != "c7\n" {
        std::thread::sleep(Duration::from_millis(10));
    }
    terminate(&mut child);
    second.heard_all();
    let (out, err) = finish(child, 0);
    let frames: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<_> = frames.iter().filter_map(|frame| frame["body"]["text"].as_str()).collect();
    assert_eq!(texts, ["one", "two"], "{out}\n{err}");

    let child = corepost(&args);
    let third = Session::welcome(&listener, "c7");
    assert!(
        third.target.contains("&cursor=c7"),
        "the next run goes on where this one ended: {}",
        third.target
    );
    third.close(4403);
    let (_, err) = finish(child, 1);
    assert!(err.contains("an operator disconnected this client"), "{err}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn send_repeats_with_the_same_id_until_the_ack() {
    let (listener, url) = server();
    let child = corepost(&["send", "--as", "alice", "--to", "bob", "--to", "eve", "h\"i", "--url", &url]);
    let mut session = Session::welcome(&listener, "c1");
    let sent = session.hear();
    assert!(sent.contains(r#""to":["bob","eve"]"#) && sent.contains(r#""body":{"text":"h\"i"}}"#), "{sent}");
    drop(session);
    let mut session = Session::welcome(&listener, "c1");
    assert_eq!(session.hear(), sent, "the same message with the same id");
    let id = serde_json::from_str::<serde_json::Value>(&sent).unwrap()["id"].as_str().unwrap().to_owned();
    session.say(&format!(r#"{{"type":"ack","id":"{id}","at":77}}"#));
    session.heard_all();
    assert_eq!(finish(child, 0).0, format!("ack {id} at 77\n"));
}

#[test]
fn send_takes_lines_and_says_which_failed() {
    let (listener, url) = server();
    let mut child = corepost(&["send", "--as", "alice", "--to", "bob", "-", "--json", "--url", &url]);
    child.child().stdin.take().unwrap().write_all(b"1\nno json\n[2]\n").unwrap();
    let mut session = Session::welcome(&listener, "c1");
    for (body, answer) in [
        ("1", r#"{"type":"ack","id":"ID","at":1}"#),
        ("[2]", r#"{"type":"error","id":"ID","code":"forbidden","message":"not to bob"}"#),
    ] {
        let sent = session.hear();
        assert!(sent.ends_with(&format!(r#""body":{body}}}"#)), "{sent}");
        let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
        session.say(&answer.replace("ID", sent["id"].as_str().unwrap()));
    }
    session.heard_all();
    let (out, err) = finish(child, 1);
    let answers: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((answers.len(), &answers[1]["code"]), (2, &serde_json::json!("forbidden")), "{out}");
    assert!(err.contains("`no json` is no JSON value"), "{err}");
}

#[test]
fn an_ephemeral_message_is_sent_when_the_server_has_taken_it() {
    let (listener, url) = server();
    let child = corepost(&["send", "--as", "alice", "--to", "bob", "typing", "--ephemeral", "--url", &url]);
    let mut session = Session::welcome(&listener, "c1");
    assert!(session.hear().contains(r#""ephemeral":true"#));
    assert_eq!(session.hear(), r#"{"type":"ping"}"#);
    session.say(r#"{"type":"pong","cursor":"c1"}"#);
    session.heard_all();
    finish(child, 0);
}

#[test]
fn who_is_not_let_in_learns_what_to_do() {
    let (listener, url) = server();
    let child = corepost(&["send", "--as", "alice", "--to", "bob", "hi", "--url", &url]);
    let (mut stream, head) = Session::knock(&listener);
    assert!(head.starts_with("GET /v1/ws?client=alice HTTP/1.1\r\n"), "{head}");
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").unwrap();
    let (_, err) = finish(child, 1);
    assert!(err.contains("corepost token --sub") && err.contains("nothing was sent"), "{err}");

    let child = corepost(&["listen", "--as", "alice", "--token", "a.b.c", "--url", &url]);
    let (mut stream, head) = Session::knock(&listener);
    assert!(head.contains("\r\nAuthorization: Bearer a.b.c\r\n"), "{head}");
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(finish(child, 1).1.contains("has expired or is not accepted"));

    let child = corepost(&["listen", "--as", "alice", "--url", &url]);
    let (mut stream, _) = Session::knock(&listener);
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(finish(child, 1).1.contains("the path is /v1/ws"));
}

#[test]
fn a_mistake_in_the_arguments_exits_2() {
    for args in [
        &["listen"][..],
        &["listen", "--as", "bob", "--url", "ftp://x"],
        &["listen", "--as", "bob", "--from", "yesterday"],
        &["listen", "--as", "bob", "--cursor-file", "/proc/self/status"],
        &["listen", "--as", "bob", "--token", "@/nonexistent"],
        &["send", "--as", "a\"b", "--to", "bob", "hi"],
        &["send", "--as", "alice", "hi"],
        &["send", "--as", "alice", "--to", "bob", "no json", "--json"],
        &["send", "--as", "alice", "--to", "bob", "-", "--id", "one"],
    ] {
        let (out, err) = finish(corepost(args), 2);
        assert!(out.is_empty() && !err.is_empty(), "{args:?}: {out} {err}");
    }
}
