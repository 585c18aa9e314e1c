//! The simulation as a stage for the scenarios of `tests/promises`: fair weather, small buffers, honest clients.

use crate::device::Device;
use crate::plan::{Plan, Weather};
use crate::promises::{Fact, Sending, Stage, Who};
use crate::what::What;
use crate::world::{Asked, Sent, World};
use corepost::client::Letter;
use corepost::model::{ClientId, Heard, HeardError, HeardWelcome};
use std::collections::HashMap;

/// A world with people in it.
pub struct SimStage {
    world: World,
    /// Each device's newest life, and what all of them have heard.
    cast: HashMap<Who, Role>,
}

#[derive(Default)]
struct Role {
    device: Option<u32>,
    cursor: Option<String>,
    /// Facts of the present life that were taken over.
    taken: usize,
    heard: Vec<Fact>,
}

impl SimStage {
    pub fn new(cores: u16, wrong_core: bool) -> Self {
        let plan = Plan {
            cores,
            partitions: 4,
            wrong_core,
            outbound_bytes: 16_000,
            recent_bytes: 30_000,
            ping_interval_ms: 25_000,
            cursor_refresh_ms: 3_600_000,
            sessions_per_client: 64,
            messages_per_second: None,
            quota: 100_000,
            commands: 100,
            tick_ms: 50,
            mesh_ms: 1,
            log_ms: 2,
            net_ms: 3,
            weather: Weather::Fair,
            bounds: corepost::router::Bounds::default(),
            body_bytes: 100,
            ..Plan::of(7)
        };
        let mut world = World::new(plan);
        world.keeps_diaries = true;
        Self { world, cast: HashMap::new() }
    }

    fn device(&self, who: &Who) -> u32 {
        let role = self.cast.get(who).and_then(|role| role.device);
        role.unwrap_or_else(|| panic!("{who:?} is not there"))
    }

    fn take_over(&mut self) {
        for role in self.cast.values_mut() {
            if let Some(device) = role.device {
                let facts = &self.world.devices[device as usize].facts;
                role.heard.extend(facts[role.taken..].iter().cloned());
                role.taken = facts.len();
            }
        }
    }
}

impl Stage for SimStage {
    fn connect(&mut self, who: &Who, from: Option<&str>, cursor_of: Option<&Who>) {
        let cursor = cursor_of.map(|other| match self.cast.get(other) {
            Some(Role { cursor: Some(cursor), .. }) => cursor.clone(),
            Some(Role { device: Some(device), .. }) => {
                let cursor = self.world.devices[*device as usize].client.cursor();
                cursor.expect("a device that was welcome holds a cursor").to_owned()
            }
            _ => panic!("{other:?} was never there"),
        });
        let id = ClientId::new(&who.client).expect("a good name");
        let seed = self.world.dice.throw();
        let mut device = Device::new(id, from.map(str::to_owned), cursor.as_deref(), None, seed);
        if cursor_of.is_some_and(|other| other.client != who.client) {
            (device.lie, device.held) = (Some(crate::device::Lie::Garbled), None);
        }
        let at = self.world.add_device(device);
        let role = self.cast.entry(who.clone()).or_default();
        (role.device, role.taken, role.cursor) = (Some(at), 0, None);
    }

    fn disconnect(&mut self, who: &Who) {
        let device = self.device(who);
        self.take_over();
        let cursor = self.world.devices[device as usize].client.cursor().map(str::to_owned);
        self.world.stop(device);
        let role = self.cast.get_mut(who).expect("it was there a line above");
        (role.device, role.cursor) = (None, cursor);
        self.world.pass(50);
    }

