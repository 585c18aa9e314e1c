//! A record of the cluster log: what one node says of itself, at most 1 KiB.
//!
//! A header `v` and a JSON object as the value. Members that are not known here are ignored, so that later versions may
//! add some; a record with another `v` is a later version's and says nothing that could be read here. Anybody may write
//! to a topic, so everything is judged when it is read; what is not readable still moves log time.

use super::{Constants, Incarnation, Protocols};
use crate::limits::{CLUSTER_RECORD_BYTES, NODES};
use crate::words::words;
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// What a node says.
    Say {
        /// It lives, and claims its ordinal.
        Alive = "alive",
        /// It reads, and claims nothing: only log time moves.
        Look = "look",
        /// It goes.
        Leave = "leave",
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it says.
    pub say: Say,
    /// The ordinal of the node that says it, below [`NODES`].
    pub ordinal: u16,
    /// Which start of that node.
    pub incarnation: Incarnation,
    /// What it can speak.
    pub protocols: Protocols,
    /// What it was configured with.
    pub constants: Constants,
    /// It is about to go, and wants nobody at home with it any more.
    pub is_leaving: bool,
}

/// Why a record says nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A later Corepost wrote it.
    NewerVersion,
    /// It has no header `v`: no Corepost wrote it.
    NoVersion,
    /// It has more than [`CLUSTER_RECORD_BYTES`] bytes.
    TooLarge,
    /// Its value is no JSON object with all members, each of its type and range.
    NotJson,
    /// It says what nobody says in this version.
    UnknownSay,
    /// Its incarnation is not the digits of a number of 64 bits.
    BadIncarnation,
    /// The epoch of its log is not the digits of a number of 64 bits.
    BadLog,
    /// Its ordinal is not below [`NODES`].
    OrdinalTooLarge,
    /// It speaks no version at all.
    NoProtocol,
}

/// As it stands in the value. Numbers of 64 bits are texts: as JSON numbers they do not survive every reader.
#[derive(Serialize, Deserialize)]
struct Written {
    say: String,
    node: u64,
    incarnation: String,
    proto_min: u16,
    proto_max: u16,
    node_timeout_ms: u32,
    partitions: u16,
    log: String,
    /// Not written before a node drains: a version that does not know it reads all else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    leaving: bool,
}

impl Record {
    /// The header `v` of what [`Record::value`] writes.
    pub const VERSION: &str = "1";

    /// The value of the record.
    pub fn value(&self) -> Vec<u8> {
        let written = Written {
            say: self.say.as_str().to_owned(),
            node: u64::from(self.ordinal),
            incarnation: self.incarnation.to_string(),
            proto_min: self.protocols.min,
            proto_max: self.protocols.max,
            node_timeout_ms: self.constants.node_timeout_ms,
            partitions: self.constants.partitions,
            log: self.constants.log_epoch.to_string(),
            leaving: self.is_leaving,
        };
        serde_json::to_vec(&written).expect("plain data is always JSON")
    }

    /// Reads a record that anyone may have written: its header `v`, if there is one, and its value.
    pub fn read(version: Option<&[u8]>, value: &[u8]) -> Result<Self, Unreadable> {
        match version {
            None => return Err(Unreadable::NoVersion),
            Some(v) if v != Self::VERSION.as_bytes() => return Err(Unreadable::NewerVersion),
            Some(_) if value.len() > CLUSTER_RECORD_BYTES => return Err(Unreadable::TooLarge),
            Some(_) => {}
        }
        // The parser would also take the members as an array, without their names.
        if value.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unreadable::NotJson);
        }
        let written: Written = serde_json::from_slice(value).map_err(|_| Unreadable::NotJson)?;
        if written.node >= NODES as u64 {
            return Err(Unreadable::OrdinalTooLarge);
        }
        if written.proto_min > written.proto_max {
            return Err(Unreadable::NoProtocol);
        }
        let say = Say::ALL.iter().find(|say| say.as_str() == written.say);
        Ok(Self {
            say: *say.ok_or(Unreadable::UnknownSay)?,
            ordinal: written.node as u16,
            incarnation: digits(&written.incarnation).map(Incarnation).ok_or(Unreadable::BadIncarnation)?,
            protocols: Protocols { min: written.proto_min, max: written.proto_max },
            constants: Constants {
                partitions: written.partitions,
                node_timeout_ms: written.node_timeout_ms,
                log_epoch: digits(&written.log).ok_or(Unreadable::BadLog)?,
            },
            is_leaving: written.leaving,
        })
    }
}

