//! A home's end of one link.

use super::{Heard, Since, judge};
use crate::model::{Generation, Stamp};

/// A link from the home's side. It outlives its generations: a hello that was passed by a later one is not taken.
#[derive(Debug)]
pub struct Downlink {
    generation: Generation,
    /// Number of the last value heard.
    heard: u64,
    /// Number of the last value said.
    said: u64,
    /// Something is missing: nothing more is heard or said in this generation.
    broken: bool,
    /// Whether the gateway is alive, as far as is known here.
    pub(super) standing: Standing,
    /// It has begun since the view was last looked at.
    pub(super) is_fresh: bool,
}

/// A gateway's place in the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is alive since then.
    Alive(Since),
    /// The view has lacked it since this time of our own clock.
    Strange {
        /// Monotonic milliseconds.
        from_ms: u64,
    },
}

impl Downlink {
    /// A gateway's first hello came.
    pub(super) fn begin(generation: Generation, standing: Standing) -> Self {
        Self { generation, heard: 0, said: 0, broken: false, standing, is_fresh: true }
    }

    /// Another hello came. False if it is not newer than what is known; otherwise all before it is forgotten.
    pub fn hello(&mut self, generation: Generation) -> bool {
        let is_new = generation > self.generation;
        if is_new {
            *self = Self::begin(generation, self.standing);
        }
        is_new
    }

    /// A value came from the gateway.
    pub fn hear(&mut self, stamp: Stamp) -> Heard {
        if stamp.generation != self.generation || self.broken {
            return Heard::Drop;
        }
        let heard = judge(&mut self.heard, stamp.number);
        self.broken = heard == Heard::Broken;
        heard
    }

    /// The stamp of the next value to the gateway. `None`: the link is broken, and the gateway will say hello.
    pub fn say(&mut self) -> Option<Stamp> {
        if self.broken {
            return None;
        }
        self.said += 1;
        Some(Stamp { generation: self.generation, number: self.said })
    }

    /// How far the gateway was heard, for its marks.
    pub fn echo(&self) -> u64 {
        self.heard
    }

    /// Whether nothing of it is missing.
    pub fn is_whole(&self) -> bool {
        !self.broken
    }

    /// What comes may have gaps that its numbers do not show. False if it was broken already.
    pub fn sever(&mut self) -> bool {
        !std::mem::replace(&mut self.broken, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Downlink {
        Downlink::begin(Generation(7), Standing::Alive(Since(0)))
    }

    fn stamp(generation: u64, number: u64) -> Stamp {
        Stamp { generation: Generation(generation), number }
    }

    #[test]
    fn it_echoes_what_it_has_heard_without_a_gap() {
        let mut link = link();
        let heard = [stamp(7, 1), stamp(7, 2), stamp(7, 2), stamp(8, 3)].map(|it| link.hear(it));
        assert_eq!(heard, [Heard::Obey, Heard::Obey, Heard::Drop, Heard::Drop]);
        assert_eq!(link.echo(), 2);
    }

    #[test]
    fn broken_it_is_deaf_and_silent_until_a_newer_hello() {
        let mut link = link();
        assert_eq!(link.say(), Some(stamp(7, 1)));
        assert_eq!(link.hear(stamp(7, 2)), Heard::Broken);
        assert_eq!(link.hear(stamp(7, 1)), Heard::Drop, "what was late does not mend it");
        assert_eq!(link.say(), None);
        assert!(!link.hello(Generation(7)), "the same hello, doubled on its way");
        assert!(!link.hello(Generation(6)), "an older one that was passed on its way");
        assert_eq!(link.say(), None);
        assert!(link.hello(Generation(8)));
        assert_eq!((link.say(), link.hear(stamp(8, 1))), (Some(stamp(8, 1)), Heard::Obey));
    }
}
