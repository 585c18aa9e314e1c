//! The state machine of one partition at its home.

use super::fold::Fold;
use super::freshness::Freshness;
use super::history::{Filling, Reach};
use super::{Bounds, End, Found, Ground, Over, Place, Stored, Verdict, Witness};
use crate::log::Epochs;
use crate::model::Position;

/// What a home knows of one partition, in one term.
#[derive(Debug)]
pub struct Tail {
    pub(super) fold: Fold,
    pub(super) ground: Ground,
    /// More may have been deleted than it says. No chunk is being read meanwhile.
    pub(super) doubts_ground: bool,
    /// Coverage begins here: right after a record that was read, or at the log's start.
    pub(super) from: u64,
    /// The newest damaged record, below `from`. Who stands before it stands before every older one, so one is enough.
    pub(super) hole: Option<u64>,
    /// Records below were read for their window only.
    apply_from: u64,
    /// There until the partition may be served.
    opening: Option<Opening>,
    /// What the end is named by where no record names it.
    leader_epoch: u32,
    freshness: Freshness,
    /// A leader that is known to have the newest record, and that record's offset.
    vouched: Option<(u32, u64)>,
    /// The lowest offset that somebody waits for.
    pub(super) wanted: Option<u64>,
    pub(super) filling: Option<Filling>,
    pub(super) reach: Reach,
    pub(super) attempts: u64,
    pub(super) over: Option<Over>,
}

/// What must be read before a partition is served.
#[derive(Debug)]
struct Opening {
    /// The store's last record, which must be there as the store has it.
    stored: Option<Place>,
    /// The last record before `end`.
    last: Place,
    /// Where the log ended.
    end: u64,
}

impl Tail {
    pub(super) fn new(bounds: Bounds, warm: Option<Stored>, apply_from: u64, read_from: u64) -> Self {
        let Bounds { ground, end, last, leader_epoch } = bounds;
        let stored = warm.as_ref().map(|stored| stored.last);
        let (epochs, remembered) =
            warm.as_ref().map_or_else(Default::default, |stored| (stored.epochs.clone(), stored.next));
        let mut fold = Fold::new(read_from, epochs, remembered);
        if last.is_none() {
            fold.pass(end);
        }
        let from =
            warm.as_ref().map_or(last.map_or(ground.start, |last| last.offset + 1), |stored| stored.from);
        Self {
            fold,
            ground,
            doubts_ground: false,
            from: from.max(ground.start),
            hole: warm.and_then(|stored| stored.hole).filter(|&hole| hole >= ground.start),
            apply_from,
            opening: last.map(|last| Opening { stored, last, end }),
            leader_epoch,
            freshness: Freshness::default(),
            vouched: last.map(|last| (leader_epoch, last.offset)),
            wanted: None,
            filling: None,
            reach: Reach::default(),
            attempts: 0,
            over: None,
        }
    }

    /// Where the consumer is to read on.
    pub fn read_from(&self) -> u64 {
        self.fold.next
    }

    /// A record was read.
    pub fn on_record(&mut self, place: Place, found: Found) -> Verdict {
        if let Some(over) = self.over {
            return Verdict::Over(over);
        }
        match self.take(place, found) {
            Ok(verdict) => verdict,
            Err(over) => self.end(over),
        }
    }

    fn take(&mut self, place: Place, found: Found) -> Result<Verdict, Over> {
        self.opening.as_ref().map_or(Ok(()), |opening| opening.admits(place))?;
        let is_duplicate = self.fold.take(place, found)?;
        if let Some(opening) = &mut self.opening {
            if opening.stored.is_some_and(|stored| stored.offset == place.offset) {
                opening.stored = None;
                self.fold.pass(self.apply_from);
            }
            if opening.last.offset == place.offset {
                self.fold.pass(opening.end);
                self.opening = None;
            }
        }
        let is_window = place.offset < self.apply_from;
        // A store has what it covers, damaged or not by now.
        if found == Found::Damaged && !(is_window && place.offset >= self.from) {
            self.give_up(place.offset);
        }
        self.freshen();
        Ok(if is_window { Verdict::Window } else { Verdict::of(found, is_duplicate) })
    }

