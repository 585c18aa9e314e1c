//! Maps by client ID, the ones that every message asks.
//!
//! The standard map's hash takes longer for such short texts than all else that a lookup does. XXH3 under a secret seed of
//! the map's own takes a third of that, and nobody outside can choose IDs that collide. The store names mailboxes so too.

use super::ClientId;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A map by client ID, asked with its text.
pub type ByClient<V> = HashMap<ClientId, V, Seeded>;

/// Hashes one text under a secret seed.
#[derive(Clone, Copy, Debug)]
pub struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Self(RandomState::new().hash_one(()))
    }
}

impl BuildHasher for Seeded {
    type Hasher = TextHasher;

    fn build_hasher(&self) -> TextHasher {
        TextHasher(self.0)
    }
}

/// The seed, then the hash of the one text that was written.
#[derive(Debug)]
pub struct TextHasher(u64);

impl Hasher for TextHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, text: &[u8]) {
        self.0 = xxh3_64_with_seed(text, self.0);
    }

    /// A text's end, which only keys of several texts would need to be told apart.
    fn write_u8(&mut self, _: u8) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_under_an_id_is_found_by_its_text() {
        let mut map = ByClient::default();
        for n in 0..10_000 {
            map.insert(ClientId::new(&format!("client-{n}")).unwrap(), n);
        }
        assert!((0..10_000).all(|n| map.get(format!("client-{n}").as_str()) == Some(&n)));
        assert_eq!(map.get("client-10000"), None);
    }

    #[test]
    fn no_two_maps_hash_alike() {
        assert_ne!(Seeded::default().hash_one("bob"), Seeded::default().hash_one("bob"));
    }
}
