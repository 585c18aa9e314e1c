//! The real program as a stage for the scenarios of `tests/promises`. Each device is a thread that behaves as a client
//! should: it comes back with its cursor after whatever happens, and sends again what nobody has answered.

use crate::promises::texts::{Fact, Sending, Stage, Who};
use crate::support::{Heard, Knock, Place, Server, Session, eventually};
use rustix::net::sockopt;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Time that is really waited for; a scenario that needs more ends there.
const PASSES_MS: u64 = 5_000;
/// Frames that a device says in one breath before it listens.
const BREATH: usize = 32;
/// What the kernel holds for a device at most. By itself it may take as much as `net.ipv4.tcp_rmem` says, 32 MiB on new
/// kernels, for one that does not read.
const RECEIVE_BUFFER: usize = 256 << 10;
/// How often a device looks around.
const GLANCE: Duration = Duration::from_millis(5);

pub struct Sockets {
    began: Instant,
    padding: String,
    place: Place,
    server: Option<Server>,
    cast: HashMap<Who, Role>,
}

/// One device, over all its lives.
#[derive(Default)]
struct Role {
    life: Option<(Arc<Mutex<Life>>, JoinHandle<()>)>,
    /// What it held when it left.
    cursor: Option<String>,
    /// What it has heard, as far as it was looked at.
    heard: Vec<Fact>,
}

/// What the stage and a device's thread share.
struct Life {
    client: String,
    from: Option<String>,
    cursor: Option<String>,
    /// Where the server is, if there is one.
    addr: Option<SocketAddr>,
    reads: bool,
    over: bool,
    /// Frames to be said.
    outbox: VecDeque<Value>,
    /// Durable sends without an answer, in order.
    unanswered: VecDeque<Value>,
    /// Pings that were answered.
    pongs: usize,
    heard: Vec<Fact>,
}

impl Sockets {
    pub fn new(cores: u16, padding: usize) -> Self {
        let place = Place::new("stage").with("cores", cores).with("log-level", "warn");
        let server = Some(place.start());
        Self { began: Instant::now(), padding: "x".repeat(padding), place, server, cast: HashMap::new() }
    }

    fn addr(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|server| server.addr)
    }

    fn life(&self, who: &Who) -> MutexGuard<'_, Life> {
        let role = self.cast.get(who).and_then(|role| role.life.as_ref());
        let (life, _) = role.unwrap_or_else(|| panic!("{who:?} is not there"));
        life.lock().unwrap()
    }

    fn tell_all(&self, addr: Option<SocketAddr>) {
        for (life, _) in self.cast.values().filter_map(|role| role.life.as_ref()) {
            life.lock().unwrap().addr = addr;
        }
    }

    fn take_over(&mut self) {
        for role in self.cast.values_mut() {
            if let Some((life, thread)) = &role.life {
                assert!(!thread.is_finished(), "a device has failed");
                role.heard.append(&mut life.lock().unwrap().heard);
            }
        }
    }
}

impl Stage for Sockets {
    fn connect(&mut self, who: &Who, from: Option<&str>, cursor_of: Option<&Who>) {
        let cursor = cursor_of.map(|other| match self.cast.get(other) {
            Some(Role { life: Some((life, _)), .. }) => life.lock().unwrap().cursor.clone(),
            Some(role) => role.cursor.clone(),
            None => None,
        });
        let cursor = cursor.map(|held| held.expect("who was welcome holds a cursor"));
        let life = Arc::new(Mutex::new(Life {
            client: who.client.clone(),
            from: from.map(str::to_owned),
            cursor,
            addr: self.addr(),
            reads: true,
            over: false,
            outbox: VecDeque::new(),
            unanswered: VecDeque::new(),
            pongs: 0,
            heard: Vec::new(),
        }));
        let shared = Arc::clone(&life);
        let thread = thread::spawn(move || live(&shared));
        self.cast.entry(who.clone()).or_default().life = Some((life, thread));
    }

    fn disconnect(&mut self, who: &Who) {
        self.life(who).over = true;
        let role = self.cast.get_mut(who).expect("it was there a line above");
        let (life, thread) = role.life.take().expect("it was there a line above");
        thread.join().unwrap();
        let mut life = life.lock().unwrap();
        role.cursor = life.cursor.take();
        role.heard.append(&mut life.heard);
    }

    fn send(&mut self, who: &Who, sending: &Sending) {
        let Sending { names, to, copy, ephemeral } = sending;
        let mut life = self.life(who);
        for name in names {
            let mut frame =
                json!({"type": "send", "to": to, "body": {"name": name, "padding": self.padding}});
            if *ephemeral {
                frame["ephemeral"] = json!(true);
            } else {
                frame["id"] = json!(name);
            }
            if *copy {
                frame["copy"] = json!(true);
            }
            life.outbox.push_back(frame);
        }
        if *ephemeral {
            // Nothing answers them, but a ping behind them is answered: what the text goes on with is after they were taken.
            life.outbox.push_back(json!({"type": "ping"}));
            let due = life.pongs + 1;
            drop(life);
            eventually("what was sent beside the log was taken", || self.life(who).pongs == due);
        }
    }

