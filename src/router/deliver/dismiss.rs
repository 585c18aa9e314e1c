//! Who is here, who must go, and whose older tokens are refused.

use super::home::{Home, SessionInfo};
use super::mailbox::{Attachment, Phase, Token};
use crate::limits::REVOCATIONS;
use crate::log::Revocation;
use crate::model::{ClientId, Dismissal, SessionRef, ToSession};
use crate::router::turn::Turn;

impl Home {
    /// The sessions of a client.
    pub fn sessions_of(&self, client: &str) -> Vec<SessionInfo> {
        let Some(mailbox) = self.mailboxes.get(client) else { return Vec::new() };
        let info = |a: &Attachment| SessionInfo {
            session: a.session,
            live: a.phase == Phase::Live,
            cursor_lag: match a.phase {
                Phase::Live => 0,
                Phase::Waiting | Phase::Held => mailbox.last.offset.saturating_sub(a.position.offset),
            },
            since_ms: a.since_ms,
        };
        mailbox.attachments.iter().map(info).collect()
    }

    /// Sends all sessions of a client away. Returns how many.
    pub fn disconnect(&mut self, client: &ClientId, turn: &mut Turn<'_>) -> usize {
        self.dismiss(client, Dismissal::Disconnected, |_| true, turn)
    }

    /// Older tokens of a client are refused from now on.
    pub fn on_revoked(&mut self, revocation: Revocation, turn: &mut Turn<'_>) {
        let Revocation { client, issued_until_s } = revocation;
        let until = self.revoked.entry(client.clone()).or_insert(issued_until_s);
        *until = (*until).max(issued_until_s);
        let until = *until;
        let older = |token| matches!(token, Token::Issued(issued_s) if issued_s <= until);
        self.dismiss(&client, Dismissal::Revoked, older, turn);
    }

    /// A session goes on with another token, which counts from now on; it must go if that one was revoked.
    pub(super) fn renewed(
        &mut self,
        client: &ClientId,
        session: SessionRef,
        issued_at: Option<u64>,
        turn: &mut Turn<'_>,
    ) {
        let token = Token::Issued(issued_at.unwrap_or(0));
        if self.is_revoked(client, token) {
            return turn.say_session(client, session, ToSession::Dismissed(Dismissal::Revoked));
        }
        let mailbox = self.mailboxes.get_mut(client);
        if let Some(attachment) =
            mailbox.and_then(|it| it.attachments.iter_mut().find(|a| a.session == session))
        {
            attachment.token = token;
        }
    }

    /// Whether one more revocation can be remembered.
    pub fn can_revoke(&self, client: &ClientId) -> bool {
        self.revoked.contains_key(client)
            || self.revoked.len() < REVOCATIONS / usize::from(self.settings.topology.cores())
    }

    pub(super) fn is_revoked(&self, client: &ClientId, token: Token) -> bool {
        matches!((token, self.revoked.get(client)), (Token::Issued(issued_s), Some(&until)) if issued_s <= until)
    }

    pub(super) fn dismiss(
        &mut self,
        client: &ClientId,
        why: Dismissal,
        whom: impl Fn(Token) -> bool,
        turn: &mut Turn<'_>,
    ) -> usize {
        let Some(mailbox) = self.mailboxes.get(client) else { return 0 };
        let chosen = mailbox.attachments.iter().filter(|a| whom(a.token));
        chosen.map(|a| turn.say_session(client, a.session, ToSession::Dismissed(why))).count()
    }
}
