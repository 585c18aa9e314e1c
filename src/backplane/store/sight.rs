//! What the readers see: one state of a store, replaced as a whole when something of it changes.

use std::sync::{Arc, Mutex};

/// Where the newest view is; none while the store is closed. Neither side holds the lock for longer than a pointer's
/// copy, and no core's thread takes it.
pub struct Sight<V>(Mutex<Option<Arc<V>>>);

impl<V> Default for Sight<V> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<V> Sight<V> {
    pub fn get(&self) -> Option<Arc<V>> {
        self.0.lock().expect("nobody panics with the view in hand").clone()
    }

    pub fn set(&self, view: Option<Arc<V>>) -> Option<Arc<V>> {
        std::mem::replace(&mut *self.0.lock().expect("nobody panics with the view in hand"), view)
    }
}
