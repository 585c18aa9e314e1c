//! The byte form of a session: what one process hands to the next, which takes its sockets (DESIGN.md §5).
//!
//! A version, then every field in the order of [`Session`], numbers little-endian, texts behind their length. Both
//! processes run on one host, so that monotonic times mean the same to both. What is read back is a session that
//! could have been written: whatever breaks a promise of the type is [`Damaged`], and nothing panics.

use super::marks::Tide;
use super::session::{Extras, Issued, Parked, Session, SessionPhase};
use crate::access::{Permits, SendBuckets};
use crate::model::{Ask, ClientId, IdRef, Position};

/// The form written by this version. Another one is refused: the old process then drains instead.
const VERSION: u8 = 2;
/// What only some sessions have, one bit each.
const HAS_PERMITS: u8 = 1;
const HAS_RATES: u8 = 2;
const HAS_EXTRAS: u8 = 4;
/// No clock of ours comes near; sums of times and intervals stay numbers.
const LATEST_MS: u64 = u64::MAX / 4;

/// The bytes are no session of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("is no session of this version; its client must reconnect with its cursor")
    }
}

impl std::error::Error for Damaged {}

impl Session {
    /// Appends its byte form.
    pub fn export(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        put_block(out, self.client.as_str().as_bytes());
        out.extend(self.generation.to_le_bytes());
        out.push(match self.phase {
            SessionPhase::Resuming => 0,
            SessionPhase::CatchUp { held: false } => 1,
            SessionPhase::CatchUp { held: true } => 2,
            SessionPhase::Live => 3,
            SessionPhase::Closing => 4,
        });
        out.push(match self.parked {
            Parked::No => 0,
            Parked::Itself => 1,
            Parked::Crowd => 2,
        });
        out.extend([u8::from(self.in_line), u8::from(self.pinged)]);
        for number in [self.ask.0, self.outbound, self.reserved, self.credit] {
            out.extend(number.to_le_bytes());
        }
        for position in [self.position, self.told] {
            out.extend(position.leader_epoch.to_le_bytes());
            out.extend(position.offset.to_le_bytes());
        }
        let times = [self.heard_ms, self.told_ms, self.behind_ms, self.timer_ms];
        times.into_iter().for_each(|time| out.extend(time.to_le_bytes()));
        for number in [self.expires_s, self.issued.0, self.since_s, self.tide.0] {
            out.extend(number.to_le_bytes());
        }
        self.export_extras(out);
    }

    fn export_extras(&self, out: &mut Vec<u8>) {
        let Some(extras) = &self.extras else { return out.push(0) };
        let permits = if extras.permits.is_some() { HAS_PERMITS } else { 0 };
        let rates = if extras.rates.is_some() { HAS_RATES } else { 0 };
        out.push(HAS_EXTRAS | permits | rates);
        if let Some(permits) = &extras.permits {
            put_block(out, permits.as_bytes());
        }
        if let Some(rates) = &extras.rates {
            out.extend(rates.to_bytes());
        }
    }

    /// Reads back what [`Session::export`] wrote, believing nothing.
    pub fn import(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = Rest(bytes);
        let session = Self::read(&mut rest).filter(|session| rest.0.is_empty() && session.is_possible());
        session.ok_or(Damaged)
    }

    fn read(rest: &mut Rest<'_>) -> Option<Self> {
        if rest.byte()? != VERSION {
            return None;
        }
        Some(Self {
            client: rest.client()?,
            generation: rest.u32()?,
            phase: match rest.byte()? {
                0 => SessionPhase::Resuming,
                1 => SessionPhase::CatchUp { held: false },
                2 => SessionPhase::CatchUp { held: true },
                3 => SessionPhase::Live,
                4 => SessionPhase::Closing,
                _ => return None,
            },
            parked: match rest.byte()? {
                0 => Parked::No,
                1 => Parked::Itself,
                2 => Parked::Crowd,
                _ => return None,
            },
            in_line: rest.flag()?,
            pinged: rest.flag()?,
            ask: Ask(rest.u32()?),
            outbound: rest.u32()?,
            reserved: rest.u32()?,
            credit: rest.u32()?,
            position: rest.position()?,
            told: rest.position()?,
            heard_ms: rest.u64()?,
            told_ms: rest.u64()?,
            behind_ms: rest.u64()?,
            timer_ms: rest.u64()?,
            expires_s: rest.u32()?,
            issued: Issued(rest.u32()?),
            since_s: rest.u32()?,
            tide: Tide(rest.u32()?),
            extras: rest.extras()?,
        })
    }

