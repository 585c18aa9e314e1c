//! What people do: they talk, leave, come back, read slowly.

use crate::device::Device;
use crate::what::What;
use crate::world::{World, note};
use corepost::client::{Ending, Letter};
use corepost::limits::DEDUPE_MS;
use corepost::model::{ClientId, Cursor, Envelope, EnvelopeParts, Kind, Position};
use std::cmp::Reverse;

impl World {
    /// Nodes start, devices come, and all begins.
    pub fn populate(&mut self) {
        self.remember();
        for ordinal in 0..self.plan.nodes {
            let disk = self.new_disk();
            self.wanted.insert(ordinal, disk);
            let after_ms = self.dice.below(2_000);
            self.arrange(after_ms, What::Start { ordinal, disk, is_supervised: true });
        }
        for at in 0..self.plan.devices {
            let client = match self.clients.get(at) {
                Some(client) => client.clone(),
                None => self.pick_client(),
            };
            let kept = if self.one_in(3) { self.old_cursor(&client) } else { None };
            self.new_device(client, kept);
        }
        self.talk_until_ms = self.now.mono_ms + self.plan.storm_ms;
        self.arrange(1_000, What::Retain);
        self.arrange(4_000, What::Chat);
        self.arrange(5_000, What::Fault);
    }

    /// What was said before the world began: over hours, so that there is history beyond every window, and some of it
    /// again and again, each time within a window of the last.
    fn remember(&mut self) {
        let mut said: Vec<(u64, ClientId, ClientId, u64)> = Vec::new();
        for number in 0..self.plan.older {
            let ago_ms = self.dice.below(self.plan.older_ms);
            let (from, to) = (self.pick_client(), self.pick_client());
            let again = if self.one_in(8) { 1 + self.dice.below(4) } else { 1 };
            let step_ms = self.dice.below(DEDUPE_MS);
            for nth in 0..again {
                said.push((ago_ms.saturating_sub(nth * step_ms), from.clone(), to.clone(), number));
            }
        }
        said.sort_by_key(|(ago_ms, ..)| Reverse(*ago_ms));
        for (ago_ms, from, to, number) in said {
            let id = ClientId::new(&format!("old-{number}")).expect("a good name");
            let body = format!("{{\"old\":{number}}}");
            let envelope = Envelope::new(EnvelopeParts {
                kind: Kind::Message,
                to: Some(to.as_ref()),
                from: Some(from.as_ref()),
                id: Some(id.as_ref()),
                copied_to: b"",
                body: body.as_bytes(),
            });
            let partition = self.partition(&to).0;
            let lane = &mut self.kafka.mail[usize::from(partition)];
            lane.append(envelope, 1, self.now.unix_ms - ago_ms);
            self.truth.follow(partition, lane);
        }
        self.kafka.retain(self.now.unix_ms);
    }

    /// A cursor that a client was given long ago.
    fn old_cursor(&mut self, client: &ClientId) -> Option<String> {
        let lane = &self.kafka.mail[usize::from(self.partition(client).0)];
        let offset = self.dice.below(lane.end().max(1));
        let at = match offset.checked_sub(1) {
            Some(before) => Position::after(lane.at(before).leader_epoch, before),
            None => Position::START,
        };
        let cursor = Cursor { log_epoch: self.kafka.log_epoch, at };
        Some(cursor.text(client.as_ref()).as_str().to_owned())
    }

    pub fn pick_client(&mut self) -> ClientId {
        let at = self.dice.below(self.clients.len() as u64);
        self.clients[at as usize].clone()
    }

    pub fn pick_device(&mut self) -> Option<u32> {
        let is_there = |&at: &u32| !self.devices[at as usize].is_over;
        let there: Vec<u32> = (0..self.devices.len() as u32).filter(is_there).collect();
        let at = self.dice.below(there.len().max(1) as u64);
        there.get(at as usize).copied()
    }

