//! The network and both ends of it: connects, frames up and down, slow and dead peers.

use crate::conn::{Conn, Down, Out, Up, WINDOW, Watch};
use crate::device::{Lie, Token};
use crate::what::What;
use crate::world::{World, note};
use corepost::access::{Claims, Permits};
use corepost::client::{Ending, Output};
use corepost::model::{
    CloseCode, Command, Cursor, Heard, HeardWelcome, Position, Recipients, Start, StartFrom,
};
use corepost::router::{Connect, Flow};
use corepost::wire::json::{Hearing, Rejected};
use std::collections::VecDeque;

impl World {
    /// A device's timer.
    pub fn device_wakes(&mut self, device: u32) {
        let this = &mut self.devices[device as usize];
        if self.now.mono_ms < this.wake_ms {
            return;
        }
        this.wake_ms = u64::MAX;
        this.client.tick(self.now);
        self.attend(device);
    }

    /// Does what a device's machine wants done.
    pub fn attend(&mut self, device: u32) {
        let at = device as usize;
        while let Some(output) = self.devices[at].client.output() {
            match output {
                Output::Connect => self.connect(device),
                Output::Transmit(frame) => {
                    let mut text = Vec::with_capacity(128);
                    frame.write_json(&mut text);
                    let conn = self.devices[at].conn.expect("a machine transmits on its connection");
                    self.send_up(conn, Up::Frame(text));
                }
                Output::Disconnect(why) => {
                    note!(self, "device {device} leaves: {why}");
                    let conn = self.devices[at].conn.take().expect("a machine leaves its connection");
                    self.conns[conn as usize].is_held = false;
                    self.send_up(conn, Up::Gone);
                }
                Output::Waiting { .. } => {}
                Output::Lost { .. } => self.devices[at].losses += 1,
                Output::Hole { held, prev } => panic!("device {device} found a hole: {held} < {prev}"),
                Output::Acknowledged { .. } => self.stats.acked += 1,
                Output::Failed { .. } | Output::Complaint { .. } => {}
                Output::NeedToken => self.give_token(device),
                Output::GaveUp(why) => {
                    note!(self, "device {device} gives up: {why:?}");
                    self.devices[at].is_over = true;
                }
            }
        }
        self.arrange_device(device);
    }

    fn arrange_device(&mut self, device: u32) {
        let this = &mut self.devices[device as usize];
        if let Some(next_ms) = this.client.next_tick_ms() {
            let next_ms = next_ms.max(self.now.mono_ms);
            if next_ms < this.wake_ms {
                this.wake_ms = next_ms;
                self.agenda.arrange(next_ms, 0, What::Device { device });
            }
        }
    }

    fn give_token(&mut self, device: u32) {
        let iat_s = self.now.unix_ms / 1_000;
        let this = &mut self.devices[device as usize];
        let permits = this.token.as_ref().and_then(|token| token.permits);
        let token = Token { iat_s, exp_s: iat_s + 3_600, permits };
        this.client.renew(&token.text(), self.now);
        this.token = Some(token);
    }

    fn connect(&mut self, device: u32) {
        let conn = self.conns.len() as u32;
        let this = &mut self.devices[device as usize];
        this.conn = Some(conn);
        let place = self.topology.place(this.id.as_ref());
        let core = match self.plan.wrong_core || self.dice.below(8) == 0 {
            true if self.plan.cores > 1 => {
                (place.core + 1 + self.dice.below(u64::from(self.plan.cores) - 1) as u16) % self.plan.cores
            }
            _ => place.core,
        };
        let (client, is_away) = (this.id.clone(), this.away_until_ms > self.now.mono_ms);
        self.conns.push(Conn {
            device,
            client,
            core,
            name: None,
            is_served: false,
            is_closing: false,
            is_parked: false,
            is_held: true,
            is_dead: false,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            is_writing: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            up_ms: 0,
            down_ms: 0,
            watch: Watch::default(),
        });
        let after_ms = self.delay(self.plan.net_ms);
        let what = if is_away { What::Opened { conn, accepted: false } } else { What::Upgrade { conn } };
        self.arrange(after_ms, what);
    }

