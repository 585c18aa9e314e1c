//! What people, operators and the weather do in a world.

use crate::conn::Up;
use crate::device::{Device, Lie, Token};
use crate::plan::Weather;
use crate::what::What;
use crate::world::{Asked, Sent, World, note};
use corepost::client::Letter;
use corepost::model::{
    ClientId, Cursor, IdRef, Position, Question, Recipients, SendCommand, Start, StartFrom,
};
use corepost::router::Request;

impl World {
    /// The first devices.
    pub fn populate(&mut self) {
        for _ in 0..self.plan.devices {
            self.new_device(None);
        }
    }

    pub fn pick_client(&mut self) -> ClientId {
        // The first client is everybody's favourite.
        let many = self.clients.len() as u64;
        let at = if self.one_in(3) { 0 } else { self.dice.below(many) };
        self.clients[at as usize].clone()
    }

    pub fn pick_device(&mut self) -> Option<u32> {
        let there: Vec<u32> =
            (0..self.devices.len() as u32).filter(|&at| !self.devices[at as usize].is_over).collect();
        let at = self.dice.below(there.len().max(1) as u64) as usize;
        there.get(at).copied()
    }

    /// A device of some client begins, without a cursor or with what another one held.
    pub fn new_device(&mut self, like: Option<u32>) -> u32 {
        let seed = self.dice.throw();
        let from = match self.dice.below(8) {
            0..=3 => None,
            4 => Some("start".to_owned()),
            5 => Some("new".to_owned()),
            6 => Some(format!("-{}", 1 + self.dice.below(10))),
            _ => Some((self.now.unix_ms - self.dice.below(20_000)).to_string()),
        };
        let iat_s = self.now.unix_ms / 1_000;
        let token = match self.dice.below(3) {
            0 => {
                let most_s = if self.one_in(2) { 60 } else { 3_600 };
                let exp_s = iat_s + 1 + self.dice.below(most_s);
                let permits = if self.one_in(4) { Some("c0") } else { None };
                Some(Token { iat_s, exp_s, permits })
            }
            _ => None,
        };
        let device = match like {
            None => Device::new(self.pick_client(), from, None, token, seed),
            Some(like) => {
                let like = &self.devices[like as usize];
                let cursor = like.client.cursor().map(str::to_owned);
                let mut device = Device::new(like.id.clone(), from, cursor.as_deref(), token, seed);
                match like.lie {
                    None => self.perhaps_lie(device, cursor),
                    lie => {
                        (device.lie, device.held) = (lie, None);
                        device
                    }
                }
            }
        };
        self.add_device(device)
    }

    pub fn add_device(&mut self, device: Device) -> u32 {
        let at = self.devices.len() as u32;
        note!(self, "device {at} of {} begins at {:?}", device.id, device.held);
        self.devices.push(device);
        let after_ms = self.delay(20);
        self.devices[at as usize].wake_ms = self.now.mono_ms + after_ms;
        self.arrange(after_ms, What::Device { device: at });
        at
    }

    /// Now and then a device presents something that is no cursor of its own.
    fn perhaps_lie(&mut self, device: Device, cursor: Option<String>) -> Device {
        let Some(cursor) = cursor.filter(|_| self.one_in(6)) else { return device };
        let own = Cursor::parse(cursor.as_bytes(), device.id.as_ref()).expect("an honest cursor");
        let (lie, text) = match self.dice.below(4) {
            0 => {
                let mut text = cursor.into_bytes();
                let at = self.dice.below(text.len() as u64) as usize;
                text[at] = if text[at] == b'7' { b'8' } else { b'7' };
                (Lie::Garbled, String::from_utf8(text).expect("it stays ASCII"))
            }
            1 => {
                let other = ClientId::new("somebody-else").expect("a good name");
                (Lie::Garbled, own.text(other.as_ref()).as_str().to_owned())
            }
            2 => {
                let other = Cursor { log_epoch: own.log_epoch ^ 1, ..own };
                (Lie::OtherLog, other.text(device.id.as_ref()).as_str().to_owned())
            }
            _ => {
                // Beyond the end, or of a leader that was never there.
                let at = match self.one_in(2) {
                    true => Position { offset: own.at.offset + 1_000_000, ..own.at },
                    false => Position { leader_epoch: own.at.leader_epoch + 1_000, ..own.at },
                };
                (Lie::Future, Cursor { at, ..own }.text(device.id.as_ref()).as_str().to_owned())
            }
        };
        let seed = self.dice.throw();
        let token = device.token.clone();
        let mut liar = Device::new(device.id.clone(), None, Some(&text), token, seed);
        (liar.lie, liar.held) = (Some(lie), None);
        liar
    }

