//! Stories of nodes that start, claim, fall silent, return and go.

use super::super::rig::{Rig, says, settings};
use super::*;
use crate::cluster::Since;

/// The nodes of these ordinals, all alive.
fn cluster(ordinals: &[u16]) -> Rig {
    let mut rig = Rig::default();
    for ordinal in ordinals {
        rig.start(settings(*ordinal, 1 << 30));
        rig.pass(1);
    }
    assert_eq!(rig.alive(), ordinals);
    rig
}

fn since(rig: &Rig, ordinal: u16) -> Option<u64> {
    rig.nodes[0].members.view().holder(ordinal).map(|member| member.since.offset())
}

#[test]
fn the_first_node_of_a_cluster_claims_with_its_first_word() {
    let mut rig = Rig::default();
    let first = rig.start(settings(0, 5));
    assert!(!rig.holds(first));
    rig.pass(1);
    assert_eq!(rig.nodes[first].said, [Say::Alive]);
    assert!(rig.holds(first), "its own word came back to it");
    rig.pass(3);
    assert_eq!(rig.nodes[first].views.len(), 1, "what does not change is not told again");
}

#[test]
fn nothing_is_claimed_before_the_own_partition_is_assigned() {
    let mut rig = Rig::default();
    let node = rig.start_unassigned(settings(0, 5));
    rig.pass(60);
    assert!(rig.nodes[node].said.iter().all(|say| *say == Say::Look) && rig.nodes[node].refused.is_none());
    rig.input(node, |members, now_ms, out| members.on_node_partition(NodePartition::Assigned, now_ms, out));
    rig.pass(1);
    assert!(rig.holds(node));
}

#[test]
fn a_node_without_a_partition_exits_for_the_topic() {
    let mut rig = Rig::default();
    let node = rig.start_unassigned(settings(300, 5));
    let missing = NodePartition::Missing { partitions: 256 };
    rig.input(node, |members, now_ms, out| members.on_node_partition(missing, now_ms, out));
    assert_eq!(rig.nodes[node].refused.as_ref().map(Refusal::exit_code), Some(4));
}

#[test]
fn a_lone_node_that_was_killed_returns_by_its_own_looks() {
    let mut rig = cluster(&[0]);
    rig.pass(10);
    rig.nodes[0].is_paused = true;
    let again = rig.start(settings(0, 2 << 30));
    rig.pass(5);
    assert!(rig.nodes[again].said.iter().all(|say| *say == Say::Look), "its last life is not over yet");
    rig.pass(2);
    assert!(rig.holds(again) && rig.nodes[again].said.last() == Some(&Say::Alive));
}

#[test]
fn a_starter_gives_up_after_three_timeouts_of_a_held_ordinal() {
    let mut rig = cluster(&[0, 1]);
    let second = rig.start(settings(1, 2 << 30));
    rig.pass(15);
    assert_eq!(rig.nodes[second].refused, None);
    rig.pass(1);
    let refused = Refusal::OrdinalInUse { ordinal: 1, holder: Incarnation(1 << 30) };
    assert_eq!(rig.nodes[second].refused, Some(refused));
    assert!(rig.nodes[second].said.iter().all(|say| *say == Say::Look) && rig.holds(1));
}

#[test]
fn of_two_starters_of_one_ordinal_at_once_the_newer_wins() {
    for kafka_is_slow in [false, true] {
        let mut rig = cluster(&[0]);
        let (older, newer) = (rig.start(settings(1, 2 << 30)), rig.start(settings(1, 3 << 30)));
        rig.kafka_is_away = kafka_is_slow;
        rig.pass(1);
        rig.kafka_returns();
        rig.pass(16);
        if kafka_is_slow {
            let by = Incarnation(3 << 30);
            assert_eq!(
                rig.nodes[older].refused,
                Some(Refusal::Replaced { ordinal: 1, by }),
                "both had claimed"
            );
            assert!(rig.holds(newer));
        } else {
            let holder = Incarnation(2 << 30);
            assert_eq!(rig.nodes[newer].refused, Some(Refusal::OrdinalInUse { ordinal: 1, holder }));
            assert!(rig.holds(older), "it had claimed before the other looked");
        }
        assert_eq!(rig.alive(), [0, 1]);
    }
}

