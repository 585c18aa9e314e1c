//! Nodes that are stopped as an operator does: their partitions move, their sessions leave, then they do.

use crate::plan::Plan;
use crate::what::What;
use crate::world::{Tally, World, note};
use corepost::model::Partition;

/// How long a stopping node lets its sessions leave.
const DRAIN_MS: u64 = 2_000;
/// Beyond that it waits so long for other nodes to serve what was its own.
const GRACE_MS: u64 = 8_000;
/// Time between two looks at whether it may go.
const LOOK_MS: u64 = 20;

impl World {
    /// A node is stopped. One in four dies by an older custom: it hands nothing over before it leaves.
    pub fn stop(&mut self, ordinal: u16) {
        let hands_over = !self.one_in(4);
        self.stop_as(ordinal, hands_over);
    }

    fn stop_as(&mut self, ordinal: u16, hands_over: bool) {
        let living =
            self.processes.iter().find(|(_, process)| process.ordinal == ordinal && !process.is_draining);
        let Some((&life, _)) = living else { return };
        note!(self, "#{life} is stopped, and hands over: {hands_over}");
        self.process(life).is_draining = true;
        if hands_over {
            self.post(life, |post, now_ms, out| post.on_drain(now_ms, out));
            let process = self.process(life);
            process.hands_over = process.post.handing_over().unwrap_or_default();
        }
        for core in 0..self.plan.cores {
            self.enter(life, core, |shard, now, out| shard.drain(DRAIN_MS, now, out));
        }
        let until_ms = self.now.mono_ms + DRAIN_MS + if hands_over { GRACE_MS } else { 4_000 };
        self.arrange_in(life, LOOK_MS, What::Leave { until_ms });
        self.arrange(DRAIN_MS + 12_000, What::Kill { process: life });
    }

    /// If its sessions are gone, and what was its own is live elsewhere, it says in the cluster log that it leaves.
    pub fn leave_cluster(&mut self, life: u32, until_ms: u64) {
        let Some(process) = self.processes.get(&life) else { return };
        let has_sessions = process.cores.iter().any(|core| core.shard.session_count() > 0);
        // Who hands nothing over does not ask either.
        let has_handed_over = process.post.handing_over().is_some_and(|left| left.is_empty());
        let may_go = !has_sessions && has_handed_over;
        if !may_go && self.now.mono_ms < until_ms {
            return self.arrange_in(life, LOOK_MS, What::Leave { until_ms });
        }
        if may_go {
            self.stats.handed_over += 1;
            if self.plan.faults.is_empty() {
                self.check_served_elsewhere(life);
            }
        }
        self.post(life, |post, now_ms, out| post.on_stop(now_ms, out));
    }

    /// Each partition that was its own is served by somebody who stays, unless nobody does.
    fn check_served_elsewhere(&self, life: u32) {
        // Who has come back a moment ago is not known to it yet.
        if self.processes[&life].post.view().all_leave() {
            return;
        }
        let stay: Vec<_> = self.processes.values().filter(|process| !process.is_draining).collect();
        assert!(self.processes[&life].own.owned.is_empty(), "#{life} still owns something as it leaves");
        for Partition(partition) in &self.processes[&life].hands_over {
            let serves = |keeper: &crate::keeper::Keeper| keeper.is_owned && keeper.term.is_some();
            let is_served = stay.iter().any(|process| process.keepers.get(partition).is_some_and(serves));
            assert!(is_served, "#{life} leaves before {partition} is served elsewhere");
        }
    }
}

/// Nothing goes wrong; node by node all are restarted, under traffic. Each leaves only when what was its own is served by
/// others, and well before it would have had to.
pub fn restart_node_by_node(seed: u64) -> Tally {
    let usual = Plan::of(seed);
    let nodes = 2 + (seed % 3) as u16;
    let plan = Plan { faults: Vec::new(), node_losses: 0, nodes, storm_ms: 300_000, ..usual };
    let mut world = World::new(plan);
    world.is_rough = false;
    world.populate();
    world.pass(15_000);
    for ordinal in 0..nodes {
        let before = world.stats.handed_over;
        world.stop_as(ordinal, true);
        world.pass(DRAIN_MS + GRACE_MS - 1_000);
        assert_eq!(world.stats.handed_over, before + 1, "node {ordinal} waits for somebody's word");
        world.pass(8_000);
    }
    world.finale();
    world.tally()
}

#[test]
fn in_a_rolling_restart_each_node_goes_when_others_serve_what_was_its_own() {
    for seed in 0..40 {
        restart_node_by_node(seed);
    }
}

/// All are stopped at once: nobody waits for a new home that there will never be.
#[test]
fn a_cluster_that_ends_altogether_waits_for_nobody() {
    for seed in 0..20 {
        let plan = Plan { faults: Vec::new(), node_losses: 0, nodes: 3, storm_ms: 300_000, ..Plan::of(seed) };
        let mut world = World::new(plan);
        world.is_rough = false;
        world.populate();
        world.pass(15_000);
        for ordinal in 0..3 {
            world.stop_as(ordinal, true);
        }
        world.pass(DRAIN_MS + GRACE_MS - 1_000);
        assert_eq!(world.stats.handed_over, 3);
        world.pass(15_000);
        world.finale();
    }
}
