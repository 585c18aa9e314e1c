//! The machine against a reference server that does whatever a server may do, and some things it may not.
//!
//! The server keeps one mailbox as a plain list and gives it out in any order of acts: repeated after a reconnect,
//! with frames that only move the cursor, cut off anywhere, and now and then with a message left out. The
//! application must see each message once and in order, whatever happens, and every letter must be applied once.

use super::*;
use crate::model::{ClientId, Heard, HeardError, HeardMessage, HeardWelcome, Now};
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A message for our client is appended; or one for somebody else, which only moves positions.
    Append { ours: bool },
    /// The server gives the next message.
    Give,
    /// The server goes back and gives again what it gave before.
    Repeat { back: u8 },
    /// The server leaves a message out: its mistake.
    Omit,
    /// `cursor`, `live`, `pong` or `drain`.
    Tell { how: u8 },
    /// The connection ends.
    Close { code: u16 },
    /// The application sends.
    Send,
    /// The server works off one send: applies and acknowledges it, or refuses it for now, or says nothing.
    Answer { how: u8 },
    /// Time passes.
    Wait { ms: u32 },
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<bool>().prop_map(|ours| Act::Append { ours }),
        5 => Just(Act::Give),
        2 => any::<u8>().prop_map(|back| Act::Repeat { back }),
        1 => Just(Act::Omit),
        2 => any::<u8>().prop_map(|how| Act::Tell { how }),
        1 => prop::sample::select(vec![1000, 1006, 1012, 1013, 4001]).prop_map(|code| Act::Close { code }),
        2 => Just(Act::Send),
        3 => any::<u8>().prop_map(|how| Act::Answer { how }),
        2 => (0u32..40_000).prop_map(|ms| Act::Wait { ms }),
    ]
}

/// A mailbox, the session that reads it, and the client at the other end.
#[derive(Debug)]
struct World {
    now: Now,
    client: Client,
    /// The log: whether each offset is ours.
    log: Vec<bool>,
    /// The session's position, while there is a connection.
    session: Option<usize>,
    /// What the session last told its client.
    told: usize,
    inbox: VecDeque<String>,
    applied: Vec<String>,
    sent: Vec<String>,
    acknowledged: Vec<String>,
    /// Offsets that the application was given.
    given: Vec<usize>,
    omissions: u64,
}

fn text(position: usize) -> String {
    format!("1{position:08}")
}

