//! Tests of the tests: each fault on purpose is noticed within 500 seeds.
//!
//! `cargo test --no-default-features --features sabotage --test sim canaries`

use crate::plan::Plan;
use crate::seeds;
use crate::world::World;
use corepost::sabotage::{Sabotage, choose};

fn is_noticed(sabotage: Sabotage) {
    let outcome = seeds::first_failure(0..500, |seed| {
        choose(Some(sabotage));
        World::new(Plan::of(seed)).run()
    });
    let (seed, why) = outcome.expect_err("a fault on purpose went unnoticed in 500 worlds");
    println!("{sabotage:?} is noticed by seed {seed}: {why}");
}

macro_rules! canaries {
    ($($name:ident: $sabotage:ident,)*) => {
        $(#[test] fn $name() { is_noticed(Sabotage::$sabotage) })*

        #[test]
        fn there_is_one_for_each_fault() {
            assert_eq!(Sabotage::ALONE, [$(Sabotage::$sabotage),*]);
        }
    };
}

canaries! {
    a_resume_that_skips_one: ResumeSkipsOne,
    an_ack_before_the_log: AckBeforeLog,
    an_envelope_for_somebody_else: DeliverToAnyone,
    a_session_that_is_never_detached: NeverDetached,
    two_recipients_taken_for_one: DedupeWithoutRecipient,
    a_cursor_that_is_not_told: CursorOmitted,
    a_session_that_moves_on_behind: AdvancedWhileBehind,
}
