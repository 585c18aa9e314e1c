//! The node's side: what its shards want done is done, late, and what the log and the mesh have for them arrives.

use crate::conn::{Conn, Out};
use crate::what::What;
use crate::world::{Asked, Reading, World, note};
use corepost::log::LogEvent;
use corepost::model::{CloseCode, ErrorCode, Parcel, Pulled, Push};
use corepost::router::{Answer, Output, Request};
use corepost::wire::json::{Face, encode};

impl World {
    /// One verb of a shard. Sessions that may go on are only collected.
    pub fn execute(&mut self, core: u16, output: Output, unparked: &mut Vec<u32>) {
        match output {
            Output::Push { slot, push } => self.push(core, slot, &push),
            Output::Ping { slot } => {
                let conn = self.conn_at(core, slot);
                self.conns[conn as usize].outbound.push_back(Out::Ping);
                self.arrange_write(conn);
            }
            Output::Close { slot, code } => {
                let conn = self.conn_at(core, slot);
                note!(self, "the node closes {conn} with {code:?}");
                self.check_close(conn, code);
                self.conns[conn as usize].is_closing = true;
                self.conns[conn as usize].outbound.push_back(Out::Close(code));
                self.arrange_write(conn);
                self.arrange_here(corepost::limits::CLOSE_MS, What::Gone { conn });
            }
            Output::Cut { slot } => {
                let conn = self.conn_at(core, slot);
                note!(self, "the node cuts {conn}");
                self.check_cut(conn);
                self.conns[conn as usize].is_closing = true;
                let after_ms = self.delay(5);
                self.arrange_here(after_ms, What::Gone { conn });
            }
            Output::Behind { slot } => {
                let conn = self.conn_at(core, slot);
                note!(self, "{conn} falls behind");
            }
            Output::Dispatch(dispatch) => panic!("a node alone speaks to no other: {dispatch:?}"),
            Output::Unpark { slot } => unparked.push(self.conn_at(core, slot)),
            Output::Append(append) => {
                let lane = append.partition.0;
                assert_eq!(self.topology.place(append.envelope.to()).partition, append.partition);
                self.log.lanes[usize::from(lane)].queue.push_back(append);
                self.wake_lane(lane);
            }
            Output::Revoke(ticket, revocation) => {
                self.log.revoking.push_back((ticket, revocation));
                let after_ms = self.delay(self.plan.log_ms);
                self.arrange_here(after_ms, What::Revoked);
            }
            Output::Read(read) => {
                self.page_count += 1;
                self.pages.insert(self.page_count, Reading::Asked(read));
                let after_ms = self.delay(self.plan.log_ms);
                self.arrange_here(after_ms, What::Page { page: self.page_count });
            }
            Output::Parcel { core: to, parcel } => self.post(core, to, *parcel),
            Output::Answer(request, answer) => self.answered(request, answer),
        }
    }

    /// Whose slot that is.
    pub fn conn_at(&self, core: u16, slot: u32) -> u32 {
        let node = self.node.as_ref().expect("a shard speaks while its node lives");
        let found = node.slots[usize::from(core)].get(&slot);
        *found.unwrap_or_else(|| panic!("core {core} speaks of slot {slot}, which nobody holds"))
    }

    /// A session is closed for a reason that is true.
    fn check_close(&self, at: u32, code: CloseCode) {
        let conn = &self.conns[at as usize];
        let place = self.topology.place(conn.client.as_ref());
        let lane = &self.log.lanes[usize::from(place.partition.0)];
        let node = self.node.as_ref().expect("a shard speaks while its node lives");
        let is_true = match code {
            CloseCode::Restart => node.is_draining || lane.floor > 0 || !lane.damaged.is_empty(),
            CloseCode::Expired | CloseCode::BadToken => conn.watch.has_token,
            CloseCode::Forbidden => self.disconnected.contains(&conn.client),
            CloseCode::TooManySessions => {
                // One that has just gone may still be known to its home.
                let since_ms = self.now.mono_ms.saturating_sub(8_000);
                let counts = |other: &Conn| other.name.is_some() || other.watch.gone_ms >= since_ms;
                let same = |other: &&Conn| counts(other) && other.client == conn.client;
                self.conns.iter().filter(same).count() > self.plan.sessions_per_client
            }
            // The log is silent, a core is paused, or there is a crowd before it.
            CloseCode::TryLater => self.is_stormy(),
            _ => false,
        };
        assert!(is_true, "{} is closed with {code:?}", conn.client);
    }

