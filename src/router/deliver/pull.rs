//! A page of a mailbox for an app that holds no socket: begun like a session, answered once.

use super::begin::{At, Beginning};
use super::home::Home;
use super::reads::Purpose;
use crate::limits::{FRESH_MS, PULL_BYTES};
use crate::log::{Page, Unreadable};
use crate::model::{ClientId, ErrorCode, Start};
use crate::router::output::{Answer, Output, Pulled, Request};
use crate::router::turn::Turn;

impl Home {
    /// A page for an app that holds no socket.
    pub fn pull(
        &mut self,
        request: Request,
        client: &ClientId,
        start: Start,
        limit: u32,
        turn: &mut Turn<'_>,
    ) {
        let head = self.head(self.partition(client));
        let (beginning, at) = Beginning::judge(start, self.log_epoch, head, None);
        self.pull_at(client, request, beginning, at, limit, turn);
    }

    pub(super) fn pull_at(
        &mut self,
        client: &ClientId,
        request: Request,
        beginning: Beginning,
        at: At,
        limit: u32,
        turn: &mut Turn<'_>,
    ) {
        match at {
            At::Memory(cursor) => {
                let pulled = Pulled { resumed: beginning.resumed, records: Vec::new(), cursor, more: false };
                turn.out.push(Output::Answer(request, Answer::Pulled(pulled)));
            }
            At::Log(from) => {
                let purpose = Purpose::Pull { request, beginning, limit };
                self.read(client, from, PULL_BYTES as u32, limit, purpose, turn);
            }
        }
    }

    pub(super) fn pulled(
        &mut self,
        client: &ClientId,
        request: Request,
        beginning: Beginning,
        limit: u32,
        page: Result<Page, Unreadable>,
        turn: &mut Turn<'_>,
    ) {
        let answer = match page {
            Ok(page) => {
                let more = page.counted as usize > page.records.len() || page.more;
                let Page { records, through, .. } = page;
                Answer::Pulled(Pulled { resumed: beginning.resumed, records, cursor: through, more })
            }
            Err(Unreadable::Unavailable) => {
                Answer::Refused { code: ErrorCode::Unavailable, retry_after_ms: FRESH_MS as u32 }
            }
            Err(Unreadable::Unresumed(why)) => {
                let (beginning, at) = beginning.refused(why, self.head(self.partition(client)));
                return self.pull_at(client, request, beginning, at, limit, turn);
            }
        };
        turn.out.push(Output::Answer(request, answer));
    }
}
