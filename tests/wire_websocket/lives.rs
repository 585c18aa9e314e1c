//! A connection is handed on in the middle of everything: a frame half read, a message that waits, bytes that are held,
//! answers half sent. Who takes it up says and hears the rest, as if nothing had happened.

use crate::Seen;
use crate::streams::{Random, stream};
use corepost::limits::OUTBOUND_BYTES;
use corepost::wire::websocket::{
    Event, Opcode, PartialBudget, Receiver, Remainder, Rules, write_close, write_frame,
};

/// As sessions have it, in small.
const RULES: Rules = Rules { keep: 60, skim: 300, check_utf8: false, text_only: true, from_server: false };

/// What one frame said costs the budget, beside its bytes.
const COST: u32 = 10;

/// Why the connection does not go on, though there is input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crowd {
    /// The peer takes nothing: the next frame is not even looked at.
    Itself,
    /// There is no room for the next message.
    Log,
}

/// A connection as a core has it.
#[derive(Default)]
struct Life {
    receiver: Receiver,
    budget: PartialBudget,
    seen: Vec<Seen>,
    unsent: Vec<u8>,
    counted: u32,
    closing: bool,
    waiting: Option<Vec<u8>>,
    held: Vec<u8>,
}

impl Life {
    /// Obeys `room` events of what was held and of `input`; the rest is held.
    fn go_on(&mut self, input: &[u8], room: &mut usize, crowd: Crowd) {
        let mut bytes = [std::mem::take(&mut self.held), input.to_vec()].concat();
        let mut rest = &mut bytes[..];
        loop {
            if self.closing {
                return;
            }
            if *room == 0 && crowd == Crowd::Itself {
                break;
            }
            if let Some(message) = self.waiting.take() {
                if *room == 0 {
                    self.waiting = Some(message);
                    break;
                }
                *room -= 1;
                self.obey(Seen::Text(message));
                continue;
            }
            let seen = match self.receiver.next(&mut rest, &RULES, &mut self.budget, 7) {
                Ok(None) => return,
                Ok(Some(Event::Message { data, .. })) if *room == 0 => {
                    self.waiting = Some(data.to_vec());
                    break;
                }
                Ok(Some(event)) => Seen::from(event),
                Err(code) => Seen::Failed(code),
            };
            *room = room.saturating_sub(1);
            self.obey(seen);
        }
        self.held = rest.to_vec();
    }

    fn obey(&mut self, seen: Seen) {
        match &seen {
            Seen::Text(data) | Seen::Binary(data) => {
                self.counted += COST + data.len() as u32;
                write_frame(Opcode::Text, data, &mut self.unsent);
            }
            Seen::Ping(data) => write_frame(Opcode::Pong, data, &mut self.unsent),
            Seen::Pong(_) | Seen::Oversize(_) => {}
            Seen::Close(code, _) => write_close(*code, "", &mut self.unsent),
            Seen::Failed(code) => write_close(Some(*code as u16), code.reason(), &mut self.unsent),
        }
        if seen.is_last() {
            self.closing = true;
            self.receiver.release(&mut self.budget);
        }
        self.seen.push(seen);
    }

    /// The socket takes so many bytes, and gives their share of the budget back.
    fn written(&mut self, bytes: usize) -> Vec<u8> {
        if bytes > 0 {
            self.counted -= (u64::from(self.counted) * bytes as u64 / self.unsent.len() as u64) as u32;
        }
        self.unsent.drain(..bytes).collect()
    }

    fn remainder(&self) -> Remainder<'_> {
        Remainder {
            unsent: &self.unsent,
            counted: self.counted,
            closing: self.closing,
            waiting: self.waiting.as_deref(),
            held: &self.held,
        }
    }

    /// What another process makes of its bytes. It has seen what this one has.
    fn handed_on(&self) -> Self {
        let (mut partial, mut remainder) = (Vec::new(), Vec::new());
        self.receiver.export(&mut partial);
        self.remainder().export(&mut remainder);
        let mut budget = PartialBudget::default();
        let receiver = Receiver::import(&partial, &RULES, &mut budget).expect("a partial frame is taken");
        let read = Remainder::import(&remainder, &RULES, OUTBOUND_BYTES).expect("a remainder is taken");
        assert_eq!(read, self.remainder());
        let mut again = Vec::new();
        read.export(&mut again);
        assert_eq!(again, remainder, "one form for each state");
        Self {
            receiver,
            budget,
            seen: self.seen.clone(),
            unsent: read.unsent.to_vec(),
            counted: read.counted,
            closing: read.closing,
            waiting: read.waiting.map(<[u8]>::to_vec),
            held: read.held.to_vec(),
        }
    }
}

/// What a connection hears and says that nobody hands on.
fn one_life(stream: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    let mut life = Life::default();
    life.go_on(stream, &mut { usize::MAX }, Crowd::Log);
    (life.seen, life.unsent)
}

#[test]
fn a_connection_handed_on_at_any_moment_hears_and_says_the_same() {
    let mut random = Random(0x5EED_0F7E_AC45);
    let (mut waited, mut held, mut closing, mut partial) = (0, 0, 0, 0);
    for number in 0..400 {
        let stream = stream(&mut random, 140);
        let whole = one_life(&stream);
        for at in 0..=stream.len() {
            let crowd = [Crowd::Itself, Crowd::Log][random.below(2) as usize];
            let mut life = Life::default();
            life.go_on(&stream[..at], &mut (random.below(5) as usize), crowd);
            let mut said = life.written(random.below(life.unsent.len() as u64 + 1) as usize);
            waited += usize::from(life.waiting.is_some());
            held += usize::from(!life.held.is_empty());
            closing += usize::from(life.closing);
            partial += usize::from(life.receiver.pending_since().is_some());
            let mut next = life.handed_on();
            life.receiver.release(&mut life.budget);
            next.go_on(&stream[at..], &mut { usize::MAX }, crowd);
            said.extend(next.written(next.unsent.len()));
            assert_eq!(next.counted, 0, "who has written all has paid for nothing more");
            assert_eq!((&next.seen, &said), (&whole.0, &whole.1), "stream {number} at {at}, {crowd:?}");
            next.receiver.release(&mut next.budget);
            assert_eq!(next.budget.used(), 0);
        }
    }
    for (what, times) in [("waited", waited), ("held", held), ("closing", closing), ("partial", partial)] {
        assert!(times > 500, "{what} {times} times only");
    }
}
