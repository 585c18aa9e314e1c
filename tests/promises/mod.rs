//! One scenario text per promise of DESIGN.md §3, and who performs it: the simulation, or a server on real sockets.
//!
//! A text is prose and sentences. `##` opens a scenario; a line that begins with a device (`alice/phone`), `the` or
//! `time` is a sentence and is performed; everything else is for people. What a sentence expects may take its time,
//! but not for ever: a stage says how long it waits.

mod sentence;

pub use sentence::{Sending, Sentence, Who, parse};
use std::collections::HashMap;

/// The eight texts.
pub const TEXTS: [(&str, &str); 8] = [
    ("1", include_str!("promise_1_acknowledged_is_durable.txt")),
    ("2", include_str!("promise_2_one_order_per_mailbox.txt")),
    ("3", include_str!("promise_3_no_silent_gap.txt")),
    ("4", include_str!("promise_4_idempotent_send.txt")),
    ("5", include_str!("promise_5_bounded_memory.txt")),
    ("6", include_str!("promise_6_only_the_recipient_reads.txt")),
    ("7", include_str!("promise_7_a_core_never_blocks.txt")),
    ("8", include_str!("promise_8_ephemeral.txt")),
];

/// One scenario of a text.
pub struct Scenario {
    /// What stands behind its `##`.
    pub title: String,
    /// Its sentences, each with its line.
    pub sentences: Vec<(usize, Sentence)>,
}

/// What a device hears, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It is welcome.
    Welcome { resumed: Option<bool>, reason: Option<String>, missed: u64 },
    /// A message of its mailbox.
    Message { from: String, name: String },
    /// A message beside the mailbox.
    Ephemeral { from: String, name: String },
    /// It is live after a replay.
    Live,
    /// A send of it is durable.
    Ack { name: String },
    /// A send of it was refused.
    Refused { name: String, code: String },
}

/// Who performs a scenario.
pub trait Stage {
    /// A device opens its connection; `cursor_of` another one of its client, or its own.
    fn connect(&mut self, who: &Who, from: Option<&str>, cursor_of: Option<&Who>);
    /// It leaves, and keeps its cursor.
    fn disconnect(&mut self, who: &Who);
    /// It sends; the name of a message is its id, and stands in its body. A stage pads bodies so that 300 of them are
    /// more than a connection and its buffers hold.
    fn send(&mut self, who: &Who, sending: &Sending);
    /// It reads nothing more, or goes on reading.
    fn read(&mut self, who: &Who, reads: bool);
    /// The process is killed.
    fn crash(&mut self);
    /// It is started again.
    fn start(&mut self);
    /// A mailbox is erased, and the answer awaited.
    fn erase(&mut self, client: &str);
    /// Time passes. False on a stage that cannot wait so long: the scenario ends there.
    fn pass(&mut self, ms: u64) -> bool;
    /// Everything a device has heard since it was first named.
    fn heard(&self, who: &Who) -> &[Fact];
    /// Lets a little happen; the stage's clock in milliseconds afterwards.
    fn wait(&mut self) -> u64;
}

/// Longest wait for what is expected.
const PATIENCE_MS: u64 = 60_000;
/// How long nothing is enough of nothing.
const SILENCE_MS: u64 = 300;

/// Performs a text's scenarios, each on a stage of its own. Panics with the line that was not so.
pub fn perform<S: Stage>(name: &str, text: &str, mut stage: impl FnMut() -> S) {
    for scenario in parse(text) {
        let mut play = Play { stage: stage(), read: HashMap::new() };
        for (line, sentence) in &scenario.sentences {
            match play.perform(sentence) {
                Ok(true) => {}
                Ok(false) => break,
                Err(why) => {
                    panic!("promise {name}, {:?}, line {line}: {sentence:?}: {why}", scenario.title)
                }
            }
        }
    }
}

/// A performance: the stage, and how far what each device heard has been spoken of.
struct Play<S> {
    stage: S,
    read: HashMap<Who, Read>,
}

#[derive(Clone, Copy, Default)]
struct Read {
    messages: usize,
    ephemerals: usize,
    acks: usize,
    lives: usize,
    welcomes: usize,
}

impl<S: Stage> Play<S> {
    /// False when the stage cannot go on.
    fn perform(&mut self, sentence: &Sentence) -> Result<bool, String> {
        match sentence {
            Sentence::Connects { who, from, cursor_of } => {
                self.stage.connect(who, from.as_deref(), cursor_of.as_ref());
            }
            Sentence::Disconnects { who } => self.stage.disconnect(who),
            Sentence::Sends { who, sending } => self.stage.send(who, sending),
            Sentence::Reads { who, reads } => self.stage.read(who, *reads),
            Sentence::Crashes => self.stage.crash(),
            Sentence::Starts => self.stage.start(),
            Sentence::Erased { client } => self.stage.erase(client),
            Sentence::TimePasses { ms } => return Ok(self.stage.pass(*ms)),
            Sentence::IsWelcome { who, resumed, reason, missed } => {
                self.is_welcome(who, *resumed, reason.as_deref(), *missed)?;
            }
            Sentence::IsLive { who } => self.is_live(who)?,
            Sentence::HearsAck { who, names } => self.hears_acks(who, names)?,
            Sentence::Receives { who, names, from, ephemeral, within_ms } => {
                self.receives(who, names, from, *ephemeral, *within_ms)?;
            }
            Sentence::ReceivesNothing { who } => self.receives_nothing(who)?,
            Sentence::HaveTheSame { one, other } => self.have_the_same(one, other)?,
        }
        Ok(true)
    }

