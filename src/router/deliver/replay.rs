//! A session that lies behind is moved along its mailbox: from memory where that reaches, else by pages of the log.
//!
//! Always holds: no more is sent than the session gave credit for, but at least one envelope where there is any; what
//! is sent joins what was sent before; `live` is said only when nothing is missing and the log is fresh.

use super::home::{Home, Stale};
use super::mailbox::{Mailbox, Phase};
use super::reads::{Asked, Purpose};
use crate::log::{Page, Read, ReadFrom, ReadTicket, Unreadable};
use crate::model::{Ask, ClientId, Delivered, Dismissal, Position, Push, Reach, ToSession, Unresumed};
use crate::router::turn::Turn;

impl Home {
    /// Moves a session that lies behind as far as memory and credit go, then asks the log or says that it is live.
    pub(super) fn pump(&mut self, client: &ClientId, reach: Reach, ask: Ask, turn: &mut Turn<'_>) {
        let partition = self.partition(client);
        let fresh = self.tenures.is_fresh(partition, turn.now.mono_ms);
        let (head, term) = (self.head(partition), self.term(partition).unwrap_or(0));
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let (last, recent_from, erased) = (mailbox.last, mailbox.recent_from, mailbox.erased());
        let Some(attachment) = mailbox.find(reach, ask) else { return };
        if attachment.position < erased {
            // What was erased under it is skipped: nothing that is still served lies before.
            attachment.position = erased;
            let skip = ToSession::Replay { ask, envelopes: Vec::new(), through: erased };
            turn.say_session(client, reach, term, skip);
        }
        let (position, credit) = (attachment.position, attachment.credit);
        if position < last && position < recent_from {
            let bytes = attachment.credit.min(self.settings.bounds.page_bytes);
            if attachment.credit == 0 {
                return self.stop(client, reach, ask, turn);
            }
            attachment.phase = Phase::Waiting;
            let purpose = Purpose::Page { reach, ask };
            let envelopes = self.settings.bounds.page_envelopes;
            return self.read(client, ReadFrom::After(position), bytes, envelopes, purpose, turn);
        }
        if position < last {
            let envelopes: Vec<Delivered> = in_memory(mailbox, position, credit);
            let Some(through) = envelopes.last().map(|delivered| delivered.position) else {
                return self.stop(client, reach, ask, turn);
            };
            let complete = through >= last;
            let attachment = mailbox.find(reach, ask).expect("it was there a line above");
            attachment.credit = attachment.credit.saturating_sub(cost(&envelopes));
            attachment.position = through;
            turn.say_session(client, reach, term, ToSession::Replay { ask, envelopes, through });
            if !complete {
                return self.stop(client, reach, ask, turn);
            }
        }
        let attachment = mailbox.find(reach, ask).expect("it was there a line above");
        if !fresh {
            attachment.phase = Phase::Waiting;
            return self.stale.join(reach, Stale { client: client.clone(), ask, until_ms: None });
        }
        attachment.phase = Phase::Live;
        attachment.position = attachment.position.max(head);
        self.say(client, reach, ToSession::Live { ask, position: head }, turn);
    }

    pub(super) fn stop(&mut self, client: &ClientId, reach: Reach, ask: Ask, turn: &mut Turn<'_>) {
        let Some(attachment) = self.mailboxes.get_mut(client).and_then(|m| m.find(reach, ask)) else {
            return;
        };
        attachment.phase = Phase::Held;
        self.say(client, reach, ToSession::Stop { ask }, turn);
    }

    pub(super) fn read(
        &mut self,
        client: &ClientId,
        from: ReadFrom,
        page_bytes: u32,
        page_envelopes: u32,
        purpose: Purpose,
        turn: &mut Turn<'_>,
    ) {
        let partition = self.partition(client);
        let count_to =
            if matches!(purpose, Purpose::Page { .. }) { 0 } else { self.settings.bounds.missed_counted };
        let ticket = ReadTicket { core: turn.core, read: 0 };
        let upto = self.head(partition);
        let read = Read {
            ticket,
            client: client.clone(),
            partition,
            from,
            upto,
            page_bytes,
            page_envelopes,
            count_to,
        };
        let term = self.term(partition);
        self.reads.ask(read, term, purpose, turn);
    }

