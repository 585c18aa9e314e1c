//! How a world ends: faults stop, everything drains, then a silence; then everybody has everything.

use crate::log::Illness;
use crate::plan::Weather;
use crate::world::{World, note};

impl World {
    /// The end of a world. Panics when somebody lacks something or something is left over.
    pub fn finale(&mut self) {
        note!(self, "the faults stop");
        self.acts_left = 0;
        self.plan.weather = Weather::Fair;
        self.log.illness = Illness::default();
        self.log.quota = u64::MAX;
        self.stalled_until_ms = 0;
        (self.plan.mesh_ms, self.plan.log_ms, self.plan.net_ms, self.plan.tick_ms) = (1, 1, 1, 500);
        for device in &mut self.devices {
            (device.stalled_until_ms, device.slow_until_ms, device.away_until_ms) = (0, 0, 0);
        }
        // Long enough for a restart, the longest back-off, a token, a dead peer, the retry of a refused send, and for
        // frames that stand behind a reader's longest stall: they are read when it would have ended.
        self.pass(20_000);
        if self.node.as_ref().is_some_and(|node| node.is_draining) {
            self.crash_node();
        }
        for _ in 0..60 {
            self.pass(2_000 + self.plan.ping_interval_ms / 5);
            if self.is_settled() {
                break;
            }
        }
        self.silence_ms = Some(1_000);
        self.pass(2 * self.plan.ping_interval_ms + 10_000);
        self.check_rest();
        self.check_everybody_has_everything();
    }

    fn is_settled(&self) -> bool {
        self.devices
            .iter()
            .all(|device| device.is_over || (device.client.is_welcome() && device.client.unanswered() == 0))
    }

    fn check_rest(&self) {
        let node = self.node.as_ref().expect("the node lives in the end");
        assert!(self.log.is_quiet(), "the log rests");
        assert!(self.pages.is_empty(), "no read is under way");
        assert!(self.requests.is_empty(), "a request was never answered: {:?}", self.requests);
        for core in 0..self.plan.cores {
            let shard = &node.shards[usize::from(core)];
            assert_eq!(shard.appends_in_flight(), 0, "core {core} waits for the log");
            assert_eq!(
                shard.session_count(),
                node.slots[usize::from(core)].len(),
                "core {core} forgot a session"
            );
        }
        for (at, conn) in self.conns.iter().enumerate().filter(|(_, conn)| conn.is_served) {
            let name = &conn.client;
            assert!(conn.is_held, "{name}: connection {at} is served and nobody holds it");
            assert!(conn.inbound.is_empty() && conn.outbound.is_empty(), "{name}: {at} has something left");
            assert!(!conn.is_parked, "{name}: {at} is parked for ever");
            assert_eq!(conn.watch.outbound, 0);
            let revoked = self.log.revoked.get(name);
            assert!(
                conn.watch.issued_s.is_none_or(|issued_s| revoked.is_none_or(|&until_s| issued_s > until_s)),
                "{name}: {at} lives by a token of {:?}, revoked until {revoked:?}",
                conn.watch.issued_s
            );
        }
    }

    fn check_everybody_has_everything(&self) {
        let node = self.node.as_ref().expect("the node lives in the end");
        for client in &self.clients {
            let place = self.topology.place(client.as_ref());
            let sessions = node.shards[usize::from(place.core)].sessions_of(client.as_str());
            let served = self.conns.iter().filter(|conn| conn.is_served && conn.client == *client).count();
            assert_eq!(sessions.len(), served, "{client}: its home knows of other sessions than there are");
            for session in sessions {
                assert!(
                    session.live && session.cursor_lag == 0,
                    "{client}: {session:?} is not live at the head"
                );
            }
        }
        for (at, device) in self.devices.iter().enumerate().filter(|(_, device)| !device.is_over) {
            assert!(device.client.is_welcome(), "device {at} of {} never got through", device.id);
            assert_eq!(device.client.unanswered(), 0, "device {at}: a send was never answered");
            let held = device.held.expect("who is welcome stands somewhere");
            let last = self.truth.mailbox(&device.id).and_then(|mailbox| mailbox.entries.last());
            if let Some(last) = last {
                self.truth.step(&device.id, held, last.position);
            }
            let text = device.client.cursor().expect("who is welcome holds a cursor");
            let machine = corepost::model::Cursor::parse(text.as_bytes(), device.id.as_ref());
            assert_eq!(machine.map(|cursor| cursor.at), Ok(held), "machine and application stand together");
        }
    }
}
