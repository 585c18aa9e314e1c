//! What a store takes of memory, by purpose: its writer says it now and then, and anybody reads it.

use crate::counters::LogMemory;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes by the number of [`LogMemory`].
pub type Bytes = [u64; LogMemory::ALL.len()];

/// The newest of what was said.
#[derive(Debug, Default)]
pub struct Memory([AtomicU64; LogMemory::ALL.len()]);

impl Memory {
    pub fn set(&self, bytes: Bytes) {
        self.0.iter().zip(bytes).for_each(|(gauge, bytes)| gauge.store(bytes, Relaxed));
    }

    pub fn read(&self) -> Bytes {
        self.0.each_ref().map(|gauge| gauge.load(Relaxed))
    }
}
