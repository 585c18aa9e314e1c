//! One partition in the follower's hands: what the tail makes of it, what the index has not taken yet, who waits for it.

use super::health::Reread;
use super::kept;
use super::looked::Looked;
use crate::backplane::index::{Coverage, Erase, Portion, Put};
use crate::log::Record;
use crate::model::{Kind, Partition, Position};
use crate::tail::{Stored, Tail, Verdict, Witness};
use std::time::Instant;

/// Whether a partition is told to the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is this node's.
    Owned,
    /// It would be, without its owner: it is followed only.
    Standby,
}

/// A partition.
pub(super) struct Part {
    pub partition: Partition,
    pub role: Role,
    /// Which beginning of it: answers to questions of an earlier one are void.
    pub attempt: u64,
    /// None until the brokers have said where it begins; none again where it was given up.
    pub tail: Option<Tail>,
    /// The number of the present term, once the cores were told.
    pub term: Option<u64>,
    /// Until when somebody wants history, who asks again and again.
    pub wanted_until: Option<Instant>,
    /// A chunk's window is being asked for.
    pub is_asking_window: bool,
    /// Where the log begins is being asked for, since it is in doubt. Every minute it is asked for in any case.
    pub is_asking_ground: bool,
    /// The newest record is being looked for at a new leader.
    pub is_asking_witness: bool,
    /// What the index has not taken yet: of one batch.
    rows: Vec<Put>,
    erases: Vec<Erase>,
    pub is_touched: bool,
    /// How far it was read when the log's end was heard last.
    pub read_then: u64,
    pub told_head: Position,
    pub told_fresh_ms: Option<u64>,
}

impl Part {
    /// A partition that is to begin.
    pub fn new(partition: Partition, role: Role, attempt: u64) -> Self {
        Self {
            partition,
            role,
            attempt,
            tail: None,
            term: None,
            wanted_until: None,
            is_asking_window: false,
            is_asking_ground: false,
            is_asking_witness: false,
            rows: Vec::new(),
            erases: Vec::new(),
            is_touched: false,
            read_then: 0,
            told_head: Position::START,
            told_fresh_ms: None,
        }
    }

    /// A record was read at the log's end. What the tail says of it, and what its client's core is to hear.
    pub fn follow(&mut self, looked: Looked) -> (Option<Verdict>, Option<Record>) {
        let Some(tail) = &mut self.tail else { return (None, None) };
        let verdict = tail.on_record(looked.place, looked.found);
        self.is_touched = true;
        if verdict != Verdict::Apply {
            return (Some(verdict), None);
        }
        let Looked { place, envelope: Some(envelope), .. } = looked else { return (Some(verdict), None) };
        let record = self.term.is_some().then(|| Record {
            partition: self.partition,
            offset: place.offset,
            leader_epoch: place.leader_epoch,
            at_ms: place.at_ms,
            envelope: envelope.clone(),
        });
        self.put(Put { offset: place.offset, at_ms: place.at_ms, envelope });
        (Some(verdict), record)
    }

    /// The record that a new leader is to be asked for, if that is not being done.
    pub fn witness_to_ask(&mut self) -> Option<Witness> {
        let witness = self.tail.as_ref()?.witness()?;
        (!std::mem::replace(&mut self.is_asking_witness, true)).then_some(witness)
    }

    /// Why its next record is not one that its home reads for the first time, if it is not.
    pub fn rereads(&self) -> Option<Reread> {
        match self.role {
            Role::Standby => Some(Reread::Standby),
            Role::Owned => self.term.is_none().then_some(Reread::Begin),
        }
    }

    /// How far it is behind its log's end, while it is served.
    pub fn lag(&self) -> Option<(u16, u64)> {
        let tail = self.tail.as_ref().filter(|_| self.term.is_some())?;
        Some((self.partition.0, tail.lag()))
    }

    /// An envelope for the index.
    pub fn put(&mut self, put: Put) {
        self.is_touched = true;
        match put.envelope.kind() {
            Kind::Erase => {
                let client = put.envelope.to().to_client();
                self.erases.push(Erase { client, offset: put.offset });
            }
            _ => self.rows.push(put),
        }
    }

    /// What the index is to take, if anything.
    pub fn portion(&mut self) -> Option<Portion> {
        let tail = self.tail.as_ref()?;
        let may_be = std::mem::take(&mut self.is_touched)
            && (tail.serving().is_some() || !self.rows.is_empty() || !self.erases.is_empty());
        let (from, next) = tail.coverage();
        may_be.then(|| Portion {
            partition: self.partition,
            rows: std::mem::take(&mut self.rows),
            erases: std::mem::take(&mut self.erases),
            coverage: Coverage { from, next },
            epochs: tail.epochs().clone(),
            state: tail.stored().as_ref().map(kept::encode).unwrap_or_default(),
        })
    }

    /// What the index cannot take.
    pub fn forget_rows(&mut self) {
        self.rows.clear();
        self.erases.clear();
    }

    /// Nobody has asked for history for a while: no more of it is read.
    pub fn give_up_wants(&mut self, now: Instant) {
        if self.wanted_until.is_some_and(|until| now >= until) {
            self.wanted_until = None;
            if let Some(tail) = &mut self.tail {
                tail.want_nothing();
            }
        }
    }

    /// What the index has of it, once all was taken.
    pub fn stored(&self) -> Option<Stored> {
        self.tail.as_ref()?.stored()
    }

    /// Rows that wait for the index.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }
}
