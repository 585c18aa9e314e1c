//! The cores of a process: what their shards want done is done, late, and what others have for them arrives.

use crate::conn::Out;
use crate::remake::truth_of;
use crate::truth::Truth;
use crate::what::{Thread, What};
use crate::world::{World, note};
use corepost::log::LogEvent;
use corepost::model::{CloseCode, Now, Parcel, Push};
use corepost::router::{Outbox, Output, Shard};
use corepost::wire::json::{Face, encode};

impl World {
    /// An input to a core's shard; then its invariants, then what it wants done.
    pub fn enter<T>(
        &mut self,
        life: u32,
        core: u16,
        input: impl FnOnce(&mut Shard, Now, &mut Outbox) -> T,
    ) -> T {
        self.enter_then(life, core, input, |_, _| {})
    }

    /// The same with a look at the result before anything is done.
    pub fn enter_then<T>(
        &mut self,
        life: u32,
        core: u16,
        input: impl FnOnce(&mut Shard, Now, &mut Outbox) -> T,
        then: impl FnOnce(&mut Self, &T),
    ) -> T {
        let process = self.processes.get_mut(&life).expect("inputs are for a living process");
        process.mind_the_mesh(core, self.plan.commands);
        let now = process.clock.now(self.now);
        let this = &mut process.cores[usize::from(core)];
        let mut out = std::mem::take(&mut this.out);
        let result = input(&mut this.shard, now, &mut out);
        this.shard.invariants();
        then(self, &result);
        let (mut unparked, mut dispatches) = (Vec::new(), Vec::new());
        for output in out.drain() {
            match output {
                Output::Unpark { slot } => unparked.push(self.conn_at(life, core, slot)),
                Output::Dispatch(dispatch) => dispatches.push(*dispatch),
                other => self.execute(life, core, other),
            }
        }
        if !dispatches.is_empty() {
            self.hand(life, Thread::Core(core), Thread::Post, What::Dispatched { core, dispatches });
        }
        if let Some(process) = self.processes.get_mut(&life) {
            process.cores[usize::from(core)].out = out;
        }
        for conn in unparked {
            self.conns[conn as usize].is_parked = false;
            self.feed(conn);
        }
        result
    }

    pub fn core_ticks(&mut self, life: u32, core: u16) {
        self.enter(life, core, |shard, now, out| shard.on_tick(now, out));
        self.arrange_in(life, self.plan.tick_ms, What::Tick { core });
    }

    pub fn parcel_arrives(&mut self, life: u32, from: u16, to: u16, parcel: Parcel) {
        note!(self, "#{life} {from} → {to}: {parcel:?}");
        let process = self.processes.get_mut(&life).expect("it happens in a living process");
        if parcel.is_command() && from < self.plan.cores {
            process.cores[usize::from(from)].commands[usize::from(to)] -= 1;
        }
        self.enter(life, to, |shard, now, out| shard.on_parcel(from, parcel, now, out));
    }

    pub fn told(&mut self, life: u32, core: u16, event: LogEvent) {
        if !matches!(event, LogEvent::Fresh { .. }) {
            note!(self, "#{life} log → {core}: {event:?}");
        }
        self.enter(life, core, |shard, now, out| shard.on_log(event, now, out));
    }

    /// One verb of a shard.
    fn execute(&mut self, life: u32, core: u16, output: Output) {
        match output {
            Output::Push { slot, push } => self.push(life, core, slot, &push),
            Output::Ping { slot } => {
                let conn = self.conn_at(life, core, slot);
                self.conns[conn as usize].outbound.push_back(Out::Ping);
                self.arrange_write(conn);
            }
            Output::Close { slot, code } => {
                let conn = self.conn_at(life, core, slot);
                note!(self, "#{life} closes {conn} with {code:?}");
                self.check_close(life, conn, code);
                self.conns[conn as usize].is_closing = true;
                self.conns[conn as usize].outbound.push_back(Out::Close(code));
                self.arrange_write(conn);
                self.arrange_in(life, corepost::limits::CLOSE_MS, What::Gone { conn });
            }
            Output::Cut { slot } => {
                let conn = self.conn_at(life, core, slot);
                note!(self, "#{life} cuts {conn}");
                self.conns[conn as usize].is_closing = true;
                let after_ms = self.delay(5);
                self.arrange_in(life, after_ms, What::Gone { conn });
            }
            Output::Behind { slot } => {
                let conn = self.conn_at(life, core, slot);
                note!(self, "{conn} falls behind");
            }
            Output::Append(append) => {
                assert_eq!(self.topology.place(append.envelope.to()).partition, append.partition);
                let to = Thread::Appender(append.partition.0);
                self.hand(life, Thread::Core(core), to, What::Append(append));
            }
            Output::Read(read) => self.hand(life, Thread::Core(core), Thread::Reader, What::Page(read)),
            Output::Parcel { core: to, parcel } => {
                assert_ne!(core, to, "a core keeps its own parcels");
                if parcel.is_command() {
                    let process =
                        self.processes.get_mut(&life).expect("a shard speaks while its process lives");
                    process.cores[usize::from(core)].commands[usize::from(to)] += 1;
                }
                let what = What::Parcel { from: core, to, parcel: *parcel };
                self.hand(life, Thread::Core(core), Thread::Core(to), what);
            }
            Output::Revoke(..) | Output::Answer(..) | Output::Unpark { .. } | Output::Dispatch(_) => {
                unreachable!("nobody asked for {output:?} here")
            }
        }
    }

