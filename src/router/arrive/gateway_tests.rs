//! What one gateway alone answers for.

use crate::counters::Stage;
use crate::model::{Push, StartFrom};
use crate::router::Output;
use crate::router::rig::Lone;

/// Replays that ended, in all, and of those the ones that took at most 100 ms.
fn replays(lone: &mut Lone) -> (u64, u64) {
    let took = &lone.shard.counters().end_to_end_us[Stage::Replay as usize];
    let within = took.cumulative().find(|&(bound, _)| bound == 100_000).expect("a bound of its buckets").1;
    (took.count(), within)
}

#[test]
fn a_replay_is_timed_from_the_connect_or_the_falling_behind_to_live() {
    let mut lone = Lone::new(|settings| settings.outbound_bytes = 1_000);
    let bob = lone.open("bob", StartFrom::Start);
    let reads = lone.reads();
    lone.pass(300);
    lone.nothing(&reads[0]);
    let pushes = lone.pushes(bob);
    assert!(matches!(pushes[..], [Push::Welcome(_), Push::Live { .. }]), "{pushes:?}");
    assert_eq!(replays(&mut lone), (1, 0), "300 ms");
    let alice = lone.open("alice", StartFrom::New);
    drop(lone.outputs());
    assert_eq!(replays(&mut lone), (1, 0), "who starts at the head replays nothing");

    // Much later the socket takes nothing for a moment.
    let mut cost: u32 = pushes.iter().map(Push::cost).sum();
    lone.pass(5_000);
    lone.beat();
    while lone.shard.counters().catchups == 0 {
        let _ = lone.send(alice, &["bob"], &[b'7'; 300]);
        let mut to_bob = 0;
        for output in lone.outputs() {
            match output {
                Output::Append(append) => lone.durable(append),
                Output::Push { slot, push } if slot == bob => to_bob += push.cost(),
                _ => {}
            }
        }
        cost += to_bob;
    }
    cost += lone.pushes(bob).iter().map(Push::cost).sum::<u32>();
    lone.pass(70);
    lone.shard.on_written(bob, cost, lone.now, &mut lone.out);
    let pushes = lone.pushes(bob);
    assert!(matches!(pushes[..], [Push::Message { .. }, Push::Live { .. }]), "{pushes:?}");
    assert_eq!(replays(&mut lone), (2, 1), "70 ms from when it fell behind");
}
