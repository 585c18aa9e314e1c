//! A home's links, one from each gateway that holds a session of its clients.
//!
//! Always holds: a gateway's sessions are served over its newest generation alone; whoever is told here that a link is
//! gone forgets the sessions that came over it.

use super::downlink::{Downlink, Standing};
use super::{Alive, Heard, LINKS};
use crate::model::{Generation, Peer, Stamp};
use std::collections::BTreeMap;

/// The links of this node's home.
#[derive(Debug, Default)]
pub struct Downlinks {
    links: BTreeMap<Peer, Downlink>,
}

/// Where a mark goes and what it carries beside the positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// To this gateway.
    pub gateway: Peer,
    /// With this stamp.
    pub stamp: Stamp,
    /// How far the gateway was heard.
    pub echo: u64,
}

impl Downlinks {
    /// A hello came. True: forget the gateway's sessions and take those that come with it. False: drop it, as it is an
    /// old one, or there are [`LINKS`] others.
    ///
    /// A gateway may be taken before the view has it, and is dropped again if the view goes on without it.
    pub fn hello(&mut self, gateway: Peer, generation: Generation, alive: &Alive, now_ms: u64) -> bool {
        if let Some(link) = self.links.get_mut(&gateway) {
            return link.hello(generation);
        }
        if self.links.len() >= LINKS {
            return false;
        }
        self.links.insert(gateway, Downlink::begin(generation, standing(gateway, alive, now_ms)));
        true
    }

    /// A value came from this gateway. Where that breaks the link, the gateway's sessions are to be forgotten.
    pub fn hear(&mut self, gateway: Peer, stamp: Stamp) -> Heard {
        self.links.get_mut(&gateway).map_or(Heard::Unknown, |link| link.hear(stamp))
    }

    /// The stamp of the next value to this gateway. `None`: it cannot be told anything before its next hello.
    pub fn say(&mut self, gateway: Peer) -> Option<Stamp> {
        self.links.get_mut(&gateway)?.say()
    }

    /// A second has passed: the marks to be said.
    pub fn marks(&mut self) -> impl Iterator<Item = Mark> + '_ {
        self.links.iter_mut().filter_map(|(&gateway, link)| {
            let echo = link.echo();
            Some(Mark { gateway, stamp: link.say()?, echo })
        })
    }

    /// The view has changed. Gone are the gateways that have left it and come back, for what they were told meanwhile
    /// may be lost; those that have only left it stay for a while. A gateway that came back greets everybody itself, and
    /// may have done so before we heard of it: such a link stays.
    pub fn on_view(&mut self, alive: &Alive, now_ms: u64) -> Vec<Peer> {
        for (&gateway, link) in &mut self.links {
            let is_fresh = std::mem::take(&mut link.is_fresh);
            match link.standing {
                // It may be back at once, or not be there yet: either way its link is as good as it was.
                Standing::Strange { .. } if !alive.contains_key(&gateway) => {}
                Standing::Alive(_) if alive.contains_key(&gateway) && !is_fresh => {}
                _ => link.standing = standing(gateway, alive, now_ms),
            }
        }
        self.take_out(|gateway, link| {
            matches!(link.standing, Standing::Alive(since) if alive.get(&gateway) != Some(&since))
        })
    }

    /// Something that was to be said to this gateway is lost before it had a number, so that nothing would show it: the
    /// gateway's sessions are to be forgotten, and it will say hello. False if that was so before.
    pub fn break_off(&mut self, gateway: Peer) -> bool {
        self.links.get_mut(&gateway).is_some_and(Downlink::sever)
    }

    /// The gateways whose values are obeyed.
    pub fn whole(&self) -> impl Iterator<Item = Peer> + '_ {
        self.links.iter().filter(|(_, link)| link.is_whole()).map(|(&gateway, _)| gateway)
    }

    /// Time passes. Gone are the gateways that the view has lacked for `node_timeout`.
    pub fn tick(&mut self, node_timeout_ms: u64, now_ms: u64) -> Vec<Peer> {
        self.take_out(|_, link| {
            matches!(link.standing, Standing::Strange { from_ms } if now_ms >= from_ms + node_timeout_ms)
                && !crate::sabotaged!(StrangersKept)
        })
    }

    /// Records of our partition are lost: no link knows what was in them. These gateways' sessions are to be forgotten;
    /// their generations are kept, so that nothing older is taken.
    pub fn sever(&mut self) -> Vec<Peer> {
        self.links.iter_mut().filter_map(|(&gateway, link)| link.sever().then_some(gateway)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    fn take_out(&mut self, is_gone: impl Fn(Peer, &Downlink) -> bool) -> Vec<Peer> {
        let gone: Vec<_> =
            self.links.iter().filter(|(gateway, link)| is_gone(**gateway, link)).map(|(&it, _)| it).collect();
        for gateway in &gone {
            self.links.remove(gateway);
        }
        gone
    }
}

fn standing(gateway: Peer, alive: &Alive, now_ms: u64) -> Standing {
    match alive.get(&gateway) {
        Some(&since) => Standing::Alive(since),
        None => Standing::Strange { from_ms: now_ms },
    }
}