#[test]
fn a_holder_that_sees_a_newer_one_exits() {
    let mut rig = cluster(&[0, 1]);
    rig.append(says(Say::Alive, settings(1, 2 << 30)));
    assert_eq!(rig.nodes[1].refused, Some(Refusal::Replaced { ordinal: 1, by: Incarnation(2 << 30) }));
    rig.append(says(Say::Alive, settings(0, 7)));
    assert_eq!(rig.nodes[0].refused, None, "an older one is nothing to it");
    assert!(rig.holds(0));
}

#[test]
fn a_zombie_that_was_replaced_returns_without_a_word() {
    let mut rig = cluster(&[0, 1]);
    rig.nodes[1].is_paused = true;
    rig.pass(7);
    assert_eq!(rig.alive(), [0]);
    let successor = rig.start(settings(1, 2 << 30));
    rig.pass(1);
    assert!(rig.holds(successor));
    let said = rig.nodes[1].said.len();
    rig.nodes[1].is_paused = false;
    rig.input(1, |members, now_ms, out| members.on_tick(now_ms, out));
    assert_eq!(rig.nodes[1].refused.as_ref().map(Refusal::exit_code), Some(5));
    assert_eq!(rig.nodes[1].said.len(), said, "what was due was not said before the log was read");
}

#[test]
fn a_zombie_whose_ordinal_nobody_took_is_live_again_since_its_return() {
    let mut rig = cluster(&[0, 1]);
    let before = since(&rig, 1);
    rig.nodes[1].is_paused = true;
    rig.pass(7);
    rig.nodes[1].is_paused = false;
    rig.pass(1);
    assert_eq!(rig.alive(), [0, 1]);
    assert!(since(&rig, 1) > before && rig.holds(1));
}

#[test]
fn an_hour_without_kafka_kills_nobody() {
    let mut rig = cluster(&[0, 1, 2]);
    rig.pass(5);
    let views = rig.nodes.iter().map(|node| node.views.len()).collect::<Vec<_>>();
    rig.kafka_is_away = true;
    rig.pass(3_600);
    assert!(
        rig.nodes.iter().all(|node| node.members.counts().withheld > 3_500),
        "eight are under way, no more"
    );
    rig.kafka_returns();
    rig.pass(10);
    assert_eq!(rig.alive(), [0, 1, 2]);
    assert_eq!(rig.nodes.iter().map(|node| node.views.len()).collect::<Vec<_>>(), views);
}

#[test]
fn after_eight_unseen_alives_nothing_is_written_until_one_is_seen() {
    let mut rig = cluster(&[0]);
    let said = rig.nodes[0].said.len();
    rig.kafka_is_away = true;
    rig.pass(20);
    assert_eq!(rig.nodes[0].said.len(), said + ALIVES_UNSEEN as usize);
    rig.input(0, |members, now_ms, out| members.on_unwritten(now_ms, out));
    rig.pass(2);
    assert_eq!(
        rig.nodes[0].said.len(),
        said + ALIVES_UNSEEN as usize + 1,
        "one was given up, so one may be said"
    );
    rig.kafka_returns();
    rig.pass(3);
    assert_eq!(rig.nodes[0].said.len(), said + ALIVES_UNSEEN as usize + 4);
}

#[test]
fn alives_that_were_deleted_before_they_were_read_are_not_waited_for() {
    for ordinals in [&[0][..], &[0, 1]] {
        let mut rig = cluster(ordinals);
        rig.kafka_is_away = true;
        rig.pass(10);
        rig.nodes[0].is_paused = true;
        rig.kafka_returns();
        rig.start = rig.log.len() as u64;
        rig.nodes[0].is_paused = false;
        rig.input(0, |members, now_ms, out| members.on_lost_place(now_ms, out));
        rig.pass(8);
        assert_eq!(rig.nodes[0].members.counts().withheld, 2, "none since it has lost its place");
        assert!(rig.holds(0) && rig.nodes[0].members.view().ordinals() == ordinals);
    }
}

