//! A gateway and a home over a way that loses, doubles and reorders records, as a Kafka topic written without
//! idempotence may.
//!
//! Each value is counted, and a hello carries the count, as the real one carries all sessions. So the home knows of a
//! gap if there is one, and in the end it must know everything, though nothing is said any more that could show it.

use super::*;
use crate::model::{Generation, Stamp};
use proptest::prelude::*;

const GATEWAY: Peer = Peer { node: 0, incarnation: 10 };
const HOME: Peer = Peer { node: 1, incarnation: 20 };
const NODE_TIMEOUT_MS: u64 = 5_000;

/// A record on its way, either way.
#[derive(Clone, Copy, Debug)]
struct Record {
    stamp: Stamp,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// All that the gateway has said so far.
    Hello { said: u64 },
    /// The value after so many others; a home counts within a generation.
    Value { nth: u64 },
    /// How far the gateway was heard.
    Mark { echo: u64 },
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// One end says a value.
    Say { up: bool },
    /// The record at that place of its way arrives, and those before it are passed.
    Arrive { up: bool, place: u8 },
    /// It arrives and stays on its way.
    Double { up: bool, place: u8 },
    /// It is lost.
    Lose { up: bool, place: u8 },
    /// The home loses what it has not read.
    Range,
    /// A second passes: marks are said, and patience ends.
    Second,
}

fn acts() -> impl Strategy<Value = Act> {
    let place = || prop_oneof![6 => Just(0u8), 1 => any::<u8>()];
    prop_oneof![
        6 => any::<bool>().prop_map(|up| Act::Say { up }),
        9 => (any::<bool>(), place()).prop_map(|(up, place)| Act::Arrive { up, place }),
        1 => (any::<bool>(), place()).prop_map(|(up, place)| Act::Double { up, place }),
        1 => (any::<bool>(), place()).prop_map(|(up, place)| Act::Lose { up, place }),
        1 => Just(Act::Range),
        3 => Just(Act::Second),
    ]
}

/// Both ends, what they know, and what is on its way.
struct World {
    now_ms: u64,
    alive: Alive,
    uplinks: Uplinks,
    downlinks: Downlinks,
    up: Vec<Record>,
    down: Vec<Record>,
    /// Values the gateway has said, and how many of them the home knows.
    said: u64,
    known: u64,
    /// Values the home has said in its newest generation, and the gateway knows of its own.
    home_said: u64,
    home_known: u64,
    broken: Vec<Break>,
}

impl World {
    fn new() -> Self {
        let alive = Alive::from([(GATEWAY, Since(1)), (HOME, Since(2))]);
        let mut world = Self {
            now_ms: 1_000_000,
            uplinks: Uplinks::default(),
            downlinks: Downlinks::default(),
            alive,
            up: Vec::new(),
            down: Vec::new(),
            said: 0,
            known: 0,
            home_said: 0,
            home_known: 0,
            broken: Vec::new(),
        };
        world.greet();
        world
    }

    fn greet(&mut self) {
        let stamp = self.uplinks.begin(HOME, &self.alive, self.now_ms).expect("the home is alive");
        self.home_known = 0;
        self.up.push(Record { stamp, what: What::Hello { said: self.said } });
    }

    fn say(&mut self, up: bool) {
        if up {
            self.said += 1;
            let stamp = self.uplinks.say(HOME, self.now_ms).expect("a broken link is begun anew at once");
            self.up.push(Record { stamp, what: What::Value { nth: self.said } });
        } else if let Some(stamp) = self.downlinks.say(GATEWAY) {
            self.home_said += 1;
            self.down.push(Record { stamp, what: What::Value { nth: self.home_said } });
        }
    }

    fn arrive_up(&mut self, record: Record) {
        match record.what {
            What::Hello { said } => {
                let Stamp { generation, .. } = record.stamp;
                if self.downlinks.hello(GATEWAY, generation, &self.alive, self.now_ms) {
                    assert!(said >= self.known, "an old hello was taken");
                    (self.known, self.home_said) = (said, 0);
                }
            }
            What::Value { nth } => {
                if self.downlinks.hear(GATEWAY, record.stamp) == Heard::Obey {
                    assert_eq!(nth, self.known + 1, "the home obeyed a value twice, late or behind a gap");
                    self.known = nth;
                }
            }
            What::Mark { .. } => unreachable!("gateways say no marks"),
        }
    }

