//! A record of the mailbox topic, looked at: where it stands, what it is, and the envelope if it is one.
//!
//! Anybody may write to the topic, so nothing of a record is believed. What breaks a rule and does not claim to be ours is
//! nobody's, and passed; what claims to be ours and cannot be read is damage.

use crate::backplane::kafka::Seen;
use crate::log::DedupeKey;
use crate::model::{Envelope, Partition, Topology};
use crate::tail::{Found, Place};
use crate::wire::record::{self, RecordError};
use std::mem::Discriminant;

/// What a record is.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    pub place: Place,
    pub found: Found,
    /// There if it is one of this partition.
    pub envelope: Option<Envelope>,
    /// What is wrong with it.
    pub wrong: Option<Wrong>,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It breaks a rule.
    Rule(RecordError),
    /// It is in another partition than its key's.
    Partition,
}

impl Wrong {
    /// Which kind of mistake it is: each is told once.
    pub fn kind(self) -> Option<Discriminant<RecordError>> {
        match self {
            Self::Rule(error) => Some(std::mem::discriminant(&error)),
            Self::Partition => None,
        }
    }
}

impl Looked {
    /// Looks at it.
    pub fn at(seen: Seen<'_>, topology: Topology) -> Self {
        let place = Place {
            offset: seen.offset(),
            leader_epoch: seen.leader_epoch().unwrap_or(0),
            at_ms: seen.at().map_or(0, |at| at.ms),
        };
        let is_ours = seen.header("v").is_some();
        let passed = |found, wrong| Self { place, found, envelope: None, wrong: Some(wrong) };
        match record::envelope_of(seen.key(), seen.headers(), seen.value()) {
            Ok(envelope) if topology.place(envelope.to()).partition != Partition(seen.partition()) => {
                passed(Found::Nobodys, Wrong::Partition)
            }
            Ok(envelope) => {
                let found = Found::Envelope(DedupeKey::of(&envelope));
                Self { place, found, envelope: Some(envelope), wrong: None }
            }
            Err(error @ RecordError::NewerVersion) => passed(Found::Newer, Wrong::Rule(error)),
            Err(error @ (RecordError::NoKey | RecordError::BadKey(_))) => {
                passed(Found::Nobodys, Wrong::Rule(error))
            }
            Err(error) if is_ours => passed(Found::Damaged, Wrong::Rule(error)),
            Err(error) => passed(Found::Nobodys, Wrong::Rule(error)),
        }
    }
}