    /// Somebody does something, and the next act is arranged.
    pub fn act(&mut self) {
        if self.acts_left == 0 {
            return;
        }
        self.acts_left -= 1;
        let after_ms = match self.dice.below(20) {
            0..=9 => 0,
            10..=17 => self.dice.below(30),
            18 => self.dice.below(500),
            _ => self.dice.below(4_000),
        };
        self.arrange(after_ms, What::Act);
        let weather = match self.plan.weather {
            Weather::Fair => 0,
            Weather::Windy => 20,
            Weather::Storm => 40,
        };
        match self.dice.below(100 + weather) {
            0..=39 => self.send_one(),
            40..=49 => self.send_list(),
            50..=54 => self.flood(),
            55..=66 => self.send_ephemeral(),
            67..=71 => self.publish(),
            72..=75 => self.pull_somebody(),
            76..=78 => self.stall_reader(),
            79..=83 => self.begin_again(),
            84..=86 => self.stay_away(),
            87 => {
                self.new_device(None);
            }
            88 => self.stop_device(),
            89 => self.erase(),
            90 => self.say_nonsense(),
            91..=92 => self.renew(),
            93..=99 => self.send_one(),
            100..=113 => self.break_connection(),
            114 => self.disconnect(),
            115 => self.revoke(),
            116 => self.be_silent(),
            117 => self.jump_clock(),
            118 => self.expire(),
            119 => self.drain(),
            120..=121 => self.crash_node(),
            122..=125 => self.sicken(),
            126..=129 => self.pause_core(),
            130 => self.damage(),
            133..=134 => self.stall_log(),
            135..=136 => self.revoke(),
            131..=132 => self.everybody_reconnects(),
            _ => self.break_connection(),
        }
    }

    fn body(&mut self, device: u32, number: u64) -> Vec<u8> {
        let fill = self.dice.below(self.plan.body_bytes) as usize;
        format!("{{\"n\":\"{device}-{number}\",\"fill\":\"{}\"}}", "x".repeat(fill)).into_bytes()
    }

    fn send(&mut self, device: u32, to: Vec<ClientId>, copy: bool) {
        let at = device as usize;
        if self.devices[at].is_over || !self.devices[at].client.has_room() {
            return;
        }
        let number = self.devices[at].letters;
        self.devices[at].letters += 1;
        let body = self.body(device, number);
        let id = ClientId::new(&format!("m{device}-{number}")).expect("a good name");
        let letter = Letter::new(id.as_ref(), to.clone(), &body).expect("it names somebody");
        let letter = if copy { letter.with_copy() } else { letter };
        let from = self.devices[at].id.as_str().to_owned();
        self.letters.insert((from, id.as_str().to_owned()), Sent { to, copy });
        if self.devices[at].client.send(letter, self.now).is_ok() {
            note!(self, "device {device} sends {id}");
            self.attend(device);
        }
    }

    fn send_one(&mut self) {
        let to = self.pick_client();
        if let Some(device) = self.pick_device() {
            let copy = self.one_in(8);
            self.send(device, vec![to], copy);
        }
    }

    fn send_list(&mut self) {
        let mut to = self.clients.clone();
        to.retain(|_| self.dice.below(3) > 0);
        if let Some(device) = self.pick_device().filter(|_| !to.is_empty()) {
            let copy = self.one_in(4);
            self.send(device, to, copy);
        }
    }