    pub fn upgrade_arrives(&mut self, at: u32) {
        let device = &self.devices[self.conns[at as usize].device as usize];
        let token = device.client.token().map(|text| claims(text, &device.id));
        let is_expired = matches!(&token, Some(claims) if claims.exp_s <= self.now.unix_ms / 1_000);
        let is_refused = self.node.as_ref().is_none_or(|node| node.is_draining) || is_expired;
        if is_refused || device.conn != Some(at) {
            let after_ms = self.delay(self.plan.net_ms);
            return self.arrange(after_ms, What::Opened { conn: at, accepted: false });
        }
        let cursor = device.client.cursor().map(|text| Cursor::parse(text.as_bytes(), device.id.as_ref()));
        let from = device.client.from().map_or(StartFrom::New, parse_from);
        let connect = Connect { client: device.id.clone(), start: Start { cursor, from }, token };
        let place = self.topology.place(device.id.as_ref());
        let node = self.node.as_ref().expect("it was there a line above");
        let told = node.told_heads[usize::from(place.core)][usize::from(place.partition.0)];
        let conn = &mut self.conns[at as usize];
        let core = conn.core;
        note!(self, "device {} opens {at} on core {core}: {:?}", conn.device, connect.start);
        conn.watch.presented = cursor.and_then(Result::ok).map(|cursor| cursor.at);
        conn.watch.starts_live = cursor.is_none() && from == StartFrom::New;
        conn.watch.told_at_open = told;
        conn.watch.has_token = connect.token.is_some();
        conn.watch.issued_s = connect.token.as_ref().and_then(|token| token.iat_s);
        conn.watch.alive_ms = self.now.mono_ms;
        self.stats.connects += 1;
        self.enter_then(
            core,
            |shard, now, out| shard.open(connect, now, out),
            |world, &name| {
                let conn = &mut world.conns[at as usize];
                (conn.name, conn.is_served) = (Some(name), true);
                let node = world.node.as_mut().expect("it was there a line above");
                node.slots[usize::from(core)].insert(name.slot, at);
                let after_ms = world.delay(world.plan.net_ms);
                world.conns[at as usize].down_ms = world.now.mono_ms + after_ms;
                world.arrange(after_ms, What::Opened { conn: at, accepted: true });
            },
        );
    }

    pub fn connect_answered(&mut self, at: u32, accepted: bool) {
        let conn = &self.conns[at as usize];
        let device = conn.device;
        if !conn.is_held {
            return;
        }
        let this = &mut self.devices[device as usize];
        if accepted {
            this.client.opened(self.now);
        } else {
            let is_expired = this.token.as_ref().is_some_and(|token| token.exp_s <= self.now.unix_ms / 1_000);
            self.conns[at as usize].is_held = false;
            this.conn = None;
            let ending = match is_expired {
                true => Ending::Refused { status: 401, retry_after_ms: None },
                false => Ending::Broken,
            };
            this.client.closed(ending, self.now);
        }
        self.attend(device);
    }

    /// Something leaves the client's end.
    pub fn send_up(&mut self, at: u32, up: Up) {
        let delay = self.delay(self.plan.net_ms);
        let conn = &mut self.conns[at as usize];
        if conn.is_dead {
            return;
        }
        conn.up.push_back(up);
        conn.up_ms = conn.up_ms.max(self.now.mono_ms + delay);
        self.agenda.arrange(conn.up_ms, 0, What::Up { conn: at });
    }

    pub fn up_arrives(&mut self, at: u32) {
        let conn = &mut self.conns[at as usize];
        let Some(up) = conn.up.pop_front() else { return };
        if !conn.is_served || conn.is_dead {
            return;
        }
        if let Up::Gone = up {
            return self.socket_gone(at);
        }
        // Whose socket is not read cannot show a sign of life.
        if !conn.is_parked && !conn.is_closing {
            conn.watch.alive_ms = self.now.mono_ms;
            let slot = conn.name.expect("a served connection has a session").slot;
            let node = self.node.as_mut().expect("sockets live with their node");
            node.shards[usize::from(conn.core)].on_heard(slot, self.now);
        }
        conn.inbound.push_back(up);
        self.feed(at);
    }

    /// The node's end of a connection is gone.
    pub fn socket_gone(&mut self, at: u32) {
        let conn = &mut self.conns[at as usize];
        if !std::mem::replace(&mut conn.is_served, false) {
            return;
        }
        let (core, name) = (conn.core, conn.name.take().expect("a served connection has a session"));
        conn.inbound.clear();
        conn.outbound.clear();
        conn.watch.gone_ms = self.now.mono_ms;
        note!(self, "connection {at} is gone");
        if conn.is_held && !conn.is_dead {
            self.send_down(at, Down::Gone);
        }
        self.enter_then(
            core,
            |shard, now, out| shard.on_closed(name.slot, now, out),
            |world, ()| {
                let node = world.node.as_mut().expect("sockets live with their node");
                node.slots[usize::from(core)].remove(&name.slot);
            },
        );
    }

    /// The node is dead and with it this socket.
    pub fn lose_socket(&mut self, at: u32) {
        let conn = &mut self.conns[at as usize];
        if !std::mem::replace(&mut conn.is_served, false) {
            return;
        }
        conn.name = None;
        conn.inbound.clear();
        conn.outbound.clear();
        if conn.is_held && !conn.is_dead {
            self.send_down(at, Down::Gone);
        }
    }