    /// The log answered a read.
    pub fn on_page(&mut self, ticket: ReadTicket, page: Result<Page, Unreadable>, turn: &mut Turn<'_>) {
        let Asked { client, term, purpose } = self.reads.answered(ticket);
        let partition = self.partition(&client);
        let is_fresh = self.tenures.is_fresh(partition, turn.now.mono_ms);
        let is_void = self.term(partition) != term;
        match purpose {
            Purpose::Pull { inquirer, beginning, limit } => {
                let page = if is_void { Err(Unreadable::Unavailable) } else { page };
                self.pulled(&client, inquirer, beginning, limit, page, turn);
            }
            // It was asked in another term; in this one everybody is judged again.
            Purpose::Attach { .. } | Purpose::Page { .. } if is_void => {}
            // A page may have been long on its way: `welcome` is said from a younger one.
            Purpose::Attach { reach, ask, .. } if !is_fresh => {
                self.wait(reach, Stale { client, ask, until_ms: None });
            }
            Purpose::Attach { reach, ask, beginning } => match page {
                Ok(page) => self.attached_by_log(&client, reach, ask, beginning, page, turn),
                Err(Unreadable::Unresumed(why)) => {
                    let (beginning, at) = beginning.refused(why, self.head(partition));
                    self.begin(&client, reach, ask, beginning, at, turn);
                }
                Err(Unreadable::Unavailable) => self.wait(reach, Stale { client, ask, until_ms: None }),
            },
            Purpose::Page { reach, ask } => match page {
                Ok(page) => self.feed(&client, reach, ask, page, turn),
                Err(Unreadable::Unresumed(Unresumed::Erased)) => self.skip_erased(&client, reach, ask, turn),
                // Continuity ended under the session: it must come back and be told why.
                Err(Unreadable::Unresumed(_)) => {
                    self.say(&client, reach, ToSession::Dismissed(Dismissal::Discontinued), turn);
                }
                Err(Unreadable::Unavailable) => self.wait(reach, Stale { client, ask, until_ms: None }),
            },
        }
        let mailboxes = &self.mailboxes;
        let wanted = |read: &Read, purpose: &Purpose| match purpose {
            Purpose::Pull { .. } => true,
            Purpose::Attach { reach, ask, .. } | Purpose::Page { reach, ask } => {
                mailboxes.get(&read.client).is_some_and(|mailbox| {
                    mailbox.attachments.iter().any(|a| a.reach == *reach && a.ask == *ask)
                })
            }
        };
        self.reads.advance(wanted, turn);
    }

    /// What lies before an erase is skipped by who was given a part of it: the rest begins after the erase.
    fn skip_erased(&mut self, client: &ClientId, reach: Reach, ask: Ask, turn: &mut Turn<'_>) {
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let erased = mailbox.erased();
        let Some(attachment) = mailbox.find(reach, ask) else { return };
        if attachment.position < erased {
            return self.pump(client, reach, ask, turn);
        }
        let bytes = attachment.credit.min(self.settings.bounds.page_bytes);
        let envelopes = self.settings.bounds.page_envelopes;
        // Memory does not know of it: it was erased before this term began.
        self.read(client, ReadFrom::Oldest, bytes, envelopes, Purpose::Page { reach, ask }, turn);
    }

    /// Sends a page as far as the session's credit goes.
    pub(super) fn feed(
        &mut self,
        client: &ClientId,
        reach: Reach,
        ask: Ask,
        page: Page,
        turn: &mut Turn<'_>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(client) else { return };
        let erased = mailbox.erased();
        let Some(attachment) = mailbox.find(reach, ask) else { return };
        let (mut envelopes, mut through, mut whole) = (Vec::new(), attachment.position, true);
        for record in page.records {
            let (at_ms, position) = (record.at_ms, record.position());
            if position <= attachment.position || position <= erased {
                continue;
            }
            let cost = Push::message_cost(&record.envelope);
            if cost > attachment.credit && (attachment.credit == 0 || !envelopes.is_empty()) {
                whole = false;
                break;
            }
            attachment.credit = attachment.credit.saturating_sub(cost);
            envelopes.push(Delivered { envelope: record.envelope, at_ms, prev: through, position });
            through = position;
        }
        if whole {
            through = through.max(page.through);
        }
        attachment.position = through;
        self.say(client, reach, ToSession::Replay { ask, envelopes, through }, turn);
        if whole { self.pump(client, reach, ask, turn) } else { self.stop(client, reach, ask, turn) }
    }
}

/// What memory holds after `position`, as far as the credit goes, but at least one where there is any credit.
pub(super) fn in_memory(mailbox: &Mailbox, position: Position, credit: u32) -> Vec<Delivered> {
    let (mut envelopes, mut prev, mut left) = (Vec::new(), position, credit);
    let all = mailbox.recent_after(position);
    let skipped =
        usize::from(crate::sabotaged!(ResumeSkipsOne) && mailbox.recent_after(position).nth(1).is_some());
    for recent in all.skip(skipped) {
        let cost = Push::message_cost(&recent.envelope);
        if cost > left && (left == 0 || !envelopes.is_empty()) {
            break;
        }
        left = left.saturating_sub(cost);
        envelopes.push(recent.delivered(prev));
        prev = recent.position;
    }
    envelopes
}

pub(super) fn cost(envelopes: &[Delivered]) -> u32 {
    envelopes.iter().map(|delivered| Push::message_cost(&delivered.envelope)).sum()
}
