//! The name of a leader epoch: greater than all that the directory knows, and, though it cannot know them, another one
//! than those of lives that were lost with what they wrote, because the directory was put back from a backup.
//!
//! It is the second in which the life begins. A lost life and the one that follows it share a name only where
//! - both begin in one second: the first would have to start, be stopped and have its directory replaced, and the second
//!   to start, before that second is over. No operator is so quick, and a life shows its name with its first append, so
//!   that only what was written and lost in that very second is concerned. Names are counted on where lives follow
//!   each other so quickly without a loss; they then run ahead of the clock for as many seconds as there were lives,
//!   and the name of one that is lost meanwhile may be that of the next for so long;
//! - or the clock does not tell them apart: it was far ahead once, or is far behind now. Then a name is not the next one,
//!   which any life from the same backup would take, but one of many, by chance.

/// The directory is so many seconds ahead of the clock: quick restarts do not explain that.
const CLOCK_IS_WRONG_S: u32 = 600;

/// Names among which chance decides then: eighteen hours of those that are left. There are fewer where few are left,
/// so that a wrong clock never uses them up.
const LEAP: u32 = 1 << 16;

/// The name of an epoch that begins at `now_s`, Unix seconds, 0 if the clock says nothing useful, in a log that knows of
/// none beyond `newest`. `None`: there is no name left.
pub fn name(newest: u32, now_s: u32, random: u32) -> Option<u32> {
    if now_s > newest {
        return Some(now_s);
    }
    let is_wrong = newest - now_s > CLOCK_IS_WRONG_S;
    let leap = if is_wrong { random % LEAP.min((u32::MAX - newest) / 4_096).max(1) } else { 0 };
    newest.checked_add(1 + leap)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When this was written, about.
    const NOW_S: u32 = 1_760_000_000;

    #[test]
    fn it_is_the_second_it_begins_in_or_the_next_name() {
        assert_eq!(name(0, NOW_S, 77), Some(NOW_S));
        assert_eq!(name(NOW_S - 1, NOW_S, 77), Some(NOW_S));
        assert_eq!(name(NOW_S, NOW_S, 77), Some(NOW_S + 1), "the second life of a second");
        assert_eq!(name(NOW_S + CLOCK_IS_WRONG_S, NOW_S, 77), Some(NOW_S + CLOCK_IS_WRONG_S + 1));
        assert_eq!(name(0, 0, 77), Some(1));
    }

    #[test]
    fn a_clock_that_is_far_behind_leaves_it_to_chance() {
        let newest = NOW_S + CLOCK_IS_WRONG_S + 1;
        assert_eq!(name(newest, NOW_S, 77), Some(newest + 78));
        assert_eq!(name(newest, NOW_S, u32::MAX), Some(newest + LEAP));
        assert_eq!(name(newest, 0, 0), Some(newest + 1));
    }

    #[test]
    fn a_wrong_clock_does_not_use_the_names_up() {
        let mut newest = NOW_S;
        for _ in 0..100_000 {
            newest = name(newest, 0, u32::MAX).unwrap();
        }
        assert!(newest < u32::MAX - 4_096, "{} names are left", u32::MAX - newest);
        assert_eq!(name(u32::MAX - 1, 0, 77), Some(u32::MAX));
        assert_eq!(name(u32::MAX, 0, 77), None);
    }
}
