//! The incarnations that are alive, in log time.
//!
//! An incarnation is live while its last `alive` is at most `node_timeout` old and no `leave` followed. Nothing else is
//! remembered, so two folds of one log hold the same lives once both have read `node_timeout` of it. There are at most
//! `NODES` ordinals (no record has another) and [`NODE_INCARNATIONS`] lives of each: where one more begins, the
//! lowest is forgotten and counted. The highest holds the ordinal and is never the one that goes.

use super::record::Record;
use super::{Incarnation, Member, Since, View};
use crate::limits::NODE_INCARNATIONS;
use std::collections::BTreeMap;

/// One live incarnation.
#[derive(Clone, Copy, Debug)]
struct Life {
    member: Member,
    last_alive_ms: u64,
}

/// The live incarnations of all ordinals.
#[derive(Clone, Debug)]
pub(super) struct Lives {
    node_timeout_ms: u64,
    /// Per ordinal at least one, by incarnation.
    by_ordinal: BTreeMap<u16, Vec<Life>>,
    /// No life's last `alive` is older: until it is too old nobody has to be looked at.
    oldest_alive_ms: u64,
    forgotten: u64,
}

impl Lives {
    pub fn new(node_timeout_ms: u64) -> Self {
        Self { node_timeout_ms, by_ordinal: BTreeMap::new(), oldest_alive_ms: 0, forgotten: 0 }
    }

    /// Log time has come this far. True if a life ended of it.
    pub fn pass(&mut self, now_ms: u64) -> bool {
        let timeout = self.node_timeout_ms;
        let is_silent = |last_alive_ms: u64| now_ms.saturating_sub(last_alive_ms) > timeout;
        if !is_silent(self.oldest_alive_ms) {
            return false;
        }
        let before = self.count();
        self.by_ordinal.retain(|_, lives| {
            lives.retain(|life| !is_silent(life.last_alive_ms));
            !lives.is_empty()
        });
        let alives = self.by_ordinal.values().flatten().map(|life| life.last_alive_ms);
        self.oldest_alive_ms = alives.min().unwrap_or(now_ms);
        self.count() < before
    }

    /// An `alive`. `since` is what holds if it begins a life. True if it did, or if the incarnation now says other things
    /// of itself.
    pub fn alive(&mut self, record: &Record, since: Since, now_ms: u64) -> bool {
        let Record { ordinal, incarnation, protocols, constants, is_leaving, say: _ } = *record;
        let lives = self.by_ordinal.entry(ordinal).or_default();
        match lives.binary_search_by_key(&incarnation, |life| life.member.incarnation) {
            Ok(at) => {
                let before = lives[at].member;
                let member = Member { protocols, constants, is_leaving, ..before };
                lives[at] = Life { member, last_alive_ms: now_ms };
                member != before
            }
            Err(at) => {
                let member = Member { ordinal, incarnation, since, protocols, constants, is_leaving };
                lives.insert(at, Life { member, last_alive_ms: now_ms });
                if lives.len() > NODE_INCARNATIONS {
                    lives.remove(0);
                    self.forgotten += 1;
                }
                true
            }
        }
    }

    /// A `leave`. True if it ended a life.
    pub fn leave(&mut self, ordinal: u16, incarnation: Incarnation) -> bool {
        let Some(lives) = self.by_ordinal.get_mut(&ordinal) else { return false };
        let Ok(at) = lives.binary_search_by_key(&incarnation, |life| life.member.incarnation) else {
            return false;
        };
        lives.remove(at);
        if lives.is_empty() {
            self.by_ordinal.remove(&ordinal);
        }
        true
    }

    /// What was read before is no part of what comes now.
    pub fn clear(&mut self) {
        self.by_ordinal.clear();
    }

    /// The newest of each ordinal.
    pub fn view(&self) -> View {
        let newest = |lives: &Vec<Life>| {
            let life = if crate::sabotaged!(OldestWins) { lives.first() } else { lives.last() };
            life.expect("an ordinal without a life is not kept").member
        };
        View::new(self.by_ordinal.values().map(newest).collect())
    }

    /// Lives forgotten at the bound, so far.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn count(&self) -> usize {
        self.by_ordinal.values().map(Vec::len).sum()
    }

    /// Panics when what the type promises does not hold at this log time.
    pub fn invariants(&self, now_ms: u64) {
        for lives in self.by_ordinal.values() {
            assert!((1..=NODE_INCARNATIONS).contains(&lives.len()), "{} lives of an ordinal", lives.len());
            assert!(
                lives.is_sorted_by(|a, b| a.member.incarnation < b.member.incarnation),
                "lives are kept by incarnation, each once"
            );
            for life in lives {
                assert!(life.last_alive_ms >= self.oldest_alive_ms, "nobody is older than the oldest");
                assert!(now_ms - life.last_alive_ms <= self.node_timeout_ms, "who is silent is dead");
            }
        }
    }
}
