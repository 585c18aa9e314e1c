//! The table of a core's sessions.
//!
//! A slot is used again, a generation is not: a name that was given out fits its session or nobody.

use super::session::Session;
use crate::model::SessionRef;

/// Sessions by slot. Bounded by the node's number of connections.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Vec<Slot>,
    free: Vec<u32>,
    open: usize,
}

#[derive(Debug)]
enum Slot {
    Taken(Box<Session>),
    Free { next_generation: u32 },
}

impl Sessions {
    /// Puts a session into a slot. `make` learns the slot and the generation that are to be its name.
    pub fn open(&mut self, make: impl FnOnce(u32, u32) -> Session) -> u32 {
        self.open += 1;
        if let Some(slot) = self.free.pop() {
            let place = &mut self.slots[slot as usize];
            let Slot::Free { next_generation } = *place else {
                panic!("slot {slot} is in the free list and taken")
            };
            *place = Slot::Taken(Box::new(make(slot, next_generation)));
            return slot;
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Slot::Taken(Box::new(make(slot, 0))));
        slot
    }

    /// The session in that slot, which the shell knows to be taken.
    ///
    /// Panics if it is not: the shell speaks of sockets it holds.
    pub fn at(&mut self, slot: u32) -> &mut Session {
        match &mut self.slots[slot as usize] {
            Slot::Taken(session) => session,
            Slot::Free { .. } => panic!("slot {slot} was spoken of after its session had closed"),
        }
    }

    /// The same, to look at.
    pub fn peek(&self, slot: u32) -> &Session {
        match &self.slots[slot as usize] {
            Slot::Taken(session) => session,
            Slot::Free { .. } => panic!("slot {slot} was spoken of after its session had closed"),
        }
    }

    /// The session of that name, if it is still there.
    pub fn find(&mut self, name: SessionRef) -> Option<&mut Session> {
        match self.slots.get_mut(name.slot as usize) {
            Some(Slot::Taken(session))
                if session.generation == name.generation || crate::sabotaged!(DeliverToAnyone) =>
            {
                Some(session)
            }
            _ => None,
        }
    }

    /// Takes the session out of its slot.
    ///
    /// Panics if there is none: a socket closes once.
    pub fn close(&mut self, slot: u32) -> Session {
        let Slot::Taken(session) = &self.slots[slot as usize] else { panic!("slot {slot} was closed twice") };
        let freed = Slot::Free { next_generation: session.generation.wrapping_add(1) };
        let Slot::Taken(session) = std::mem::replace(&mut self.slots[slot as usize], freed) else {
            unreachable!("it was taken a line above")
        };
        self.free.push(slot);
        self.open -= 1;
        *session
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// All of them with their slots, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Session)> {
        self.slots.iter().enumerate().filter_map(|(slot, place)| match place {
            Slot::Taken(session) => Some((slot as u32, &**session)),
            Slot::Free { .. } => None,
        })
    }

    /// The slots that are taken, in order.
    pub fn taken(&self) -> Vec<u32> {
        self.iter().map(|(slot, _)| slot).collect()
    }
}
