//! A page of a mailbox for an app that holds no socket: begun like a session, answered once.

use super::begin::{At, Beginning};
use super::home::Home;
use super::reads::Purpose;
use crate::counters::Refusal;
use crate::limits::{PULL_BYTES, QUESTION_PAGE_BYTES, QUESTIONS_HEARD};
use crate::log::{Page, Record, Unreadable};
use crate::model::{ClientId, Findings, Pulled, PulledEnvelope, Start};
use crate::router::inquiries::Inquirer;
use crate::router::turn::Turn;

impl Home {
    /// A page for an app that holds no socket.
    pub(super) fn pull(
        &mut self,
        inquirer: Inquirer,
        client: &ClientId,
        start: Start,
        limit: u32,
        turn: &mut Turn<'_>,
    ) {
        let partition = self.partition(client);
        if self.term(partition).is_none() {
            return inquirer.tell(Findings::Unavailable, turn);
        }
        let (beginning, at) = Beginning::judge(start, self.log_epoch, self.head(partition), None, true);
        self.pull_at(client, inquirer, beginning, at, limit, turn);
    }

    pub(super) fn pull_at(
        &mut self,
        client: &ClientId,
        inquirer: Inquirer,
        beginning: Beginning,
        at: At,
        limit: u32,
        turn: &mut Turn<'_>,
    ) {
        match at {
            At::Memory(cursor) => {
                let pulled =
                    Pulled { resumed: beginning.resumed, envelopes: Vec::new(), cursor, more: false };
                inquirer.tell(Findings::Pulled(pulled), turn);
            }
            At::Ahead => unreachable!("a pull does not wait for the log"),
            At::Log(from) => {
                let bytes = match inquirer {
                    Inquirer::Request(_) => PULL_BYTES,
                    Inquirer::Node(..) if self.pages_for_others >= QUESTIONS_HEARD => {
                        turn.counters.refuse(Refusal::Unavailable);
                        return inquirer.tell(Findings::Unavailable, turn);
                    }
                    Inquirer::Node(..) => {
                        self.pages_for_others += 1;
                        // It goes in one record to the node that asked.
                        QUESTION_PAGE_BYTES
                    }
                };
                let purpose = Purpose::Pull { inquirer, beginning, limit };
                self.read(client, from, bytes as u32, limit, purpose, turn);
            }
        }
    }

    pub(super) fn pulled(
        &mut self,
        client: &ClientId,
        inquirer: Inquirer,
        beginning: Beginning,
        limit: u32,
        page: Result<Page, Unreadable>,
        turn: &mut Turn<'_>,
    ) {
        if let Inquirer::Node(..) = inquirer {
            self.pages_for_others -= 1;
        }
        let findings = match page {
            Ok(page) => {
                let more = page.counted as usize > page.records.len() || page.more;
                let envelopes = page.records.into_iter().map(listed).collect();
                Findings::Pulled(Pulled { resumed: beginning.resumed, envelopes, cursor: page.through, more })
            }
            Err(Unreadable::Unavailable) => Findings::Unavailable,
            Err(Unreadable::Unresumed(why)) => {
                let (beginning, at) = beginning.refused(why, self.head(self.partition(client)));
                return self.pull_at(client, inquirer, beginning, at, limit, turn);
            }
        };
        inquirer.tell(findings, turn);
    }
}

fn listed(record: Record) -> PulledEnvelope {
    let position = record.position();
    PulledEnvelope { envelope: record.envelope, at_ms: record.at_ms, position }
}
