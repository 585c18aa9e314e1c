//! Which partitions are followed, and when the cores are told of one: from when it may be served to when it is another
//! node's, or over.

use super::asker::Question;
use super::hands::Hands;
use super::part::{Part, Role};
use crate::backplane::kafka::ReadAt;
use crate::log::LogEvent;
use crate::model::Partition;
use crate::tail::{Begin, Over, Tail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Hands {
    /// Follows what is this node's, and nothing else.
    pub fn own(&mut self, owned: &[Partition], standby: &[Partition]) {
        let roles = owned.iter().map(|it| (it.0, Role::Owned));
        let roles: BTreeMap<u16, Role> =
            standby.iter().map(|it| (it.0, Role::Standby)).chain(roles).collect();
        let gone: Vec<u16> = self.parts.keys().copied().filter(|it| !roles.contains_key(it)).collect();
        gone.iter().for_each(|&partition| self.let_go(partition));
        if !gone.is_empty() {
            let gone: Arc<[Partition]> = gone.into_iter().map(Partition).collect();
            for core in 0..self.topology.cores() {
                self.tidings.say(core, LogEvent::Unknown(gone.clone()));
            }
        }
        for (&partition, &role) in &roles {
            match self.parts.get_mut(&partition) {
                None => self.begin(partition, role),
                Some(part) => {
                    part.role = role;
                    if role == Role::Standby {
                        self.end_term(partition);
                    } else {
                        self.begin_term(partition);
                    }
                }
            }
        }
        self.watch_now();
    }

    /// Asks where all logs end, now and again and again.
    fn watch_now(&self) {
        let _ = self.watch.send(self.parts.keys().copied().collect());
    }

    /// A partition is to begin: the brokers are asked where.
    pub fn begin(&mut self, partition: u16, role: Role) {
        self.states.begin(partition);
        self.attempts += 1;
        let attempt = self.attempts;
        self.parts.insert(partition, Part::new(Partition(partition), role, attempt));
        if self.given_up.contains(&partition) {
            return;
        }
        let stored = self.kept.get(&partition).cloned();
        let _ = self.ask.send(Question::Begin { partition, attempt, stored });
    }

    /// Another node has it now. What the index has of it stays, in case it comes back.
    pub fn let_go(&mut self, partition: u16) {
        self.end_term(partition);
        self.commit();
        let Some(part) = self.parts.remove(&partition) else { return };
        if let Some(stored) = part.stored() {
            self.kept.insert(partition, stored);
        }
        self.unassign.push(partition);
        self.states.end(partition);
        self.index.hide(Partition(partition));
        self.assign.retain(|(assigned, _)| *assigned != partition);
    }

    /// What the brokers are asked with has changed: an answer that is under way is void.
    pub fn ask_anew(&mut self, partition: u16) {
        let role = self.parts.get(&partition).filter(|part| part.tail.is_none()).map(|part| part.role);
        if let Some(role) = role {
            self.begin(partition, role);
        }
    }

    /// What it was is worth nothing: it begins anew, cold, unless nobody of this version can read it.
    pub fn over(&mut self, partition: u16, over: Over) {
        if self.given_up.contains(&partition) {
            return;
        }
        self.health.over[over as usize].fetch_add(1, Relaxed);
        tracing::warn!(partition, reason = over.as_str(), "a partition is begun anew");
        self.end_term(partition);
        self.unassign.push(partition);
        self.assign.retain(|(assigned, _)| *assigned != partition);
        self.drop_stored(partition);
        let Some(part) = self.parts.remove(&partition) else { return };
        if over == Over::Newer {
            tracing::error!(partition, "a newer version has written here; upgrade this node");
            self.given_up.insert(partition);
        }
        self.begin(partition, part.role);
    }

    pub fn drop_stored(&mut self, partition: u16) {
        self.kept.remove(&partition);
        if let Err(error) = self.index.drop_partitions(&[Partition(partition)]) {
            self.index_failed(&error);
        }
    }

    pub fn begun(&mut self, partition: u16, attempt: u64, begin: Begin, window: Option<u64>) {
        if self.parts.get(&partition).is_none_or(|part| part.attempt != attempt || part.tail.is_some()) {
            return;
        }
        if let Some(unfit) = begin.dropped() {
            self.health.unfit[unfit as usize].fetch_add(1, Relaxed);
            tracing::info!(
                partition,
                reason = unfit.as_str(),
                "what the index had of a partition is dropped"
            );
        }
        if begin.is_cold() {
            self.drop_stored(partition);
        }
        let tail = begin.tail(window);
        self.assign.push((partition, ReadAt::Offset(tail.read_from())));
        let Some(part) = self.parts.get_mut(&partition) else { return };
        part.tail = Some(tail);
        part.is_touched = true;
        self.begin_term(partition);
        // With the last that begins: sessions wait until it is known to be fresh.
        if self.parts.iter().all(|(it, part)| part.tail.is_some() || self.given_up.contains(it)) {
            self.watch_now();
        }
    }

    /// The cores are told of a partition, if it is ours and may be served: they know who is revoked.
    pub fn begin_term(&mut self, partition: u16) {
        if !self.states.is_known(partition) {
            return;
        }
        let Some(part) = self.parts.get_mut(&partition) else { return };
        let head = part.tail.as_ref().and_then(Tail::serving);
        let Some(head) = head.filter(|_| part.role == Role::Owned && part.term.is_none()) else { return };
        self.terms += 1;
        let term = self.terms;
        (part.term, part.told_head, part.told_fresh_ms) = (Some(term), head, None);
        part.is_touched = true;
        for core in 0..self.topology.cores() {
            self.tidings.say(core, LogEvent::Begun { partition: part.partition, term, head });
        }
    }

    pub fn end_term(&mut self, partition: u16) {
        let Some(part) = self.parts.get_mut(&partition) else { return };
        if part.term.take().is_some() {
            for core in 0..self.topology.cores() {
                self.tidings.say(core, LogEvent::Ended(part.partition));
            }
        }
    }
}
