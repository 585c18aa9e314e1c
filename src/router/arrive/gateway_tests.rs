//! What one gateway alone answers for.

use crate::counters::Stage;
use crate::model::{IdRef, Push, StartFrom, Topology};
use crate::router::Output;
use crate::router::rig::{Lone, PARTITIONS};

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

/// A node of three cores drains within ten seconds: when each of its sessions is told to go, and when it is closed.
fn drained(counts: [usize; 3]) -> (Vec<u64>, Vec<u64>) {
    const WINDOW_MS: u64 = 10_000;
    let topology = Topology::new(PARTITIONS, 3);
    let (mut told, mut closed) = (Vec::new(), Vec::new());
    for (core, count) in counts.into_iter().enumerate() {
        let mut lone = Lone::new(|settings| (settings.core, settings.topology) = (core as u16, topology));
        let names = (0..).map(|n| format!("c{n}"));
        let ours = names.filter(|name| usize::from(topology.core(IdRef::new(name).unwrap())) == core);
        for name in ours.take(count) {
            lone.open(&name, StartFrom::New);
        }
        drop(lone.outputs());
        lone.shard.drain(WINDOW_MS, lone.now, &mut lone.out);
        for after_ms in (0..=WINDOW_MS + 50).step_by(50) {
            lone.tick();
            for output in lone.outputs() {
                match output {
                    Output::Push { push: Push::Drain { reconnect_after_ms, .. }, .. } => {
                        told.push(reconnect_after_ms)
                    }
                    Output::Close { .. } => closed.push(after_ms),
                    _ => {}
                }
            }
            lone.pass(50);
            lone.beat();
        }
    }
    (told, closed)
}

/// Of three thousand sessions a half second has 150: half again as many are allowed, wherever it begins. Cores may have as
/// different numbers of them as they like.
#[test]
fn no_half_second_of_a_drain_has_more_than_half_again_its_share() {
    for counts in [[1_000, 1_000, 1_000], [1_500, 1_499, 1], [2_900, 60, 40], [0, 0, 3_000]] {
        let (told, closed) = drained(counts);
        for (what, mut moments) in [("told", told), ("closed", closed)] {
            assert_eq!(moments.len(), 3_000, "{what}");
            moments.sort_unstable();
            let within = |from: u64| moments.iter().filter(|at| (from..from + 500).contains(*at)).count();
            let most = moments.iter().map(|at| within(*at)).max().unwrap();
            println!("{counts:?}: at most {most} are {what} to go in 500 ms");
            assert!(most <= 225, "{counts:?}: {most} are {what} to go in 500 ms");
        }
    }
}

#[test]
fn cores_with_one_session_each_do_not_send_them_away_at_once() {
    let (mut told, _) = drained([1, 1, 1]);
    told.sort_unstable();
    assert_eq!(told, [0, 3_333, 6_666]);
}
