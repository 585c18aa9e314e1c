//! What anybody may see of the post, whose thread alone writes it: as of its last tick, but for the log's last word.

use crate::backplane::kafka::Trouble;
use crate::model::Partition;
use crate::post::PostCounts;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How it was at a tick.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The newest view has this node in it.
    pub is_member: bool,
    /// Nodes of that view.
    pub nodes: usize,
    /// Why Kafka does not serve it, where that will not pass by itself.
    pub trouble: Option<Trouble>,
    /// Once it drains: what was its own and is not live at a new home yet.
    pub handing_over: Option<Vec<Partition>>,
    /// What it counted.
    pub counts: PostCounts,
    /// Readers that did not read what was there and were made anew: of the node topic, of the cluster topic.
    pub readers_made_anew: [u64; 2],
}

/// What is to be seen.
pub(super) struct Shown {
    seen: Mutex<Seen>,
    /// When the cluster log said something last, milliseconds since the host's boot.
    heard_ms: AtomicU64,
    /// Words of this node in the cluster log.
    written: AtomicU64,
}

impl Shown {
    /// Of a post that starts now.
    pub fn new(now_ms: u64) -> Self {
        Self { seen: Mutex::default(), heard_ms: now_ms.into(), written: 0.into() }
    }

    /// How it was at its last tick.
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Whether the newest view has this node in it.
    pub fn is_member(&self) -> bool {
        lock(&self.seen).is_member
    }

    /// Of a node that drains: what was its own and is not live at a new home yet.
    pub fn handing_over(&self) -> Vec<Partition> {
        lock(&self.seen).handing_over.clone().unwrap_or_default()
    }

    /// Whether it drains, and all that was its own is live at new homes.
    pub fn has_handed_over(&self) -> bool {
        lock(&self.seen).handing_over.as_ref().is_some_and(Vec::is_empty)
    }

    /// Milliseconds for which the cluster log has said nothing.
    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms.load(Relaxed))
    }

    /// Words of this node that are in the cluster log.
    pub fn words_written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// It is so now. How it was before.
    pub fn see(&self, seen: Seen) -> Seen {
        std::mem::replace(&mut *lock(&self.seen), seen)
    }

    pub fn heard(&self, now_ms: u64) {
        self.heard_ms.store(now_ms, Relaxed);
    }

    pub fn written(&self) {
        self.written.fetch_add(1, Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
