//! The sentences of a scenario, and how they are read.
//!
//! ```text
//! alice/phone connects [from start | from -3] [with the cursor of alice/laptop]
//! alice/phone reconnects                                   with its own cursor
//! alice/phone disconnects | stops reading | reads on | is live
//! alice/phone is welcome | is resumed [and missed 3] | is not resumed: erased
//! alice/phone sends "one" [20 times] to bob [and eve] [with a copy] [beside the log]
//! alice/phone hears the ack of "one" [20 times]
//! bob/laptop receives "one" [20 times] from alice [beside the log] [within 500 ms]
//! bob/laptop receives nothing
//! bob/laptop and bob/phone have received the same
//! the node crashes | the node starts | the mailbox of bob is erased
//! time passes: 11 minutes
//! ```
//!
//! `"one" 3 times` are the messages `one-1`, `one-2`, `one-3`.

use super::Scenario;

/// A device of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Who {
    pub client: String,
    pub device: String,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    pub names: Vec<String>,
    pub to: Vec<String>,
    pub copy: bool,
    pub ephemeral: bool,
}

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sentence {
    Connects { who: Who, from: Option<String>, cursor_of: Option<Who> },
    Disconnects { who: Who },
    Sends { who: Who, sending: Sending },
    Reads { who: Who, reads: bool },
    Crashes,
    Starts,
    Erased { client: String },
    TimePasses { ms: u64 },
    IsWelcome { who: Who, resumed: Option<bool>, reason: Option<String>, missed: Option<u64> },
    IsLive { who: Who },
    HearsAck { who: Who, names: Vec<String> },
    Receives { who: Who, names: Vec<String>, from: String, ephemeral: bool, within_ms: Option<u64> },
    ReceivesNothing { who: Who },
    HaveTheSame { one: Who, other: Who },
}

/// The scenarios of a text. Panics at a sentence that it does not understand.
pub fn parse(text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("## ") {
            scenarios.push(Scenario { title: title.to_owned(), sentences: Vec::new() });
        } else if let Some(sentence) = line.strip_prefix("  ").filter(|rest| !rest.trim().is_empty()) {
            let words = words(sentence);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let read = sentence_of(&words);
            let read = read.unwrap_or_else(|| panic!("line {}: nobody understands {sentence:?}", number + 1));
            let scenario = scenarios.last_mut().expect("a scenario begins with ##");
            scenario.sentences.push((number + 1, read));
        }
    }
    assert!(scenarios.iter().all(|scenario| !scenario.sentences.is_empty()), "a scenario says something");
    scenarios
}

/// Words, with a quoted one as one word that keeps its first quote.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            1 => words.push(format!("\"{part}")),
            _ => words.extend(part.split([' ', ':']).filter(|word| !word.is_empty()).map(str::to_owned)),
        }
    }
    words
}

fn sentence_of(words: &[&str]) -> Option<Sentence> {
    match words {
        ["the", "node", "crashes"] => return Some(Sentence::Crashes),
        ["the", "node", "starts"] => return Some(Sentence::Starts),
        ["the", "mailbox", "of", client, "is", "erased"] => {
            return Some(Sentence::Erased { client: (*client).to_owned() });
        }
        ["time", "passes", number, unit] => {
            let of_unit = match *unit {
                "minutes" => 60_000,
                "seconds" => 1_000,
                _ => return None,
            };
            return Some(Sentence::TimePasses { ms: number.parse::<u64>().ok()? * of_unit });
        }
        [one, "and", other, "have", "received", "the", "same"] => {
            return Some(Sentence::HaveTheSame { one: who(one)?, other: who(other)? });
        }
        _ => {}
    }
    let (first, rest) = words.split_first()?;
    about(who(first)?, rest)
}

fn about(who: Who, words: &[&str]) -> Option<Sentence> {
    let welcome = |who, resumed, reason: Option<&str>, missed| {
        Some(Sentence::IsWelcome { who, resumed, reason: reason.map(str::to_owned), missed })
    };
    match words {
        ["connects", rest @ ..] => connects(who, rest),
        ["reconnects"] => Some(Sentence::Connects { cursor_of: Some(who.clone()), who, from: None }),
        ["disconnects"] => Some(Sentence::Disconnects { who }),
        ["stops", "reading"] => Some(Sentence::Reads { who, reads: false }),
        ["reads", "on"] => Some(Sentence::Reads { who, reads: true }),
        ["is", "live"] => Some(Sentence::IsLive { who }),
        ["is", "welcome"] => welcome(who, None, None, None),
        ["is", "welcome", "and", "missed", n] => welcome(who, None, None, Some(n.parse().ok()?)),
        ["is", "resumed"] => welcome(who, Some(true), None, None),
        ["is", "resumed", "and", "missed", n] => welcome(who, Some(true), None, Some(n.parse().ok()?)),
        ["is", "not", "resumed", reason] => welcome(who, Some(false), Some(reason), None),
        ["receives", "nothing"] => Some(Sentence::ReceivesNothing { who }),
        ["receives", rest @ ..] => receives(who, rest),
        ["hears", "the", "ack", "of", rest @ ..] => {
            let (names, rest) = names(rest)?;
            rest.is_empty().then_some(Sentence::HearsAck { who, names })
        }
        ["sends", rest @ ..] => sends(who, rest),
        _ => None,
    }
}

fn connects(who: Who, words: &[&str]) -> Option<Sentence> {
    let (from, rest) = match words {
        ["from", from, rest @ ..] => (Some((*from).to_owned()), rest),
        rest => (None, rest),
    };
    let cursor_of = match rest {
        [] => None,
        ["with", "the", "cursor", "of", other] => Some(self::who(other)?),
        _ => return None,
    };
    Some(Sentence::Connects { who, from, cursor_of })
}

fn sends(who: Who, words: &[&str]) -> Option<Sentence> {
    let (names, rest) = names(words)?;
    let ["to", first, rest @ ..] = rest else { return None };
    let mut rest: &[&str] = rest;
    let mut to = vec![(*first).to_owned()];
    while let ["and", next, after @ ..] = rest {
        to.push((*next).to_owned());
        rest = after;
    }
    let (copy, ephemeral) = match rest {
        [] => (false, false),
        ["with", "a", "copy"] => (true, false),
        ["beside", "the", "log"] => (false, true),
        _ => return None,
    };
    Some(Sentence::Sends { who, sending: Sending { names, to, copy, ephemeral } })
}

fn receives(who: Who, words: &[&str]) -> Option<Sentence> {
    let (names, rest) = names(words)?;
    let ["from", from, rest @ ..] = rest else { return None };
    let (ephemeral, rest) = match rest {
        ["beside", "the", "log", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let within_ms = match rest {
        [] => None,
        ["within", n, "ms"] => Some(n.parse().ok()?),
        _ => return None,
    };
    Some(Sentence::Receives { who, names, from: (*from).to_owned(), ephemeral, within_ms })
}

/// `"one"`, or `"one" 20 times`.
fn names<'a, 'w>(words: &'a [&'w str]) -> Option<(Vec<String>, &'a [&'w str])> {
    let (first, rest) = words.split_first()?;
    let name = first.strip_prefix('"')?;
    Some(match rest {
        [many, "times", rest @ ..] => {
            ((1..=many.parse::<u32>().ok()?).map(|n| format!("{name}-{n}")).collect(), rest)
        }
        rest => (vec![name.to_owned()], rest),
    })
}

fn who(word: &str) -> Option<Who> {
    let (client, device) = word.split_once('/')?;
    Some(Who { client: client.to_owned(), device: device.to_owned() })
}
