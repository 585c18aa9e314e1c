//! Every state has a byte form, and who takes it up goes on as if nothing had happened.

use crate::streams::{Random, cuts, stream};
use crate::{Seen, feed, run};
use corepost::wire::websocket::{BadExport, PartialBudget, Receiver, Rules};
use proptest::prelude::*;

/// Small bounds, so that short streams reach all of them.
const SMALL: Rules = Rules { keep: 60, skim: 300, check_utf8: true, text_only: false, from_server: false };

fn all_rules() -> [Rules; 5] {
    let parsed = Rules { check_utf8: false, text_only: true, ..SMALL };
    [SMALL, parsed, Rules::CLIENT, Rules::ECHO, Rules::SERVER]
}

/// Cuts at `at`, hands the state on in bytes, and goes on.
fn run_in_two_lives(stream: &[u8], at: usize, rules: &Rules) -> Vec<Seen> {
    let (mut first, mut budget, mut seen) = (Receiver::default(), PartialBudget::default(), vec![]);
    feed(&mut first, &stream[..at], rules, &mut budget, &mut seen);
    if seen.last().is_some_and(Seen::is_last) {
        return seen;
    }
    let mut state = vec![];
    first.export(&mut state);
    let mut new_budget = PartialBudget::default();
    let mut second = Receiver::import(&state, rules, &mut new_budget).expect("an exported state is taken");
    assert_eq!(second.pending_since(), first.pending_since());
    let mut again = vec![];
    second.export(&mut again);
    assert_eq!(again, state, "a state taken up is the same state");
    feed(&mut second, &stream[at..], rules, &mut new_budget, &mut seen);
    second.release(&mut new_budget);
    assert_eq!(new_budget.used(), 0);
    seen
}

#[test]
fn a_state_handed_on_at_every_cut_changes_nothing() {
    let mut random = Random(0x0DDB_1A5E_5BAD_5EED);
    for number in 0..600 {
        let stream = stream(&mut random, 140);
        for rules in all_rules() {
            let whole = run(&stream, &[stream.len()], &rules);
            for at in 0..=stream.len() {
                let handed = run_in_two_lives(&stream, at, &rules);
                assert_eq!(handed, whole, "stream {number} {stream:02x?} at {at} {rules:?}");
            }
        }
    }
}

#[test]
fn small_bounds_do_not_depend_on_cuts_either() {
    let mut random = Random(77);
    let mut oversize = 0;
    for _ in 0..5_000 {
        let stream = stream(&mut random, 200);
        let pieces = cuts(&mut random, stream.len());
        for rules in all_rules() {
            let whole = run(&stream, &[stream.len()], &rules);
            assert_eq!(run(&stream, &pieces, &rules), whole, "{stream:02x?} cut {pieces:?} {rules:?}");
            oversize += whole.iter().filter(|seen| matches!(seen, Seen::Oversize(_))).count();
        }
    }
    assert!(oversize > 100, "the bounds were reached");
}

#[test]
fn a_state_without_room_is_not_taken() {
    let (mut receiver, mut budget) = (Receiver::default(), PartialBudget::default());
    feed(&mut receiver, b"\x81", &SMALL, &mut budget, &mut vec![]);
    let mut state = vec![];
    receiver.export(&mut state);
    let refused = Receiver::import(&state, &SMALL, &mut PartialBudget::new(10)).err();
    assert_eq!(refused, Some(BadExport::NoRoom));
}

proptest! {
    /// Any bytes are judged, and a state that is taken behaves: it can be fed, exported again, and released.
    #[test]
    fn any_bytes_are_judged_as_a_state(
        mut state in prop::collection::vec(any::<u8>(), 0..80),
        input in prop::collection::vec(any::<u8>(), 0..80),
        honest in any::<bool>(),
    ) {
        if honest && !state.is_empty() {
            state[0] = 1;
        }
        for rules in all_rules() {
            try_state(&state, &input, &rules);
        }
    }

    /// The same for states that are nearly right.
    #[test]
    fn a_damaged_state_is_judged(
        seed in 1..u64::MAX,
        cut in any::<prop::sample::Index>(),
        damage in any::<(prop::sample::Index, u8)>(),
        input in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let stream = stream(&mut Random(seed), 140);
        for rules in all_rules() {
            let (mut receiver, mut budget, mut seen) =
                (Receiver::default(), PartialBudget::default(), vec![]);
            feed(&mut receiver, &stream[..cut.index(stream.len())], &rules, &mut budget, &mut seen);
            let mut state = vec![];
            receiver.export(&mut state);
            if !state.is_empty() {
                let at = damage.0.index(state.len());
                state[at] = damage.1;
            }
            try_state(&state, &input, &rules);
        }
    }

    #[test]
    fn any_bytes_are_judged_as_frames(
        input in prop::collection::vec(any::<u8>(), 0..200),
        cut in 1..50usize,
    ) {
        for rules in all_rules() {
            let pieces = vec![cut; input.len() / cut + 1];
            prop_assert_eq!(run(&input, &pieces, &rules), run(&input, &[input.len()], &rules));
        }
    }
}

fn try_state(state: &[u8], input: &[u8], rules: &Rules) {
    let mut budget = PartialBudget::default();
    let Ok(mut receiver) = Receiver::import(state, rules, &mut budget) else {
        assert_eq!(budget.used(), 0);
        return;
    };
    let mut again = vec![];
    receiver.export(&mut again);
    assert_eq!(again, state, "every state has one byte form");
    feed(&mut receiver, input, rules, &mut budget, &mut vec![]);
    receiver.release(&mut budget);
    assert_eq!(budget.used(), 0);
}
