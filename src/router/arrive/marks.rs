//! How far the homes of this core's sessions have come: what moves a live session that gets no message.
//!
//! Always holds: a mark moves only who became live in the term it was said in, and since the partition's home last
//! moved. Terms of two homes may have one number, so each that is met here has a number of our own, the *tide*. The last one
//! before the present is remembered, for those who are told later that it is over.

use crate::model::{Head, Partition, Position};

/// The number of one term of one home, in this core's life. Sessions keep the one they are live in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tide(pub u32);

/// By where it is said (each core of this node, and behind them the post for all other nodes) and by partition.
#[derive(Debug)]
pub struct Marks {
    rows: Vec<Box<[Mark]>>,
    last: Tide,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// `None`: the partition's home has moved, and nothing was heard of the new one.
    term: Option<u64>,
    tide: Tide,
    position: Position,
    /// The tide before at the same home, and how far it came: who was live in it is told of its end later.
    before: (Tide, Position),
}

impl Marks {
    /// Of so many partitions, said by so many.
    pub fn new(sources: u16, partitions: u16) -> Self {
        let none = vec![Mark::default(); usize::from(partitions)].into_boxed_slice();
        Self { rows: vec![none; usize::from(sources)], last: Tide(0) }
    }

    /// A home says how far it has come.
    ///
    /// Dropped where another node speaks of a partition that there is not.
    pub fn mark(&mut self, source: u16, head: Head) {
        if let Some(mark) = self.at(source, head.partition.0, head.term) {
            mark.position = mark.position.max(head.position);
        }
    }

    /// A session becomes live in this term: the tide it is live in.
    pub fn tide(&mut self, source: u16, partition: u16, term: u64) -> Tide {
        self.at(source, partition, term).map_or(Tide(0), |mark| mark.tide)
    }

    /// Everything that a session live in this tide has been served.
    pub fn position(&self, source: u16, partition: u16, tide: Tide) -> Option<Position> {
        let mark = self.rows[usize::from(source)][usize::from(partition)];
        mark.term?;
        if mark.tide == tide || crate::sabotaged!(MarkOfAnotherTerm) {
            return Some(mark.position);
        }
        (mark.before.0 == tide).then_some(mark.before.1)
    }

    /// The partition's home has moved: what was said of it moves nobody any more.
    pub fn moved(&mut self, partition: Partition) {
        self.rows.iter_mut().for_each(|row| row[usize::from(partition.0)].term = None);
    }

    fn at(&mut self, source: u16, partition: u16, term: u64) -> Option<&mut Mark> {
        let mark = self.rows[usize::from(source)].get_mut(usize::from(partition))?;
        if mark.term != Some(term) {
            self.last.0 = self.last.0.wrapping_add(1);
            // A home that has moved is heard no more, nor what it said last.
            let before = mark.term.map_or_else(Default::default, |_| (mark.tide, mark.position));
            *mark = Mark { term: Some(term), tide: self.last, position: Position::START, before };
        }
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_moves_only_who_is_live_in_its_term() {
        let mut marks = Marks::new(2, 4);
        let head =
            |term, offset| Head { partition: Partition(3), term, position: Position::after(1, offset) };
        let first = marks.tide(1, 3, 7);
        marks.mark(1, head(7, 10));
        assert_eq!(marks.position(1, 3, first), Some(Position::after(1, 10)));
        marks.mark(1, head(7, 9));
        assert_eq!(marks.position(1, 3, first), Some(Position::after(1, 10)), "an older one changes nothing");
        marks.mark(1, head(8, 20));
        assert_eq!(marks.position(1, 3, first), Some(Position::after(1, 10)), "as far as its own term came");
        let second = marks.tide(1, 3, 8);
        assert_eq!(marks.position(1, 3, second), Some(Position::after(1, 20)));
        assert_eq!(marks.position(0, 3, second), None, "another home");
        marks.moved(Partition(3));
        marks.mark(1, head(8, 30));
        assert_eq!(marks.position(1, 3, second), None, "another home's term 8");
        assert_eq!(marks.position(1, 3, first), None, "long past");
        marks.mark(1, Head { partition: Partition(4), ..head(8, 30) });
    }
}
