//! What a connection has still to say and to obey, and the byte form of it, so that another process can go on where
//! this one stood: the socket's queues, as [`super::Receiver`] is what lies between their frames.
//!
//! Nothing for a connection that is up to date; otherwise version, flags, what the unsent bytes count for, the lengths
//! of what waits and of what is held, and last the bytes: waiting, held, unsent. Each state has one form. What is read
//! back borrows the bytes it was read from, so that no length is believed before as many bytes are there.

use super::{BadExport, Rules};
use crate::limits::{READ_BYTES_LONG, UNSENT_BYTES_BEYOND};

/// The form written by this version. Another one is refused: the connection is closed, and its client comes again.
const VERSION: u8 = 1;
const CLOSING: u8 = 1;
const WAITING: u8 = 2;

/// What a connection has still to say and to obey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remainder<'a> {
    /// Frames that the socket has not taken, the first of them perhaps in part: they leave before all others.
    pub unsent: &'a [u8],
    /// What these count for in the session's budget, in units of [`crate::model::Push::cost`], and are to be reported
    /// as when they are written. Of a session that is not closing exactly what its gateway has as `outbound`; 0 of
    /// frames that no session pays for, and where nothing is unsent.
    pub counted: u32,
    /// Nothing may follow them: our close frame is among them or was sent before, or the peer has ended. What it still
    /// says is not obeyed, so nothing waits and nothing is held.
    pub closing: bool,
    /// A message, unmasked, for which there was no room: the first to be obeyed when there is. At most
    /// [`Rules::keep`] bytes.
    pub waiting: Option<&'a [u8]>,
    /// Bytes as they were read, to be obeyed after it. At most [`READ_BYTES_LONG`], what one read brings.
    pub held: &'a [u8],
}

impl<'a> Remainder<'a> {
    /// Appends the byte form. The reader must be told where it ends.
    pub fn export(&self, out: &mut Vec<u8>) {
        if *self == Self::default() {
            return;
        }
        let waiting = self.waiting.unwrap_or_default();
        let flags = if self.closing { CLOSING } else { 0 } | if self.waiting.is_some() { WAITING } else { 0 };
        out.extend([VERSION, flags]);
        for number in [self.counted, length(waiting), length(self.held)] {
            out.extend(number.to_le_bytes());
        }
        for piece in [waiting, self.held, self.unsent] {
            out.extend_from_slice(piece);
        }
    }

    /// Reads what was exported under the same rules. `budget`: how many bytes may wait for this socket before nothing
    /// more is queued for it; answers and one frame come on top.
    ///
    /// [`BadExport::Malformed`] is the exporter's fault, or that of who carried the bytes: it is no state of ours.
    /// [`BadExport::NoRoom`] means that more is unsent than this process lets wait. Either way the connection cannot be
    /// taken; its client must come again with its cursor.
    pub fn import(bytes: &'a [u8], rules: &Rules, budget: usize) -> Result<Self, BadExport> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let remainder = read(bytes).filter(|it| it.is_possible(rules)).ok_or(BadExport::Malformed)?;
        let most = budget.saturating_add(UNSENT_BYTES_BEYOND);
        if remainder.unsent.len() > most { Err(BadExport::NoRoom) } else { Ok(remainder) }
    }

    /// Whether the promises of the type hold, and there is anything to be told.
    fn is_possible(&self, rules: &Rules) -> bool {
        let obeys_no_more = self.waiting.is_none() && self.held.is_empty();
        *self != Self::default()
            && (self.counted == 0 || !self.unsent.is_empty())
            && (!self.closing || obeys_no_more)
            && self.waiting.is_none_or(|message| message.len() <= rules.keep)
            && self.held.len() <= READ_BYTES_LONG
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("messages and reads are shorter than 4 GiB")
}

fn read(bytes: &[u8]) -> Option<Remainder<'_>> {
    let (&[version, flags], rest) = bytes.split_first_chunk()?;
    let (numbers, mut rest) = rest.split_first_chunk::<12>()?;
    let [counted, waits, held] = [0, 1, 2].map(|at| u32::from_le_bytes(numbers.as_chunks().0[at]));
    if version != VERSION || flags > CLOSING | WAITING || (flags & WAITING == 0 && waits > 0) {
        return None;
    }
    let waiting = rest.split_off(..waits as usize)?;
    let held = rest.split_off(..held as usize)?;
    Some(Remainder {
        unsent: rest,
        counted,
        closing: flags & CLOSING != 0,
        waiting: (flags & WAITING != 0).then_some(waiting),
        held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Rules = Rules { keep: 60, ..Rules::CLIENT };

    /// Owned, for it is made up here; every state a connection can be in.
    type Parts = (Vec<u8>, u32, bool, Option<Vec<u8>>, Vec<u8>);

    fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..=most)
    }

