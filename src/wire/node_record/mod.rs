//! Node record v1: what gateway and home on two nodes say to each other, as `corepost.node` keeps it (DESIGN.md §6).
//!
//! A record has one header, `v`, and a value: who says it, to which start of the reading node, which kind of value it
//! is, and that. Numbers are little-endian, identifiers and texts stand behind their length, lists behind their count.
//! `kafka/node_records.json` has vectors. Nodes of two versions read each other's records while a cluster is upgraded,
//! so what is written here never changes: something else to say is another kind, or another version.
//!
//! Only nodes may write to that topic; it is closed to everybody else by the broker's ACLs. So a body is not judged to
//! be JSON again: a node judged it when it was accepted. All that a type promises is judged nevertheless, since a
//! record may come from a node that is broken.
//!
//! Always holds: a value has one form, and what can be read was written by [`NodeRecord::write`] or could have been;
//! everything else is [`Unreadable`], nothing panics, and no count is believed beyond the bytes that are there.
//!
//! Reading order: [`Up`] and [`Down`], a link's two ways; [`Beside`], what goes beside it; `bytes`, how it is read.

mod beside;
mod bytes;
mod down;
mod envelope;
mod hello;
mod kind;
mod question;
mod up;

pub use beside::Beside;
pub use down::Down;
pub use hello::{HELLO_BYTES, fitting};
pub use up::Up;

use crate::model::{Generation, Peer, Stamp};
use bytes::Rest;
use std::fmt;

/// The header `v` of the records that we write.
pub const VERSION: &str = "1";

/// One record: a value on its way from node to node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Whose word it is.
    pub from: Peer,
    /// Incarnation of the node that it is meant for; the partition says which node. Another start of it drops the
    /// record.
    pub to: u64,
    /// What.
    pub says: Says,
}

/// What a node says to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// A gateway to a home. The number of a hello, and of nothing else, is 0.
    Up {
        /// Where it stands on the link.
        stamp: Stamp,
        /// What.
        value: Up,
    },
    /// A home to a gateway.
    Down {
        /// Where it stands on the link. Never 0.
        stamp: Stamp,
        /// What.
        value: Down,
    },
    /// Beside all links: it may be lost, and then it is.
    Beside(Beside),
}

/// Why a record says nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A later Corepost wrote it: to be obeyed, not skipped (DESIGN.md §6).
    NewerVersion,
    /// No version of ours writes this.
    Damaged {
        /// The byte of the value at which that shows.
        at: usize,
        /// What should be there.
        what: &'static str,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerVersion => write!(f, "was written by a newer version; upgrade this node"),
            Self::Damaged { at, what } => {
                write!(
                    f,
                    "has no good {what} at byte {at}; only nodes of this cluster may write to its topic"
                )
            }
        }
    }
}

impl std::error::Error for Unreadable {}

impl NodeRecord {
    /// Appends the record's value; its header `v` is [`VERSION`].
    ///
    /// Panics where a hello has another number than 0, or anything else has that.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.from.node.to_le_bytes());
        out.extend(self.from.incarnation.to_le_bytes());
        out.extend(self.to.to_le_bytes());
        match &self.says {
            Says::Up { stamp, value } => {
                put_kind(value.kind(), Some(*stamp), out);
                value.write(out);
            }
            Says::Down { stamp, value } => {
                put_kind(value.kind(), Some(*stamp), out);
                value.write(out);
            }
            Says::Beside(value) => {
                put_kind(value.kind(), None, out);
                value.write(out);
            }
        }
    }

    /// Reads a record's header `v`, if it has one, and its value.
    pub fn read(v: Option<&[u8]>, value: &[u8]) -> Result<Self, Unreadable> {
        match v {
            None => return Err(Unreadable::Damaged { at: 0, what: "header v" }),
            Some(v) if v != VERSION.as_bytes() => return Err(Unreadable::NewerVersion),
            Some(_) => {}
        }
        let mut rest = Rest::new(value);
        let from = Peer { node: rest.u16("node")?, incarnation: rest.u64("incarnation")? };
        let to = rest.u64("addressee")?;
        let says = Says::read(&mut rest)?;
        rest.end()?;
        Ok(Self { from, to, says })
    }
}

impl Says {
    fn read(rest: &mut Rest<'_>) -> Result<Self, Unreadable> {
        let nothing = rest.damaged("kind");
        match rest.u8("kind")? {
            0 => Err(nothing),
            kind @ kind::UP..=kind::UP_LAST => {
                Ok(Self::Up { stamp: stamp(kind, rest)?, value: Up::read(kind, rest)? })
            }
            kind @ kind::DOWN..=kind::DOWN_LAST => {
                Ok(Self::Down { stamp: stamp(kind, rest)?, value: Down::read(kind, rest)? })
            }
            kind => Ok(Self::Beside(Beside::read(kind, rest)?)),
        }
    }
}

fn put_kind(kind: u8, stamp: Option<Stamp>, out: &mut Vec<u8>) {
    out.push(kind);
    if let Some(Stamp { generation, number }) = stamp {
        assert_eq!(number == 0, kind == kind::HELLO, "a hello, and nothing else, has the number 0");
        out.extend(generation.0.to_le_bytes());
        out.extend(number.to_le_bytes());
    }
}

fn stamp(kind: u8, rest: &mut Rest<'_>) -> Result<Stamp, Unreadable> {
    let generation = Generation(rest.u64("generation")?);
    let wrong = rest.damaged("number");
    let number = rest.u64("number")?;
    if (number == 0) == (kind == kind::HELLO) { Ok(Stamp { generation, number }) } else { Err(wrong) }
}

#[cfg(test)]
mod node_record_tests;
