//! A session comes to its home: whether it may, where it starts or stands, and what it has missed.
//!
//! Always holds: a session that starts is answered once, by `Attached` or a dismissal; one that was welcomed goes on
//! from where it stands, or is dismissed because nobody could say that nothing is missing. Until the partition is
//! served, and its log fresh, either waits.

use super::begin::{At, Beginning};
use super::home::{Home, Stale};
use super::mailbox::{Attachment, Mailbox, Phase, Token};
use super::reads::Purpose;
use crate::counters::Refusal;
use crate::limits::AHEAD_MS;
use crate::log::Page;
use crate::model::{
    Ask, Attached, ClientId, Dismissal, HelloFrom, HelloSession, Position, Reach, ToSession, Via,
};
use crate::router::turn::Turn;

impl Home {
    /// A session is here, whether it starts or was welcomed by another home. One that is known already asks anew.
    pub fn join(&mut self, reach: Reach, hello: HelloSession, turn: &mut Turn<'_>) {
        let HelloSession { client, ask, from, credit, issued_at, by_token, since_ms, .. } = hello;
        let token = Token::new(by_token, issued_at);
        if self.is_revoked(&client, token) {
            turn.counters.refuse(Refusal::Unauthorized);
            return self.say(&client, reach, ToSession::Dismissed(Dismissal::Revoked), turn);
        }
        let head = self.head(self.partition(&client));
        let mailbox = self.mailboxes.entry(client.clone()).or_insert_with(|| Box::new(Mailbox::new(head)));
        let position = match from {
            HelloFrom::Start(_) => head,
            HelloFrom::Position(position) => position,
        };
        // Who was welcomed and gives no credit holds.
        let holds = matches!(from, HelloFrom::Position(_)) && credit.0 == 0;
        let phase = if holds { Phase::Held } else { Phase::Waiting };
        let attachment = Attachment { reach, ask, phase, credit: credit.0, position, since_ms, token };
        match mailbox.attachments.iter().position(|a| a.reach == reach) {
            // It asks again, and its answer is being found out, or on its way: a link that lost it is no link. To begin
            // anew would leave it waiting here and, once it has its answer, live there, moved on by marks.
            Some(known) if mailbox.attachments[known].ask == ask => return,
            Some(known) => mailbox.attachments[known] = attachment,
            None if mailbox.attachments.len() >= self.settings.sessions_per_client => {
                turn.counters.refuse(Refusal::TooManySessions);
                return self.say(&client, reach, ToSession::Dismissed(Dismissal::TooManySessions), turn);
            }
            None => {
                mailbox.attachments.reserve_exact(1);
                mailbox.attachments.push(attachment);
                if reach.via == Via::HERE {
                    self.attached[usize::from(reach.session.core)] += 1;
                }
            }
        }
        match from {
            HelloFrom::Start(start) => drop(self.starting.insert(reach, start)),
            HelloFrom::Position(_) => drop(self.starting.remove(&reach)),
        }
        // Who asks again has waited for the log since it asked first.
        let until_ms = self.stale.leave(reach).and_then(|waited| waited.until_ms);
        if !holds {
            self.judge(reach, Stale { client, ask, until_ms }, turn);
        }
    }

