//! What one home alone answers for.

use crate::limits::{FRESH_MS, STALE_PER_TICK};
use crate::log::{LogEvent, Unreadable};
use crate::model::{Push, StartFrom, Unresumed};
use crate::router::Output;
use crate::router::rig::Lone;

#[test]
fn a_page_that_comes_late_is_asked_for_again_before_the_welcome() {
    let refused = Err(Unreadable::Unresumed(Unresumed::Expired));
    for late in [None, Some(refused)] {
        let mut lone = Lone::new(|_| {});
        let alice = lone.open("alice", StartFrom::Start);
        let [read] = &lone.reads()[..] else { panic!("the log is asked where it begins") };
        lone.pass(FRESH_MS);
        match late {
            None => lone.nothing(read),
            Some(refused) => lone.tell(LogEvent::Page(read.ticket, refused)),
        }
        assert_eq!(lone.outputs(), [], "nothing is known of the last second");
        lone.beat();
        let [read] = &lone.reads()[..] else { panic!("the log is asked again") };
        lone.nothing(read);
        let pushes = lone.pushes(alice);
        assert!(matches!(pushes[..], [Push::Welcome(_), Push::Live { .. }]), "{pushes:?}");
    }
}

#[test]
fn a_crowd_that_waited_for_the_log_is_served_in_order_and_some_at_a_time() {
    let mut lone = Lone::new(|_| {});
    lone.pass(FRESH_MS);
    let slots: Vec<u32> =
        (0..2 * STALE_PER_TICK + 10).map(|n| lone.open(&format!("client-{n}"), StartFrom::New)).collect();
    // One of them goes while it waits, and is not attached after its end.
    lone.close(slots[5]);
    assert_eq!(lone.outputs(), []);
    lone.beat();
    let mut welcomed = Vec::new();
    for turn in 1..=3 {
        welcomed.extend(lone.outputs().into_iter().map(|output| match output {
            Output::Push { slot, push: Push::Welcome(_) } => slot,
            Output::Unpark { slot } => slot,
            other => panic!("{other:?}"),
        }));
        welcomed.dedup();
        assert!(
            welcomed.len() <= turn * STALE_PER_TICK,
            "a beat and each tick serve so many: {}",
            welcomed.len()
        );
        lone.tick();
    }
    let expected: Vec<u32> = slots.iter().copied().filter(|&slot| slot != slots[5]).collect();
    assert_eq!(welcomed, expected, "first come, first served");
    assert_eq!(lone.shard.sessions_of("client-5"), []);
}