    /// A device of a client begins, without a cursor or with one that it kept.
    pub fn new_device(&mut self, client: ClientId, cursor: Option<String>) -> u32 {
        let seed = self.dice.throw();
        let from = match self.dice.below(6) {
            0 => Some("start".to_owned()),
            1 => Some(format!("-{}", 1 + self.dice.below(10))),
            2 => Some((self.now.unix_ms - self.dice.below(20_000)).to_string()),
            _ => None,
        };
        let at = self.devices.len() as u32;
        let mut device = Device::new(client, from, cursor.as_deref(), None, seed);
        let after_ms = self.dice.below(2_000);
        device.wake_ms = self.now.mono_ms + after_ms;
        note!(self, "device {at} of {} begins at {:?}", device.id, device.held);
        self.devices.push(device);
        self.arrange(after_ms, What::Device { device: at });
        at
    }

    /// Somebody does something, and the next act is arranged.
    pub fn chat(&mut self) {
        if self.now.mono_ms >= self.talk_until_ms {
            return;
        }
        let after_ms = 10 + self.dice.below(self.plan.chat_ms);
        self.arrange(after_ms, What::Chat);
        if self.now.mono_ms < self.hushed_until_ms {
            return;
        }
        let Some(device) = self.pick_device() else { return };
        let is_fair = self.plan.faults.is_empty();
        match self.dice.below(if is_fair { 60 } else { 70 }) {
            0..=44 => self.say_to_some(device),
            45..=48 => {
                let to = self.pick_client();
                for _ in 0..5 + self.dice.below(30) {
                    self.say(device, vec![to.clone()], false);
                }
            }
            49 => {
                let kept = self.devices[device as usize].client.cursor().map(str::to_owned);
                let client = self.devices[device as usize].id.clone();
                self.devices[device as usize].client.stop();
                self.attend(device);
                self.new_device(client, kept);
            }
            50..=51 => {
                let this = &mut self.devices[device as usize];
                this.slow_ms = self.dice.below(700);
                this.slow_until_ms = self.now.mono_ms + self.dice.below(8_000);
            }
            52 => {
                let stalled_ms = self.dice.below(6_000);
                self.devices[device as usize].stalled_until_ms = self.now.mono_ms + stalled_ms;
            }
            53..=55 => {
                let away_ms = self.dice.below(10_000);
                self.devices[device as usize].away_until_ms = self.now.mono_ms + away_ms;
                self.cut(device, true);
            }
            56..=64 => {
                let says_so = !self.one_in(5);
                self.cut(device, says_so);
            }
            _ => {}
        }
    }

    fn say_to_some(&mut self, device: u32) {
        let mut to = vec![self.pick_client()];
        for _ in 0..self.dice.below(3) {
            let other = self.pick_client();
            if !to.contains(&other) {
                to.push(other);
            }
        }
        let copy = self.one_in(8);
        self.say(device, to, copy);
    }

    pub fn say(&mut self, device: u32, to: Vec<ClientId>, copy: bool) {
        let this = &mut self.devices[device as usize];
        if this.is_over || !this.client.has_room() {
            return;
        }
        let number = this.letters;
        this.letters += 1;
        let fill = self.dice.below(self.plan.body_bytes) as usize;
        let body = format!("{{\"n\":\"{device}-{number}\",\"fill\":\"{}\"}}", "x".repeat(fill));
        let id = ClientId::new(&format!("m{device}-{number}")).expect("a good name");
        let letter = Letter::new(id.as_ref(), to.clone(), body.as_bytes()).expect("it names somebody");
        let letter = if copy { letter.with_copy() } else { letter };
        let from = self.devices[device as usize].id.clone();
        let mut all = to;
        if copy {
            all.push(from.clone());
        }
        self.letters.insert((from.as_str().to_owned(), id.as_str().to_owned()), all);
        if self.devices[device as usize].client.send(letter, self.now).is_ok() {
            note!(self, "device {device} sends {id}");
            self.attend(device);
        }
    }

    /// A connection breaks; the node learns of it soon, or by silence.
    pub fn cut(&mut self, device: u32, says_so: bool) {
        let Some(at) = self.devices[device as usize].conn else { return };
        note!(self, "connection {at} of device {device} breaks");
        if says_so {
            self.connection_ends(at, Ending::Broken);
        } else {
            let conn = &mut self.conns[at as usize];
            (conn.is_dead, conn.is_held) = (true, false);
            let this = &mut self.devices[device as usize];
            this.conn = None;
            this.client.closed(Ending::Broken, self.now);
        }
        self.attend(device);
    }
}
