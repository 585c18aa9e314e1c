//! What is asked about a client for the HTTP API, on whichever node: its home answers, here or there.

use super::output::{Answer, NoHome, Outbox, Output, Request};
use super::shard::{Shard, turn};
use super::turn::Turn;
use crate::counters::Dropped;
use crate::limits::FRESH_MS;
use crate::model::{
    Asker, ClientId, Dispatch, ErrorCode, Findings, Now, Parcel, Peer, Question, Route, SessionInfo,
};

/// Who waits for what a home finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inquirer {
    /// A request of this node.
    Request(Request),
    /// A core of another one.
    Node(Peer, Asker),
}

impl Inquirer {
    /// Tells what was found.
    pub fn tell(self, findings: Findings, turn: &mut Turn<'_>) {
        turn.out.push(match self {
            Self::Request(request) => Output::Answer(request, answer(findings, None)),
            Self::Node(to, asker) => Output::dispatch(Dispatch::Tell { to, asker, findings }),
        });
    }
}

/// As a request is told it. `home`: the other node that said it.
fn answer(findings: Findings, home: Option<Peer>) -> Answer {
    match findings {
        Findings::Unavailable if home.is_some() => Answer::NoHome(NoHome::Unavailable),
        Findings::Unavailable => {
            Answer::Refused { code: ErrorCode::Unavailable, retry_after_ms: FRESH_MS as u32 }
        }
        Findings::Sessions(sessions) => Answer::Sessions { home, sessions },
        Findings::Pulled(pulled) => Answer::Pulled(pulled),
        Findings::Disconnected => Answer::Done { at_ms: 0 },
    }
}

impl Shard {
    /// Asks the client's home, wherever that is; one answer comes. The client's core must be this one.
    pub fn inquire(
        &mut self,
        request: Request,
        client: &ClientId,
        question: Question,
        now: Now,
        out: &mut Outbox,
    ) {
        match self.gateway.route(self.partition(client.as_ref())) {
            Route::Here => {
                let mut turn = turn!(self, now, out);
                self.home.inquire(Inquirer::Request(request), client, question, &mut turn);
                self.work_off(now, out);
            }
            Route::Away(home) => match self.questions.ask(request, home, now.mono_ms) {
                Some(number) => {
                    let client = client.clone();
                    out.push(Output::dispatch(Dispatch::Ask { home, number, client, question }));
                }
                None => out.push(Output::Answer(request, Answer::NoHome(NoHome::Crowded))),
            },
            Route::Nowhere => out.push(Output::Answer(request, Answer::NoHome(NoHome::Nowhere))),
        }
    }

    /// The sessions of a client, as the home on this core knows them.
    pub fn sessions_of(&self, client: &str) -> Vec<SessionInfo> {
        self.home.sessions_of(client)
    }

    /// Another node asks, or answers.
    pub(super) fn on_inquiry(&mut self, parcel: Parcel, now: Now, out: &mut Outbox) {
        match parcel {
            Parcel::Ask { from, asker, client, question } => {
                let inquirer = Inquirer::Node(from, asker);
                let mut turn = turn!(self, now, out);
                if self.gateway.route(self.settings.topology.place(client.as_ref()).partition) == Route::Here
                {
                    self.home.inquire(inquirer, &client, question, &mut turn);
                } else {
                    inquirer.tell(Findings::Unavailable, &mut turn);
                }
            }
            Parcel::Told { home, number, findings } => match self.questions.told(home, number) {
                Some(request) => out.push(Output::Answer(request, answer(*findings, Some(home)))),
                None => self.counters.drop(Dropped::LateAnswer),
            },
            other => unreachable!("{other:?} is neither"),
        }
    }

    /// Questions whose time is over are answered.
    pub(super) fn end_questions(&mut self, now: Now, out: &mut Outbox) {
        while let Some(request) = self.questions.overdue(now.mono_ms) {
            out.push(Output::Answer(request, Answer::NoHome(NoHome::Silent)));
        }
    }
}
