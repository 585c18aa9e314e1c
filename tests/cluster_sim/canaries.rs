//! Tests of the tests: each fault on purpose is noticed within 500 seeds, by an aimed schedule, or in a rolling restart.
//!
//! `cargo test --no-default-features --features sabotage --test cluster_sim canaries`

use crate::drains::restart_node_by_node;
use crate::plan::{Fault, Plan};
use crate::seeds;
use crate::world::World;
use corepost::sabotage::{Sabotage, choose};

fn is_noticed(sabotage: Sabotage) {
    for fault in [None].into_iter().chain(Fault::AIMED.map(Some)) {
        let many = if fault.is_some() { 100 } else { 500 };
        let outcome = seeds::first_failure(0..many, |seed| {
            choose(Some(sabotage));
            let plan = fault.map_or_else(|| Plan::of(seed), |fault| Plan::aimed(seed, fault));
            World::new(plan).run()
        });
        if let Err((seed, why)) = outcome {
            return println!("{sabotage:?} is noticed by seed {seed}, {fault:?}: {why}");
        }
    }
    panic!("{sabotage:?} went unnoticed in 500 worlds and in all aimed ones");
}

/// For what shows as nodes drain: a world of a seed sees little of that.
fn is_noticed_in_restarts(sabotage: Sabotage) {
    let outcome = seeds::first_failure(0..40, |seed| {
        choose(Some(sabotage));
        restart_node_by_node(seed)
    });
    match outcome {
        Err((seed, why)) => println!("{sabotage:?} is noticed in the restarts of seed {seed}: {why}"),
        Ok(_) => panic!("{sabotage:?} went unnoticed in 40 rolling restarts"),
    }
}

macro_rules! canaries {
    ($notice:ident, $($name:ident: $sabotage:ident,)*) => {
        $(#[test] fn $name() { $notice(Sabotage::$sabotage) })*
    };
}

canaries! {
    is_noticed,
    a_resume_that_skips_one: ResumeSkipsOne,
    an_ack_before_the_log: AckBeforeLog,
    an_envelope_for_somebody_else: DeliverToAnyone,
    two_recipients_taken_for_one: DedupeWithoutRecipient,
    a_cursor_that_is_not_told: CursorOmitted,
    a_session_that_moves_on_behind: AdvancedWhileBehind,
    a_reader_served_outside_coverage: ServedOutsideCoverage,
    a_partition_served_before_its_window: ServedBeforeWindow,
    a_duplicate_that_opens_no_window: DuplicateOpensNoWindow,
    a_mark_of_another_term: MarkOfAnotherTerm,
    an_old_home_that_is_obeyed: StaleLiveObeyed,
    an_echo_that_is_ignored: EchoIgnored,
    strangers_that_are_kept: StrangersKept,
    a_session_that_asks_only_once: NoSecondResume,
    an_oldest_incarnation_that_wins: OldestWins,
}

canaries! {
    is_noticed_in_restarts,
    a_node_that_leaves_unheard: LeavesUnheard,
    a_drain_that_is_not_said: DrainsUnsaid,
}

#[test]
fn there_is_one_for_each_fault_that_shows_in_a_cluster() {
    let names = include_str!("canaries.rs");
    for sabotage in Sabotage::CLUSTERED {
        assert!(names.contains(&format!(": {sabotage:?},")), "{sabotage:?} has no canary");
    }
}
