//! A device over all its connections: the client's machine of the product, on a thread, with a balancer to ask.

use crate::fleet::Balancer;
use crate::support::{Got, PATIENCE, Peer, frame, upgrade_request};
use corepost::client::{Client, Delivery, Ending, Letter, Options, Output, Stats};
use corepost::model::{ClientId, Heard, Now};
use corepost::wire::json::Hearing;
use corepost::wire::websocket::Opcode;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How often a device looks around.
const GLANCE: Duration = Duration::from_millis(10);
/// How long a node may take for an upgrade, or to take bytes.
const NODE_SILENCE: Duration = Duration::from_secs(5);

pub struct Device {
    pub client: String,
    life: Arc<Mutex<Life>>,
    thread: Option<JoinHandle<()>>,
}

/// An envelope as it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    pub cursor: String,
    pub from: Option<String>,
    pub id: Option<String>,
    pub body: Value,
}

/// What its thread tells, and is told.
#[derive(Default)]
pub struct Life {
    over: bool,
    outbox: VecDeque<Said>,
    /// Envelopes, in the order given.
    pub given: Vec<Given>,
    /// Bodies of ephemeral messages.
    pub ephemeral: Vec<Value>,
    /// IDs, in the order of the acks.
    pub acked: Vec<String>,
    /// IDs and codes of what was refused for good.
    pub failed: Vec<(String, String)>,
    /// Codes of the errors that came, also of those after which it sent again.
    pub errors: Vec<String>,
    /// The node, `resumed`, `reason` and `missed` of each `welcome`.
    pub welcomes: Vec<Welcome>,
    /// Why continuity was lost, each time.
    pub lost: Vec<String>,
    pub is_live: bool,
    /// Upgrades that a node took.
    pub opened: usize,
    /// When each of `given` came.
    pub came: Vec<Instant>,
    pub cursor: Option<String>,
    pub stats: Stats,
    /// What happened to its connections.
    pub diary: Vec<String>,
}

/// What a `welcome` said.
#[derive(Clone, Debug, PartialEq)]
pub struct Welcome {
    pub node: u64,
    pub resumed: Option<bool>,
    pub reason: Option<String>,
    pub missed: u64,
}

enum Said {
    Letter(Letter),
    Ephemeral(ClientId, Vec<u8>),
}

/// Where a device begins.
#[derive(Clone, Default)]
pub struct Start {
    /// `from=`
    pub from: Option<&'static str>,
    pub cursor: Option<String>,
}

impl Device {
    /// Connects to the node of this ordinal, and elsewhere when that is gone.
    pub fn new(balancer: &Balancer, ordinal: usize, client: &str) -> Self {
        Self::begin(balancer, ordinal, client, Start::default())
    }

    /// The same, from there on.
    pub fn begin(balancer: &Balancer, ordinal: usize, client: &str, start: Start) -> Self {
        let life = Arc::new(Mutex::new(Life::default()));
        let options = Options {
            from: start.from.map(Into::into),
            cursor: start.cursor.map(Into::into),
            seed: (client.len() * 1_000 + ordinal) as u64,
            ..Options::default()
        };
        let body = Body {
            presents: options.cursor.is_some() || options.from.is_some(),
            client: Client::new(options),
            name: client.to_owned(),
            balancer: balancer.clone(),
            next: ordinal,
            life: Arc::clone(&life),
            peer: None,
            began: Instant::now(),
        };
        let thread = std::thread::Builder::new().name(format!("{client}@{ordinal}"));
        let thread = Some(thread.spawn(move || body.live()).unwrap());
        Self { client: client.to_owned(), life, thread }
    }

    /// It is live, or will be in a moment.
    pub fn live(self) -> Self {
        self.wait("live", |life| life.is_live);
        self
    }