    /// Where a session starts, or whether it may go on from where it stands, if that can be said now.
    pub(super) fn judge(&mut self, reach: Reach, stale: Stale, turn: &mut Turn<'_>) {
        let partition = self.partition(&stale.client);
        if self.term(partition).is_none() {
            // It is judged when a term begins.
            return;
        }
        if !self.tenures.is_fresh(partition, turn.now.mono_ms) {
            return self.wait(reach, stale);
        }
        let (client, ask) = (&stale.client, stale.ask);
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let Some(attachment) = mailbox.find(reach, ask) else { return };
        let (position, credit) = (attachment.position, attachment.credit);
        let head = self.tenures.head(partition);
        // Ours alone, the log never comes to a place that nobody has seen it at.
        let patience_ms = if self.settings.is_clustered { AHEAD_MS } else { 0 };
        let until_ms = stale.until_ms.unwrap_or(turn.now.mono_ms + patience_ms);
        let is_over = turn.now.mono_ms >= until_ms;
        if let Some(&start) = self.starting.get(&reach) {
            let (beginning, at) = Beginning::judge(start, self.log_epoch, head, Some(mailbox), is_over);
            if at == At::Ahead {
                return self.wait(reach, Stale { until_ms: Some(until_ms), ..stale });
            }
            return self.begin(client, reach, ask, beginning, at, turn);
        }
        match At::after(position, head, Some(mailbox)) {
            At::Memory(_) => self.pump(client, reach, ask, turn),
            At::Log(_) if credit == 0 => self.stop(client, reach, ask, turn),
            At::Log(from) => {
                let bytes = credit.min(self.settings.bounds.page_bytes);
                let envelopes = self.settings.bounds.page_envelopes;
                self.read(client, from, bytes, envelopes, Purpose::Page { reach, ask }, turn);
            }
            At::Ahead if !is_over && position.leader_epoch >= head.leader_epoch => {
                self.wait(reach, Stale { until_ms: Some(until_ms), ..stale });
            }
            At::Ahead => self.say(client, reach, ToSession::Dismissed(Dismissal::Discontinued), turn),
        }
    }

    /// A session that starts is answered, or the log asked where that is.
    pub(super) fn begin(
        &mut self,
        client: &ClientId,
        reach: Reach,
        ask: Ask,
        beginning: Beginning,
        at: At,
        turn: &mut Turn<'_>,
    ) {
        let position = match at {
            At::Memory(position) => position,
            At::Log(from) => {
                let purpose = Purpose::Attach { reach, ask, beginning };
                let bounds = self.settings.bounds;
                return self.read(client, from, bounds.page_bytes, bounds.page_envelopes, purpose, turn);
            }
            At::Ahead => unreachable!("who is ahead of the log waits, and is then refused"),
        };
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let counted = self.settings.bounds.missed_counted;
        let after = mailbox.recent_after(position.max(mailbox.recent_from));
        let missed = after.take(counted as usize + 1).count() as u32;
        let (missed, more) = (missed.min(counted), missed > counted);
        let Some(attachment) = mailbox.find(reach, ask) else { return };
        let replay = beginning.replays();
        if !replay {
            attachment.phase = Phase::Live;
        }
        self.welcome(client, reach, ask, (position, beginning, missed, more), turn);
        if replay {
            self.pump(client, reach, ask, turn);
        }
    }

    pub(super) fn attached_by_log(
        &mut self,
        client: &ClientId,
        reach: Reach,
        ask: Ask,
        beginning: Beginning,
        page: Page,
        turn: &mut Turn<'_>,
    ) {
        if self.mailboxes.get_mut(client).and_then(|m| m.find(reach, ask)).is_none() {
            return;
        }
        self.welcome(client, reach, ask, (page.start, beginning, page.counted, page.more), turn);
        self.feed(client, reach, ask, page, turn);
    }

    /// Tells a session that is attached where it starts: the position, how that came about, what it has missed after it.
    fn welcome(
        &mut self,
        client: &ClientId,
        reach: Reach,
        ask: Ask,
        (position, beginning, missed, more): (Position, Beginning, u32, bool),
        turn: &mut Turn<'_>,
    ) {
        self.starting.remove(&reach);
        if let Some(attachment) = self.mailboxes.get_mut(client).and_then(|m| m.find(reach, ask)) {
            attachment.position = position;
        }
        let replay = beginning.replays();
        let attached = Attached { ask, position, resumed: beginning.resumed, missed, more, replay };
        self.say(client, reach, ToSession::Attached(attached), turn);
    }

    /// Says something to one session, in the present term of its partition.
    pub(super) fn say(&self, client: &ClientId, reach: Reach, say: ToSession, turn: &mut Turn<'_>) {
        // Who is sent away needs no term.
        let term = self.term(self.partition(client)).unwrap_or(0);
        turn.say_session(client, reach, term, say);
    }
}