#[test]
fn who_leaves_is_gone_at_once_and_its_ordinal_is_free() {
    let mut rig = cluster(&[0, 1]);
    rig.input(1, |members, now_ms, out| members.on_stop(now_ms, out));
    assert!(rig.nodes[1].has_left && rig.nodes[1].said.last() == Some(&Say::Leave));
    assert_eq!(rig.alive(), [0]);
    rig.pass(2);
    let next = rig.start(settings(1, 2 << 30));
    rig.pass(1);
    assert!(rig.holds(next), "nobody waits for one that left");
    let starter = rig.start(settings(1, 3 << 30));
    rig.pass(1);
    rig.input(starter, |members, now_ms, out| members.on_stop(now_ms, out));
    assert!(rig.nodes[starter].has_left && rig.nodes[starter].said == [Say::Look], "it had claimed nothing");
}

#[test]
fn a_node_that_drains_says_so_at_once_and_for_life_and_stays_a_member() {
    let mut rig = cluster(&[0, 1, 2]);
    let (told, since) = (rig.nodes[0].views.len(), since(&rig, 1));
    let leaving = |rig: &Rig| rig.nodes[0].members.view().holder(1).map(|member| member.is_leaving);
    rig.input(1, |members, now_ms, out| members.on_drain(now_ms, out));
    assert_eq!((leaving(&rig), rig.nodes[0].views.len()), (Some(true), told + 1), "no tick was waited for");
    assert!(rig.holds(1) && self::since(&rig, 1) == since, "its life goes on");
    let view = rig.nodes[2].members.view();
    assert_eq!((view.ordinals(), view.homes()), (vec![0, 1, 2], vec![0, 2]));
    let said = rig.nodes[1].said.len();
    rig.input(1, |members, now_ms, out| members.on_drain(now_ms, out));
    assert_eq!(rig.nodes[1].said.len(), said, "once is enough");
    rig.pass(8);
    assert_eq!((leaving(&rig), rig.nodes[0].views.len()), (Some(true), told + 1));
    rig.input(1, |members, now_ms, out| members.on_stop(now_ms, out));
    assert_eq!((rig.alive(), rig.nodes[0].members.view().homes()), (vec![0, 2], vec![0, 2]));
    let again = rig.start(settings(1, 2 << 30));
    rig.pass(1);
    assert!(rig.holds(again) && leaving(&rig) == Some(false), "another start is another life");
}

#[test]
fn where_all_drain_all_stay_homes_until_they_are_gone() {
    let mut rig = cluster(&[0, 1]);
    for at in [0, 1] {
        rig.input(at, |members, now_ms, out| members.on_drain(now_ms, out));
    }
    let view = rig.nodes[0].members.view();
    assert!(view.all_leave() && view.homes() == [0, 1]);
    rig.start(settings(2, 1 << 30));
    rig.pass(1);
    assert_eq!(rig.nodes[0].members.view().homes(), [2], "somebody came who stays");
}

#[test]
fn who_drains_before_it_has_claimed_claims_nothing_that_others_would_have_to_take() {
    let mut rig = cluster(&[0]);
    let node = rig.start_unassigned(settings(1, 1 << 30));
    rig.pass(1);
    rig.input(node, |members, now_ms, out| members.on_drain(now_ms, out));
    assert_eq!(rig.nodes[node].said, [Say::Look], "nothing is due at once");
    rig.input(node, |members, now_ms, out| members.on_node_partition(NodePartition::Assigned, now_ms, out));
    rig.pass(1);
    assert!(rig.holds(node) && rig.nodes[0].members.view().homes() == [0]);
}

#[test]
fn who_may_not_speak_says_that_it_drains_as_soon_as_it_may() {
    let mut rig = cluster(&[0, 1]);
    rig.kafka_is_away = true;
    rig.now_ms += 10_000;
    rig.input(0, |members, now_ms, out| members.on_drain(now_ms, out));
    rig.kafka_returns();
    assert_eq!(rig.nodes[1].members.view().homes(), [1]);
}

