//! The network: a balancer that sends a device to any node, and both ends of each connection.

use crate::conn::{Conn, Down, Out, Up, WINDOW, Watch};
use crate::remake::truth_of;
use crate::what::What;
use crate::world::{World, note};
use corepost::client::{Ending, Output};
use corepost::limits::{CLOSE_MS, FRESH_MS};
use corepost::model::{CloseCode, Command, Cursor, Position, Recipients, Start, StartFrom, Unresumed};
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
                Output::Lost { reason } => {
                    note!(self, "device {device} has lost continuity: {reason}");
                    self.devices[at].losses += 1;
                    self.stats.epochs += u64::from(&*reason == "epoch");
                }
                Output::Hole { held, prev } => panic!("device {device} found a hole: {held} < {prev}"),
                Output::Acknowledged { .. } => self.stats.acked += 1,
                Output::Failed { letter, code, .. } => {
                    assert_eq!(&*code, "unavailable", "device {device}: {} failed", letter.id());
                }
                Output::Complaint { code, message } => panic!("device {device}: {code}: {message}"),
                Output::NeedToken => unreachable!("nobody has tokens here"),
                Output::GaveUp(why) => {
                    note!(self, "device {device} gives up: {why:?}");
                    self.devices[at].is_over = true;
                }
            }
        }
        let this = &mut self.devices[at];
        if let Some(next_ms) = this.client.next_tick_ms() {
            let next_ms = next_ms.max(self.now.mono_ms);
            if next_ms < this.wake_ms {
                this.wake_ms = next_ms;
                self.agenda.arrange(next_ms, 0, What::Device { device });
            }
        }
    }

    /// The balancer's choice: a node that says it is ready, mostly; it may have died since, or stand still.
    fn host(&mut self) -> Option<u32> {
        let is_careless = self.is_rough && self.one_in(10);
        let ready = |life: &&u32| {
            let process = &self.processes[life];
            is_careless || !process.is_draining && process.is_member()
        };
        let lives: Vec<u32> = self.processes.keys().filter(ready).copied().collect();
        let at = self.dice.below(lives.len().max(1) as u64);
        lives.get(at as usize).copied()
    }

    fn connect(&mut self, device: u32) {
        let conn = self.conns.len() as u32;
        let host = self.host();
        let this = &mut self.devices[device as usize];
        this.conn = Some(conn);
        let client = this.id.clone();
        let is_away = this.away_until_ms > self.now.mono_ms;
        let home = self.topology.place(client.as_ref()).core;
        let core = if self.one_in(4) { self.dice.below(self.plan.cores.into()) as u16 } else { home };
        self.hosts.push(host.unwrap_or(0));
        let log_epoch = host.map_or(self.kafka.log_epoch, |life| self.processes[&life].log_epoch);
        self.logs.push(log_epoch);
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
        match host.filter(|_| !is_away) {
            Some(life) => self.arrange_in(life, after_ms, What::Upgrade { conn }),
            None => self.arrange(after_ms, What::Opened { conn, accepted: false }),
        }
    }

    pub fn upgrade_arrives(&mut self, at: u32) {
        let life = self.hosts[at as usize];
        let device = &self.devices[self.conns[at as usize].device as usize];
        if self.processes[&life].is_draining || device.conn != Some(at) {
            let after_ms = self.delay(self.plan.net_ms);
            return self.arrange(after_ms, What::Opened { conn: at, accepted: false });
        }
        let cursor = device.client.cursor().map(|text| Cursor::parse(text.as_bytes(), device.id.as_ref()));
        let from = device.client.from().map_or(StartFrom::New, parse_from);
        let connect = Connect { client: device.id.clone(), start: Start { cursor, from }, token: None };
        let conn = &mut self.conns[at as usize];
        let core = conn.core;
        note!(self, "device {} opens {at} on #{life} core {core}: {:?}", conn.device, connect.start);
        let presented = cursor.and_then(Result::ok);
        conn.watch.presented = presented.map(|cursor| cursor.at);
        self.presented_logs.extend(presented.map(|cursor| (at, cursor.log_epoch)));
        conn.watch.starts_live = cursor.is_none() && from == StartFrom::New;
        // What the home of another node knew when is not known here.
        conn.watch.is_disturbed = true;
        conn.watch.alive_ms = self.now.mono_ms;
        self.stats.connects += 1;
        self.enter_then(
            life,
            core,
            |shard, now, out| shard.open(connect, now, out),
            |world, &name| {
                let conn = &mut world.conns[at as usize];
                (conn.name, conn.is_served) = (Some(name), true);
                world.process(life).cores[usize::from(core)].slots.insert(name.slot, at);
                let after_ms = world.delay(world.plan.net_ms);
                world.conns[at as usize].down_ms = world.now.mono_ms + after_ms;
                world.arrange(after_ms, What::Opened { conn: at, accepted: true });
            },
        );
    }

    pub fn connect_answered(&mut self, at: u32, accepted: bool) {
        let conn = &mut self.conns[at as usize];
        let device = conn.device;
        if !conn.is_held {
            return;
        }
        let this = &mut self.devices[device as usize];
        if accepted {
            this.client.opened(self.now);
        } else {
            conn.is_held = false;
            this.conn = None;
            this.client.closed(Ending::Broken, self.now);
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
        if !conn.is_served || conn.is_dead {
            conn.up.pop_front();
            return;
        }
        // A process that stands still reads nothing.
        let (life, core) = (self.hosts[at as usize], conn.core);
        let paused_ms = self.processes[&life].paused_until_ms(crate::what::Thread::Core(core));
        if paused_ms > self.now.mono_ms {
            return self.agenda.arrange(paused_ms, 0, What::Up { conn: at });
        }
        let Some(up) = conn.up.pop_front() else { return };
        if let Up::Gone = up {
            return self.socket_gone(at);
        }
        if !conn.is_parked && !conn.is_closing {
            conn.watch.alive_ms = self.now.mono_ms;
            let slot = conn.name.expect("a served connection has a session").slot;
            let process = self.processes.get_mut(&life).expect("sockets live with their process");
            let now = process.clock.now(self.now);
            process.cores[usize::from(core)].shard.on_heard(slot, now);
        }
        conn.inbound.push_back(up);
        self.feed(at);
    }

    /// The node's end of a connection is gone.
    pub fn socket_gone(&mut self, at: u32) {
        let life = self.hosts[at as usize];
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
            life,
            core,
            |shard, now, out| shard.on_closed(name.slot, now, out),
            |world, ()| {
                world.process(life).cores[usize::from(core)].slots.remove(&name.slot);
            },
        );
    }

    /// A process is dead and with it its sockets, and whoever knocked.
    pub fn lose_sockets(&mut self, life: u32) {
        for at in 0..self.conns.len() as u32 {
            let conn = &mut self.conns[at as usize];
            if self.hosts[at as usize] != life {
                continue;
            }
            if std::mem::replace(&mut conn.is_served, false) {
                conn.name = None;
                conn.inbound.clear();
                conn.outbound.clear();
                if conn.is_held && !conn.is_dead {
                    self.send_down(at, Down::Gone);
                }
            } else if conn.is_held && conn.watch.alive_ms == 0 {
                self.arrange(1, What::Opened { conn: at, accepted: false });
            }
        }
    }

    /// The node reads what has arrived, as far as the session may go on.
    pub fn feed(&mut self, at: u32) {
        loop {
            let life = self.hosts[at as usize];
            let conn = &mut self.conns[at as usize];
            if !conn.is_served || conn.is_closing {
                return conn.inbound.clear();
            }
            if conn.is_parked || conn.inbound.is_empty() {
                return;
            }
            let (core, slot) = (conn.core, conn.name.expect("a served connection has a session").slot);
            let is_frame = matches!(conn.inbound.front(), Some(Up::Frame(_)));
            let process = self.processes.get_mut(&life).expect("sockets live with their process");
            if is_frame && !process.cores[usize::from(core)].shard.is_ready(slot) {
                conn.is_parked = true;
                return;
            }
            let Some(Up::Frame(text)) = conn.inbound.pop_front() else { continue };
            if self.obey(life, at, core, slot, &text) == Flow::Park {
                let conn = &mut self.conns[at as usize];
                conn.is_parked = true;
                conn.inbound.push_front(Up::Frame(text));
                return;
            }
        }
    }

    fn obey(&mut self, life: u32, at: u32, core: u16, slot: u32, text: &[u8]) -> Flow {
        let mut parser = self.process(life).parser.take().unwrap_or_default();
        let mut flow = Flow::Go;
        match parser.command(text) {
            Ok(Command::Ping) => self.enter(life, core, |shard, now, out| shard.on_ping(slot, now, out)),
            Ok(Command::Send(send)) => {
                let single = match (send.to, send.id) {
                    (Recipients::One(to), Some(id)) if !send.copy && !send.ephemeral => Some((to, id)),
                    _ => None,
                };
                if let Some((to, id)) = single {
                    self.conns[at as usize].watch.sent(to.as_str(), id.as_str());
                }
                flow = self.enter(life, core, |shard, now, out| shard.on_send(slot, send, now, out));
                if let (Some((to, _)), Flow::Park) = (single, flow) {
                    let waiting = self.conns[at as usize].watch.unanswered.get_mut(to.as_str());
                    waiting.expect("it was put there above").pop_back();
                }
            }
            Ok(Command::Auth { .. }) => unreachable!("nobody has tokens here"),
            Err(Rejected::Mistake(mistake)) => {
                self.enter(life, core, |shard, now, out| shard.on_mistake(slot, &mistake, now, out));
            }
            Err(Rejected::NotUtf8) => {
                self.enter(life, core, |shard, now, out| shard.close(slot, CloseCode::BadUtf8, now, out));
            }
        }
        if let Some(process) = self.processes.get_mut(&life) {
            process.parser = Some(parser);
        }
        flow
    }

    /// The node's end has something to write.
    pub fn arrange_write(&mut self, at: u32) {
        let conn = &mut self.conns[at as usize];
        if !conn.is_writing && conn.down.len() < WINDOW {
            conn.is_writing = true;
            let after_ms = self.delay(2);
            self.arrange_in(self.hosts[at as usize], after_ms, What::Write { conn: at });
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
        let (core, slot) = (conn.core, conn.name.expect("a served connection has a session").slot);
        if !conn.outbound.is_empty() {
            self.arrange_write(at);
        }
        if written > 0 {
            let life = self.hosts[at as usize];
            self.enter(life, core, |shard, now, out| shard.on_written(slot, written, now, out));
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
        let this = &mut self.devices[device as usize];
        let truth = truth_of(self.logs[at as usize], self.kafka.log_epoch, &self.truth, &self.former);
        this.follow(&heard, truth);
        this.client.heard(&heard, self.now);
        self.hearing = hearing;
    }

    /// A `welcome` is said: what it says of the cursor is true.
    pub fn check_welcome(&self, at: u32, cursor: Position, resumed: Option<Result<(), Unresumed>>) {
        let conn = &self.conns[at as usize];
        let client = &conn.client;
        let partition = self.partition(client);
        let Some(resumed) = resumed else { return };
        let log_epoch = self.logs[at as usize];
        let is_ours = self.presented_logs.get(&at) == Some(&log_epoch);
        assert_eq!(
            is_ours,
            resumed != Err(Unresumed::Epoch),
            "{client}: {resumed:?} in another log, or in the same"
        );
        if !is_ours {
            return;
        }
        let presented = conn.watch.presented.expect("who is told of a cursor presented one");
        let truth = truth_of(log_epoch, self.kafka.log_epoch, &self.truth, &self.former);
        let Err(why) = resumed else {
            // What it says may be a second old, and some time under way.
            let known_ms = self.now.mono_ms.saturating_sub(FRESH_MS + CLOSE_MS);
            let is_cut = truth.is_cut(partition.0, presented, known_ms);
            return assert!(!is_cut, "{client} resumed at {presented:?}, of which some was lost");
        };
        let is_cut = truth.is_cut(partition.0, presented, self.now.mono_ms);
        let is_true = match why {
            Unresumed::Truncated | Unresumed::Future => is_cut,
            Unresumed::Expired => presented.offset < self.settled_of(log_epoch, partition.0),
            Unresumed::Invalid | Unresumed::Epoch | Unresumed::Erased | Unresumed::Damaged => false,
        };
        let missed = truth.between(client, presented, cursor).count();
        assert!(
            is_true || (why == Unresumed::Future && missed == 0),
            "{client} presented {presented:?}, is refused as {why:?}, and misses {missed}"
        );
    }
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
