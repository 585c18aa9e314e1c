//! The recipients of a list, each once, in the order first named.

use crate::limits::RECIPIENTS;
use crate::model::{BadId, IdRef, Recipients, Seeded};
use std::hash::BuildHasher;

/// Slots of the table: four times as many as there can be recipients, so that a search is short.
const SLOTS: usize = (RECIPIENTS * 4).next_power_of_two();

// A slot holds a recipient's number and one; a full table would be searched for ever.
const _: () = assert!(RECIPIENTS < u16::MAX as usize && RECIPIENTS < SLOTS);

/// Up to so many recipients are compared one by one, which is faster than a table.
const FEW: usize = 8;

/// The reused memory of lists. The table is keyed at random, so that nobody can make searches long; the result
/// does not depend on the key.
pub(super) struct Many {
    pub texts: String,
    ends: Vec<u32>,
    slots: Vec<u16>,
    random: Seeded,
}

/// Why an ID was not added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAdded {
    /// It is no ID.
    Bad(BadId),
    /// [`RECIPIENTS`] others are there.
    TooMany,
}

impl Many {
    pub fn new() -> Self {
        Self { texts: String::new(), ends: Vec::new(), slots: Vec::new(), random: Seeded::default() }
    }

    /// Begins a new list.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.ends.clear();
    }

    /// Adds a recipient unless it is there already.
    pub fn add(&mut self, text: &str) -> Result<(), NotAdded> {
        let id = IdRef::new(text).map_err(NotAdded::Bad)?;
        if self.ends.len() < FEW {
            if self.list().iter().any(|other| other == id) {
                return Ok(());
            }
            self.push(id);
            return Ok(());
        }
        if self.ends.len() == FEW {
            self.fill_table();
        }
        let (slot, found) = self.search(id);
        if found {
            return Ok(());
        }
        if self.ends.len() == RECIPIENTS {
            return Err(NotAdded::TooMany);
        }
        self.push(id);
        self.slots[slot] = self.ends.len() as u16;
        Ok(())
    }

    /// What was added.
    pub fn list(&self) -> Recipients<'_> {
        Recipients::Many { texts: &self.texts, ends: &self.ends }
    }

    fn push(&mut self, id: IdRef<'_>) {
        self.texts.push_str(id.as_str());
        self.ends.push(self.texts.len() as u32);
    }

    /// Puts the first few into the empty table.
    fn fill_table(&mut self) {
        self.slots.clear();
        self.slots.resize(SLOTS, 0);
        for index in 0..self.ends.len() {
            let (slot, _) = self.search(self.list().get(index));
            self.slots[slot] = index as u16 + 1;
        }
    }

    /// The slot of this ID, and whether it is taken by it; else it is free.
    fn search(&self, id: IdRef<'_>) -> (usize, bool) {
        let mut slot = self.random.hash_one(id.as_str()) as usize % SLOTS;
        // Ends, for a quarter of the slots is taken at most.
        loop {
            match self.slots[slot] {
                0 => return (slot, false),
                number if self.list().get(usize::from(number) - 1) == id => return (slot, true),
                _ => slot = (slot + 1) % SLOTS,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn added(names: &[String]) -> (Vec<String>, Option<NotAdded>) {
        let mut many = Many::new();
        let error = names.iter().find_map(|name| many.add(name).err());
        (many.list().iter().map(|id| id.as_str().to_owned()).collect(), error)
    }

    proptest! {
        #[test]
        fn each_once_in_the_order_first_named(numbers in prop::collection::vec(0..60u32, 0..120)) {
            let names: Vec<String> = numbers.iter().map(|n| format!("c{n}")).collect();
            let mut expected: Vec<String> = vec![];
            for name in &names {
                if !expected.contains(name) {
                    expected.push(name.clone());
                }
            }
            prop_assert_eq!(added(&names), (expected, None));
        }
    }

    #[test]
    fn a_thousand_fit_and_again_and_no_more() {
        let mut names: Vec<String> = (0..RECIPIENTS).map(|n| format!("client-{n}")).collect();
        names.extend_from_within(..);
        let (list, error) = added(&names);
        assert_eq!((list.len(), error), (RECIPIENTS, None));
        names.push("one more".into());
        assert_eq!(added(&names).1, Some(NotAdded::TooMany));
        names.push("a\"quote".into());
        assert_eq!(added(&names[RECIPIENTS * 2 + 1..]).1, Some(NotAdded::Bad(BadId::Character { at: 1 })));
    }

    #[test]
    fn memory_is_used_again() {
        let mut many = Many::new();
        for round in 0..3 {
            many.clear();
            for n in 0..100 {
                many.add(&format!("{round}-{}", n % 50)).unwrap();
            }
            assert_eq!(many.list().len(), 50);
            assert_eq!(many.list().get(49).as_str(), format!("{round}-49"));
        }
    }
}
