//! What the HTTP API asks of a core's shard, beside its sessions.

use super::append::Origin;
use super::output::{Answer, Outbox, Output, Request};
use super::room::Room;
use super::shard::{Shard, turn};
use super::turn::Turn;
use crate::counters::Refusal;
use crate::log::Revocation;
use crate::model::{ClientId, ErrorCode, IdRef, Kind, Now, SendCommand};

impl Shard {
    /// One element of an HTTP publish: its message goes to all recipients, and one answer comes back.
    pub fn publish(
        &mut self,
        request: Request,
        from: Option<IdRef<'_>>,
        send: &SendCommand<'_>,
        now: Now,
        out: &mut Outbox,
    ) {
        let envelopes = self.envelopes(from, send);
        let bytes = envelopes.iter().map(|(_, envelope)| envelope.size()).sum();
        if !self.has_room(Room { records: envelopes.len(), bytes }) {
            self.counters.refuse(Refusal::Unavailable);
            let refused = Answer::Refused { code: ErrorCode::Unavailable, retry_after_ms: CROWDED_RETRY_MS };
            return out.push(Output::Answer(request, refused));
        }
        self.counters.received_durable += 1;
        self.sends.begin(Origin::Request(request), false, envelopes, &mut turn!(self, now, out));
    }

    /// Nothing of this client's mailbox that is there now is served again, once the answer has come.
    pub fn erase(&mut self, request: Request, client: &ClientId, now: Now, out: &mut Outbox) {
        let envelope = self.envelope(Kind::Erase, client.as_ref());
        let partition = self.partition(client.as_ref());
        if !self.has_room(Room { records: 1, bytes: envelope.size() }) {
            let refused = Answer::Refused { code: ErrorCode::Unavailable, retry_after_ms: CROWDED_RETRY_MS };
            return out.push(Output::Answer(request, refused));
        }
        self.sends.begin_one(Origin::Request(request), partition, envelope, &mut turn!(self, now, out));
    }

    /// Tokens of this client issued until now are refused, once the answer has come. Its core must be this one.
    pub fn revoke(&mut self, request: Request, client: &ClientId, now: Now, out: &mut Outbox) {
        if !self.home.can_revoke(client) {
            let refused = Answer::Refused { code: ErrorCode::Unavailable, retry_after_ms: 0 };
            return out.push(Output::Answer(request, refused));
        }
        let named = self.envelope(Kind::Erase, client.as_ref());
        let ticket = self.sends.ticket(Origin::Request(request), named, &turn!(self, now, out));
        let revocation = Revocation { client: client.clone(), issued_until_s: now.unix_ms / 1_000 };
        out.push(Output::Revoke(ticket, revocation));
    }

    /// Whether the log takes so much from the HTTP API, beside what is kept for sessions.
    fn has_room(&self, room: Room) -> bool {
        self.sends.free().holds(room.and(self.gateway.kept()))
    }
}

/// When to try again where a core had no room.
const CROWDED_RETRY_MS: u32 = 200;
