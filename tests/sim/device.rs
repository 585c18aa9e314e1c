//! One device of a client: the real client machine, and an application that checks what it is given.

use crate::promises::Fact;
use crate::truth::Truth;
use corepost::client::{Client, Options};
use corepost::model::{ClientId, Cursor, Heard, HeardWelcome, Position};

/// A device.
pub struct Device {
    pub client: Client,
    pub id: ClientId,
    /// The connection it holds, or tries to get.
    pub conn: Option<u32>,
    /// When its timer is arranged for.
    pub wake_ms: u64,
    /// It reads nothing until then.
    pub stalled_until_ms: u64,
    /// It takes so long for each frame, until then.
    pub slow_ms: u64,
    pub slow_until_ms: u64,
    /// It does not get through until then.
    pub away_until_ms: u64,
    /// It is gone for good.
    pub is_over: bool,
    /// Where the application stands; `None` until its first `welcome`.
    pub held: Option<Position>,
    /// What it presents instead of an honest cursor.
    pub lie: Option<Lie>,
    pub token: Option<Token>,
    pub delivered: u64,
    pub ephemerals: u64,
    pub letters: u64,
    /// Reasons for which continuity was lost.
    pub losses: u64,
    /// What it was given and heard, for stories.
    pub facts: Vec<Fact>,
}

/// A cursor that is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Not canonical, damaged, another client's.
    Garbled,
    /// Of another log.
    OtherLog,
    /// Beyond the end.
    Future,
}

/// What a token of the simulation says; its text is these numbers.
#[derive(Clone, Debug)]
pub struct Token {
    pub iat_s: u64,
    pub exp_s: u64,
    pub permits: Option<&'static str>,
}

impl Token {
    pub fn text(&self) -> String {
        format!("{}.{}.{}", self.iat_s, self.exp_s, self.permits.unwrap_or("-"))
    }
}

impl Device {
    pub fn new(
        id: ClientId,
        from: Option<String>,
        cursor: Option<&str>,
        token: Option<Token>,
        seed: u64,
    ) -> Self {
        let options = Options {
            from: from.map(Into::into),
            cursor: cursor.map(Into::into),
            token: token.as_ref().map(|token| token.text().into()),
            seed,
        };
        let held =
            cursor.and_then(|text| Cursor::parse(text.as_bytes(), id.as_ref()).ok()).map(|cursor| cursor.at);
        Self {
            client: Client::new(options),
            id,
            conn: None,
            wake_ms: u64::MAX,
            stalled_until_ms: 0,
            slow_ms: 0,
            slow_until_ms: 0,
            away_until_ms: 0,
            is_over: false,
            held,
            lie: None,
            token,
            delivered: 0,
            ephemerals: 0,
            letters: 0,
            losses: 0,
            facts: Vec::new(),
        }
    }

    /// The application is given, or led past, what this frame says. Panics when that is not right.
    pub fn follow(&mut self, heard: &Heard<'_>, truth: &Truth) {
        let (id, held) = (self.id.clone(), self.held);
        let at = |text: &str| {
            Cursor::parse(text.as_bytes(), id.as_ref()).unwrap_or_else(|_| panic!("{id} was told {text}")).at
        };
        match heard {
            Heard::Welcome(HeardWelcome { cursor, resumed, .. }) => match resumed {
                Some(true) => assert_eq!(held, Some(at(cursor)), "{id} resumed where it did not stand"),
                _ => self.held = Some(at(cursor)),
            },
            Heard::Message(message) => {
                let held = held.expect("a message follows the welcome");
                let position = at(message.cursor);
                if position <= held {
                    return;
                }
                let before = Position { offset: position.offset - 1, ..position };
                truth.step(&id, held, before);
                let entry = truth.at(&id, position);
                let (from, name) = (entry.envelope.from(), entry.envelope.id());
                assert_eq!(message.from, from.map(|from| from.as_str()));
                assert_eq!(message.id, name.map(|name| name.as_str()));
                assert_eq!(message.body, entry.envelope.body(), "byte for byte as sent");
                assert_eq!(message.to, entry.envelope.copied_to());
                self.held = Some(position);
                self.delivered += 1;
            }
            Heard::Live { cursor }
            | Heard::Cursor { cursor }
            | Heard::Pong { cursor: Some(cursor) }
            | Heard::Drain { cursor: Some(cursor), .. } => {
                let held = held.expect("a cursor follows the welcome");
                truth.step(&id, held, at(cursor));
                self.held = Some(held.max(at(cursor)));
            }
            _ => {}
        }
    }
}