    pub fn life(&self) -> MutexGuard<'_, Life> {
        assert!(!self.thread.as_ref().unwrap().is_finished(), "the device of {} has failed", self.client);
        self.life.lock().unwrap()
    }

    /// Sends a durable message.
    pub fn send(&self, to: &str, id: &str, body: &Value) {
        let (to, id) = (ClientId::new(to).unwrap(), ClientId::new(id).unwrap());
        let letter = Letter::new(id.as_ref(), vec![to], body.to_string().as_bytes()).unwrap();
        self.life().outbox.push_back(Said::Letter(letter));
    }

    /// Sends a durable message and waits for its ack.
    pub fn deliver(&self, to: &str, id: &str, body: &Value) {
        self.send(to, id, body);
        self.wait(&format!("an ack for {id}"), |life| life.acked.iter().any(|acked| acked == id));
    }

    /// Sends beside the log.
    pub fn murmur(&self, to: &str, body: &Value) {
        let to = ClientId::new(to).unwrap();
        self.life().outbox.push_back(Said::Ephemeral(to, body.to_string().into_bytes()));
    }

    /// Waits, as long as anything may take.
    pub fn wait(&self, what: &str, holds: impl FnMut(&mut Life) -> bool) {
        self.wait_for(what, 2 * PATIENCE, holds);
    }

    /// The same, within so long.
    pub fn wait_for(&self, what: &str, patience: Duration, mut holds: impl FnMut(&mut Life) -> bool) {
        let begun = Instant::now();
        let what = format!("{} of {}", what, self.client);
        loop {
            let mut life = self.life();
            if holds(&mut life) {
                return;
            }
            assert!(begun.elapsed() < patience, "never: {what}; it is {:#?}", life.diary);
            drop(life);
            std::thread::sleep(GLANCE);
        }
    }

    /// All that it was given.
    pub fn given(&self) -> Vec<Given> {
        self.life().given.clone()
    }

    /// The bodies of it.
    pub fn bodies(&self) -> Vec<Value> {
        self.given().into_iter().map(|given| given.body).collect()
    }

    /// Waits until it was given just these.
    pub fn has(&self, bodies: &[Value]) {
        self.wait(&format!("{} messages", bodies.len()), |life| life.given.len() >= bodies.len());
        assert_eq!(self.bodies(), bodies);
    }

    /// Leaves; what it held.
    pub fn leave(mut self) -> String {
        self.end();
        self.life.lock().unwrap().cursor.take().expect("who was welcome holds a cursor")
    }

    /// The longest time without a message since then, of those between two.
    pub fn pause_since(&self, then: Instant) -> Duration {
        let life = self.life();
        let since = life.came.partition_point(|&came| came < then).saturating_sub(1);
        life.came[since..].windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
    }

    /// Nothing was missed and nothing came twice, over all its connections.
    pub fn is_whole(&self) {
        let life = self.life();
        let Stats { holes, losses, duplicates, .. } = life.stats;
        assert_eq!(
            (holes, losses, duplicates),
            (0, 0, 0),
            "{}: {:?} {:#?}",
            self.client,
            life.lost,
            life.diary
        );
    }

    fn end(&mut self) {
        if let Ok(mut life) = self.life.lock() {
            life.over = true;
        }
        if let Some(thread) = self.thread.take() {
            // It has told of its failure itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until all are live at once; within so long.
pub fn all_live<'d>(devices: impl IntoIterator<Item = &'d Device>, patience: Duration) {
    let begun = Instant::now();
    let devices: Vec<_> = devices.into_iter().collect();
    loop {
        let away: Vec<_> = devices.iter().filter(|device| !device.life().is_live).collect();
        if away.is_empty() {
            return;
        }
        let diary = |device: &&&Device| (device.client.clone(), device.life().diary.clone());
        assert!(begun.elapsed() < patience, "never live: {:#?}", away.iter().map(diary).collect::<Vec<_>>());
        std::thread::sleep(GLANCE);
    }
}

/// The thread's own.
struct Body {
    client: Client,
    name: String,
    balancer: Balancer,
    /// The ordinal to be asked for next.
    next: usize,
    /// The next connect presents something that is answered by `live`.
    presents: bool,
    life: Arc<Mutex<Life>>,
    peer: Option<Peer>,
    began: Instant,
}

impl Body {
    fn live(mut self) {
        let life = Arc::clone(&self.life);
        loop {
            if life.lock().unwrap().over {
                self.client.stop();
                return self.obey();
            }
            self.say(&life);
            self.client.tick(self.now());
            self.obey();
            match self.peer.as_mut().map(Peer::poll) {
                None => std::thread::sleep(GLANCE),
                Some(None) => {}
                Some(Some(got)) => self.take(got),
            }
            let mut life = life.lock().unwrap();
            (life.stats, life.cursor) = (self.client.stats(), self.client.cursor().map(str::to_owned));
        }
    }

    fn now(&self) -> Now {
        let unix_ms = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        Now { mono_ms: self.began.elapsed().as_millis() as u64, unix_ms }
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.life.lock().unwrap().diary.push(format!("{:?} {what}", self.began.elapsed()));
    }

    /// Gives the machine what it is to send, as far as it has room.
    fn say(&mut self, life: &Mutex<Life>) {
        while self.client.has_room() {
            let Some(said) = life.lock().unwrap().outbox.pop_front() else { return };
            match said {
                Said::Letter(letter) => self.client.send(letter, self.now()).unwrap(),
                Said::Ephemeral(to, body) => self.client.send_ephemeral(vec![to], &body).unwrap(),
            }
        }
    }

    fn obey(&mut self) {
        while let Some(output) = self.client.output() {
            match output {
                Output::Connect => self.connect(),
                Output::Transmit(said) => {
                    let mut json = Vec::new();
                    said.write_json(&mut json);
                    self.write(Opcode::Text, &json);
                }
                Output::Disconnect(why) => self.over(&format!("left: {why}")),
                Output::Acknowledged { letter, .. } => {
                    self.life.lock().unwrap().acked.push(letter.id().as_str().to_owned());
                }
                Output::Failed { letter, code, .. } => {
                    self.life.lock().unwrap().failed.push((letter.id().as_str().to_owned(), code.into()));
                }
                Output::Lost { reason } => self.life.lock().unwrap().lost.push(reason.into()),
                Output::Hole { held, prev } => self.note(format!("HOLE: {held} held, {prev} wanted")),
                Output::GaveUp(why) => self.note(why),
                Output::Waiting { after_ms, ending } => self.note(format!("{ending:?}: waits {after_ms} ms")),
                Output::Complaint { code, message } => panic!("{code}: {message}"),
                Output::NeedToken => panic!("nobody wants tokens here"),
            }
        }
    }

    fn connect(&mut self) {
        let target = format!("/v1/ws?client={}{}", self.name, self.client.query());
        let node = self.next;
        // Elsewhere the next time, if this comes to nothing.
        self.next += 1;
        let ending = match self.balancer.at_or_after(node).map(|addr| dial(addr, &target)) {
            Some(Ok(peer)) => {
                self.peer = Some(peer);
                self.life.lock().unwrap().opened += 1;
                return self.client.opened(self.now());
            }
            Some(Err(Some(status))) => Ending::Refused { status, retry_after_ms: None },
            Some(Err(None)) | None => Ending::Broken,
        };
        self.client.closed(ending, self.now());
    }

    fn write(&mut self, op: Opcode, payload: &[u8]) {
        let Some(peer) = &mut self.peer else { return };
        if peer.stream.write_all(&frame(op, payload)).is_err() {
            self.over("not writable");
            self.client.closed(Ending::Broken, self.now());
        }
    }

    /// The connection is over.
    fn over(&mut self, why: &str) {
        self.peer = None;
        self.presents = true;
        self.life.lock().unwrap().is_live = false;
        self.note(why);
    }

    fn take(&mut self, got: Got) {
        let now = self.now();
        self.client.noticed(now);
        let ending = match got {
            Got::Text(text) => return self.hear(&text),
            Got::Ping(payload) => return self.write(Opcode::Pong, &payload),
            Got::Pong(_) => return,
            Got::Close(code) => Ending::Closed(code),
            Got::End => Ending::Broken,
            Got::Binary(bytes) => panic!("binary: {bytes:?}"),
        };
        self.over(&format!("{ending:?}"));
        self.client.closed(ending, now);
    }

    fn hear(&mut self, text: &[u8]) {
        let mut hearing = Hearing::new();
        let heard = hearing.hear(text).expect("a server's frame");
        let delivery = self.client.heard(&heard, self.now());
        let mut life = self.life.lock().unwrap();
        match delivery {
            Some(Delivery::Message(message)) => {
                life.given.push(Given {
                    cursor: message.cursor.to_owned(),
                    from: message.from.map(str::to_owned),
                    id: message.id.map(str::to_owned),
                    body: serde_json::from_slice(message.body).unwrap(),
                });
                life.came.push(Instant::now());
            }
            Some(Delivery::Ephemeral { body, .. }) => {
                life.ephemeral.push(serde_json::from_slice(body).unwrap());
            }
            None => {}
        }
        match heard {
            Heard::Welcome(welcome) => {
                life.is_live = !self.presents;
                life.welcomes.push(Welcome {
                    node: welcome.node,
                    resumed: welcome.resumed,
                    reason: welcome.reason.map(str::to_owned),
                    missed: welcome.missed,
                });
                life.diary.push(format!("{:?} welcome at node {}", self.began.elapsed(), welcome.node));
                // Whoever comes back asks for the same one first, and goes on from there.
                self.next = welcome.node as usize;
            }
            Heard::Live { .. } => {
                life.is_live = true;
                life.diary.push(format!("{:?} live", self.began.elapsed()));
            }
            Heard::Error(error) => life.errors.push(error.code.to_owned()),
            _ => {}
        }
    }
}

/// An open connection; else the status of the answer, if there was one.
fn dial(addr: SocketAddr, target: &str) -> Result<Peer, Option<u16>> {
    let away = |_: std::io::Error| None;
    let stream = TcpStream::connect_timeout(&addr, NODE_SILENCE).map_err(away)?;
    let mut peer = Peer::over(stream);
    peer.stream.set_read_timeout(Some(NODE_SILENCE)).map_err(away)?;
    peer.stream.set_write_timeout(Some(NODE_SILENCE)).map_err(away)?;
    peer.stream.write_all(upgrade_request(target).as_bytes()).map_err(away)?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        peer.stream.read_exact(&mut byte).map_err(away)?;
        head.push(byte[0]);
    }
    peer.stream.set_read_timeout(Some(GLANCE)).map_err(away)?;
    let head = String::from_utf8(head).unwrap();
    match head.split(' ').nth(1).and_then(|status| status.parse().ok()) {
        Some(101) => Ok(peer),
        status => Err(status),
    }
}