    fn read(&mut self, who: &Who, reads: bool) {
        self.life(who).reads = reads;
    }

    fn crash(&mut self) {
        self.tell_all(None);
        self.server.take().expect("a server to crash").kill();
    }

    fn start(&mut self) {
        self.server = Some(self.place.start());
        self.tell_all(self.addr());
    }

    fn erase(&mut self, client: &str) {
        let server = self.server.as_ref().expect("a server to ask");
        assert_eq!(server.api().delete(&format!("/v1/clients/{client}/mailbox")).status, 204);
    }

    fn pass(&mut self, ms: u64) -> bool {
        if ms > PASSES_MS {
            return false;
        }
        thread::sleep(Duration::from_millis(ms));
        true
    }

    fn heard(&self, who: &Who) -> &[Fact] {
        self.cast.get(who).map_or(&[], |role| &role.heard)
    }

    fn wait(&mut self) -> u64 {
        thread::sleep(2 * GLANCE);
        self.take_over();
        self.began.elapsed().as_millis() as u64
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for (life, thread) in self.cast.drain().filter_map(|(_, role)| role.life) {
            if let Ok(mut life) = life.lock() {
                life.over = true;
            }
            // It has told of its failure itself.
            let _ = thread.join();
        }
    }
}

/// A device's thread: connections, one after the other.
fn live(life: &Mutex<Life>) {
    loop {
        let (addr, query) = {
            let life = life.lock().unwrap();
            if life.over {
                return;
            }
            let cursor = life.cursor.as_ref().map_or(String::new(), |cursor| format!("&cursor={cursor}"));
            let from = life.from.as_ref().map_or(String::new(), |from| format!("&from={from}"));
            (life.addr, format!("client={}{cursor}{from}", life.client))
        };
        match addr.map(|addr| Knock::new(&query).enter(addr)) {
            Some(Ok(mut session)) => {
                sockopt::set_socket_recv_buffer_size(&session.peer.stream, RECEIVE_BUFFER).unwrap();
                converse(life, &mut session);
            }
            _ => thread::sleep(GLANCE),
        }
    }
}

/// One connection, until it ends.
fn converse(life: &Mutex<Life>, session: &mut Session) {
    {
        let mut life = life.lock().unwrap();
        life.cursor = Some(session.cursor.clone());
        life.heard.push(welcome(&session.welcome));
        // First what nobody has answered, then what was not said at all.
        let again = std::mem::take(&mut life.unanswered);
        for frame in again.into_iter().rev() {
            life.outbox.push_front(frame);
        }
    }
    loop {
        let (some, reads) = {
            let mut life = life.lock().unwrap();
            if life.over {
                return;
            }
            let many = life.outbox.len().min(BREATH);
            let some: Vec<Value> = life.outbox.drain(..many).collect();
            life.unanswered.extend(some.iter().filter(|frame| frame["id"].is_string()).cloned());
            (some, life.reads)
        };
        if !some.iter().all(|frame| session.try_say(frame)) {
            return;
        }
        if !reads {
            thread::sleep(GLANCE);
            continue;
        }
        while let Some(heard) = session.hear_within(GLANCE) {
            let Heard::Frame(frame) = heard else { return };
            let mut life = life.lock().unwrap();
            life.cursor = Some(session.cursor.clone());
            life.pongs += usize::from(frame["type"] == "pong");
            if let Some(fact) = fact(&frame) {
                if let Fact::Ack { name } | Fact::Refused { name, .. } = &fact {
                    let first = life.unanswered.pop_front().expect("an answer to something");
                    assert_eq!(first["id"], **name, "answers come in the order sent");
                }
                life.heard.push(fact);
            }
            if life.over || !life.reads || !life.outbox.is_empty() {
                break;
            }
        }
    }
}

fn welcome(frame: &Value) -> Fact {
    Fact::Welcome {
        resumed: frame["resumed"].as_bool(),
        reason: frame["reason"].as_str().map(str::to_owned),
        missed: frame["missed"].as_u64().expect("it is always there"),
    }
}

fn fact(frame: &Value) -> Option<Fact> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (from, name) = (text(&frame["from"]), text(&frame["body"]["name"]));
    Some(match frame["type"].as_str()? {
        "message" if frame["ephemeral"] == true => Fact::Ephemeral { from, name },
        "message" => Fact::Message { from, name },
        "live" => Fact::Live,
        "ack" => Fact::Ack { name: text(&frame["id"]) },
        "error" => Fact::Refused { name: text(&frame["id"]), code: text(&frame["code"]) },
        _ => return None,
    })
}
