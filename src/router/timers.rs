//! When to look at a session again: a wheel of coarse ticks.
//!
//! An entry is a promise to look, not a decision: whoever is looked at decides by its own state, so entries are
//! never cancelled, and a session keeps at most one that counts. Nothing fires early; things fire at most one tick
//! late. Bounded by two entries per session: the one that counts, and one that an earlier deadline has replaced.

/// Milliseconds of one tick.
pub const TICK_MS: u64 = 50;
/// Ticks of the wheel: 51.2 s, longer than a ping interval, so that idle sessions are moved once per round.
const TICKS: usize = 1024;

/// The wheel.
#[derive(Debug)]
pub struct Timers {
    slots: Vec<Vec<Entry>>,
    /// The next tick to be fired.
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at_tick: u64,
    slot: u32,
    generation: u32,
}

impl Timers {
    /// An empty wheel that begins now.
    pub fn new(now_ms: u64) -> Self {
        Self { slots: vec![Vec::new(); TICKS], next: now_ms / TICK_MS }
    }

    /// Look at this session at or soon after that time. Returns the time that counts.
    pub fn arm(&mut self, at_ms: u64, slot: u32, generation: u32) {
        let at_tick = at_ms.div_ceil(TICK_MS).max(self.next);
        self.slots[at_tick as usize % TICKS].push(Entry { at_tick, slot, generation });
    }

    /// Hands out everyone whose time has come.
    pub fn fire(&mut self, now_ms: u64, due: &mut Vec<(u32, u32)>) {
        let now_tick = now_ms / TICK_MS;
        // After a long pause every slot is visited once, not once per tick of the pause.
        let first = self.next.max(now_tick.saturating_sub(TICKS as u64 - 1));
        for tick in first..=now_tick {
            let entries = &mut self.slots[tick as usize % TICKS];
            entries.retain(|entry| {
                let later = entry.at_tick > now_tick;
                if !later {
                    due.push((entry.slot, entry.generation));
                }
                later
            });
            // Sessions that came together stay together from round to round, each time in other slots: what they leave
            // empty would add up to their number times the wheel.
            if entries.len() * 4 <= entries.capacity() {
                entries.shrink_to_fit();
            }
        }
        self.next = self.next.max(now_tick + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everyone_fires_once_never_early_and_at_most_a_tick_late(
            times in proptest::collection::vec(0..200_000u64, 1..40),
            steps in proptest::collection::vec(1..30_000u64, 1..60),
        ) {
            let (mut timers, mut now, mut fired) = (Timers::new(1_000), 1_000, vec![None; times.len()]);
            for (slot, &time) in times.iter().enumerate() {
                timers.arm(1_000 + time, slot as u32, 7);
            }
            for step in steps.into_iter().chain([400_000]) {
                let before = now;
                now += step;
                let mut due = Vec::new();
                timers.fire(now, &mut due);
                for (slot, generation) in due {
                    prop_assert_eq!(generation, 7);
                    prop_assert!(fired[slot as usize].replace((before, now)).is_none());
                }
            }
            for (&time, fired) in times.iter().zip(fired) {
                let (before, now) = fired.expect("everyone fires");
                prop_assert!(now >= 1_000 + time, "not early");
                prop_assert!(before < 1_000 + time + TICK_MS, "not late");
            }
            prop_assert!(timers.slots.iter().all(|slot| slot.capacity() == 0), "nothing is kept of what has fired");
        }
    }
}