    /// Many to one at once: who reads slowly falls behind.
    fn flood(&mut self) {
        let to = self.pick_client();
        let Some(device) = self.pick_device() else { return };
        for _ in 0..5 + self.dice.below(40) {
            self.send(device, vec![to.clone()], false);
        }
    }

    fn send_ephemeral(&mut self) {
        let Some(device) = self.pick_device() else { return };
        let Some(conn) = self.devices[device as usize].conn else { return };
        for _ in 0..1 + self.dice.below(4) {
            let number = self.devices[device as usize].letters;
            self.devices[device as usize].letters += 1;
            let body = format!("{{\"sender\":\"{conn}\",\"n\":{number}}}");
            let to = match self.one_in(3) {
                true => self.clients.clone(),
                false => vec![self.pick_client()],
            };
            let _ = self.devices[device as usize].client.send_ephemeral(to, body.as_bytes());
        }
        self.attend(device);
    }

    pub fn request(&mut self, asked: Asked) -> Request {
        self.request_count += 1;
        self.requests.insert(self.request_count, asked);
        Request { number: self.request_count, element: 0 }
    }

    /// An application publishes by HTTP, in the name of a client or of nobody; or the same again.
    fn publish(&mut self) {
        let (to, from) = (self.pick_client(), self.pick_client());
        let Some(_) = &self.node else { return };
        let again = self.one_in(3).then(|| self.letters.keys().min().cloned()).flatten();
        let number = match again {
            Some(_) => 0,
            None => self.request_count + 1,
        };
        let id = ClientId::new(&format!("h{number}")).expect("a good name");
        let body = format!("{{\"h\":{number}}}").into_bytes();
        let from = if number == 0 { self.clients[0].clone() } else { from };
        let to = if number == 0 { vec![self.clients[0].clone()] } else { vec![to, from.clone()] };
        let mut to = to;
        to.dedup();
        let (texts, ends) = packed(&to);
        let send = SendCommand {
            id: Some(id.as_ref()),
            to: Recipients::Many { texts: &texts, ends: &ends },
            to_json: b"[]",
            copy: false,
            ephemeral: false,
            body: &body,
        };
        let key = (from.as_str().to_owned(), id.as_str().to_owned());
        self.letters.insert(key.clone(), Sent { to: to.clone(), copy: false });
        let request = self.request(Asked::Publish { from: key.0, id: key.1 });
        let core = self.dice.below(u64::from(self.plan.cores)) as u16;
        let from: Option<IdRef<'_>> = Some(from.as_ref());
        self.enter(core, |shard, now, out| shard.publish(request, from, &send, now, out));
    }

    fn pull_somebody(&mut self) {
        let Some(device) = self.pick_device() else { return };
        let (client, held) = (self.devices[device as usize].id.clone(), self.devices[device as usize].held);
        self.pull(client, held, 0);
    }

    pub fn pull(&mut self, client: ClientId, held: Option<Position>, pages: u32) {
        let Some(_) = &self.node else { return };
        let cursor = held.map(|at| Ok(Cursor { log_epoch: self.log.log_epoch, at }));
        let from = if self.one_in(2) { StartFrom::Start } else { StartFrom::Last(3) };
        let limit = 1 + self.dice.below(10) as u32;
        let core = self.topology.place(client.as_ref()).core;
        let request = self.request(Asked::Pull { client: client.clone(), held, pages });
        let start = Start { cursor, from };
        // An answer may ask for the next page, which is another input.
        let question = Question::Pull { start, limit };
        self.enter(core, |shard, now, out| shard.inquire(request, &client, question, now, out));
    }