    /// Only who showed no sign of life is cut off.
    fn check_cut(&self, at: u32) {
        let conn = &self.conns[at as usize];
        let quiet_ms = self.plan.ping_interval_ms + crate::node::PONG_TIMEOUT_MS;
        let silent_ms = self.now.mono_ms - conn.watch.alive_ms;
        let is_deaf = conn.is_parked && conn.watch.outbound <= self.plan.outbound_bytes / 2;
        assert!(!is_deaf, "{} is cut off while the node did not listen to it", conn.client);
        assert!(
            conn.is_dead || !conn.is_held || silent_ms + 2 * self.plan.tick_ms >= quiet_ms,
            "{} is cut off {silent_ms} ms after it read or said something",
            conn.client
        );
    }

    fn push(&mut self, core: u16, slot: u32, push: &Push) {
        let at = self.conn_at(core, slot);
        note!(self, "core {core} to {at}: {push:?}");
        let conn = &mut self.conns[at as usize];
        assert!(!conn.is_closing, "{} gets {push:?} after its close", conn.client);
        let place = self.topology.place(conn.client.as_ref());
        let node = self.node.as_ref().expect("a shard speaks while its node lives");
        let home_told = node.told_heads[usize::from(place.core)][usize::from(place.partition.0)];
        conn.watch.push(&conn.client, push, home_told, &self.truth, self.plan.bounds.missed_counted);
        if let Push::Ack { of, at_ms } = push {
            let from = of.from().map_or("", |from| from.as_str());
            let id = of.id().map_or("", |id| id.as_str());
            assert_eq!(from, conn.client.as_str(), "another client's ack");
            check_ack(&self.letters, &self.truth, from, id, *at_ms);
        }
        conn.watch.outbound += push.cost();
        let most =
            self.plan.outbound_bytes + self.plan.bounds.answer_bytes + 3_500 + self.plan.body_bytes as u32;
        assert!(conn.watch.outbound <= most, "{} bytes wait for {}", conn.watch.outbound, conn.client);
        let face = Face {
            log_epoch: self.log.log_epoch,
            client: conn.client.as_ref(),
            node: 0,
            incarnation: u64::from(self.life),
            limits_json: &self.limits_json,
        };
        let mut text = Vec::with_capacity(256);
        encode(push, &face, &mut text);
        assert!(text.len() as u32 <= push.cost(), "a frame of {} bytes costs {}", text.len(), push.cost());
        conn.outbound.push_back(Out::Push { cost: push.cost(), text });
        self.arrange_write(at);
    }

    fn post(&mut self, from: u16, to: u16, parcel: Parcel) {
        assert_ne!(from, to, "a core keeps its own parcels");
        let delay = self.delay(self.plan.mesh_ms);
        let (now_ms, life) = (self.now.mono_ms, self.life);
        let node = self.node.as_mut().expect("a shard speaks while its node lives");
        let (row, column) = (usize::from(from), usize::from(to));
        node.mesh[row][column].push_back(parcel);
        node.mesh_ms[row][column] = node.mesh_ms[row][column].max(now_ms + delay);
        self.agenda.arrange(node.mesh_ms[row][column], life, What::Mesh { from, to });
    }

    pub fn mesh_arrives(&mut self, from: u16, to: u16) {
        let node = self.node.as_mut().expect("its mesh lives with the node");
        let parcel = node.mesh[usize::from(from)][usize::from(to)].pop_front();
        let parcel = parcel.expect("one event per parcel");
        note!(self, "{from} → {to}: {parcel:?}");
        self.enter(to, |shard, now, out| shard.on_parcel(from, parcel, now, out));
    }

    pub fn told_arrives(&mut self, core: u16) {
        let node = self.node.as_mut().expect("its inbox lives with the node");
        let event = node.told[usize::from(core)].pop_front().expect("one event per word");
        let heads = &mut node.told_heads[usize::from(core)];
        match &event {
            LogEvent::Record(record) => heads[usize::from(record.partition.0)] = record.offset + 1,
            LogEvent::Head(partition, head) => {
                let told = &mut heads[usize::from(partition.0)];
                *told = head.offset.max(*told);
            }
            _ => {}
        }
        if !matches!(event, LogEvent::Beat) {
            note!(self, "log → {core}: {event:?}");
        }
        self.enter(core, |shard, now, out| shard.on_log(event, now, out));
    }

    pub fn wake_lane(&mut self, lane: u16) {
        if !std::mem::replace(&mut self.log.lanes[usize::from(lane)].is_busy, true) {
            let after_ms = self.delay(self.plan.log_ms);
            self.arrange_here(after_ms, What::Lane { lane });
        }
    }

    pub fn lane_works(&mut self, lane: u16) {
        if let Some(left_ms) = self.stalled_until_ms.checked_sub(self.now.mono_ms).filter(|&ms| ms > 0) {
            return self.arrange_here(left_ms, What::Lane { lane });
        }
        let mut events = Vec::new();
        self.log.work(lane, self.now.unix_ms, &mut self.dice, &mut events);
        self.tell_all(events);
        let this = &mut self.log.lanes[usize::from(lane)];
        this.is_busy = false;
        if this.has_work() {
            self.wake_lane(lane);
        }
    }

