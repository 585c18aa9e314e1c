//! A node's claim to its ordinal, and what speaks against it.
//!
//! A starter looks before it claims, and judges by what is *said after it came*: the last words of nodes that were killed
//! look alive for as long as log time stands still, which is until the starter's own looks move it. So a silent
//! contradiction only makes it wait, and a fresh one ends it. Two that claim at once do not see each other in time: then
//! the one that became live later gives way, as every fold of the log tells alike.

use super::fold::Fold;
use super::members::Settings;
use super::{Member, Record, Refusal, Say};
use crate::limits::STARTER_TIMEOUTS;

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It says `look`, once it has read to the log's end.
    Looking(Option<FirstEnd>),
    /// It says `alive`.
    Held,
    /// It says `leave` as soon as it may.
    Leaving,
    /// It says nothing more.
    Over,
}

/// Where the log ended when a starter first asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstEnd {
    /// The end. Records from here on were appended after the starter came.
    pub offset: u64,
    /// Log time when it was reached.
    pub log_ms: u64,
}

impl FirstEnd {
    /// Whether what was just read ends a starter at once.
    pub fn refuses(self, me: &Settings, fold: &Fold, offset: u64, said: Option<&Record>) -> Option<Refusal> {
        if offset < self.offset {
            return None;
        }
        if let Some(offset) = fold.newer().filter(|newer| *newer == offset) {
            return Some(Refusal::NewerRecord { offset });
        }
        let alive = said.filter(|record| record.say == Say::Alive)?;
        me.contradiction(alive.ordinal, alive.protocols, alive.constants)
    }

    /// Whether a starter has waited long enough for whoever holds its ordinal.
    pub fn gives_up(self, me: &Settings, fold: &Fold) -> Option<Refusal> {
        let most_ms = STARTER_TIMEOUTS * u64::from(me.constants.node_timeout_ms);
        let holder = fold.view().holder(me.ordinal)?;
        let is_over = fold.time_ms() - self.log_ms > most_ms;
        is_over.then_some(Refusal::OrdinalInUse { ordinal: me.ordinal, holder: holder.incarnation })
    }
}

/// Whether nothing in the log speaks against a claim. The fold is whole and has reached the log's end.
pub(super) fn is_free(me: &Settings, fold: &Fold) -> bool {
    let contradicts = |member: &Member| contradiction(me, member).is_some();
    let is_held = fold.view().holder(me.ordinal).is_some();
    !is_held && fold.newer().is_none() && !fold.view().members().iter().any(contradicts)
}

/// Why a holder must go: a member that it cannot be in one cluster with became live before it. `mine` is the holder's own
/// part in the view; without one it would be the later.
pub(super) fn gives_way(me: &Settings, mine: Option<&Member>, members: &[Member]) -> Option<Refusal> {
    let is_before = |other: &&Member| mine.is_none_or(|mine| other.since.offset() < mine.since.offset());
    let others = members.iter().filter(|member| member.ordinal != me.ordinal).filter(is_before);
    others.filter_map(|member| contradiction(me, member)).next()
}

fn contradiction(me: &Settings, member: &Member) -> Option<Refusal> {
    me.contradiction(member.ordinal, member.protocols, member.constants)
}
