//! The connections of one core, each with a name that is never used twice.

use std::fmt;

/// A connection of this core. Who holds the key of one that is gone finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its place in the table.
    pub slot: u32,
    generation: u32,
}

impl Key {
    /// As a number, by which the kernel names it.
    pub fn bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The key of that number.
    pub fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// Things by key. Bound: whoever inserts counts.
#[derive(Debug)]
pub struct Table<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    /// Boxed, so that the table's growth moves pointers and its empty places cost little.
    tenant: Option<Box<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Table<T> {
    /// A place for one more.
    pub fn insert(&mut self, tenant: T) -> Key {
        let tenant = Some(Box::new(tenant));
        match self.free.pop() {
            Some(slot) => {
                let place = &mut self.places[slot as usize];
                place.tenant = tenant;
                Key { slot, generation: place.generation }
            }
            None => {
                self.places.push(Place { generation: 0, tenant });
                Key { slot: (self.places.len() - 1) as u32, generation: 0 }
            }
        }
    }

    /// Whoever has this key, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.slot as usize)?;
        if place.generation == key.generation { place.tenant.as_deref_mut() } else { None }
    }

    /// Takes it out; its key is never valid again.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.slot as usize)?;
        if place.generation != key.generation {
            return None;
        }
        let tenant = place.tenant.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(*tenant)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All of them, in the order of their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.places.iter_mut().enumerate().filter_map(|(slot, place)| {
            let key = Key { slot: slot as u32, generation: place.generation };
            Some((key, place.tenant.as_deref_mut()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_finds_nobody() {
        let mut table = Table::default();
        let (a, b) = (table.insert('a'), table.insert('b'));
        assert_eq!(table.remove(a), Some('a'));
        let c = table.insert('c');
        assert_eq!(c.slot, a.slot);
        assert_eq!(table.get_mut(a), None);
        assert_eq!(table.remove(a), None);
        assert_eq!(table.get_mut(b).copied(), Some('b'));
        assert_eq!(table.get_mut(c).copied(), Some('c'));
        assert_eq!(table.len(), 2);
        assert_eq!([a, c].map(|key| Key::from_bits(key.bits())), [a, c]);
        assert_eq!(table.iter_mut().map(|(key, _)| key).collect::<Vec<_>>(), [c, b]);
    }
}