    /// Waits for the next fact of a kind that a device has not been asked about.
    fn next<T>(
        &mut self,
        who: &Who,
        patience_ms: u64,
        of: impl Fn(&Fact) -> Option<T>,
        place: impl Fn(&mut Read) -> &mut usize,
    ) -> Result<T, String> {
        let seen = *place(self.read.entry(who.clone()).or_default());
        let mut deadline_ms = None;
        loop {
            if let Some(found) = self.stage.heard(who).iter().filter_map(&of).nth(seen) {
                *place(self.read.entry(who.clone()).or_default()) += 1;
                return Ok(found);
            }
            let now_ms = self.stage.wait();
            if now_ms >= *deadline_ms.get_or_insert(now_ms + patience_ms) {
                return Err(format!("waited {patience_ms} ms; it heard {:?}", self.stage.heard(who)));
            }
        }
    }

    fn is_welcome(
        &mut self,
        who: &Who,
        resumed: Option<bool>,
        reason: Option<&str>,
        missed: Option<u64>,
    ) -> Result<(), String> {
        let of = |fact: &Fact| match fact {
            Fact::Welcome { resumed, reason, missed } => Some((*resumed, reason.clone(), *missed)),
            _ => None,
        };
        let heard = self.next(who, PATIENCE_MS, of, |read| &mut read.welcomes)?;
        let is_right =
            heard.0 == resumed && heard.1.as_deref() == reason && missed.is_none_or(|n| n == heard.2);
        if is_right { Ok(()) } else { Err(format!("it was welcome with {heard:?}")) }
    }

    fn is_live(&mut self, who: &Who) -> Result<(), String> {
        self.next(who, PATIENCE_MS, |fact| (*fact == Fact::Live).then_some(()), |read| &mut read.lives)
    }

    fn hears_acks(&mut self, who: &Who, names: &[String]) -> Result<(), String> {
        for name in names {
            let of = |fact: &Fact| match fact {
                Fact::Ack { name } => Some(name.clone()),
                Fact::Refused { name, code } => Some(format!("{name} refused as {code}")),
                _ => None,
            };
            let heard = self.next(who, PATIENCE_MS, of, |read| &mut read.acks)?;
            if heard != *name {
                return Err(format!("the next answer was for {heard:?} instead of {name:?}"));
            }
        }
        Ok(())
    }

    fn receives(
        &mut self,
        who: &Who,
        names: &[String],
        from: &str,
        ephemeral: bool,
        within_ms: Option<u64>,
    ) -> Result<(), String> {
        for name in names {
            let of = |fact: &Fact| match fact {
                Fact::Message { from, name } if !ephemeral => Some((from.clone(), name.clone())),
                Fact::Ephemeral { from, name } if ephemeral => Some((from.clone(), name.clone())),
                _ => None,
            };
            let heard = match ephemeral {
                true => self.next(who, within_ms.unwrap_or(PATIENCE_MS), of, |read| &mut read.ephemerals)?,
                false => self.next(who, within_ms.unwrap_or(PATIENCE_MS), of, |read| &mut read.messages)?,
            };
            if heard != (from.to_owned(), name.clone()) {
                return Err(format!("it received {heard:?} instead of {name:?}"));
            }
        }
        Ok(())
    }

    fn receives_nothing(&mut self, who: &Who) -> Result<(), String> {
        let read = *self.read.entry(who.clone()).or_default();
        let until_ms = self.stage.wait() + SILENCE_MS;
        while self.stage.wait() < until_ms {}
        let heard = self.stage.heard(who);
        let given = heard.iter().filter(|fact| matches!(fact, Fact::Message { .. })).skip(read.messages);
        let beside = heard.iter().filter(|fact| matches!(fact, Fact::Ephemeral { .. })).skip(read.ephemerals);
        match given.chain(beside).next() {
            Some(fact) => Err(format!("it received {fact:?}")),
            None => Ok(()),
        }
    }

    fn have_the_same(&mut self, one: &Who, other: &Who) -> Result<(), String> {
        let until_ms = self.stage.wait() + SILENCE_MS;
        while self.stage.wait() < until_ms {}
        let given = |who| -> Vec<&Fact> {
            self.stage.heard(who).iter().filter(|fact| matches!(fact, Fact::Message { .. })).collect()
        };
        let (one, other) = (given(one), given(other));
        if one == other { Ok(()) } else { Err(format!("{one:?} and {other:?}")) }
    }
}