impl World {
    fn new(seed: u64) -> Self {
        let client = Client::new(Options { seed, from: Some("start".into()), ..Options::default() });
        let (log, inbox, applied, sent) = (vec![], VecDeque::new(), vec![], vec![]);
        let (acknowledged, given) = (vec![], vec![]);
        let mut world = Self {
            now: Now::default(),
            client,
            log,
            session: None,
            told: 0,
            inbox,
            applied,
            sent,
            acknowledged,
            given,
            omissions: 0,
        };
        world.wait(0);
        world
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Append { ours } => self.log.push(ours),
            Act::Give => self.give(),
            Act::Repeat { back } => {
                self.session = self.session.map(|position| position.saturating_sub(usize::from(back % 8)));
            }
            Act::Omit => self.omit(),
            Act::Tell { how } => self.tell(how),
            Act::Close { code } if self.session.is_some() => {
                self.client.closed(Ending::Closed(Some(code)), self.now);
                self.obey();
            }
            Act::Close { .. } => {}
            Act::Send => self.send(),
            Act::Answer { how } => self.answer(how),
            Act::Wait { ms } => self.wait(u64::from(ms)),
        }
    }

    fn next_ours(&self, position: usize) -> Option<usize> {
        (position..self.log.len()).find(|&offset| self.log[offset])
    }

    fn give(&mut self) {
        let Some(position) = self.session else { return };
        if let Some(offset) = self.next_ours(position) {
            // `prev` is the newest that the client surely knows: nothing of it lies in between.
            self.give_message(position.min(self.told), offset);
        }
    }

    fn omit(&mut self) {
        // Only of what is new: what is left out of a repetition is not missed.
        let Some(position) = self.session.filter(|&position| position >= self.told) else { return };
        let Some(omitted) = self.next_ours(position) else { return };
        if let Some(offset) = self.next_ours(omitted + 1) {
            self.omissions += 1;
            self.give_message(omitted + 1, offset);
            assert!(self.session.is_none(), "the client believed a connection that left a message out");
        }
    }

    fn give_message(&mut self, prev: usize, offset: usize) {
        self.session = Some(offset + 1);
        let (prev, cursor, body) = (text(prev), text(offset + 1), offset.to_string());
        self.hear(&Heard::Message(HeardMessage {
            from: None,
            id: None,
            to: None,
            at_ms: 1,
            prev: &prev,
            cursor: &cursor,
            body: body.as_bytes(),
        }));
        if self.session.is_some() {
            self.told = self.told.max(offset + 1);
        }
    }

    /// The session moves on over what is not ours, and says so.
    fn tell(&mut self, how: u8) {
        let Some(position) = self.session else { return };
        let position = self.next_ours(position).unwrap_or(self.log.len());
        self.session = Some(position);
        self.told = self.told.max(position);
        let cursor = &text(position);
        self.hear(&match how % 4 {
            0 => Heard::Cursor { cursor },
            1 => Heard::Live { cursor },
            2 => Heard::Pong { cursor: Some(cursor) },
            _ => Heard::Drain { reconnect_after_ms: u64::from(how) * 10, cursor: Some(cursor) },
        });
    }

    fn send(&mut self) {
        let id = self.client.fresh_id();
        let letter = Letter::new(id.as_ref(), vec![ClientId::new("eve").unwrap()], b"1").unwrap();
        if self.client.send(letter, self.now).is_ok() {
            self.sent.push(id.as_ref().as_str().to_owned());
        }
        self.obey();
    }

    fn answer(&mut self, how: u8) {
        let Some(id) = self.inbox.pop_front() else { return };
        let (code, retry_after_ms) = ("unavailable", Some(u64::from(how)));
        if how.is_multiple_of(4) {
            // Refused, and all that was sent behind it: a server at its limit refuses in order.
            for id in std::iter::once(id).chain(std::mem::take(&mut self.inbox)) {
                let error = HeardError { id: Some(&id), code, message: "", retry_after_ms, failed: vec![] };
                self.hear(&Heard::Error(error));
            }
            return;
        }
        if !self.applied.contains(&id) {
            self.applied.push(id.clone());
        }
        if how % 4 != 1 {
            self.hear(&Heard::Ack { id: &id, at_ms: 1 });
        } else {
            // Applied, but the answer is lost with the connection.
            self.client.closed(Ending::Broken, self.now);
            self.obey();
        }
    }

    fn wait(&mut self, ms: u64) {
        let until_ms = self.now.mono_ms + ms;
        while let Some(next_ms) = self.client.next_tick_ms().filter(|&next_ms| next_ms <= until_ms) {
            self.now.mono_ms = self.now.mono_ms.max(next_ms);
            self.client.tick(self.now);
            self.obey();
        }
        self.now.mono_ms = until_ms;
    }

    fn hear(&mut self, heard: &Heard<'_>) {
        if let Some(Delivery::Message(message)) = self.client.heard(heard, self.now) {
            self.given.push(std::str::from_utf8(message.body).unwrap().parse().unwrap());
        }
        self.obey();
    }

    /// Does what the machine asks for, as the shell would.
    fn obey(&mut self) {
        while let Some(output) = self.client.output() {
            match output {
                Output::Connect => self.accept(),
                Output::Transmit(Frame::Send(letter)) => {
                    self.inbox.push_back(letter.id().as_str().to_owned())
                }
                Output::Transmit(Frame::Ping) => {
                    let cursor = text(self.told);
                    self.hear(&Heard::Pong { cursor: Some(&cursor) });
                }
                Output::Transmit(_) | Output::Complaint { .. } => {}
                Output::Disconnect(_) | Output::Waiting { .. } => {
                    self.session = None;
                    self.inbox.clear();
                }
                Output::NeedToken => {
                    self.session = None;
                    self.inbox.clear();
                    self.client.renew("t", self.now);
                }
                Output::Acknowledged { letter, .. } => {
                    self.acknowledged.push(letter.id().as_str().to_owned());
                }
                Output::Hole { .. } => self.omissions -= 1,
                Output::Failed { .. } => self.acknowledged.push("failed".to_owned()),
                Output::Lost { reason } => panic!("nothing was lost, but it said {reason}"),
                Output::GaveUp(why) => panic!("it gave up: {why}"),
            }
        }
        self.client.invariants();
    }

    fn accept(&mut self) {
        let presented = self.client.cursor().map(str::to_owned);
        self.client.opened(self.now);
        let start = presented.as_deref().map_or(0, |cursor| cursor[1..].parse().unwrap());
        (self.session, self.told) = (Some(start), start);
        let cursor = text(start);
        self.hear(&Heard::Welcome(HeardWelcome {
            client: "bob",
            session: "s",
            node: 0,
            cursor: &cursor,
            resumed: presented.map(|_| true),
            reason: None,
            missed: 0,
            more: false,
            message_bytes: None,
            ping_interval_ms: None,
            limits: b"{}",
        }));
    }

    /// What the application was given is a beginning of the mailbox, each once, in order.
    fn check(&self) {
        let ours: Vec<usize> = (0..self.log.len()).filter(|&offset| self.log[offset]).collect();
        assert!(ours.starts_with(&self.given), "given {:?} of {ours:?}", self.given);
        assert!(self.applied.len() <= self.sent.len());
    }

    /// Everything comes to rest: the server is good from now on.
    fn finish(&mut self) {
        for _ in 0..4 * (self.log.len() + self.sent.len() + 8) {
            self.wait(1_000);
            self.give();
            self.answer(2);
        }
        self.check();
        assert_eq!(self.given.len(), self.log.iter().filter(|&&ours| ours).count(), "everything was given");
        assert_eq!(self.client.unanswered(), 0, "everything was answered");
        assert_eq!(self.omissions, 0, "each omission was noticed");
        if !self.acknowledged.iter().any(|id| id == "failed") {
            assert_eq!(self.applied, self.sent, "each letter was applied once, in the order sent");
            let mut acknowledged = self.acknowledged.clone();
            acknowledged.dedup();
            assert_eq!(acknowledged.len(), self.sent.len(), "each was acknowledged once");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_a_server_does_each_message_is_given_once_and_in_order(
        seed in any::<u64>(),
        acts in proptest::collection::vec(acts(), 1..120),
    ) {
        let mut world = World::new(seed);
        for act in acts {
            world.act(act);
            world.check();
        }
        world.finish();
    }
}