    fn send(&mut self, who: &Who, sending: &Sending) {
        let device = self.device(who);
        let to: Vec<ClientId> = sending.to.iter().map(|to| ClientId::new(to).expect("a good name")).collect();
        for (nth, name) in sending.names.iter().enumerate() {
            let at = device as usize;
            if sending.ephemeral {
                let conn = self.world.devices[at].conn.expect("who whispers is connected");
                let number = self.world.devices[at].letters;
                self.world.devices[at].letters += 1;
                let body = format!("{{\"sender\":\"{conn}\",\"n\":{number},\"name\":\"{name}\"}}");
                let sent = self.world.devices[at].client.send_ephemeral(to.clone(), body.as_bytes());
                sent.expect("who whispers is connected");
            } else {
                let id = ClientId::new(name).expect("a good name");
                let body = format!("{{\"name\":\"{name}\"}}");
                let letter =
                    Letter::new(id.as_ref(), to.clone(), body.as_bytes()).expect("it names somebody");
                let letter = if sending.copy { letter.with_copy() } else { letter };
                let key = (who.client.clone(), name.clone());
                self.world.letters.insert(key, Sent { to: to.clone(), copy: sending.copy });
                while !self.world.devices[at].client.has_room() {
                    self.world.pass(5);
                }
                self.world.devices[at].client.send(letter, self.world.now).expect("there is room");
            }
            self.world.attend(device);
            if nth % 10 == 9 {
                self.world.pass(1);
            }
        }
    }

    fn read(&mut self, who: &Who, reads: bool) {
        let device = self.device(who);
        if reads {
            self.world.read_on(device);
        } else {
            self.world.devices[device as usize].stalled_until_ms = self.world.now.mono_ms + (1 << 40);
        }
    }

    fn crash(&mut self) {
        self.take_over();
        self.world.crash_node();
    }

    fn start(&mut self) {
        self.world.start_node();
    }

    fn erase(&mut self, client: &str) {
        let client = ClientId::new(client).expect("a good name");
        let before = self.world.truth.mailbox(&client).map_or(0, |mailbox| mailbox.erases.len());
        let request = self.world.request(Asked::Erase { client: client.clone(), before });
        self.world.enter(0, |shard, now, out| shard.erase(request, &client, now, out));
        while !self.world.requests.is_empty() {
            self.world.pass(5);
        }
    }

    fn pass(&mut self, ms: u64) -> bool {
        self.world.silence_ms = (ms > 10_000).then_some(1_000);
        self.world.pass(ms);
        self.world.silence_ms = None;
        true
    }

    fn heard(&self, who: &Who) -> &[Fact] {
        self.cast.get(who).map_or(&[], |role| &role.heard)
    }

    fn wait(&mut self) -> u64 {
        self.world.pass(10);
        self.take_over();
        self.world.now.mono_ms
    }
}

impl World {
    /// A device that read nothing goes on.
    pub fn read_on(&mut self, device: u32) {
        self.devices[device as usize].stalled_until_ms = 0;
        if let Some(conn) = self.devices[device as usize].conn {
            for _ in 0..self.conns[conn as usize].down.len() {
                self.arrange(0, What::Down { conn });
            }
        }
    }
}

/// A frame as a story tells it.
pub fn fact(heard: &Heard<'_>) -> Option<Fact> {
    let name_in = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).into_owned();
        let name = text.split_once("\"name\":\"").and_then(|(_, rest)| rest.split_once('"'));
        name.map(|(name, _)| name.to_owned()).unwrap_or_default()
    };
    Some(match heard {
        Heard::Welcome(HeardWelcome { resumed, reason, missed, .. }) => {
            Fact::Welcome { resumed: *resumed, reason: reason.map(str::to_owned), missed: *missed }
        }
        Heard::Message(message) => {
            Fact::Message { from: message.from.unwrap_or_default().to_owned(), name: name_in(message.body) }
        }
        Heard::Ephemeral { from, body } => {
            Fact::Ephemeral { from: from.unwrap_or_default().to_owned(), name: name_in(body) }
        }
        Heard::Live { .. } => Fact::Live,
        Heard::Ack { id, .. } => Fact::Ack { name: (*id).to_owned() },
        Heard::Error(HeardError { id, code, .. }) => {
            Fact::Refused { name: id.unwrap_or_default().to_owned(), code: (*code).to_owned() }
        }
        _ => return None,
    })
}
