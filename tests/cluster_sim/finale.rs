//! How a world ends: faults stop, everything comes to rest, then a silence without traffic, so that nothing heals by luck;
//! then everybody has everything, and everybody knows the same.

use crate::conn::Out;
use crate::plan::Fault;
use crate::process::Process;
use crate::upgrade::BOTH;
use crate::world::{World, note};
use std::collections::BTreeMap;

/// Time for a restart, a death, the longest back-off, a refused send's retry.
const SETTLE_MS: u64 = 50_000;
/// Nothing happens for so long before all is judged.
const SILENCE_MS: u64 = 25_000;

impl World {
    pub fn finale(&mut self) {
        note!(self, "the faults stop");
        self.is_rough = false;
        self.talk_until_ms = self.talk_until_ms.min(self.now.mono_ms);
        self.deaf_until_ms = self.deaf_until_ms.min(self.now.mono_ms);
        if self.plan.faults.contains(&Fault::Hush) {
            // What is said last of all is lost.
            self.deaf_until_ms = self.now.mono_ms + 50 + self.dice.below(800);
        }
        (self.plan.mesh_ms, self.plan.kafka_ms, self.plan.net_ms) = (1, 2, 1);
        for device in &mut self.devices {
            (device.stalled_until_ms, device.slow_until_ms, device.away_until_ms) = (0, 0, 0);
        }
        if self.is_mixed {
            // Some may have met what their program cannot read.
            self.keep_those_wanted();
            self.upgrade(BOTH);
        }
        // Whoever is to stop stops, whoever is to start again does.
        self.pass(20_000);
        self.check_one_each();
        self.keep_those_wanted();
        self.pass(SETTLE_MS);
        for _ in 0..30 {
            if self.is_settled() {
                break;
            }
            self.pass(2_000);
        }
        note!(self, "silence");
        self.pass(SILENCE_MS);
        self.check_cluster();
        self.check_rest();
        self.check_everybody_has_everything();
    }

    /// No two believe that they are the same node.
    fn check_one_each(&self) {
        let recently = self.now.mono_ms - 3_000;
        let says_so = self.processes.values().filter(|process| process.alive_ms > recently);
        let mut ordinals: Vec<u16> = says_so.map(|process| process.ordinal).collect();
        ordinals.sort_unstable();
        assert!(ordinals.is_sorted_by(|a, b| a < b), "two are the same node: {ordinals:?}");
    }

    /// Who claims the ordinal of a node that is started again and again was a mistake.
    fn keep_those_wanted(&mut self) {
        for life in self.lives() {
            let Process { ordinal, disk, .. } = &self.processes[&life];
            if self.wanted.get(ordinal) != Some(disk) {
                self.die(life, "it was a mistake");
            }
        }
    }

    fn is_settled(&self) -> bool {
        let is_quiet = |device: &crate::device::Device| {
            device.is_over || device.client.is_welcome() && device.client.unanswered() == 0
        };
        self.devices.iter().all(is_quiet)
    }

    /// Views agree with each other and with what there is.
    fn check_cluster(&self) {
        let mut ordinals: Vec<u16> = self.processes.values().map(|process| process.ordinal).collect();
        ordinals.sort_unstable();
        assert!(
            ordinals.iter().eq(self.wanted.keys()),
            "each node that is wanted has one process: {ordinals:?}"
        );
        let mut views: Vec<_> = self
            .processes
            .values()
            .map(|process| {
                let members = process.post.view().members();
                members.iter().map(|member| (member.ordinal, member.incarnation)).collect::<Vec<_>>()
            })
            .collect();
        views.dedup();
        assert_eq!(views.len(), 1, "views differ: {views:?}");
        let mut owned: Vec<u16> =
            self.processes.values().flat_map(|process| &process.own.owned).map(|p| p.0).collect();
        owned.sort_unstable();
        assert!(owned.iter().copied().eq(0..self.plan.partitions), "each partition has one owner: {owned:?}");
        for (life, process) in &self.processes {
            for (partition, keeper) in &process.keepers {
                assert_eq!(
                    keeper.is_owned,
                    keeper.term.is_some(),
                    "#{life} does not serve partition {partition}"
                );
                assert!(
                    keeper.waiting.is_empty() && !keeper.is_filling,
                    "#{life}: reads of {partition} wait"
                );
                let head = keeper.tail.as_ref().map(|tail| tail.read_from());
                assert_eq!(
                    head,
                    Some(self.kafka.mail[usize::from(*partition)].end()),
                    "#{life} has not read {partition}"
                );
            }
            let counts = process.post.counts();
            assert_eq!((counts.waiting, counts.waiting_bytes), (0, 0), "#{life}: something waits to be said");
        }
    }

    fn check_rest(&self) {
        for (life, process) in &self.processes {
            for (core, this) in process.cores.iter().enumerate() {
                assert_eq!(this.shard.appends_in_flight(), 0, "#{life} core {core} waits for the log");
                assert_eq!(
                    this.shard.session_count(),
                    this.slots.len(),
                    "#{life} core {core} forgot a session"
                );
            }
        }
        for (at, conn) in self.conns.iter().enumerate().filter(|(_, conn)| conn.is_served) {
            let name = &conn.client;
            assert!(conn.is_held, "{name}: connection {at} is served and nobody holds it");
            let waits = conn.outbound.iter().any(|out| !matches!(out, Out::Ping));
            assert!(conn.inbound.is_empty() && !waits, "{name}: {at} has something left");
            assert!(!conn.is_parked, "{name}: {at} is parked for ever");
            assert_eq!(conn.watch.outbound, 0);
        }
    }

    /// Link tables are the sessions there are, all live at the head; and everybody has everything.
    fn check_everybody_has_everything(&self) {
        for client in &self.clients {
            let place = self.place(client);
            let mut sessions: BTreeMap<u32, Vec<_>> = BTreeMap::new();
            for (&life, process) in &self.processes {
                let known = process.cores[usize::from(place.core)].shard.sessions_of(client.as_str());
                if process.own.owned.contains(&place.partition) {
                    sessions.insert(life, known);
                } else {
                    assert!(known.is_empty(), "{client}: #{life} keeps {known:?} and is not its home");
                }
            }
            let known: Vec<_> = sessions.values().flatten().collect();
            let served = self.conns.iter().filter(|conn| conn.is_served && conn.client == *client).count();
            assert_eq!(known.len(), served, "{client}: its home knows {sessions:?}, there are {served}");
            for session in known {
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
        }
    }
}
