//! Sessions that wait for something, first come, first served.
//!
//! Always holds: a session stands in it once at most, so it is bounded by the sessions there are. Whoever goes is
//! taken out at once, at the price of a search, so that a line costs nothing while nobody in it is served.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A line of sessions, named as its owner names them, each with what it waits for.
#[derive(Debug)]
pub struct Line<S, T> {
    /// By number, which grows with each who comes.
    waiting: BTreeMap<u64, (S, T)>,
    numbers: HashMap<S, u64>,
    next: u64,
}

impl<S, T> Default for Line<S, T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), numbers: HashMap::new(), next: 0 }
    }
}

impl<S: Copy + Eq + Hash, T> Line<S, T> {
    /// Stands at its end. Who is in it already leaves its old place.
    pub fn join(&mut self, session: S, what: T) {
        self.leave(session);
        self.numbers.insert(session, self.next);
        self.waiting.insert(self.next, (session, what));
        self.next += 1;
    }

    /// Goes out of it. Returns what it waited for.
    pub fn leave(&mut self, session: S) -> Option<T> {
        let number = self.numbers.remove(&session)?;
        self.waiting.remove(&number).map(|(_, what)| what)
    }

    /// Keeps only these.
    pub fn retain(&mut self, mut keep: impl FnMut(S) -> bool) {
        self.waiting.retain(|_, (session, _)| keep(*session));
        self.numbers.retain(|session, _| keep(*session));
    }

    /// What the first waits for.
    pub fn first(&self) -> Option<&T> {
        self.waiting.first_key_value().map(|(_, (_, what))| what)
    }

    /// The first, taken out.
    pub fn serve(&mut self) -> Option<(S, T)> {
        self.serve_before(u64::MAX)
    }

    /// The first, taken out, if it came before [`Line::end`] was this.
    pub fn serve_before(&mut self, end: u64) -> Option<(S, T)> {
        let first = self.waiting.first_entry().filter(|first| *first.key() < end)?;
        let (session, what) = first.remove();
        self.numbers.remove(&session);
        Some((session, what))
    }

    /// A mark between those who are there and those who will come.
    pub fn end(&self) -> u64 {
        self.next
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        assert_eq!(self.waiting.len(), self.numbers.len(), "each stands in the line once");
        let known = |(number, (session, _)): (&u64, &(S, T))| self.numbers[session] == *number;
        assert!(self.waiting.iter().all(known), "who stands in the line is known to");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SessionRef;

    fn session(slot: u32) -> SessionRef {
        SessionRef { core: 0, slot, generation: 0 }
    }

    #[test]
    fn first_come_first_served_and_each_once() {
        let mut line = Line::default();
        for slot in [1, 2, 3, 1] {
            line.join(session(slot), slot);
        }
        line.leave(session(2));
        line.leave(session(2));
        line.invariants();
        let end = line.end();
        line.join(session(4), 4);
        assert_eq!((line.len(), line.first()), (3, Some(&3)));
        let mut served = || line.serve_before(end).map(|(_, what)| what);
        assert_eq!([served(), served(), served()], [Some(3), Some(1), None], "the fourth came later");
        assert_eq!(line.serve(), Some((session(4), 4)));
        assert!(line.is_empty());
        line.invariants();
    }
}