#[test]
fn a_view_that_flips_and_flips_back_within_a_second_is_told_twice() {
    let mut rig = cluster(&[0, 1]);
    let (told, before) = (rig.nodes[0].views.len(), rig.nodes[0].members.view().clone());
    rig.append(says(Say::Leave, settings(1, 1 << 30)));
    rig.append(says(Say::Alive, settings(1, 1 << 30)));
    assert_eq!(rig.nodes[0].views.len(), told + 2);
    let after = rig.nodes[0].members.view();
    assert_eq!((after.ordinals(), before.ordinals()), (vec![0, 1], vec![0, 1]));
    assert_ne!(*after, before, "it is not taken for nothing: the node is live since another record");
}

#[test]
fn a_change_and_its_undoing_while_a_node_was_away_are_seen_when_it_returns() {
    let mut rig = cluster(&[0, 1]);
    rig.nodes[0].is_paused = true;
    rig.append(says(Say::Leave, settings(1, 1 << 30)));
    rig.append(says(Say::Alive, settings(1, 1 << 30)));
    rig.now_ms += 3_600;
    let told = rig.nodes[0].views.len();
    rig.nodes[0].is_paused = false;
    rig.read();
    assert_eq!(
        rig.nodes[0].views.len(),
        told + 1,
        "what lies between is not told to one that reads to the end"
    );
}

#[test]
fn a_late_loop_says_nothing_before_it_has_read_to_the_end() {
    let mut rig = cluster(&[0, 1]);
    rig.kafka_is_away = true;
    let (now_ms, mut out) = (rig.now_ms, Vec::new());
    let node = &mut rig.nodes[0].members;
    assert!(node.may_speak(now_ms + 3_500, &mut out) && out.is_empty());
    assert!(!node.may_speak(now_ms + 3_501, &mut out));
    assert_eq!(out, [Output::ReadToEnd { request: 2 }]);
    node.on_tick(now_ms + 3_502, &mut out);
    assert_eq!(out.len(), 1, "the tick's word waits");
    // The answer comes after another delay: it is of no use any more.
    node.on_end(2, 0, 3, now_ms + 9_000, &mut out);
    assert_eq!(out[1..], [Output::ReadToEnd { request: 3 }]);
    assert!(!node.may_speak(now_ms + 9_001, &mut out));
    node.on_end(3, 0, 4, now_ms + 9_002, &mut out);
    assert_eq!((out.len(), node.may_speak(now_ms + 9_003, &mut out)), (2, false), "one more is to be read");
    let record = says(Say::Look, settings(9, 1)).value();
    let raw = Raw { offset: 3, append_ms: Some(7_003_000), version: Some(b"1"), value: &record };
    node.on_record(raw, now_ms + 9_004, &mut out);
    assert!(
        matches!(out[2], Output::Say(Record { say: Say::Alive, .. })),
        "what was due is said at once: {out:?}"
    );
    assert!(node.may_speak(now_ms + 9_005, &mut out));
    assert_eq!((node.counts().late, node.counts().stale_ends), (2, 1));
}

#[test]
fn a_late_node_that_stops_reads_before_it_leaves() {
    let mut rig = cluster(&[0]);
    rig.kafka_is_away = true;
    rig.now_ms += 10_000;
    rig.input(0, |members, now_ms, out| members.on_stop(now_ms, out));
    assert!(!rig.nodes[0].has_left);
    rig.kafka_returns();
    assert!(rig.nodes[0].has_left && rig.nodes[0].said.last() == Some(&Say::Leave));
}

#[test]
fn a_node_with_other_constants_is_told_which_and_the_cluster_stays() {
    let mut rig = cluster(&[0, 1]);
    let mut other = settings(2, 1 << 30);
    other.constants.partitions = 128;
    let other = rig.start(other);
    rig.pass(3);
    let refused = rig.nodes[other].refused.as_ref().expect("it cannot join");
    assert!(refused.to_string().contains("--partitions is 128 here and 64 there"), "{refused}");
    assert_eq!((refused.exit_code(), rig.alive()), (5, vec![0, 1]));
    assert!(rig.nodes[other].said.iter().all(|say| *say == Say::Look));
}