    /// Nothing at or before a damaged record can be called complete any more.
    fn give_up(&mut self, hole: u64) {
        self.hole = self.hole.max(Some(hole));
        self.begin_at(hole + 1);
    }

    /// Coverage begins at this offset, or later.
    fn begin_at(&mut self, offset: u64) {
        self.from = self.from.max(offset);
        self.fold.epochs.forget_below(self.from);
        self.filling = self.filling.take().filter(|filling| filling.upto() == self.from);
    }

    pub(super) fn end(&mut self, over: Over) -> Verdict {
        self.filling = None;
        Verdict::Over(*self.over.get_or_insert(over))
    }

    /// The consumer has read everything below this offset, whatever records there were: the log ends with a gap. Says so if
    /// the partition is over: the record that it waits for was not among them.
    pub fn on_reached(&mut self, offset: u64) -> Option<Over> {
        if self.opening.as_ref().is_some_and(|opening| opening.last.offset < offset) {
            let _ = self.end(Over::Truncated);
        } else if self.serving().is_some() {
            self.fold.pass(offset);
            self.freshen();
        }
        self.over
    }

    /// The log's end was asked for at `asked_ms` of any clock, when [`Tail::read_from`] was `read_then`, and this was the
    /// answer. Says so if the partition is over: what was there before it was opened is not there any more, so its
    /// consumer would wait for it for ever.
    ///
    /// An end before what had been read already is that of a leader which lacks some of it, for good or for a moment.
    /// Nothing is known to be complete by that, and the consumer will be told. Nor by that of a leader which was followed
    /// already, or of one that may lack what was read: there is a [`Tail::witness`] then.
    pub fn on_end(&mut self, end: End, asked_ms: u64, read_then: u64) -> Option<Over> {
        let of_newest = self.fold.newest.zip(end.leader_epoch);
        let is_deposed = of_newest.is_some_and(|(newest, leader_epoch)| leader_epoch < newest.leader_epoch);
        if end.offset >= read_then && !is_deposed {
            self.freshness.ask(end, asked_ms);
            self.freshen();
        }
        if self.opening.as_ref().is_some_and(|opening| end.offset <= opening.last.offset) {
            let _ = self.end(Over::Truncated);
        }
        self.over
    }

    /// The record that is to be read again, since a leader has told an end that may have lost it: until then its answers
    /// do not count.
    pub fn witness(&self) -> Option<Witness> {
        self.serving()?;
        let leader_epoch = self.freshness.doubted(self.fold.next)?;
        Some(Witness { record: self.fold.newest?, leader_epoch })
    }

    /// A witness was looked for: it is of the time of this leader now, or was deleted with all before it. Says so if the
    /// partition is over: another record stands there.
    pub fn on_witness(&mut self, witness: Witness, found: Option<u32>) -> Option<Over> {
        // Whoever has read on since asks again, if need be.
        if self.fold.newest.is_some_and(|newest| newest.offset == witness.record.offset) {
            if found.is_some_and(|it| it != witness.record.leader_epoch) {
                let _ = self.end(Over::Truncated);
            } else {
                self.vouched = Some((witness.leader_epoch, witness.record.offset));
                self.freshen();
            }
        }
        self.over
    }

    /// A leader has what was read if the newest record is its own or that of one that followed it, or was found at it.
    fn freshen(&mut self) {
        let Self { fold, vouched, freshness, .. } = self;
        freshness.reach(fold.next, |leader_epoch| {
            fold.newest.is_none_or(|newest| {
                newest.leader_epoch >= leader_epoch || *vouched == Some((leader_epoch, newest.offset))
            })
        });
    }

