//! What a session asks for, as far as its gateway judges it, and the answers to it.

use super::gateway::{Gateway, extras};
use super::give::write;
use super::pace::unpark;
use super::session::{Issued, Parked, SessionPhase, expiry};
use crate::access::Claims;
use crate::counters::Dropped;
use crate::model::{ErrorCode, ErrorPush, IdRef, Now, Push, SendCommand, SessionRef, ToHome};
use crate::router::append::Origin;
use crate::router::turn::Turn;

impl Gateway {
    /// Whether the session may send this, by its token's permits and its rates. What it takes from its rates is taken.
    pub fn permit(&mut self, slot: u32, send: &SendCommand<'_>, now: Now) -> Result<(), ErrorPush> {
        let Some(extras) = &mut self.sessions.at(slot).extras else { return Ok(()) };
        let refused = |code, message| ErrorPush::new(send.id.map(IdRef::to_client), code, message);
        if let Some(permits) = &extras.permits
            && let Some(to) = send.to.iter().find(|&to| !permits.allows(to))
        {
            let message = format!("the token does not permit sending to {to}; see its `send` claim");
            return Err(refused(ErrorCode::Forbidden, message));
        }
        let Some(buckets) = &mut extras.rates else { return Ok(()) };
        let messages = send.to.len() as u32;
        let bytes = if send.ephemeral { 0 } else { messages.saturating_mul(send.body.len() as u32) };
        buckets.take(&self.settings.rates, now.mono_ms, messages, bytes).map_err(|wait_ms| ErrorPush {
            retry_after_ms: Some(u32::try_from(wait_ms).unwrap_or(u32::MAX)),
            ..refused(ErrorCode::RateLimited, "too much in too short a time; wait and send it again".into())
        })
    }

    /// Holds so much of a session's budget for the answer to what it sends, and says whose answer it is.
    pub fn reserve(&mut self, slot: u32, core: u16, reserved: u32) -> Origin {
        let session = self.sessions.at(slot);
        session.reserved += reserved;
        Origin::Session { session: SessionRef { core, slot, generation: session.generation }, reserved }
    }

    /// A frame that answers the peer itself.
    pub fn answer(&mut self, slot: u32, push: Push, turn: &mut Turn<'_>) {
        write(self.sessions.at(slot), slot, push, turn);
    }

    /// The same for a session that may have gone, with the budget that was held for it.
    pub fn answer_reserved(&mut self, name: SessionRef, reserved: u32, push: Push, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.find(name) else {
            return turn.counters.drop(Dropped::AnswerUnheard);
        };
        session.reserved -= reserved;
        if session.phase == SessionPhase::Closing {
            return turn.counters.drop(Dropped::AnswerUnheard);
        }
        write(session, name.slot, push, turn);
        // The answer may have needed less than was held for it, and nothing else would wake who waited for that.
        if session.parked == Parked::Itself && session.outbound <= self.settings.outbound_bytes / 2 {
            unpark(session, name.slot, turn);
        }
    }

    /// The session goes on with a new token, unless its home knows that one as revoked.
    pub fn renew(&mut self, slot: u32, claims: Claims, turn: &mut Turn<'_>) {
        let session = self.sessions.at(slot);
        session.expires_s = expiry(&claims);
        session.issued = Issued::of(claims.iat_s);
        let (permits, issued_at) = (claims.permits, claims.iat_s);
        match &mut session.extras {
            Some(extras) => extras.permits = permits,
            None => session.extras = extras(&self.settings, permits),
        }
        let name = SessionRef { core: turn.core, slot, generation: session.generation };
        self.routes.say(&session.client, name, ToHome::Renew { issued_at }, turn);
        self.arm(slot, turn);
    }
}