    fn stall_reader(&mut self) {
        let Some(device) = self.pick_device() else { return };
        let most_ms = if self.one_in(4) { 20_000 } else { 1_500 };
        let ms = self.dice.below(most_ms);
        if self.one_in(2) {
            let slow_ms = self.dice.below(600);
            let this = &mut self.devices[device as usize];
            (this.slow_ms, this.slow_until_ms) = (slow_ms, self.now.mono_ms + 3 * ms);
            return note!(self, "device {device} reads slowly for {} ms, {slow_ms} ms a frame", 3 * ms);
        }
        note!(self, "device {device} reads nothing for {ms} ms");
        self.devices[device as usize].stalled_until_ms = self.now.mono_ms + ms;
    }

    /// An application starts again with the cursor it kept.
    fn begin_again(&mut self) {
        let Some(device) = self.pick_device() else { return };
        self.stop(device);
        self.new_device(Some(device));
    }

    fn stop_device(&mut self) {
        if let Some(device) = self.pick_device() {
            self.stop(device);
        }
    }

    pub fn stop(&mut self, device: u32) {
        self.devices[device as usize].client.stop();
        self.attend(device);
    }

    fn stay_away(&mut self) {
        let Some(device) = self.pick_device() else { return };
        self.devices[device as usize].away_until_ms = self.now.mono_ms + self.dice.below(5_000);
        self.cut(device, true);
    }

    fn break_connection(&mut self) {
        if let Some(device) = self.pick_device() {
            let says_so = self.dice.below(4) > 0;
            self.cut(device, says_so);
        }
    }

    /// A connection breaks; the node learns of it soon, or by silence.
    pub fn cut(&mut self, device: u32, says_so: bool) {
        let Some(at) = self.devices[device as usize].conn else { return };
        note!(
            self,
            "connection {at} of device {device} breaks, {}",
            if says_so { "and says so" } else { "silently" }
        );
        if says_so {
            self.connection_ends(at, corepost::client::Ending::Broken);
        } else {
            let conn = &mut self.conns[at as usize];
            (conn.is_dead, conn.is_held) = (true, false);
            let this = &mut self.devices[device as usize];
            this.conn = None;
            this.client.closed(corepost::client::Ending::Broken, self.now);
        }
        self.attend(device);
    }

    fn everybody_reconnects(&mut self) {
        for device in 0..self.devices.len() as u32 {
            self.cut(device, true);
        }
    }

    fn erase(&mut self) {
        let client = self.pick_client();
        let Some(_) = &self.node else { return };
        let before = self.truth.mailbox(&client).map_or(0, |mailbox| mailbox.erases.len());
        let request = self.request(Asked::Erase { client: client.clone(), before });
        let core = self.dice.below(u64::from(self.plan.cores)) as u16;
        self.enter(core, |shard, now, out| shard.erase(request, &client, now, out));
    }

    fn say_nonsense(&mut self) {
        let Some(device) = self.pick_device() else { return };
        let Some(conn) = self.devices[device as usize].conn else { return };
        let frames: [&[u8]; 5] = [
            b"nonsense",
            br#"{"type":"send","id":"x","to":[],"body":1}"#,
            br#"{"type":"dance"}"#,
            br#"{"type":"send","to":"c0","body":1}"#,
            br#"{"type":"send","id":"y","to":"c0","body":1e400}"#,
        ];
        let frame = frames[self.dice.below(5) as usize];
        if self.devices[device as usize].client.is_welcome() {
            self.send_up(conn, Up::Frame(frame.to_vec()));
        }
    }

    fn renew(&mut self) {
        let Some(device) = self.pick_device() else { return };
        if self.devices[device as usize].token.is_some() {
            let now_s = self.now.unix_ms / 1_000;
            // Now and then an old one that is still good.
            let iat_s = if self.one_in(3) { now_s - self.dice.below(60) } else { now_s };
            let exp_s = now_s + if self.one_in(2) { 10_000 } else { 2 + self.dice.below(100) };
            let token = Token { iat_s, exp_s, permits: None };
            let this = &mut self.devices[device as usize];
            this.client.renew(&token.text(), self.now);
            this.token = Some(token);
            self.attend(device);
        }
    }

