//! A gateway's end of one link.

use super::{Break, Heard, PATIENCE_MS, Since, judge};
use crate::model::{Generation, Stamp};

/// One life of a link, from the gateway's side; it begins with the hello being said.
#[derive(Debug)]
pub struct Uplink {
    generation: Generation,
    /// Since when the home was alive when this began.
    pub(super) since: Since,
    /// Number of the last value said.
    said: u64,
    /// Number of the last value heard.
    heard: u64,
    /// When the last mark came, at first when the hello was said.
    marked_ms: u64,
    /// What the home must show to have heard, before more is asked of it.
    owed: Option<Owed>,
}

/// A value said whose echo is waited for.
#[derive(Debug)]
struct Owed {
    number: u64,
    said_ms: u64,
}

impl Uplink {
    /// A hello is said now, to a home that is alive since then.
    pub fn begin(generation: Generation, since: Since, now_ms: u64) -> Self {
        Self { generation, since, said: 0, heard: 0, marked_ms: now_ms, owed: None }
    }

    /// The stamp of its hello.
    pub fn hello(&self) -> Stamp {
        Stamp { generation: self.generation, number: 0 }
    }

    /// The stamp of the next value.
    pub fn say(&mut self, now_ms: u64) -> Stamp {
        self.said += 1;
        // One value is waited for at a time: under steady traffic the echo is always behind the newest, and that is
        // no loss.
        self.owed.get_or_insert(Owed { number: self.said, said_ms: now_ms });
        Stamp { generation: self.generation, number: self.said }
    }

    /// A value came from the home, a mark among them.
    pub fn hear(&mut self, stamp: Stamp) -> Heard {
        if stamp.generation != self.generation {
            return Heard::Drop;
        }
        judge(&mut self.heard, stamp.number)
    }

    /// The value was a mark, which says how far the home has heard us.
    pub fn mark(&mut self, echo: u64, now_ms: u64) -> Result<(), Break> {
        self.marked_ms = now_ms;
        if echo > self.said {
            // It speaks of a link that we do not know: nothing that it says is to be relied on.
            return Err(Break::Echo);
        }
        match &self.owed {
            Some(owed) if echo < owed.number && !crate::sabotaged!(EchoIgnored) => {
                if now_ms >= owed.said_ms + PATIENCE_MS { Err(Break::Echo) } else { Ok(()) }
            }
            _ => {
                self.owed = (echo < self.said).then_some(Owed { number: self.said, said_ms: now_ms });
                Ok(())
            }
        }
    }

    /// Time passes.
    pub fn tick(&self, now_ms: u64) -> Result<(), Break> {
        if now_ms >= self.marked_ms + PATIENCE_MS { Err(Break::Silence) } else { Ok(()) }
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        assert!(self.owed.as_ref().is_none_or(|owed| owed.number <= self.said), "only what was said is owed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Uplink {
        Uplink::begin(Generation(7), Since(0), 10_000)
    }

    fn stamp(generation: u64, number: u64) -> Stamp {
        Stamp { generation: Generation(generation), number }
    }

    #[test]
    fn its_values_are_numbered_without_a_gap_behind_the_hello() {
        let mut link = link();
        assert_eq!([link.hello(), link.say(0), link.say(0)], [stamp(7, 0), stamp(7, 1), stamp(7, 2)]);
    }

    #[test]
    fn it_obeys_each_number_once_and_in_order_and_breaks_at_a_gap() {
        let mut link = link();
        let heard = [stamp(7, 1), stamp(7, 1), stamp(6, 2), stamp(7, 2), stamp(7, 4)].map(|it| link.hear(it));
        assert_eq!(heard, [Heard::Obey, Heard::Drop, Heard::Drop, Heard::Obey, Heard::Broken]);
    }

    #[test]
    fn a_lost_last_value_shows_by_its_echo() {
        let mut link = link();
        link.say(10_500);
        assert_eq!([11_000, 12_000, 13_000].map(|now| link.mark(0, now)), [Ok(()); 3]);
        assert_eq!(link.mark(0, 13_500), Err(Break::Echo));
    }

    #[test]
    fn under_steady_traffic_an_echo_that_is_always_a_little_behind_breaks_nothing() {
        let mut link = link();
        for second in 1..60 {
            let now = 10_000 + second * 1_000;
            let before = link.said;
            for _ in 0..100 {
                link.say(now - 500);
            }
            assert_eq!(link.mark(before + 90, now), Ok(()), "after {second} s");
            link.invariants();
        }
    }

    #[test]
    fn an_echo_of_what_was_never_said_breaks_it() {
        assert_eq!(link().mark(1, 10_001), Err(Break::Echo));
    }

    #[test]
    fn silence_breaks_it_and_a_mark_does_not() {
        let mut link = link();
        assert_eq!(link.tick(12_999), Ok(()));
        assert_eq!(link.mark(0, 12_999), Ok(()));
        assert_eq!(link.tick(15_998), Ok(()));
        assert_eq!(link.tick(15_999), Err(Break::Silence));
    }
}