/// The last words of a killed cluster look alive as long as nobody moves log time.
#[test]
fn constants_may_be_changed_while_no_node_lives() {
    let mut rig = cluster(&[0, 1]);
    rig.nodes.iter_mut().for_each(|node| node.is_paused = true);
    let mut other = settings(2, 1 << 30);
    other.constants.node_timeout_ms = 10_000;
    let other = rig.start(other);
    rig.pass(12);
    assert!(rig.holds(other) && rig.alive() == [2]);
}

#[test]
fn a_starter_that_must_read_again_does_not_take_old_words_for_fresh_ones() {
    let mut rig = cluster(&[0, 1]);
    rig.nodes.iter_mut().for_each(|node| node.is_paused = true);
    let mut other = settings(2, 1 << 30);
    other.constants.partitions = 128;
    let other = rig.start(other);
    rig.pass(2);
    rig.nodes[other].at = 0;
    rig.input(other, |members, now_ms, out| members.on_lost_place(now_ms, out));
    rig.pass(8);
    assert_eq!(rig.nodes[other].refused, None);
    assert!(rig.holds(other));
}

#[test]
fn a_node_that_has_seen_the_topic_made_again_waits_for_those_that_have_not() {
    let mut rig = cluster(&[0, 1]);
    let mut settings = settings(2, 1 << 30);
    settings.constants.log_epoch += 1;
    let early = rig.start(settings);
    rig.pass(2);
    assert!(matches!(rig.nodes[early].refused, Some(Refusal::OtherConstants { .. })));
    rig.nodes.iter_mut().for_each(|node| node.is_paused = true);
    let late = rig.start(settings);
    rig.pass(9);
    assert!(rig.holds(late) && rig.alive() == [2]);
}

#[test]
fn of_two_that_claim_at_once_with_other_constants_the_later_gives_way() {
    let mut rig = Rig::default();
    let first = rig.start(settings(0, 5));
    let mut other = settings(1, 5);
    other.constants.node_timeout_ms = 6_000;
    let second = rig.start(other);
    rig.kafka_is_away = true;
    rig.pass(1);
    rig.kafka_returns();
    assert!(rig.nodes[second].refused.is_some() && rig.nodes[first].refused.is_none());
    assert_eq!(rig.alive(), [0], "it gave its claim back");
}

#[test]
fn the_cluster_speaks_what_its_oldest_node_can_and_who_cannot_exits() {
    let mut rig = Rig::default();
    let speaking = |ordinal, min, max| Settings { protocols: Protocols { min, max }, ..settings(ordinal, 5) };
    rig.start(speaking(0, 1, 2));
    rig.pass(1);
    rig.start(speaking(1, 2, 3));
    rig.pass(1);
    assert_eq!((rig.alive(), rig.nodes[0].members.view().spoken()), (vec![0, 1], Some(2)));
    for (min, max) in [(3, 4), (1, 1)] {
        let other = rig.start(speaking(2, min, max));
        rig.pass(2);
        let refused = rig.nodes[other].refused.as_ref();
        assert!(matches!(refused, Some(Refusal::NoCommonProtocol { .. })), "{min} to {max}: {refused:?}");
    }
    assert_eq!(rig.alive(), [0, 1]);
}

#[test]
fn where_claims_without_a_common_protocol_overlap_nothing_is_spoken_until_the_later_goes() {
    let mut rig = Rig::default();
    let speaking = |ordinal, min, max| Settings { protocols: Protocols { min, max }, ..settings(ordinal, 5) };
    let first = rig.start(speaking(0, 1, 1));
    let second = rig.start(speaking(1, 2, 3));
    rig.kafka_is_away = true;
    rig.pass(1);
    rig.kafka_returns();
    let spoken: Vec<_> = rig.nodes[first].views.iter().map(|view| view.spoken()).collect();
    assert_eq!(spoken, [Some(1), None, Some(1)]);
    assert!(rig.nodes[second].refused.is_some() && rig.holds(first));
}

