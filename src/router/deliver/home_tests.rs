//! What one home alone answers for.

use crate::limits::FRESH_MS;
use crate::log::{LogEvent, Unreadable};
use crate::model::{Push, StartFrom, Unresumed};
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