    /// The log's beginning was asked for again. What was deleted is not covered any more.
    pub fn on_ground(&mut self, ground: Ground) {
        let start = ground.start.max(self.ground.start);
        self.ground = Ground { start, ..ground };
        self.doubts_ground = false;
        self.hole = self.hole.filter(|&hole| hole >= start);
        // What was deleted unread is the consumer's to be told of.
        let (_, next) = self.coverage();
        self.begin_at(start.min(next));
        self.filling = self.filling.take().filter(|filling| filling.read_from() >= start);
    }

    /// How far everything was applied, once the partition may be served.
    pub fn serving(&self) -> Option<Position> {
        let may_be = self.opening.is_none() && self.over.is_none();
        may_be.then(|| self.position(self.fold.next))
    }

    /// When the newest question for the log's end was asked whose answer was reached.
    pub fn fresh_ms(&self) -> Option<u64> {
        self.freshness.fresh_ms()
    }

    /// Offsets below the end that was told last which were not read yet.
    pub fn lag(&self) -> u64 {
        self.freshness.end().saturating_sub(self.fold.next)
    }

    /// What its dedupe windows take: one, and another one while history is read.
    pub fn window_bytes(&self) -> usize {
        self.fold.bytes() + self.filling.as_ref().map_or(0, |filling| filling.fold.bytes())
    }

    /// Coverage: where it begins and ends.
    pub fn coverage(&self) -> (u64, u64) {
        (self.from, self.fold.next.max(self.apply_from))
    }

    /// Nothing below this offset can be replayed, now or later. What is covered is served also below the log's floor.
    pub fn floor(&self) -> u64 {
        self.ground.floor().min(self.from).max(self.drop_below())
    }

    /// What the index has below this offset is worth nothing any more.
    pub fn drop_below(&self) -> u64 {
        self.ground.start.max(self.hole.map_or(0, |hole| hole + 1))
    }

    /// Whose time the records are of, from the one before coverage on.
    pub fn epochs(&self) -> &Epochs {
        &self.fold.epochs
    }

    /// The position at an offset that is covered, or at the head.
    pub fn position(&self, offset: u64) -> Position {
        if offset == 0 {
            return Position::START;
        }
        let epochs = &self.fold.epochs;
        // Where the record before is gone, the one behind it names the position: what comes later has no lower epoch.
        let after = || epochs.entries().first().map_or(self.leader_epoch, |&(epoch, _)| epoch);
        Position { leader_epoch: epochs.of(offset - 1).unwrap_or_else(after), offset }
    }

    /// What is to be written with the rows of everything applied so far. `None` while there is nothing to go on from.
    pub fn stored(&self) -> Option<Stored> {
        let last = self.fold.newest.filter(|_| self.over.is_none() && self.fold.next >= self.apply_from)?;
        let (from, next) = (self.from, self.fold.next);
        Some(Stored { from, next, last, epochs: self.fold.epochs.clone(), hole: self.hole })
    }
}

impl Opening {
    /// The records that were there must not be passed, nor be others.
    fn admits(&self, place: Place) -> Result<(), Over> {
        let is_as_it_was = |was: Place| {
            place.offset < was.offset
                || (place.offset == was.offset && place.leader_epoch == was.leader_epoch)
        };
        if !self.stored.is_none_or(is_as_it_was) {
            Err(Over::Contradicted)
        } else if !is_as_it_was(self.last) {
            Err(Over::Truncated)
        } else {
            Ok(())
        }
    }
}

impl Verdict {
    /// Of a record that is covered.
    pub(super) fn of(found: Found, is_duplicate: bool) -> Self {
        match found {
            Found::Envelope(_) if is_duplicate => Self::Duplicate,
            Found::Envelope(_) => Self::Apply,
            Found::Nobodys | Found::Damaged | Found::Newer => Self::Pass,
        }
    }
}