#[test]
fn a_starter_that_meets_a_newer_version_exits_and_a_holder_does_not() {
    let mut rig = cluster(&[0]);
    let starter = rig.start(settings(1, 5));
    rig.append_as(b"2", b"\x01\x02".to_vec());
    let refused = rig.nodes[starter].refused.clone();
    assert_eq!(refused, Some(Refusal::NewerRecord { offset: 1 }));
    assert!(rig.holds(0) && rig.alive() == [0], "it changes no view");
    // One that comes later finds the record lying there: it waits until that is old, or another is written.
    let late = rig.start(settings(1, 6));
    rig.pass(5);
    assert!(rig.nodes[late].said.iter().all(|say| *say == Say::Look));
    rig.pass(1);
    assert!(rig.holds(late));
}

#[test]
fn a_topic_with_the_times_of_producers_ends_a_starter() {
    let mut rig = cluster(&[0]);
    let starter = rig.start(settings(1, 5));
    let value = says(Say::Look, settings(9, 1)).value();
    let raw = Raw { offset: 1, append_ms: None, version: Some(b"1"), value: &value };
    let mut out = Vec::new();
    rig.nodes[starter].members.on_record(raw, rig.now_ms, &mut out);
    assert_eq!(out, [Output::Exit(Refusal::NotLogAppendTime { offset: 1 })]);
}

#[test]
fn a_starter_in_a_trimmed_log_looks_until_its_fold_counts() {
    let mut rig = cluster(&[0]);
    rig.pass(3);
    rig.nodes[0].is_paused = true;
    rig.start = rig.log.len() as u64;
    let starter = rig.start(settings(1, 5));
    rig.pass(7);
    assert!(
        rig.nodes[starter].said.iter().all(|say| *say == Say::Look),
        "somebody may live that it cannot know of"
    );
    rig.pass(1);
    assert!(rig.holds(starter) && rig.alive() == [1]);
}

#[test]
fn a_holder_that_lost_its_place_in_the_log_lives_and_keeps_still_until_its_fold_counts() {
    let mut rig = cluster(&[0, 1]);
    rig.pass(3);
    rig.start = rig.log.len() as u64;
    rig.nodes[0].said.clear();
    let views = rig.nodes[1].views.len();
    rig.input(0, |members, now_ms, out| members.on_lost_place(now_ms, out));
    let may_speak = |rig: &mut Rig| {
        let now_ms = rig.now_ms;
        rig.nodes[0].members.may_speak(now_ms, &mut Vec::new())
    };
    rig.pass(6);
    assert!(!may_speak(&mut rig), "it may have been replaced in what it has not read");
    rig.pass(1);
    assert!(may_speak(&mut rig) && rig.holds(0));
    assert_eq!((rig.nodes[0].said.clone(), rig.nodes[1].views.len()), (vec![Say::Alive; 7], views));
    assert_eq!(rig.nodes[0].members.view().holder(1).map(|member| member.since), Some(Since::AtOrBefore(10)));
}

#[test]
fn a_starter_whose_clock_is_behind_raises_its_number_above_the_logs() {
    let mut rig = cluster(&[0, 1]);
    rig.input(1, |members, now_ms, out| members.on_stop(now_ms, out));
    let starter = rig.start(settings(1, 77));
    rig.pass(1);
    let raised = rig.nodes[starter].members.incarnation();
    assert!(raised > Incarnation(1 << 30) && raised.0 & 0x3f_ffff == 77 && rig.holds(starter));
}

#[test]
fn a_number_seen_while_looking_is_passed_too() {
    let mut rig = cluster(&[0, 1]);
    let starter = rig.start(settings(1, 2 << 30));
    rig.pass(1);
    rig.append(says(Say::Look, settings(1, 9 << 30)));
    rig.input(1, |members, now_ms, out| members.on_stop(now_ms, out));
    rig.pass(1);
    assert!(rig.nodes[starter].members.incarnation() > Incarnation(9 << 30) && rig.holds(starter));
}

#[test]
fn above_the_last_number_nobody_starts() {
    let mut rig = cluster(&[0]);
    rig.append(says(Say::Look, settings(1, u64::MAX)));
    let starter = rig.start(settings(1, 5));
    rig.pass(1);
    let highest = Incarnation(u64::MAX);
    assert_eq!(rig.nodes[starter].refused, Some(Refusal::NoIncarnationLeft { ordinal: 1, highest }));
}