    fn disconnect(&mut self) {
        let client = self.pick_client();
        let Some(_) = &self.node else { return };
        let core = self.topology.place(client.as_ref()).core;
        note!(self, "{client} is disconnected");
        self.disconnected.push(client.clone());
        let request = self.request(Asked::Disconnect);
        self.enter(core, |shard, now, out| shard.inquire(request, &client, Question::Disconnect, now, out));
    }

    fn revoke(&mut self) {
        let client = self.pick_client();
        let Some(_) = &self.node else { return };
        let core = self.topology.place(client.as_ref()).core;
        let until_s = self.now.unix_ms / 1_000;
        note!(self, "tokens of {client} are revoked");
        let request = self.request(Asked::Revoke { client: client.clone(), until_s });
        self.enter(core, |shard, now, out| shard.revoke(request, &client, now, out));
    }

    /// Nobody does anything for a while.
    fn be_silent(&mut self) {
        let most_ms = if self.one_in(10) { 7_500_000 } else { 120_000 };
        let ms = self.dice.below(most_ms);
        note!(self, "silence for {ms} ms");
        let left = std::mem::take(&mut self.acts_left);
        self.silence_ms = Some(if ms > 120_000 { 4_000 } else { 1_000 });
        self.pass(ms);
        self.silence_ms = None;
        self.acts_left = left;
        self.arrange(0, What::Act);
    }

    /// The wall clock is set.
    fn jump_clock(&mut self) {
        let by_ms = self.dice.below(2_000_000);
        self.now.unix_ms = match self.one_in(2) {
            true => self.now.unix_ms + by_ms,
            false => self.now.unix_ms - by_ms,
        };
    }

    fn expire(&mut self) {
        let lane = self.dice.below(u64::from(self.plan.partitions)) as u16;
        let mut events = Vec::new();
        self.log.expire(lane, &mut self.dice, &mut events);
        self.disturb(lane);
        self.tell_all(events);
    }

    fn damage(&mut self) {
        let lane = self.dice.below(u64::from(self.plan.partitions)) as u16;
        self.log.damage(lane, &mut self.dice);
        self.disturb(lane);
    }

    /// Sessions of this partition that wait for their welcome may be told of before or after.
    pub fn disturb(&mut self, lane: u16) {
        for conn in &mut self.conns {
            if self.topology.place(conn.client.as_ref()).partition.0 == lane {
                conn.watch.is_disturbed = true;
            }
        }
    }

    fn drain(&mut self) {
        let Some(node) = &mut self.node else { return };
        node.is_draining = true;
        let window_ms = self.dice.below(3_000);
        note!(self, "the node drains within {window_ms} ms");
        for core in 0..self.plan.cores {
            self.enter(core, |shard, now, out| shard.drain(window_ms, now, out));
        }
        let left = std::mem::take(&mut self.acts_left);
        self.pass(window_ms + 10_000);
        self.acts_left = left;
        self.arrange(0, What::Act);
        self.crash_node();
    }

    fn sicken(&mut self) {
        let mut some = |most: u64| if self.dice.below(2) == 0 { 0 } else { self.dice.below(most) };
        let (refuse, tear, forget, unreadable) = (some(500), some(300), some(300), some(600));
        self.log.illness = crate::log::Illness { refuse, tear, forget, unreadable };
    }

    fn stall_log(&mut self) {
        self.stalled_until_ms = self.now.mono_ms + self.dice.below(9_000);
        note!(self, "the log writes nothing until {}", self.stalled_until_ms);
    }

    fn pause_core(&mut self) {
        let core = self.dice.below(u64::from(self.plan.cores)) as usize;
        let until_ms = self.now.mono_ms + self.dice.below(2_500);
        if let Some(node) = &mut self.node {
            node.paused_until_ms[core] = until_ms;
        }
    }
}

/// Recipients as the parser packs them.
fn packed(to: &[ClientId]) -> (String, Vec<u32>) {
    let (mut texts, mut ends) = (String::new(), Vec::new());
    for client in to {
        texts.push_str(client.as_str());
        ends.push(texts.len() as u32);
    }
    (texts, ends)
}
