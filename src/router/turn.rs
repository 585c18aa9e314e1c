//! What one call of a shard carries through its parts: the time, the way out, and the values for its own core.

use super::output::{Outbox, Output};
use crate::counters::Counters;
use crate::model::{ClientId, CloseCode, Dispatch, Now, Parcel, Push, Reach, ToSession, Via};
use std::collections::VecDeque;

/// The context of one call.
pub struct Turn<'a> {
    /// This core.
    pub core: u16,
    /// The time.
    pub now: Now,
    /// Where outputs go.
    pub out: &'a mut Outbox,
    /// What is counted.
    pub counters: &'a mut Counters,
    /// Values between home and session of this core, worked off before the call returns.
    pub values: &'a mut VecDeque<Parcel>,
}

impl Turn<'_> {
    /// A home speaks to one of its sessions.
    pub fn say_session(&mut self, client: &ClientId, reach: Reach, term: u64, say: ToSession) {
        let (client, Reach { via, session }) = (client.clone(), reach);
        if via == Via::HERE {
            self.send(session.core, Parcel::ToSession { client, session, term, say });
        } else {
            self.out.push(Output::dispatch(Dispatch::ToSession { via, client, session, term, say }));
        }
    }

    /// A value takes its way: the queue of this core or the mesh.
    pub fn send(&mut self, core: u16, parcel: Parcel) {
        if core == self.core {
            self.values.push_back(parcel);
        } else {
            self.out.push(Output::parcel(core, parcel));
        }
    }

    /// A frame to a socket of this core.
    pub fn push(&mut self, slot: u32, push: Push) {
        self.out.push(Output::Push { slot, push });
    }

    /// A socket of this core is to be closed.
    pub fn close(&mut self, slot: u32, code: CloseCode) {
        self.out.push(Output::Close { slot, code });
    }
}