    pub fn page_goes_on(&mut self, page: u32) {
        match self.pages.remove(&page).expect("one event per step of a read") {
            Reading::Asked(read) => {
                let result = self.log.read(&read, &mut self.dice);
                self.pages.insert(page, Reading::Done(read.ticket.core, read.ticket, result));
                let after_ms = self.delay(self.plan.log_ms);
                self.arrange_here(after_ms, What::Page { page });
            }
            Reading::Done(core, ticket, result) => {
                note!(self, "page for {core}: {result:?}");
                self.enter(core, |shard, now, out| shard.on_log(LogEvent::Page(ticket, result), now, out));
            }
        }
    }

    pub fn revocation_is_durable(&mut self) {
        let Some((ticket, revocation)) = self.log.revoking.pop_front() else { return };
        let until = self.log.revoked.entry(revocation.client.clone()).or_insert(0);
        *until = revocation.issued_until_s.max(*until);
        let core = self.topology.place(revocation.client.as_ref()).core;
        self.tell(core, LogEvent::Revoked(revocation));
        let at_ms = self.now.unix_ms;
        let appended = corepost::log::Appended { ticket, offset: 0, at_ms };
        self.tell(ticket.core, LogEvent::Appended(appended));
    }

    pub fn beat(&mut self) {
        let mut events = Vec::new();
        self.log.heads(&mut events);
        events.extend((0..self.plan.cores).map(|core| (core, LogEvent::Beat)));
        self.tell_all(events);
        let usual_ms = self.silence_ms.unwrap_or(200);
        let late_ms = if self.is_stormy() && self.acts_left > 0 && self.one_in(20) { 3_000 } else { 0 };
        let late_ms = self.dice.below(late_ms + 1);
        self.arrange_here(usual_ms + late_ms, What::Beat);
    }

    fn answered(&mut self, request: Request, answer: Answer) {
        let asked = self.requests.remove(&request.number).expect("a request is answered once");
        note!(self, "{asked:?} is answered {answer:?}");
        match (asked, answer) {
            (Asked::Publish { from, id }, Answer::Done { at_ms }) => {
                check_ack(&self.letters, &self.truth, &from, &id, at_ms);
                self.stats.acked += 1;
            }
            (Asked::Erase { client, before }, Answer::Done { .. }) => {
                let erases = self.truth.mailbox(&client).map_or(0, |mailbox| mailbox.erases.len());
                assert!(erases > before, "an erase of {client} was answered before it was durable");
            }
            (Asked::Revoke { client, until_s }, Answer::Done { .. }) => {
                assert!(self.log.revoked.get(&client) >= Some(&until_s));
            }
            (Asked::Disconnect, Answer::Done { .. }) => {}
            (Asked::Pull { client, held, pages }, Answer::Pulled(pulled)) => {
                self.pulled(client, held, pages, pulled);
            }
            (_, Answer::Refused { code, .. }) => {
                assert!(matches!(code, ErrorCode::Unavailable | ErrorCode::MailboxFull), "{code:?}");
            }
            (asked, answer) => panic!("{asked:?} was answered {answer:?}"),
        }
    }

    fn pulled(
        &mut self,
        client: corepost::model::ClientId,
        held: Option<corepost::model::Position>,
        pages: u32,
        pulled: Pulled,
    ) {
        self.stats.pulls += 1;
        let mut held = match pulled.resumed {
            Some(Ok(())) => held,
            _ => None,
        };
        for record in &pulled.envelopes {
            if let Some(held) = held {
                let before =
                    corepost::model::Position { offset: record.position.offset - 1, ..record.position };
                self.truth.step(&client, held, before);
            }
            let entry = self.truth.at(&client, record.position);
            assert_eq!(entry.envelope, record.envelope);
            held = Some(record.position);
        }
        if let Some(held) = held {
            self.truth.step(&client, held, pulled.cursor);
        }
        if pulled.more && pages < 20 {
            self.pull(client, Some(pulled.cursor), pages + 1);
        }
    }
}

/// An acknowledged message is durable for all its recipients, and `at` is the greatest of their times.
fn check_ack(
    letters: &std::collections::HashMap<(String, String), crate::world::Sent>,
    truth: &crate::truth::Truth,
    from: &str,
    id: &str,
    at_ms: u64,
) {
    let sent = letters.get(&(from.to_owned(), id.to_owned())).expect("what is acknowledged was sent");
    let own = sent.copy.then_some(from);
    let mut matches = false;
    for to in sent.to.iter().map(|to| to.as_str()).chain(own) {
        let times = truth.durable_at(to, from, id);
        assert!(
            times.iter().any(|&time| time <= at_ms),
            "{id} from {from} was acknowledged, and {to} does not have it"
        );
        matches |= times.contains(&at_ms);
    }
    assert!(matches, "the ack's time is that of a record");
}
