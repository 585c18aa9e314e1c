//! The side of this node that holds sockets: what it says to the homes of its sessions on other nodes, and hears of them.
//!
//! A link begins as its hello leaves. Whatever was to be said on the life before is dropped then, for all sessions come
//! anew with the hello: it is an empty record, followed by what the cores answer to [`Parcel::Greet`].

use super::Drop;
use super::desk::Desk;
use super::greetings::Greetings;
use crate::links::{Break, Heard, Uplinks};
use crate::model::{Asker, Head, Parcel, Peer, Stamp};
use crate::wire::node_record::{Beside, Down, Says, Up};
use std::sync::Arc;

/// The gateway's side.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    uplinks: Uplinks,
    greetings: Greetings,
}

impl Gateway {
    /// Whether there is a link to this home. If not, a value for it goes no further, and one is to begin when the home is
    /// alive.
    pub fn reaches(&mut self, home: Peer, desk: &mut Desk) -> bool {
        if self.uplinks.has(home) {
            return true;
        }
        let alive = &desk.whereabouts.alive;
        self.greetings.want(home, alive);
        let why = if alive.contains_key(&home) { Drop::Superseded } else { Drop::NotInView };
        desk.drop(why);
        false
    }

    /// There is to be a link to each of these homes, whether or not a session is at home there.
    pub fn attend(&mut self, homes: impl IntoIterator<Item = Peer>, desk: &Desk) {
        for home in homes {
            if !self.uplinks.has(home) {
                self.greetings.want(home, &desk.whereabouts.alive);
            }
        }
    }

    /// Says a value to a home.
    pub fn say(&mut self, home: Peer, value: Up, desk: &mut Desk) {
        if self.reaches(home, desk)
            && let Some(stamp) = self.uplinks.say(home, desk.link_ms)
        {
            desk.tell_node(home, Says::Up { stamp, value });
        }
    }

    /// Says the hellos that are due. Nothing waits to be said any more.
    pub fn greet(&mut self, desk: &mut Desk) {
        for home in self.greetings.due(&desk.whereabouts.alive, desk.link_ms) {
            let Some(stamp) = self.uplinks.begin(home, &desk.whereabouts.alive, desk.link_ms) else {
                desk.drop(Drop::NoRoom);
                continue;
            };
            desk.counts.hellos_said += 1;
            desk.tell_node(home, Says::Up { stamp, value: Up::Hello(Vec::new()) });
            desk.tell_cores(Parcel::Greet { home });
        }
    }

    /// A home has said something.
    pub fn hear(&mut self, home: Peer, stamp: Stamp, value: Down, desk: &mut Desk) {
        match self.uplinks.hear(home, stamp) {
            Heard::Obey => self.obey(home, value, desk),
            Heard::Drop => desk.drop(Drop::Seen),
            Heard::Broken => {
                desk.drop(Drop::Gap);
                self.broke(home, Break::Gap, desk);
            }
            Heard::Unknown => {
                desk.drop(Drop::NoLink);
                if let Down::Mark { .. } = value
                    && desk.whereabouts.alive.contains_key(&home)
                {
                    // It has sessions of ours by a link that we do not know any more.
                    self.greetings.want(home, &desk.whereabouts.alive);
                }
            }
        }
    }

    /// Only the present home of a client speaks to its sessions: one before it may go on for a while.
    fn obey(&mut self, home: Peer, value: Down, desk: &mut Desk) {
        let topology = desk.whereabouts.topology;
        match value {
            Down::Session { client, session, term, say } => {
                let is_home = desk.whereabouts.is_home(home, topology.place(client.as_ref()).partition);
                if !is_home && !crate::sabotaged!(StaleLiveObeyed) {
                    return desk.drop(Drop::NotItsHome);
                }
                if session.core >= topology.cores() {
                    return desk.drop(Drop::NoCore);
                }
                desk.tell_core(session.core, Parcel::ToSession { client, session, term, say });
            }
            Down::Deliver { sessions, delivered } => {
                if !desk.whereabouts.is_home(home, topology.place(delivered.envelope.to()).partition) {
                    return desk.drop(Drop::NotItsHome);
                }
                for (core, sessions) in desk.by_core(sessions) {
                    desk.tell_core(core, Parcel::Deliver { sessions, delivered: delivered.clone() });
                }
            }
            Down::Mark { echo, heads } => match self.uplinks.mark(home, echo, desk.link_ms) {
                Ok(()) => {
                    let is_home = |head: &Head| desk.whereabouts.is_home(home, head.partition);
                    let heads: Arc<[Head]> = heads.into_iter().filter(is_home).collect();
                    if let Some(handover) = &mut desk.handover {
                        handover.serves(home, &heads);
                    }
                    if !heads.is_empty() {
                        desk.tell_cores(Parcel::Mark { heads });
                    }
                }
                Err(why) => self.broke(home, why, desk),
            },
        }
    }

    /// A home passes an ephemeral message to sessions here, or answers a question.
    pub fn pass_on(&mut self, home: Peer, value: Beside, desk: &mut Desk) {
        match value {
            Beside::Ephemeral { client, sessions, envelope } => {
                for (core, sessions) in desk.by_core(sessions) {
                    let (client, envelope) = (client.clone(), envelope.clone());
                    desk.tell_core(core, Parcel::Ephemeral { client, sessions, envelope });
                }
            }
            Beside::Findings { asker, .. } if asker.core >= desk.whereabouts.topology.cores() => {
                desk.drop(Drop::NoCore);
            }
            Beside::Findings { asker: Asker { core, number }, findings } => {
                let findings = Box::new(findings);
                desk.tell_core(core, Parcel::Told { home, number, findings });
            }
            Beside::Whisper { .. } | Beside::Question { .. } => unreachable!("it is said to a home"),
        }
    }

    /// The view has changed.
    pub fn on_view(&mut self, desk: &mut Desk) {
        self.greetings.on_view(&desk.whereabouts.alive);
        for (home, why) in self.uplinks.on_view(desk.me, &desk.whereabouts.alive) {
            self.broke(home, why, desk);
        }
    }

    /// Time passes.
    pub fn tick(&mut self, desk: &mut Desk) {
        for (home, why) in self.uplinks.tick(desk.link_ms) {
            self.broke(home, why, desk);
        }
    }

    /// Records of our partition are lost.
    pub fn sever(&mut self, desk: &mut Desk) {
        for (home, why) in self.uplinks.sever() {
            self.broke(home, why, desk);
        }
    }

    /// Something that was to be said to this home is lost.
    pub fn break_off(&mut self, home: Peer, desk: &mut Desk) {
        if self.uplinks.break_off(home) {
            self.broke(home, Break::Unsaid, desk);
        }
    }

    pub fn links(&self) -> usize {
        self.uplinks.len()
    }

    fn broke(&mut self, home: Peer, why: Break, desk: &mut Desk) {
        desk.counts.broke(why);
        if let Some(handover) = &mut desk.handover {
            handover.forget(home);
        }
        self.greetings.want(home, &desk.whereabouts.alive);
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self, desk: &Desk) {
        self.uplinks.invariants();
        self.greetings.invariants(&desk.whereabouts.alive);
    }
}
