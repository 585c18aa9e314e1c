//! A gateway's links, one to each home of its sessions.
//!
//! Always holds: a broken link is no link. Whoever gets a [`Break`] from here begins the next life by saying hello.

use super::{Alive, Break, Heard, LINKS, Since, Uplink};
use crate::model::{Generation, Peer, Stamp};
use std::collections::BTreeMap;

/// The links of this node's gateway.
#[derive(Debug, Default)]
pub struct Uplinks {
    links: BTreeMap<Peer, Uplink>,
    /// The greatest generation begun. One counter for all: a link that was forgotten does not begin an old one again.
    last: Generation,
    /// Since when this node itself was alive the last time it was.
    own: Option<Since>,
}

impl Uplinks {
    /// Begins a link to this home, or its next life: the stamp of the hello that is to be said. `None` where there are
    /// [`LINKS`] others, or the home is not alive.
    ///
    /// Called as the hello leaves, not before: whatever is still to be said of an earlier life is dropped first, or it
    /// would be numbered in this one ahead of its hello.
    pub fn begin(&mut self, home: Peer, alive: &Alive, now_ms: u64) -> Option<Stamp> {
        let &since = alive.get(&home)?;
        if self.links.len() >= LINKS && !self.links.contains_key(&home) {
            return None;
        }
        self.last.0 += 1;
        let link = Uplink::begin(self.last, since, now_ms);
        let hello = link.hello();
        self.links.insert(home, link);
        Some(hello)
    }

    /// Whether there is a link to this home.
    pub fn has(&self, home: Peer) -> bool {
        self.links.contains_key(&home)
    }

    /// The stamp of the next value to this home. `None`: there is no link; begin one.
    pub fn say(&mut self, home: Peer, now_ms: u64) -> Option<Stamp> {
        Some(self.links.get_mut(&home)?.say(now_ms))
    }

    /// A value came from this home.
    pub fn hear(&mut self, home: Peer, stamp: Stamp) -> Heard {
        let Some(link) = self.links.get_mut(&home) else { return Heard::Unknown };
        let heard = link.hear(stamp);
        if heard == Heard::Broken {
            self.links.remove(&home);
        }
        heard
    }

    /// The value just heard was a mark.
    pub fn mark(&mut self, home: Peer, echo: u64, now_ms: u64) -> Result<(), Break> {
        let Some(link) = self.links.get_mut(&home) else { return Ok(()) };
        let result = link.mark(echo, now_ms);
        if result.is_err() {
            self.links.remove(&home);
        }
        result
    }

    /// Time passes: the links that broke of silence.
    pub fn tick(&mut self, now_ms: u64) -> Vec<(Peer, Break)> {
        self.take_out(|_, link| link.tick(now_ms).err())
    }

    /// The view has changed: the links whose life is over, since one of both ends left and came back, or left for good.
    ///
    /// Where this node itself did, homes may have forgotten it meanwhile, also those whose marks still come. While it is
    /// away it has nobody to greet, so that is done when it is back.
    pub fn on_view(&mut self, own: Peer, alive: &Alive) -> Vec<(Peer, Break)> {
        let since = alive.get(&own).copied().or(self.own);
        let returned = self.own.is_some() && self.own != since;
        self.own = since;
        self.take_out(|home, link| match alive.get(&home) {
            None => Some(Break::Gone),
            Some(since) if returned || *since != link.since => Some(Break::Since),
            Some(_) => None,
        })
    }

    /// Records of our partition are lost: no link knows what was in them.
    pub fn sever(&mut self) -> Vec<(Peer, Break)> {
        self.take_out(|_, _| Some(Break::Range))
    }

    /// Something that was to be said to this home is lost before it had a number, so that nothing would show it: begin
    /// the link anew. False if there was none.
    pub fn break_off(&mut self, home: Peer) -> bool {
        self.links.remove(&home).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        assert!(self.links.len() <= LINKS, "links are bounded");
        for link in self.links.values() {
            link.invariants();
            assert!(link.hello().generation <= self.last, "generations are given out here");
        }
    }

    fn take_out(&mut self, judge: impl Fn(Peer, &Uplink) -> Option<Break>) -> Vec<(Peer, Break)> {
        let broken: Vec<_> =
            self.links.iter().filter_map(|(&home, link)| Some((home, judge(home, link)?))).collect();
        for (home, _) in &broken {
            self.links.remove(home);
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Peer = Peer { node: 0, incarnation: 1 };
    const HOME: Peer = Peer { node: 1, incarnation: 1 };
    const OTHER: Peer = Peer { node: 2, incarnation: 1 };

    fn alive(nodes: &[(Peer, u64)]) -> Alive {
        nodes.iter().map(|&(peer, since)| (peer, Since(since))).collect()
    }

    /// A gateway with a link to both homes.
    fn linked() -> Uplinks {
        let view = alive(&[(OWN, 1), (HOME, 2), (OTHER, 3)]);
        let mut links = Uplinks::default();
        assert_eq!(links.on_view(OWN, &view), []);
        for home in [HOME, OTHER] {
            links.begin(home, &view, 0).unwrap();
        }
        links
    }

    #[test]
    fn each_life_has_a_greater_generation_also_of_a_home_that_was_forgotten() {
        let mut links = linked();
        let view = alive(&[(OWN, 1), (HOME, 2)]);
        assert_eq!(links.on_view(OWN, &view), [(OTHER, Break::Gone)]);
        let both = alive(&[(OWN, 1), (HOME, 2), (OTHER, 9)]);
        assert_eq!(links.on_view(OWN, &both), []);
        assert_eq!(links.begin(OTHER, &both, 0).unwrap().generation, Generation(3));
    }

    #[test]
    fn a_home_that_left_and_came_back_between_two_views_is_greeted_anew() {
        let mut links = linked();
        let view = alive(&[(OWN, 1), (HOME, 2), (OTHER, 8)]);
        assert_eq!(links.on_view(OWN, &view), [(OTHER, Break::Since)]);
        assert!(links.has(HOME) && !links.has(OTHER));
    }

    #[test]
    fn a_gateway_that_left_and_came_back_greets_everybody_anew() {
        let mut links = linked();
        let view = alive(&[(OWN, 7), (HOME, 2), (OTHER, 3)]);
        let everybody = [(HOME, Break::Since), (OTHER, Break::Since)];
        assert_eq!(links.on_view(OWN, &view), everybody);

        let mut links = linked();
        assert_eq!(
            links.on_view(OWN, &alive(&[(HOME, 2), (OTHER, 3)])),
            [],
            "while it is away it greets nobody"
        );
        assert_eq!(links.on_view(OWN, &view), everybody);
    }

    #[test]
    fn what_was_broken_is_no_link_until_it_begins_again() {
        let mut links = linked();
        let gap = Stamp { generation: Generation(1), number: 2 };
        assert_eq!(links.hear(HOME, gap), Heard::Broken);
        assert_eq!((links.hear(HOME, gap), links.say(HOME, 0)), (Heard::Unknown, None));
        assert_eq!(links.tick(PATIENCE), [(OTHER, Break::Silence)]);
        assert!(links.is_empty());
    }

    #[test]
    fn nobody_is_greeted_who_is_not_alive() {
        assert_eq!(Uplinks::default().begin(HOME, &alive(&[(OWN, 1)]), 0), None);
    }

    const PATIENCE: u64 = super::super::PATIENCE_MS;
}
