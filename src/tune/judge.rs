//! Whether a knob is as it should be.

use super::knob::{Good, Knob, Size};
use serde::Serialize;

/// A knob on a host.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub setting: String,
    /// As it is; `None`: the host has no such thing.
    pub now: Option<String>,
    /// As it should be; `None`: anything will do.
    pub wanted: Option<String>,
    /// What is good about that.
    pub good: Good,
    /// Whether it is.
    pub state: State,
    /// What it buys.
    pub why: String,
    /// When to leave it alone.
    pub not: String,
    /// What sets it.
    pub command: Option<String>,
}

/// Whether a knob is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is.
    Well,
    /// It is not.
    Mend,
    /// There is nothing to set.
    Absent,
    /// Nothing is wanted of it here.
    Free,
}

/// What to say of a knob that stands at `now`, on a host of this size.
pub(super) fn judge(knob: &Knob, now: Option<String>, size: Size) -> Finding {
    let wanted = knob.wanted(size);
    let state = match (&now, wanted) {
        (_, None) => State::Free,
        (None, _) => State::Absent,
        (Some(now), Some(wanted)) if is_good(knob.good, now, wanted) => State::Well,
        _ => State::Mend,
    };
    Finding {
        setting: knob.name.clone(),
        now,
        wanted: wanted.map(str::to_owned),
        good: knob.good,
        state,
        why: knob.why.clone(),
        not: knob.not.clone(),
        command: wanted.filter(|_| state == State::Mend).map(|wanted| knob.command(wanted)),
    }
}

fn is_good(good: Good, now: &str, wanted: &str) -> bool {
    let (is, wants) = (last_number(now), last_number(wanted));
    match good {
        Good::AtLeast => is >= wants,
        Good::AtMost => is <= wants,
        Good::Is => now.split('/').all(|value| wanted.split(' ').any(|word| word == value)),
        Good::Span => {
            let mut ends = now.split(' ').filter_map(|number| number.parse::<u64>().ok());
            let (low, high) = (ends.next().unwrap_or(0), ends.next().unwrap_or(0));
            high.saturating_sub(low) >= wants
        }
    }
}

/// No limit at all is the greatest number.
fn last_number(text: &str) -> u64 {
    let last = text.rsplit([' ', '/']).next().unwrap_or_default();
    if last == "unlimited" { u64::MAX } else { last.parse().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::super::knobs;
    use super::*;

    #[test]
    fn numbers_words_and_spans_are_compared() {
        assert!(is_good(Good::AtLeast, "4096", "4096") && !is_good(Good::AtLeast, "128", "4096"));
        assert!(is_good(Good::AtLeast, "unlimited", "4096"));
        assert!(is_good(Good::AtLeast, "1 2 524288", "196608 262144 524288"), "the last counts");
        assert!(is_good(Good::AtMost, "1/2/90", "100") && !is_good(Good::AtMost, "1/2/190", "100"));
        assert!(
            is_good(Good::Is, "madvise", "madvise never") && !is_good(Good::Is, "always", "madvise never")
        );
        assert!(!is_good(Good::Is, "performance/powersave", "performance"), "one CPU is enough");
        assert!(is_good(Good::Span, "32768 60999", "28000") && !is_good(Good::Span, "50000 60999", "28000"));
    }

    #[test]
    fn every_knob_is_wanted_somewhere_and_can_be_set() {
        let all = knobs();
        assert!(all.len() >= 15);
        for knob in &all {
            let wanted = Size::ALL.iter().filter_map(|size| knob.wanted(*size)).collect::<Vec<_>>();
            assert!(!wanted.is_empty() && !knob.command(wanted[0]).is_empty(), "{}", knob.name);
            // What is set is good afterwards.
            for wanted in wanted {
                assert!(is_good(knob.good, knob.value_to_set(wanted), wanted), "{}: {wanted}", knob.name);
            }
        }
    }
}