    fn parts() -> impl Strategy<Value = Parts> {
        let waiting = proptest::option::of(bytes(SMALL.keep));
        (bytes(200), any::<u32>(), any::<bool>(), waiting, bytes(200)).prop_map(
            |(unsent, counted, closing, waiting, held)| {
                let counted = if unsent.is_empty() { 0 } else { counted };
                if closing {
                    (unsent, counted, true, None, vec![])
                } else {
                    (unsent, counted, false, waiting, held)
                }
            },
        )
    }

    fn of(parts: &Parts) -> Remainder<'_> {
        let (unsent, counted, closing, waiting, held) = parts;
        Remainder { unsent, counted: *counted, closing: *closing, waiting: waiting.as_deref(), held }
    }

    fn exported(remainder: &Remainder<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        remainder.export(&mut out);
        out
    }

    #[test]
    fn who_is_up_to_date_costs_nothing() {
        assert_eq!(exported(&Remainder::default()), b"");
        assert_eq!(Remainder::import(b"", &SMALL, 0), Ok(Remainder::default()));
    }

    #[test]
    fn more_than_one_of_us_lets_wait_is_not_taken() {
        let (unsent, message, held) =
            (vec![7; UNSENT_BYTES_BEYOND + 9], [7; 61], vec![7; READ_BYTES_LONG + 1]);
        let told = exported(&Remainder { unsent: &unsent, ..Remainder::default() });
        assert_eq!(Remainder::import(&told, &SMALL, 8), Err(BadExport::NoRoom));
        assert_eq!(Remainder::import(&told, &SMALL, 9).map(|it| it.unsent.len()), Ok(unsent.len()));
        let told = exported(&Remainder { waiting: Some(&message), ..Remainder::default() });
        assert_eq!(Remainder::import(&told, &SMALL, 0), Err(BadExport::Malformed));
        let told = exported(&Remainder { waiting: Some(&message[1..]), ..Remainder::default() });
        assert!(Remainder::import(&told, &SMALL, 0).is_ok());
        let told = exported(&Remainder { held: &held, ..Remainder::default() });
        assert_eq!(Remainder::import(&told, &SMALL, 0), Err(BadExport::Malformed));
        let told = exported(&Remainder { held: &held[1..], ..Remainder::default() });
        assert!(Remainder::import(&told, &SMALL, 0).is_ok());
    }

    #[test]
    fn what_contradicts_itself_is_no_state() {
        let nothing = Remainder::default();
        for (what, remainder) in [
            ("budget for nothing", Remainder { counted: 1, ..nothing }),
            ("obeyed while closing", Remainder { closing: true, waiting: Some(b"x"), ..nothing }),
            ("held while closing", Remainder { closing: true, held: b"x", ..nothing }),
        ] {
            let told = exported(&remainder);
            assert_eq!(Remainder::import(&told, &SMALL, 99), Err(BadExport::Malformed), "{what}");
        }
    }

    proptest! {
        #[test]
        fn a_remainder_survives_its_bytes(parts in parts()) {
            let remainder = of(&parts);
            let told = exported(&remainder);
            prop_assert_eq!(Remainder::import(&told, &SMALL, 0), Ok(remainder));
        }

        /// A cut or a changed byte is found out, or makes another state of which the same holds.
        #[test]
        fn what_is_damaged_is_judged(parts in parts(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut told = exported(&of(&parts));
            if told.is_empty() {
                return Ok(());
            }
            let cut = cut.index(told.len());
            let ahead = told.len() - parts.0.len();
            match Remainder::import(&told[..cut], &SMALL, 0) {
                Ok(other) => {
                    prop_assert!(cut == 0 || cut >= ahead, "only the last piece may be shorter: {other:?}");
                    prop_assert_eq!(exported(&other), &told[..cut]);
                }
                Err(error) => prop_assert_eq!(error, BadExport::Malformed),
            }
            let at = at.index(told.len());
            told[at] = to;
            if let Ok(other) = Remainder::import(&told, &SMALL, 0) {
                prop_assert_eq!(exported(&other), told, "one form for each state");
            }
        }

        #[test]
        fn any_bytes_are_judged(mut told in bytes(100), honest in any::<bool>()) {
            if honest && let [version, flags, ..] = &mut told[..] {
                (*version, *flags) = (VERSION, *flags & 3);
            }
            if let Ok(other) = Remainder::import(&told, &SMALL, 0) {
                prop_assert_eq!(exported(&other), told, "one form for each state");
            }
        }
    }
}
