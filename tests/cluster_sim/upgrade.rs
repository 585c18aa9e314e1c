//! Clusters of programs of several versions: what is spoken, and how one is upgraded node by node.
//!
//! There is one version yet. The second one that is modelled here writes what the first does, under its own number.

use crate::plan::Plan;
use crate::what::What;
use crate::world::{World, note};
use corepost::cluster::{Protocols, Refusal};

/// The first program there was.
pub const FIRST: Protocols = Protocols { min: 1, max: 1 };
/// The one after it.
pub const BOTH: Protocols = Protocols { min: 1, max: 2 };
/// One that has forgotten the first version.
pub const SECOND: Protocols = Protocols { min: 2, max: 2 };

/// Time between the stops of two nodes in an upgrade: for one to leave and to be back.
const STEP_MS: u64 = 15_000;

impl World {
    /// A process is told what to speak: what all that it knows of can read.
    pub fn speak(&mut self, life: u32, version: u16) {
        note!(self, "#{life} speaks version {version}");
        let process = self.process(life);
        process.speaks = version;
        let members = process.post.view().members().iter().map(|member| member.protocols);
        for it in members.chain([process.protocols]) {
            assert!((it.min..=it.max).contains(&version), "#{life} speaks {version} to who speaks {it}");
        }
    }

    /// Node by node, those of older programs are stopped and started with this one.
    pub fn upgrade(&mut self, program: Protocols) {
        let all: Vec<u16> = self.wanted.keys().copied().collect();
        self.programs = all.iter().map(|&ordinal| (ordinal, program)).collect();
        for ordinal in all {
            let mut running = self.processes.values().filter(|process| process.ordinal == ordinal);
            if running.any(|process| process.protocols.max < program.max) {
                self.arrange(0, What::Stop { ordinal });
                self.pass(STEP_MS);
            }
        }
    }

    /// All members, and in which version each of them speaks.
    fn spoken(&self) -> Vec<u16> {
        let members = self.processes.values().filter(|process| process.is_member());
        members.map(|process| process.speaks).collect()
    }

    fn unread(&self) -> u64 {
        self.processes.values().map(|process| process.post.counts().newer).sum()
    }
}

/// A cluster of the first version in which nothing goes wrong, some time after it began.
pub fn begun(seed: u64) -> World {
    let plan = Plan { faults: Vec::new(), node_losses: 0, nodes: 3, storm_ms: 300_000, ..Plan::of(seed) };
    let mut world = World::new(plan);
    (world.is_mixed, world.is_rough) = (true, false);
    world.populate();
    world.pass(15_000);
    assert_eq!(world.spoken(), [1, 1, 1]);
    world
}

#[test]
fn a_cluster_is_upgraded_node_by_node_and_then_refuses_who_has_only_the_old_version() {
    for seed in 0..20 {
        let mut world = begun(seed);
        for ordinal in 0..3 {
            assert_eq!(world.spoken(), [1, 1, 1], "until the last old node has gone");
            world.programs.insert(ordinal, BOTH);
            world.stop(ordinal);
            world.pass(STEP_MS);
        }
        assert_eq!((world.spoken(), world.unread()), (vec![2, 2, 2], 0));
        let join = |world: &mut World, ordinal, program| {
            let disk = world.new_disk();
            world.programs.insert(ordinal, program);
            world.start(ordinal, disk, false);
            world.pass(STEP_MS);
        };
        join(&mut world, 3, SECOND);
        assert_eq!((world.spoken(), world.refusals.len()), (vec![2, 2, 2, 2], 0));
        join(&mut world, 4, FIRST);
        let refused: Vec<_> = world.refusals.iter().map(|(_, why)| (why.clone(), why.exit_code())).collect();
        let why = Refusal::NoCommonProtocol { node: 3, ours: FIRST, theirs: SECOND };
        assert_eq!((world.spoken(), refused), (vec![2, 2, 2, 2], vec![(why, 5)]));
        let newest = world.processes.values().find(|process| process.ordinal == 3).expect("it is there");
        world.wanted.insert(3, newest.disk);
        world.finale();
    }
}

#[test]
fn who_meets_a_newer_record_gives_its_partition_up_until_it_is_upgraded() {
    let mut given_up = 0;
    for seed in 0..20 {
        let mut world = begun(seed);
        world.upgrade(BOTH);
        world.pass(10_000);
        world.programs.insert(0, FIRST);
        world.stop(0);
        world.pass(STEP_MS);
        assert_eq!(world.spoken(), [1, 1, 1], "what has returned is old");
        let back = world.processes.values().find(|process| process.ordinal == 0).expect("it is back");
        for partition in &back.given_up {
            assert!(back.keepers.get(partition).is_none_or(|keeper| keeper.term.is_none()), "not served");
        }
        given_up += back.given_up.len();
        world.finale();
        assert!(world.processes.values().all(|process| process.given_up.is_empty()), "each was taken back");
    }
    assert!(given_up > 10, "{given_up} partitions with something new in them");
}
