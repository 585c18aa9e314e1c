//! The cluster log, folded: record after record into a view.
//!
//! A fold may begin at any record. It counts only once it is *whole*: begun with the log itself, or `node_timeout` ago
//! in log time, so that nothing before its beginning could still be alive. Then all folds have the same view of the same
//! offset. Where offsets do not follow each other something was not read, and the fold begins anew by itself.

use super::lives::Lives;
use super::record::{Record, Say, Unreadable};
use super::{LogTime, Since, View};

/// A record as the consumer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its offset.
    pub offset: u64,
    /// When its broker appended it, Unix milliseconds; `None` if its time is a producer's (the topic must have
    /// `LogAppendTime`).
    pub append_ms: Option<u64>,
    /// Its header `v`.
    pub version: Option<&'a [u8]>,
    /// Its value.
    pub value: &'a [u8],
}

/// What a record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it says, or why it says nothing. It moved log time either way.
    pub said: Result<Record, Unreadable>,
    /// Whether the fold began, or began anew, with it.
    pub begins: bool,
    /// Whether [`Fold::view`] may be another now.
    pub is_new_view: bool,
}

/// What happened to a fold, each a number since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldCounts {
    /// Records read.
    pub records: u64,
    /// Of those, records of a newer version.
    pub newer: u64,
    /// Of those, records that cannot be read for another reason.
    pub unreadable: u64,
    /// Of those, records without a broker's time.
    pub untimed: u64,
    /// Live incarnations that were forgotten because an ordinal had too many.
    pub forgotten: u64,
    /// Times it began anew because records were missing.
    pub begun_anew: u64,
}

/// A fold of the cluster log.
#[derive(Clone, Debug)]
pub struct Fold {
    node_timeout_ms: u64,
    time: LogTime,
    /// The offset that comes next; `None` before the first, or after it lost its place.
    next: Option<u64>,
    began: Began,
    lives: Lives,
    view: View,
    /// Log time of the last record of a newer version, and its offset.
    newer: Option<(u64, u64)>,
    counts: FoldCounts,
}

#[derive(Clone, Copy, Debug)]
enum Began {
    /// With the log.
    WithTheLog,
    /// At this log time, in the middle.
    At(u64),
}

impl Fold {
    /// A fold that has read nothing.
    pub fn new(node_timeout_ms: u32) -> Self {
        let node_timeout_ms = u64::from(node_timeout_ms);
        Self {
            node_timeout_ms,
            time: LogTime::default(),
            next: None,
            began: Began::At(0),
            lives: Lives::new(node_timeout_ms),
            view: View::default(),
            newer: None,
            counts: FoldCounts::default(),
        }
    }

    /// It goes on at this offset, and what it has read so far does not count.
    pub fn begin(&mut self, offset: u64) {
        if self.counts.records > 0 {
            self.counts.begun_anew += 1;
        }
        self.time.lose_place();
        self.next = Some(offset);
        self.began = if offset == 0 { Began::WithTheLog } else { Began::At(self.time.passed_ms()) };
        self.lives.clear();
        self.view = View::default();
        self.newer = None;
    }

    /// What it has read may not be what the log holds now: it begins anew with the next record, whichever it is.
    pub fn lose_place(&mut self) {
        self.next = None;
    }

    /// The next record.
    pub fn take(&mut self, raw: Raw<'_>) -> Taken {
        let begins = self.next != Some(raw.offset);
        if begins {
            self.begin(raw.offset);
        }
        self.next = Some(raw.offset + 1);
        self.time.step(raw.append_ms);
        self.counts.records += 1;
        self.counts.untimed += u64::from(raw.append_ms.is_none());
        let now_ms = self.time.passed_ms();
        let has_died = self.lives.pass(now_ms);
        let said = Record::read(raw.version, raw.value);
        let has_said = match &said {
            Ok(record) => self.obey(record, raw.offset, now_ms),
            Err(Unreadable::NewerVersion) => {
                self.newer = Some((now_ms, raw.offset));
                self.counts.newer += 1;
                false
            }
            Err(_) => {
                self.counts.unreadable += 1;
                false
            }
        };
        let is_other = (has_died || has_said) && self.look_again();
        Taken { said, begins, is_new_view: begins || is_other }
    }

    fn obey(&mut self, record: &Record, offset: u64, now_ms: u64) -> bool {
        match record.say {
            Say::Alive => {
                let since = if self.is_whole() { Since::At(offset) } else { Since::AtOrBefore(offset) };
                self.lives.alive(record, since, now_ms)
            }
            Say::Leave => self.lives.leave(record.ordinal, record.incarnation),
            Say::Look => false,
        }
    }

    /// True if the view is another than before: not every life that begins or ends is a holder's.
    fn look_again(&mut self) -> bool {
        let view = self.lives.view();
        let is_new = view != self.view;
        self.view = view;
        is_new
    }

    /// Whether its view counts: nothing that it has not read could be alive.
    pub fn is_whole(&self) -> bool {
        match self.began {
            _ if self.next.is_none() => false,
            Began::WithTheLog => true,
            // An `alive` just before the beginning, with no step between, is as old as the beginning and dead when that is.
            Began::At(began_ms) => self.time.passed_ms() - began_ms > self.node_timeout_ms,
        }
    }

    /// Who is alive as of [`Fold::next`]. Counts only if [`Fold::is_whole`].
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The offset that comes next, if it has a place in the log.
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Log time. It goes on where a fold begins anew.
    pub fn time_ms(&self) -> u64 {
        self.time.passed_ms()
    }

    /// The offset of a record of a newer version that is at most `node_timeout` old: who wrote it may be alive.
    pub fn newer(&self) -> Option<u64> {
        let young = |&(at_ms, _): &(u64, u64)| self.time_ms() - at_ms <= self.node_timeout_ms;
        self.newer.filter(young).map(|(_, offset)| offset)
    }

    /// What happened so far.
    pub fn counts(&self) -> FoldCounts {
        FoldCounts { forgotten: self.lives.forgotten(), ..self.counts }
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.lives.invariants(self.time_ms());
        assert_eq!(self.view, self.lives.view(), "the view is that of the lives");
    }
}