    /// The node reads what has arrived, as far as the session may go on.
    pub fn feed(&mut self, at: u32) {
        loop {
            let conn = &mut self.conns[at as usize];
            if !conn.is_served || conn.is_closing {
                return conn.inbound.clear();
            }
            if conn.is_parked || conn.inbound.is_empty() {
                return;
            }
            let (core, slot) = (conn.core, conn.name.expect("a served connection has a session").slot);
            let is_frame = matches!(conn.inbound.front(), Some(Up::Frame(_)));
            let node = self.node.as_mut().expect("sockets live with their node");
            let shard = &mut node.shards[usize::from(core)];
            if is_frame && !shard.is_ready(slot) {
                conn.is_parked = true;
                return;
            }
            let Some(Up::Frame(text)) = conn.inbound.pop_front() else { continue };
            if self.obey(at, core, slot, &text) == Flow::Park {
                let conn = &mut self.conns[at as usize];
                conn.is_parked = true;
                conn.inbound.push_front(Up::Frame(text));
                return;
            }
        }
    }

    fn obey(&mut self, at: u32, core: u16, slot: u32, text: &[u8]) -> Flow {
        let node = self.node.as_mut().expect("sockets live with their node");
        let mut parser = node.parser.take().unwrap_or_default();
        let mut flow = Flow::Go;
        match parser.command(text) {
            Ok(Command::Ping) => self.enter(core, |shard, now, out| shard.on_ping(slot, now, out)),
            Ok(Command::Auth { token }) => {
                let claims = claims(token, &self.conns[at as usize].client);
                let watch = &mut self.conns[at as usize].watch;
                (watch.has_token, watch.issued_s) = (true, claims.iat_s);
                self.enter(core, |shard, now, out| match claims.exp_s <= now.unix_ms / 1_000 {
                    true => shard.close(slot, CloseCode::Expired, now, out),
                    false => shard.on_renewed(slot, claims, now, out),
                });
            }
            Ok(Command::Send(send)) => {
                let single = match (send.to, send.id) {
                    (Recipients::One(to), Some(id)) if !send.copy && !send.ephemeral => Some((to, id)),
                    _ => None,
                };
                let watch = &mut self.conns[at as usize].watch;
                if let Some((to, id)) = single {
                    watch.sent(to.as_str(), id.as_str());
                }
                flow = self.enter(core, |shard, now, out| shard.on_send(slot, send, now, out));
                if let (Some((to, _)), Flow::Park) = (single, flow) {
                    let waiting = self.conns[at as usize].watch.unanswered.get_mut(to.as_str());
                    waiting.expect("it was put there above").pop_back();
                }
            }
            Err(Rejected::Mistake(mistake)) => {
                self.enter(core, |shard, now, out| shard.on_mistake(slot, &mistake, now, out));
            }
            Err(Rejected::NotUtf8) => {
                self.enter(core, |shard, now, out| shard.close(slot, CloseCode::BadUtf8, now, out));
            }
        }
        if let Some(node) = &mut self.node {
            node.parser = Some(parser);
        }
        flow
    }

    /// The node's end has something to write.
    pub fn arrange_write(&mut self, at: u32) {
        let conn = &mut self.conns[at as usize];
        if !conn.is_writing && conn.down.len() < WINDOW {
            conn.is_writing = true;
            let after_ms = self.delay(2);
            self.arrange_here(after_ms, What::Write { conn: at });
        }
    }

    pub fn write_out(&mut self, at: u32) {
        self.conns[at as usize].is_writing = false;
        if !self.conns[at as usize].is_served {
            return;
        }
        let (mut written, many) = (0, 1 + self.dice.below(4));
        for _ in 0..many {
            if self.conns[at as usize].down.len() >= WINDOW {
                break;
            }
            let Some(out) = self.conns[at as usize].outbound.pop_front() else { break };
            let down = match out {
                Out::Push { cost, text } => {
                    written += cost;
                    Down::Frame(text)
                }
                Out::Ping => Down::Ping,
                Out::Close(code) => Down::Close(code as u16),
            };
            self.send_down(at, down);
        }
        let conn = &mut self.conns[at as usize];
        conn.watch.outbound -= written;
        if written > 0 && conn.watch.outbound > 0 {
            conn.watch.alive_ms = self.now.mono_ms;
        }
        let (core, slot) = (conn.core, conn.name.expect("a served connection has a session").slot);
        if !conn.outbound.is_empty() {
            self.arrange_write(at);
        }
        if written > 0 {
            self.enter(core, |shard, now, out| shard.on_written(slot, written, now, out));
        }
    }

    fn send_down(&mut self, at: u32, down: Down) {
        let delay = self.delay(self.plan.net_ms);
        let conn = &mut self.conns[at as usize];
        conn.down.push_back(down);
        conn.down_ms = conn.down_ms.max(self.now.mono_ms + delay);
        if !conn.is_dead {
            self.agenda.arrange(conn.down_ms, 0, What::Down { conn: at });
        }
    }

