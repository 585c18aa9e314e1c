//! The admin address over real sockets: what it says, and whom it does not wait for.

use crate::admin::{
    Admin, CoreReport, Drain, LogReport, LogTrouble, Phase, Progress, Question, Sources, Supervisor,
};
use crate::limits::ADMIN_CONNECTIONS;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A node of two cores, the second of which may be made to hang.
#[derive(Default)]
struct Node {
    hangs: AtomicBool,
    phase: AtomicU8,
    trouble: Mutex<Option<LogTrouble>>,
    asked: AtomicUsize,
    unanswered: Mutex<Vec<Question>>,
}

impl Node {
    fn ask(&self, core: u16, question: Question) {
        self.asked.fetch_add(1, SeqCst);
        if core == 1 && self.hangs.load(SeqCst) {
            return self.unanswered.lock().unwrap().push(question);
        }
        // A core answers from its own thread, in its own time.
        std::thread::spawn(move || question.answer(CoreReport { fresh: true, ..CoreReport::default() }));
    }
}

fn start() -> (Arc<Node>, SocketAddr) {
    start_under(Supervisor::default())
}

fn start_under(supervisor: Supervisor) -> (Arc<Node>, SocketAddr) {
    let node = Arc::new(Node::default());
    let [ask, log, phase, begin, progress] = std::array::from_fn(|_| Arc::clone(&node));
    let sources = Sources {
        cores: 2,
        ask: Box::new(move |core, question| ask.ask(core, question)),
        log: Box::new(move || LogReport { trouble: *log.trouble.lock().unwrap(), ..LogReport::default() }),
        cluster: Box::new(|| None),
        phase: Box::new(move || match phase.phase.load(SeqCst) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Starting,
        }),
        lines_left_out: Box::new(|| 0),
        certificate_not_after_s: Box::new(|| None),
        drain: Drain {
            begin: Box::new(move || begin.phase.store(1, SeqCst)),
            progress: Box::new(move || Progress {
                draining: progress.phase.load(SeqCst) == 1,
                sessions: 7,
                ..Progress::default()
            }),
        },
        supervisor,
        build: vec![("version", "test".into())],
    };
    (node, Admin::start("127.0.0.1:0".parse().unwrap(), sources).unwrap().addr)
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends these bytes and reads to the end.
fn say(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(addr);
    stream.write_all(bytes).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let text = say(addr, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert_eq!(length.parse(), Ok(body.len()), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn it_is_alive_ready_and_counted() {
    let (_node, addr) = start();
    assert_eq!(get(addr, "/livez"), (200, "ok\n".into()));
    assert_eq!(get(addr, "/readyz"), (200, r#"{"ready":true,"reasons":[]}"#.into()));
    let (status, text) = get(addr, "/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("corepost_sessions{core=\"1\"} 0\n"), "{text}");
    assert!(text.contains("corepost_build_info{version=\"test\"} 1\n"), "{text}");
    let raw = say(addr, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        raw.contains("Content-Type: text/plain; version=0.0.4\r\n") && raw.ends_with("\r\n\r\n"),
        "{raw}"
    );
    assert_eq!(get(addr, "/").0, 404);
    assert!(
        say(addr, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            .starts_with("HTTP/1.1 405 ")
    );
}

#[test]
fn it_says_why_it_is_not_ready_and_is_ready_again() {
    let (node, addr) = start();
    node.phase.store(1, SeqCst);
    *node.trouble.lock().unwrap() = Some(LogTrouble::DiskFull);
    let (status, body) = get(addr, "/readyz");
    assert_eq!(status, 503);
    assert!(body.contains(r#""reason":"draining""#) && body.contains(r#""reason":"disk_full""#), "{body}");
    node.phase.store(0, SeqCst);
    *node.trouble.lock().unwrap() = None;
    assert_eq!(get(addr, "/readyz").0, 200);
}

#[test]
fn it_is_drained_by_a_post_and_tells_how_far_it_is() {
    let (_node, addr) = start();
    let progress = |draining| {
        format!(r#"{{"draining":{draining},"sessions":7,"partitions":0,"within_ms":0,"started_ms":0}}"#)
    };
    assert_eq!(get(addr, "/drain"), (200, progress(false)));
    assert_eq!(get(addr, "/readyz").0, 200, "who looks drains nothing");
    for _ in 0..2 {
        let text = say(addr, b"POST /drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 202 ") && text.ends_with(&progress(true)), "{text}");
    }
    assert_eq!((get(addr, "/drain").1, get(addr, "/readyz").0), (progress(true), 503));
}

#[test]
fn a_core_that_hangs_is_named_and_asked_only_once() {
    let (node, addr) = start();
    node.hangs.store(true, SeqCst);
    let begun = Instant::now();
    for _ in 0..2 {
        let (status, body) = get(addr, "/readyz");
        assert_eq!(status, 503);
        assert!(body.contains("core_silent") && body.contains("from core 1;"), "{body}");
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "each waits its second");
    let (_, text) = get(addr, "/metrics");
    assert!(text.contains("corepost_sessions{core=\"0\"}") && !text.contains("core=\"1\""), "{text}");
    assert_eq!(node.unanswered.lock().unwrap().len(), 1, "nothing piles up in its inbox");
    // While one waits for the core that hangs, others are answered.
    let waiting = std::thread::spawn(move || get(addr, "/readyz").0);
    let begun = Instant::now();
    assert_eq!(get(addr, "/livez").0, 200);
    assert!(begun.elapsed() < Duration::from_millis(500));
    assert_eq!(waiting.join().unwrap(), 503);
    // It goes on: what it answers to the old question is old, and it is asked anew.
    node.hangs.store(false, SeqCst);
    node.unanswered.lock().unwrap().remove(0).answer(CoreReport::default());
    assert_eq!(get(addr, "/readyz").0, 200);
}

#[test]
fn silent_and_hostile_peers_are_borne_and_then_closed() {
    let (node, addr) = start();
    let silent: Vec<_> = (0..ADMIN_CONNECTIONS - 4).map(|_| connect(addr)).collect();
    for hostile in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET /metrics\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
    ] {
        assert!(say(addr, hostile).starts_with("HTTP/1.1 400 "), "{hostile:?}");
    }
    let mut flood = b"GET /livez HTTP/1.1\r\nX: ".to_vec();
    flood.resize(60_000, b'a');
    assert!(say(addr, &flood).starts_with("HTTP/1.1 431 "));
    assert_eq!(get(addr, "/livez").0, 200);
    // Beyond the bound one is closed without a word, and asks nobody anything.
    let more: Vec<_> = (0..8).map(|_| connect(addr)).collect();
    let mut refused = connect(addr);
    assert_eq!(refused.read(&mut [0; 8]).unwrap_or(0), 0);
    assert_eq!(node.asked.load(SeqCst), 0);
    // After their time the silent ones are closed, and there is room again.
    for mut stream in silent.into_iter().chain(more) {
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
    }
    assert_eq!(get(addr, "/livez").0, 200);
}

#[test]
fn a_port_in_use_is_an_error_that_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sources = Sources {
        cores: 0,
        ask: Box::new(|_, _| {}),
        log: Box::new(LogReport::default),
        cluster: Box::new(|| None),
        phase: Box::new(|| Phase::Starting),
        drain: Drain { begin: Box::new(|| {}), progress: Box::new(Progress::default) },
        lines_left_out: Box::new(|| 0),
        certificate_not_after_s: Box::new(|| None),
        supervisor: Supervisor::default(),
        build: vec![],
    };
    let error = Admin::start(taken.local_addr().unwrap(), sources).unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
}

#[test]
fn the_supervisor_hears_a_beat_as_long_as_every_core_answers() {
    use std::os::unix::net::UnixDatagram;
    let path = std::env::temp_dir().join(format!("corepost-notify-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let systemd = UnixDatagram::bind(&path).unwrap();
    let hear = |patience: Duration| {
        systemd.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 64];
        let length = systemd.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    };
    let supervisor = Supervisor::at(path.as_os_str(), Some(Duration::from_millis(100))).unwrap();
    let (node, _) = start_under(supervisor.clone());
    for _ in 0..3 {
        assert_eq!(hear(Duration::from_secs(20)).as_deref(), Some("WATCHDOG=1"));
    }
    node.hangs.store(true, SeqCst);
    // What was on its way may still come.
    let deadline = Instant::now() + Duration::from_secs(20);
    while hear(Duration::from_secs(2)).is_some() {
        assert!(Instant::now() < deadline, "a core hangs, and it is called alive");
    }
    supervisor.stopping();
    assert_eq!(hear(Duration::from_secs(20)).as_deref(), Some("STOPPING=1"));
    std::fs::remove_file(path).unwrap();
}