    /// Whether the promises of the type hold.
    fn is_possible(&self) -> bool {
        let holds_none = matches!(self.phase, SessionPhase::Live | SessionPhase::Closing);
        let latest_ms = self.heard_ms.max(self.told_ms).max(self.behind_ms);
        self.told <= self.position
            && !(holds_none && self.credit > 0)
            && self.outbound.checked_add(self.reserved).is_some()
            && latest_ms <= LATEST_MS
    }
}

fn put_block(out: &mut Vec<u8>, block: &[u8]) {
    let length = u16::try_from(block.len()).expect("identifiers and permits are shorter than 64 KiB");
    out.extend(length.to_le_bytes());
    out.extend_from_slice(block);
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position { leader_epoch: self.u32()?, offset: self.u64()? })
    }

    fn block(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u16()?);
        let (block, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(block)
    }

    fn client(&mut self) -> Option<ClientId> {
        IdRef::from_bytes(self.block()?).ok().map(IdRef::to_client)
    }

    fn extras(&mut self) -> Option<Option<Box<Extras>>> {
        let has = self.byte()?;
        if has == 0 {
            return Some(None);
        }
        if has & HAS_EXTRAS == 0 || has > HAS_EXTRAS | HAS_PERMITS | HAS_RATES {
            return None;
        }
        let permits = match has & HAS_PERMITS {
            0 => None,
            _ => Some(Permits::from_bytes(self.block()?).ok()?),
        };
        let rates = match has & HAS_RATES {
            0 => None,
            _ => Some(SendBuckets::from_bytes(self.array()?)?),
        };
        Some(Some(Box::new(Extras { permits, rates })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn positions() -> impl Strategy<Value = Position> {
        (any::<u32>(), any::<u64>()).prop_map(|(leader_epoch, offset)| Position { leader_epoch, offset })
    }

    fn extras() -> impl Strategy<Value = Option<Box<Extras>>> {
        let permits = proptest::option::of(proptest::collection::vec("[a-z]{1,9}[*]?", 0..5));
        proptest::option::of((permits, any::<bool>()).prop_map(|(permits, limited)| {
            let permits = permits.map(|all| Permits::new(all.iter().map(String::as_str)).unwrap());
            Box::new(Extras { permits, rates: limited.then(SendBuckets::default) })
        }))
    }

    fn sessions() -> impl Strategy<Value = Session> {
        let phases = prop_oneof![
            Just(SessionPhase::Resuming),
            any::<bool>().prop_map(|held| SessionPhase::CatchUp { held }),
            Just(SessionPhase::Live),
            Just(SessionPhase::Closing),
        ];
        let parked = prop_oneof![Just(Parked::No), Just(Parked::Itself), Just(Parked::Crowd)];
        let names = ("[a-zé]{1,20}", any::<u32>());
        let state = (phases, parked, any::<[bool; 2]>(), positions(), positions());
        let numbers = (any::<u32>(), 0..u32::MAX / 2, 0..u32::MAX / 2, any::<u32>());
        let times = (proptest::array::uniform3(0..LATEST_MS), any::<u64>(), any::<[u32; 4]>());
        (names, state, numbers, times, extras()).prop_map(|(names, state, numbers, times, extras)| {
            let (phase, parked, [in_line, pinged], a, b) = state;
            let holds_none = matches!(phase, SessionPhase::Live | SessionPhase::Closing);
            Session {
                client: ClientId::new(&names.0).unwrap(),
                generation: names.1,
                phase,
                parked,
                in_line,
                pinged,
                ask: Ask(numbers.0),
                position: a.max(b),
                told: a.min(b),
                outbound: numbers.1,
                reserved: numbers.2,
                credit: if holds_none { 0 } else { numbers.3 },
                heard_ms: times.0[0],
                told_ms: times.0[1],
                behind_ms: times.0[2],
                timer_ms: times.1,
                expires_s: times.2[0],
                issued: Issued(times.2[1]),
                since_s: times.2[2],
                tide: Tide(times.2[3]),
                extras,
            }
        })
    }

    proptest! {
        #[test]
        fn a_session_survives_its_bytes(session in sessions()) {
            let mut bytes = Vec::new();
            session.export(&mut bytes);
            prop_assert_eq!(Session::import(&bytes), Ok(session));
            bytes.push(0);
            prop_assert_eq!(Session::import(&bytes), Err(Damaged));
        }

        #[test]
        fn whatever_is_read_is_a_session_or_damaged(session in sessions(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = Vec::new();
            session.export(&mut bytes);
            prop_assert_eq!(Session::import(&bytes[..cut.index(bytes.len())]), Err(Damaged));
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(other) = Session::import(&bytes) {
                other.invariants();
                let mut again = Vec::new();
                other.export(&mut again);
                prop_assert_eq!(again, bytes, "one form for each session");
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Session::import(&bytes);
        }
    }
}
