//! Who is here, who must go, and whose older tokens are refused.

use super::home::Home;
use super::mailbox::{Attachment, Phase, Token};
use crate::counters::Refusal;
use crate::log::Revocation;
use crate::model::{ClientId, Dismissal, Findings, Partition, Question, Reach, SessionInfo, ToSession, Via};
use crate::router::inquiries::Inquirer;
use crate::router::turn::Turn;

impl Home {
    /// The sessions of a client.
    pub fn sessions_of(&self, client: &str) -> Vec<SessionInfo> {
        let Some(mailbox) = self.mailboxes.get(client) else { return Vec::new() };
        let info = |a: &Attachment| SessionInfo {
            gateway: self.gateways.get(&a.reach.via).copied(),
            session: a.reach.session,
            live: a.phase == Phase::Live,
            cursor_lag: match a.phase {
                Phase::Live => 0,
                Phase::Waiting | Phase::Held => mailbox.last.offset.saturating_sub(a.position.offset),
            },
            since_ms: a.since_ms,
        };
        // The post says who speaks by a way before anybody does.
        let is_known = |a: &&Attachment| a.reach.via == Via::HERE || self.gateways.contains_key(&a.reach.via);
        mailbox.attachments.iter().filter(is_known).map(info).collect()
    }

    /// Answers a question about one of our clients, now or when the log has said what is in its mailbox.
    pub fn inquire(
        &mut self,
        inquirer: Inquirer,
        client: &ClientId,
        question: Question,
        turn: &mut Turn<'_>,
    ) {
        let findings = match question {
            Question::Sessions => Findings::Sessions(self.sessions_of(client.as_str())),
            Question::Pull { start, limit } => return self.pull(inquirer, client, start, limit, turn),
            Question::Disconnect => {
                self.dismiss(client, Dismissal::Disconnected, |_| true, turn);
                Findings::Disconnected
            }
        };
        inquirer.tell(findings, turn);
    }

    /// Older tokens of a client are refused from now on.
    pub fn on_revoked(&mut self, revocation: Revocation, turn: &mut Turn<'_>) {
        let Revocation { client, issued_until_s } = revocation;
        if self.settings.is_clustered && !self.can_revoke(&client) {
            // It was written by another node, and must be obeyed.
            turn.counters.refuse(Refusal::Unrevoked);
            self.all_revoked = self.all_revoked.max(Some(issued_until_s));
            let older =
                |token| matches!(token, Token::Issued(issued_s) if u64::from(issued_s) <= issued_until_s);
            return self.dismiss(&client, Dismissal::Revoked, older, turn);
        }
        let until = self.revoked.entry(client.clone()).or_insert(issued_until_s);
        *until = (*until).max(issued_until_s);
        let until = *until;
        let older = |token| matches!(token, Token::Issued(issued_s) if u64::from(issued_s) <= until);
        self.dismiss(&client, Dismissal::Revoked, older, turn);
    }

    /// These partitions are another node's now, which knows who is revoked of them. What was refused of everybody stays.
    pub fn forget_revoked(&mut self, partitions: &[Partition]) {
        let topology = self.settings.topology;
        self.revoked.retain(|client, _| !partitions.contains(&topology.place(client.as_ref()).partition));
    }

    /// A session goes on with another token, which counts from now on; it must go if that one was revoked.
    pub(super) fn renewed(
        &mut self,
        client: &ClientId,
        reach: Reach,
        issued_at: Option<u64>,
        turn: &mut Turn<'_>,
    ) {
        let token = Token::new(true, issued_at);
        if self.is_revoked(client, token) {
            return self.say(client, reach, ToSession::Dismissed(Dismissal::Revoked), turn);
        }
        let mailbox = self.mailboxes.get_mut(client);
        if let Some(attachment) = mailbox.and_then(|it| it.attachments.iter_mut().find(|a| a.reach == reach))
        {
            attachment.token = token;
        }
    }

    /// Whether one more revocation can be remembered.
    pub fn can_revoke(&self, client: &ClientId) -> bool {
        self.revoked.contains_key(client)
            || self.revoked.len()
                < self.settings.bounds.revocations / usize::from(self.settings.topology.cores())
    }

    pub(super) fn is_revoked(&self, client: &ClientId, token: Token) -> bool {
        let until = self.revoked.get(client).copied().max(self.all_revoked);
        matches!((token, until), (Token::Issued(issued_s), Some(until)) if u64::from(issued_s) <= until)
    }

    pub(super) fn dismiss(
        &mut self,
        client: &ClientId,
        why: Dismissal,
        whom: impl Fn(Token) -> bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(mailbox) = self.mailboxes.get(client) else { return };
        let chosen = mailbox.attachments.iter().filter(|a| whom(a.token));
        chosen.for_each(|a| self.say(client, a.reach, ToSession::Dismissed(why), turn));
    }
}