    /// Whose slot that is.
    pub fn conn_at(&self, life: u32, core: u16, slot: u32) -> u32 {
        let found = self.processes[&life].cores[usize::from(core)].slots.get(&slot);
        *found.unwrap_or_else(|| panic!("core {core} speaks of slot {slot}, which nobody holds"))
    }

    /// A session is closed for a reason that is true.
    fn check_close(&self, life: u32, at: u32, code: CloseCode) {
        let conn = &self.conns[at as usize];
        let partition = self.partition(&conn.client);
        let is_true = match code {
            CloseCode::Restart => {
                // What was lost of its own log, which may have been made again since.
                let log = self.logs[at as usize];
                let truth = truth_of(log, self.kafka.log_epoch, &self.truth, &self.former);
                self.processes[&life].is_draining || truth.cuts.contains_key(&partition.0)
            }
            // What a newer version has written waits for a home that can read it.
            CloseCode::TryLater => {
                self.is_rough
                    || self.now.mono_ms < self.talk_until_ms + 40_000
                    || self.processes.values().any(|process| process.owns_in_vain(partition.0))
            }
            _ => false,
        };
        assert!(is_true, "{} is closed with {code:?}", conn.client);
    }

    fn push(&mut self, life: u32, core: u16, slot: u32, push: &Push) {
        let at = self.conn_at(life, core, slot);
        note!(self, "#{life} core {core} to {at}: {push:?}");
        let peer = self.processes[&life].me();
        let conn = &mut self.conns[at as usize];
        assert!(!conn.is_closing, "{} gets {push:?} after its close", conn.client);
        let log_epoch = self.logs[at as usize];
        let truth = truth_of(log_epoch, self.kafka.log_epoch, &self.truth, &self.former);
        conn.watch.push(&conn.client, push, 0, truth, self.plan.bounds.missed_counted);
        if let Push::Welcome(welcome) = push {
            let (cursor, resumed) = (welcome.cursor, welcome.resumed);
            self.check_welcome(at, cursor, resumed);
        }
        let conn = &mut self.conns[at as usize];
        if let Push::Ack { of, .. } = push {
            let from = of.from().map_or("", |from| from.as_str());
            let id = of.id().map_or("", |id| id.as_str());
            assert_eq!(from, conn.client.as_str(), "another client's ack");
            let sent = &self.letters[&(from.to_owned(), id.to_owned())];
            for to in sent {
                let is_there = |truth: &Truth| !truth.durable_at(to.as_str(), from, id).is_empty();
                let is_durable = is_there(&self.truth) || self.former.values().any(is_there);
                assert!(is_durable, "{id} from {from} was acknowledged, and {to} does not have it");
            }
        }
        conn.watch.outbound += push.cost();
        let most =
            self.plan.outbound_bytes + self.plan.bounds.answer_bytes + 3_500 + self.plan.body_bytes as u32;
        assert!(conn.watch.outbound <= most, "{} bytes wait for {}", conn.watch.outbound, conn.client);
        let face = Face {
            log_epoch: self.logs[at as usize],
            client: conn.client.as_ref(),
            node: peer.node,
            incarnation: peer.incarnation,
            limits_json: &self.limits_json,
        };
        let mut text = Vec::with_capacity(256);
        encode(push, &face, &mut text);
        assert!(text.len() as u32 <= push.cost(), "a frame of {} bytes costs {}", text.len(), push.cost());
        conn.outbound.push_back(Out::Push { cost: push.cost(), text });
        self.arrange_write(at);
    }
}
