//! Leader epochs of one partition: who began to lead it where. A cursor that was given in the time of one leader
//! is worthless where the next one began before it: what it counts was lost (DESIGN.md §6; KIP-101, KIP-320).

use crate::model::Position;

/// The table of (leader epoch, first offset), both increasing.
///
/// Bounded by the starts of a log within retention: [`Epochs::forget_below`] drops those nothing refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(Vec<(u32, u64)>);

impl Epochs {
    /// A leader begins at `first_offset`.
    ///
    /// Panics if the table would not be increasing: leaders never go back.
    pub fn begin(&mut self, leader_epoch: u32, first_offset: u64) {
        if let Some(&(last_epoch, last_offset)) = self.0.last() {
            assert!(leader_epoch > last_epoch, "leader epoch {leader_epoch} began after {last_epoch}");
            assert!(
                first_offset >= last_offset,
                "epoch {leader_epoch} began at {first_offset} before {last_offset}"
            );
            // A leader that appended nothing leaves no trace, and no position of it was ever told.
            if first_offset == last_offset {
                self.0.pop();
            }
        }
        self.0.push((leader_epoch, first_offset));
    }

    /// The position at `offset`: its leader epoch is that of the record before it, 0 where there is none.
    pub fn position(&self, offset: u64) -> Position {
        let leader_epoch = offset.checked_sub(1).and_then(|record| self.of(record)).unwrap_or(0);
        Position { leader_epoch, offset }
    }

    /// The leader in whose time the record at `offset` was appended.
    pub fn of(&self, offset: u64) -> Option<u32> {
        let after = self.0.partition_point(|&(_, first)| first <= offset);
        after.checked_sub(1).map(|at| self.0[at].0)
    }

    /// Whether what was counted up to `position` is still what the log holds: no later leader began at or before
    /// the record at it.
    pub fn still_hold(&self, position: Position) -> bool {
        self.0
            .iter()
            .find(|&&(epoch, _)| epoch > position.leader_epoch)
            .is_none_or(|&(_, first)| first >= position.offset)
    }

    /// Drops what says nothing about positions at or above `floor`. The position *at* the floor is named by the record
    /// before it, so its leader stays.
    pub fn forget_below(&mut self, floor: u64) {
        let keep = self.0.partition_point(|&(_, first)| first < floor).saturating_sub(1);
        self.0.drain(..keep);
    }

    /// The table, oldest first.
    pub fn entries(&self) -> &[(u32, u64)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Epochs {
        let mut epochs = Epochs::default();
        epochs.begin(1, 0);
        epochs.begin(2, 10);
        epochs.begin(4, 20);
        epochs
    }

    #[test]
    fn a_position_is_named_by_the_record_at_it() {
        let epochs = table();
        for (offset, leader_epoch) in [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (21, 4), (99, 4)] {
            assert_eq!(epochs.position(offset), Position { leader_epoch, offset });
            assert!(epochs.still_hold(epochs.position(offset)));
        }
    }

    #[test]
    fn what_a_lost_leader_counted_does_not_hold() {
        let epochs = table();
        assert!(epochs.still_hold(Position { leader_epoch: 1, offset: 10 }));
        assert!(!epochs.still_hold(Position { leader_epoch: 1, offset: 11 }));
        assert!(!epochs.still_hold(Position { leader_epoch: 2, offset: 21 }));
        assert!(!epochs.still_hold(Position { leader_epoch: 3, offset: 25 }));
    }

    #[test]
    fn a_leader_that_appended_nothing_leaves_no_trace() {
        let mut epochs = table();
        epochs.begin(5, 20);
        assert_eq!(epochs.entries(), [(1, 0), (2, 10), (5, 20)]);
        epochs.forget_below(15);
        assert_eq!(epochs.entries(), [(2, 10), (5, 20)]);
        let before = epochs.position(20);
        epochs.forget_below(20);
        assert_eq!(epochs.position(20), before, "a floor changes no position that is still served");
        assert!(epochs.still_hold(before));
    }
}
