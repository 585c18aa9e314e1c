//! A session comes to its home: whether it may, where it starts, and what it has missed.
//!
//! Always holds: an attach is answered once, by `Attached` or a dismissal, or waits for a fresher log.

use super::begin::{At, Beginning};
use super::home::Home;
use super::mailbox::{Attachment, Mailbox, Phase};
use super::reads::Purpose;
use crate::counters::Refusal;
use crate::log::Page;
use crate::model::{Ask, Attached, ClientId, Dismissal, SessionRef, Start, ToSession};
use crate::router::turn::Turn;

impl Home {
    pub(super) fn attach(
        &mut self,
        client: ClientId,
        attachment: Attachment,
        start: Start,
        turn: &mut Turn<'_>,
    ) {
        let (session, ask) = (attachment.session, attachment.ask);
        if self.is_revoked(&client, attachment.token) {
            turn.counters.refuse(Refusal::Unauthorized);
            return turn.say_session(&client, session, ToSession::Dismissed(Dismissal::Revoked));
        }
        let head = self.head(self.partition(&client));
        let mailbox = self.mailboxes.entry(client.clone()).or_insert_with(|| Box::new(Mailbox::new(head)));
        if mailbox.attachments.len() >= self.settings.sessions_per_client {
            turn.counters.refuse(Refusal::TooManySessions);
            return turn.say_session(&client, session, ToSession::Dismissed(Dismissal::TooManySessions));
        }
        let (beginning, at) = Beginning::judge(start, self.log_epoch, head, Some(mailbox));
        mailbox.attachments.reserve_exact(1);
        mailbox.attachments.push(attachment);
        self.attached[usize::from(session.core)] += 1;
        self.begin(&client, session, ask, beginning, at, turn);
    }

    /// A session's attach is answered, or the log asked where it begins.
    pub(super) fn begin(
        &mut self,
        client: &ClientId,
        session: SessionRef,
        ask: Ask,
        beginning: Beginning,
        at: At,
        turn: &mut Turn<'_>,
    ) {
        let position = match at {
            At::Memory(position) => position,
            At::Log(from) => {
                let purpose = Purpose::Attach { session, ask, beginning, from };
                let bounds = self.settings.bounds;
                return self.read(client, from, bounds.page_bytes, bounds.page_envelopes, purpose, turn);
            }
        };
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let counted = self.settings.bounds.missed_counted;
        let after = mailbox.recent_after(position.max(mailbox.recent_from));
        let missed = after.take(counted as usize + 1).count() as u32;
        let (missed, more) = (missed.min(counted), missed > counted);
        let Some(attachment) = mailbox.find(session, ask) else { return };
        attachment.position = position;
        let replay = beginning.replays();
        if !replay {
            attachment.phase = Phase::Live;
        }
        let attached = Attached { ask, position, resumed: beginning.resumed, missed, more, replay };
        turn.say_session(client, session, ToSession::Attached(attached));
        if replay {
            self.pump(client, session, ask, turn);
        }
    }

    pub(super) fn attached_by_log(
        &mut self,
        client: &ClientId,
        session: SessionRef,
        ask: Ask,
        beginning: Beginning,
        page: Page,
        turn: &mut Turn<'_>,
    ) {
        let Some(attachment) = self.mailboxes.get_mut(client).and_then(|m| m.find(session, ask)) else {
            return;
        };
        attachment.position = page.start;
        let (missed, more) = (page.counted, page.more);
        let attached =
            Attached { ask, position: page.start, resumed: beginning.resumed, missed, more, replay: true };
        turn.say_session(client, session, ToSession::Attached(attached));
        self.feed(client, session, ask, page, turn);
    }
}