    pub fn down_arrives(&mut self, at: u32) {
        let conn = &mut self.conns[at as usize];
        if conn.is_dead {
            return;
        }
        let device = conn.device;
        let this = &mut self.devices[device as usize];
        if conn.is_held && this.stalled_until_ms > self.now.mono_ms {
            return self.agenda.arrange(this.stalled_until_ms, 0, What::Down { conn: at });
        }
        if this.slow_until_ms > self.now.mono_ms {
            this.stalled_until_ms = self.now.mono_ms + this.slow_ms;
        }
        let down = conn.down.pop_front().expect("one event per frame");
        let (is_held, waits) = (conn.is_held, conn.is_served && !conn.outbound.is_empty());
        if waits {
            self.arrange_write(at);
        }
        if !is_held {
            return;
        }
        match down {
            Down::Frame(text) => self.frame_arrives(at, device, &text),
            Down::Ping => {
                self.devices[device as usize].client.noticed(self.now);
                self.send_up(at, Up::Pong);
            }
            Down::Close(code) => self.connection_ends(at, Ending::Closed(Some(code))),
            Down::Gone => self.connection_ends(at, Ending::Broken),
        }
        self.attend(device);
    }

    /// The client learns that its connection is over.
    pub fn connection_ends(&mut self, at: u32, ending: Ending) {
        let device = self.conns[at as usize].device;
        self.conns[at as usize].is_held = false;
        self.send_up(at, Up::Gone);
        let this = &mut self.devices[device as usize];
        this.conn = None;
        this.client.closed(ending, self.now);
    }

    fn frame_arrives(&mut self, at: u32, device: u32, text: &[u8]) {
        let mut hearing = std::mem::replace(&mut self.hearing, Hearing::new());
        let heard = hearing.hear(text).expect("the node speaks the protocol");
        if let Heard::Welcome(HeardWelcome { resumed: Some(false), reason, .. }) = &heard {
            self.check_loss(at, device, reason.expect("a reason is given"));
        }
        let this = &mut self.devices[device as usize];
        if let Heard::Welcome(_) = &heard {
            this.lie = None;
        }
        this.follow(&heard, &self.truth);
        let given = this.client.heard(&heard, self.now);
        if let Some(corepost::client::Delivery::Ephemeral { .. }) = given {
            this.ephemerals += 1;
        }
        if self.keeps_diaries {
            this.facts.extend(crate::stage::fact(&heard));
        }
        self.hearing = hearing;
    }

    /// Continuity is lost: for a reason that is true.
    fn check_loss(&self, at: u32, device: u32, reason: &str) {
        let (conn, device) = (&self.conns[at as usize], &self.devices[device as usize]);
        let expected = match device.lie {
            Some(Lie::Garbled) => Some("invalid"),
            Some(Lie::OtherLog) => Some("epoch"),
            Some(Lie::Future) => Some("future"),
            None => None,
        };
        if let Some(expected) = expected {
            return assert_eq!(reason, expected, "{} presented a lie", conn.client);
        }
        let presented: Position = conn.watch.presented.expect("only who presents a cursor is refused");
        let partition = self.topology.place(conn.client.as_ref()).partition;
        let lane = &self.log.lanes[usize::from(partition.0)];
        let erased = self.truth.mailbox(&conn.client).and_then(|mailbox| mailbox.erases.last());
        let is_true = match reason {
            "expired" => presented.offset < lane.floor,
            "erased" => erased.is_some_and(|&erase| erase >= presented.offset),
            "damaged" => lane.damaged.range(presented.offset..).next().is_some(),
            _ => false,
        };
        assert!(is_true, "{} presented {presented:?} and was refused as {reason}", conn.client);
    }
}

/// The claims that a token of the simulation stands for.
fn claims(text: &str, client: &corepost::model::ClientId) -> Claims {
    let mut parts = text.split('.');
    let mut number = || parts.next().and_then(|part| part.parse().ok()).expect("a token of the simulation");
    let (iat_s, exp_s) = (Some(number()), number());
    let permits = match parts.next() {
        None | Some("-") => None,
        Some(pattern) => Some(Permits::new([pattern]).expect("a pattern of the simulation")),
    };
    Claims { client: client.clone(), exp_s, iat_s, permits }
}

/// `from=` as the upgrade reads it.
fn parse_from(from: &str) -> StartFrom {
    match from {
        "new" => StartFrom::New,
        "start" => StartFrom::Start,
        _ if from.starts_with('-') => StartFrom::Last(from[1..].parse().expect("a number")),
        _ => StartFrom::Since(from.parse().expect("a time")),
    }
}
