//! Which homes are to be greeted, and when.
//!
//! A hello costs a home all that it knows of this gateway, and this gateway the word of all its sessions there. So a home
//! is greeted at most once in [`HELLO_MS`]: where what we say is lost as soon as it is said, as by a producer that is
//! full, links do not break and begin in a circle.
//!
//! Only who is alive is greeted. A home that is not may be back while its clients' routes still lead there, if this node
//! itself was out of the view meanwhile; so it stays wanted until another start of it is there.

use crate::links::Alive;
use crate::model::Peer;
use std::collections::{BTreeMap, BTreeSet};

/// Time between two hellos to one home, at least.
pub(super) const HELLO_MS: u64 = 1_000;

/// The homes that are wanted, and when each was greeted. Of each ordinal one start at most.
#[derive(Debug, Default)]
pub(super) struct Greetings {
    wanted: BTreeSet<Peer>,
    last_ms: BTreeMap<Peer, u64>,
}

impl Greetings {
    /// This home is to be greeted, as soon as it may be.
    pub fn want(&mut self, home: Peer, alive: &Alive) {
        if is_possible(home, alive) {
            self.wanted.insert(home);
        }
    }

    /// Who is to be greeted now; each is said hello to at once.
    pub fn due(&mut self, alive: &Alive, now_ms: u64) -> Vec<Peer> {
        let is_due = |home: &Peer| {
            let was_long_ago = self.last_ms.get(home).is_none_or(|last_ms| now_ms >= last_ms + HELLO_MS);
            was_long_ago && alive.contains_key(home)
        };
        let due: Vec<Peer> = self.wanted.iter().copied().filter(is_due).collect();
        for home in &due {
            self.wanted.remove(home);
            self.last_ms.insert(*home, now_ms);
        }
        due
    }

    /// The view has changed.
    pub fn on_view(&mut self, alive: &Alive) {
        self.wanted.retain(|home| is_possible(*home, alive));
        self.last_ms.retain(|home, _| alive.contains_key(home));
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self, alive: &Alive) {
        assert!(self.wanted.iter().all(|home| is_possible(*home, alive)), "who is wanted may be there again");
        assert!(self.last_ms.keys().all(|home| alive.contains_key(home)), "who was greeted is alive");
    }
}

/// Whether this start of a node is there or may be there again.
fn is_possible(home: Peer, alive: &Alive) -> bool {
    let starts = Peer { incarnation: 0, ..home }..=Peer { incarnation: u64::MAX, ..home };
    alive.range(starts).all(|(start, _)| *start == home)
}