    fn arrive_down(&mut self, record: Record) {
        match self.uplinks.hear(HOME, record.stamp) {
            Heard::Drop => {}
            Heard::Broken => self.break_up(Break::Gap),
            Heard::Unknown => unreachable!("a broken link is begun anew at once"),
            Heard::Obey => match record.what {
                What::Value { nth } => {
                    assert_eq!(
                        nth,
                        self.home_known + 1,
                        "the gateway obeyed a value twice, late or behind a gap"
                    );
                    self.home_known = nth;
                }
                What::Mark { echo } => {
                    if let Err(why) = self.uplinks.mark(HOME, echo, self.now_ms) {
                        self.break_up(why);
                    }
                }
                What::Hello { .. } => unreachable!("homes say no hello"),
            },
        }
    }

    fn break_up(&mut self, why: Break) {
        self.broken.push(why);
        self.greet();
    }

    fn second(&mut self) {
        self.now_ms += 1_000;
        for Mark { stamp, echo, .. } in self.downlinks.marks() {
            self.down.push(Record { stamp, what: What::Mark { echo } });
        }
        for (_, why) in self.uplinks.tick(self.now_ms) {
            self.break_up(why);
        }
        assert_eq!(self.downlinks.tick(NODE_TIMEOUT_MS, self.now_ms), [], "the gateway is alive");
        self.uplinks.invariants();
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Say { up } => self.say(up),
            Act::Second => self.second(),
            Act::Range => drop(self.downlinks.sever()),
            Act::Arrive { up, place } => {
                if let Some(at) = self.place(up, place) {
                    let record = self.way(up).remove(at);
                    self.arrive(up, record);
                }
            }
            Act::Double { up, place } => {
                if let Some(at) = self.place(up, place) {
                    let record = self.way(up)[at];
                    self.arrive(up, record);
                }
            }
            Act::Lose { up, place } => {
                if let Some(at) = self.place(up, place) {
                    self.way(up).remove(at);
                }
            }
        }
    }

    fn arrive(&mut self, up: bool, record: Record) {
        if up { self.arrive_up(record) } else { self.arrive_down(record) }
    }

    fn way(&mut self, up: bool) -> &mut Vec<Record> {
        if up { &mut self.up } else { &mut self.down }
    }

    fn place(&mut self, up: bool, place: u8) -> Option<usize> {
        let many = self.way(up).len();
        (many > 0).then(|| usize::from(place) % many)
    }

    /// All that is on its way arrives in order.
    fn settle(&mut self) {
        while !(self.up.is_empty() && self.down.is_empty()) {
            self.act(Act::Arrive { up: true, place: 0 });
            self.act(Act::Arrive { up: false, place: 0 });
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_obeyed_behind_a_gap_and_a_silence_heals_everything(acts in prop::collection::vec(acts(), 0..300)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        // The faults are over, and nobody says anything any more: the longest that may be missed is the last value, said
        // just behind a mark, and the hello that follows.
        for _ in 0..10 {
            world.settle();
            world.second();
        }
        world.settle();
        prop_assert_eq!(world.known, world.said, "the home does not know what was said to it");
        prop_assert_eq!(world.home_known, world.home_said, "nor the gateway");
        let broken = world.broken.len();
        for _ in 0..10 {
            world.second();
            world.settle();
        }
        prop_assert_eq!(world.broken.len(), broken, "a sound link breaks");
    }
}

#[test]
fn the_last_value_before_a_long_silence_is_lost_and_missed() {
    let mut world = World::new();
    world.settle();
    world.say(true);
    world.up.clear();
    for _ in 0..5 {
        world.second();
        world.settle();
    }
    assert_eq!((world.broken.as_slice(), world.known), (&[Break::Echo][..], 1));
}

#[test]
fn the_last_value_of_a_home_is_lost_and_its_next_mark_shows_it() {
    let mut world = World::new();
    world.settle();
    world.say(false);
    world.down.clear();
    world.second();
    world.settle();
    assert_eq!(world.broken, [Break::Gap]);
}

#[test]
fn a_lost_hello_is_said_again() {
    let mut world = World::new();
    world.up.clear();
    for _ in 0..3 {
        world.second();
    }
    world.settle();
    assert_eq!((world.broken.as_slice(), world.downlinks.len()), (&[Break::Silence][..], 1));
}

#[test]
fn a_home_that_was_left_alone_by_the_view_forgets_the_gateway_after_node_timeout() {
    let mut world = World::new();
    world.settle();
    let without = Alive::from([(HOME, Since(2))]);
    assert_eq!(world.downlinks.on_view(&without, 0), [], "it may be back at once");
    assert_eq!(world.downlinks.tick(NODE_TIMEOUT_MS, NODE_TIMEOUT_MS - 1), []);
    assert_eq!(world.downlinks.tick(NODE_TIMEOUT_MS, NODE_TIMEOUT_MS), [GATEWAY]);
}

#[test]
fn a_gateway_that_came_back_between_two_views_is_forgotten_at_once() {
    let mut world = World::new();
    world.settle();
    assert_eq!(world.downlinks.on_view(&world.alive, 0), []);
    let returned = Alive::from([(GATEWAY, Since(9)), (HOME, Since(2))]);
    assert_eq!(world.downlinks.on_view(&returned, 0), [GATEWAY]);
}

#[test]
fn a_gateway_that_came_back_and_said_so_before_we_heard_of_it_stays() {
    let mut world = World::new();
    world.settle();
    assert_eq!(world.downlinks.on_view(&world.alive, 0), []);
    let returned = Alive::from([(GATEWAY, Since(9)), (HOME, Since(2))]);
    assert_eq!(world.uplinks.on_view(GATEWAY, &world.alive), []);
    for (_, why) in world.uplinks.on_view(GATEWAY, &returned) {
        world.break_up(why);
    }
    world.settle();
    assert_eq!(world.downlinks.on_view(&returned, 0), [], "its new hello has been taken");
    let again = Alive::from([(GATEWAY, Since(12)), (HOME, Since(2))]);
    assert_eq!(world.downlinks.on_view(&again, 0), [GATEWAY], "once more, of which it has not spoken yet");
}

#[test]
fn what_is_lost_before_it_had_a_number_is_not_hidden() {
    let mut world = World::new();
    world.settle();
    assert!(world.downlinks.break_off(GATEWAY) && !world.downlinks.break_off(GATEWAY));
    assert_eq!(world.downlinks.say(GATEWAY), None);
    world.said += 1;
    assert!(world.uplinks.break_off(HOME) && !world.uplinks.break_off(HOME));
    world.greet();
    world.settle();
    assert_eq!(world.known, world.said, "the hello has it");
}

#[test]
fn a_gateway_taken_before_the_view_has_it_stays_when_the_view_gets_it() {
    let mut world = World::new();
    world.alive = Alive::from([(HOME, Since(2))]);
    let Record { stamp, .. } = world.up[0];
    assert!(world.downlinks.hello(GATEWAY, stamp.generation, &world.alive, 0));
    let view = Alive::from([(GATEWAY, Since(1)), (HOME, Since(2))]);
    assert_eq!(world.downlinks.on_view(&view, 1_000), []);
    assert_eq!(world.downlinks.tick(NODE_TIMEOUT_MS, 1_000_000), []);
}

#[test]
fn links_are_bounded_and_those_that_are_there_go_on() {
    let mut links = Downlinks::default();
    let peer = |incarnation| Peer { node: 0, incarnation };
    for incarnation in 0..LINKS as u64 {
        assert!(links.hello(peer(incarnation), Generation(1), &Alive::new(), 0));
    }
    assert!(!links.hello(peer(LINKS as u64), Generation(1), &Alive::new(), 0));
    assert!(links.hello(peer(0), Generation(2), &Alive::new(), 0));
    assert_eq!(links.len(), LINKS);
}