/// Digits alone: the number parser would also take a sign.
fn digits(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|c| c.is_ascii_digit());
    is_digits.then(|| text.parse().ok())?
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerVersion => write!(f, "was written by a newer version; upgrade this node"),
            Self::NoVersion => {
                write!(f, "has no header v: no node wrote it; find out who writes to this topic")
            }
            Self::TooLarge => write!(f, "has more than {CLUSTER_RECORD_BYTES} bytes"),
            Self::NotJson => write!(f, "is no JSON object with the members of a membership record"),
            Self::UnknownSay => write!(f, "says neither alive, look nor leave"),
            Self::BadIncarnation => write!(f, "has an incarnation that is no number of 64 bits"),
            Self::BadLog => write!(f, "has an epoch of its log that is no number of 64 bits"),
            Self::OrdinalTooLarge => write!(f, "is of an ordinal above {}", NODES - 1),
            Self::NoProtocol => write!(f, "has a proto_min above its proto_max"),
        }
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> impl Strategy<Value = Record> {
        let says = prop::sample::select(Say::ALL);
        (says, 0..NODES as u16, any::<u64>(), any::<(u16, u16)>(), any::<(u16, u32, u64)>(), any::<bool>())
            .prop_map(
                |(
                    say,
                    ordinal,
                    incarnation,
                    (a, b),
                    (partitions, node_timeout_ms, log_epoch),
                    is_leaving,
                )| Record {
                    say,
                    ordinal,
                    incarnation: Incarnation(incarnation),
                    protocols: Protocols { min: a.min(b), max: a.max(b) },
                    constants: Constants { partitions, node_timeout_ms, log_epoch },
                    is_leaving,
                },
            )
    }

    fn read(value: &str) -> Result<Record, Unreadable> {
        Record::read(Some(b"1"), value.as_bytes())
    }

    const GOOD: &str = r#"{"say":"alive","node":3,"incarnation":"18446744073709551615","proto_min":1,"proto_max":2,"node_timeout_ms":5000,"partitions":64,"log":"7"}"#;

    proptest! {
        #[test]
        fn a_record_survives_its_bytes_and_fits_its_bound(record in records()) {
            let value = record.value();
            prop_assert!(value.len() <= CLUSTER_RECORD_BYTES);
            prop_assert_eq!(Record::read(Some(b"1"), &value), Ok(record));
        }

        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..200usize) {
            prop_assert!(Record::read(Some(b"1"), &bytes).is_err());
            let mut damaged = GOOD.as_bytes().to_vec();
            damaged.truncate(at.min(GOOD.len() - 1));
            prop_assert_eq!(Record::read(Some(b"1"), &damaged), Err(Unreadable::NotJson));
        }
    }

    #[test]
    fn a_record_looks_like_this_for_ever() {
        let record = Record {
            say: Say::Alive,
            ordinal: 3,
            incarnation: Incarnation(u64::MAX),
            protocols: Protocols { min: 1, max: 2 },
            constants: Constants { partitions: 64, node_timeout_ms: 5_000, log_epoch: 7 },
            is_leaving: false,
        };
        assert_eq!(String::from_utf8(record.value()).unwrap(), GOOD);
        let leaving = Record { is_leaving: true, ..record };
        let good = GOOD.replace(r#""log":"7""#, r#""log":"7","leaving":true"#);
        assert_eq!(String::from_utf8(leaving.value()).unwrap(), good);
        assert_eq!(read(&good), Ok(leaving));
        assert_eq!(
            read(&GOOD.replace("{", r#"{"later":[1,{}],"#)),
            Ok(record),
            "unknown members are ignored"
        );
    }

    #[test]
    fn each_mistake_is_called_by_its_name() {
        let with = |from: &str, to: &str| read(&GOOD.replace(from, to));
        let padded = format!("{GOOD}{}", " ".repeat(CLUSTER_RECORD_BYTES));
        for (result, why) in [
            (Record::read(Some(b"2"), b"\xff"), Unreadable::NewerVersion),
            (Record::read(None, GOOD.as_bytes()), Unreadable::NoVersion),
            (read(&padded), Unreadable::TooLarge),
            (with("alive", "dance"), Unreadable::UnknownSay),
            (with(r#""node":3"#, r#""node":1024"#), Unreadable::OrdinalTooLarge),
            (with(r#""node":3"#, r#""node":-1"#), Unreadable::NotJson),
            (with("18446744073709551615", "18446744073709551616"), Unreadable::BadIncarnation),
            (with("18446744073709551615", "+5"), Unreadable::BadIncarnation),
            (with("18446744073709551615", ""), Unreadable::BadIncarnation),
            (with(r#""18446744073709551615""#, "5"), Unreadable::NotJson),
            (with(r#""proto_min":1"#, r#""proto_min":3"#), Unreadable::NoProtocol),
            (with(r#""log":"7""#, r#""log":"seven""#), Unreadable::BadLog),
            (with(r#","partitions":64"#, ""), Unreadable::NotJson),
            (with(r#""log":"7""#, r#""log":"7","leaving":"yes""#), Unreadable::NotJson),
            (read(r#"["alive",3,"5",1,2,5000,64]"#), Unreadable::NotJson),
        ] {
            assert_eq!(result, Err(why), "{why}");
        }
    }
}
