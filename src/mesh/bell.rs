//! Wakes a sleeping core once, and never one that is awake.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::task::Waker;

/// One owner arms it before it sleeps; any thread rings it after it has left something.
///
/// Invariant: what was left before a [`Bell::ring`] is either seen by the owner's look after [`Bell::arm`], or the
/// ring wakes it. Both sides write, pass a sequentially consistent fence, and then read what the other wrote: they
/// cannot both miss.
#[derive(Debug, Default)]
pub struct Bell {
    armed: AtomicBool,
    /// Set once: a bell belongs to one task for life, so that ringing needs no lock around the waker.
    waker: OnceLock<Waker>,
    wakes: AtomicU64,
}

impl Bell {
    /// The owner is about to sleep. It must look once more after this, and [`Bell::disarm`] if it finds something.
    pub fn arm(&self, waker: &Waker) {
        let known = self.waker.get_or_init(|| waker.clone());
        // By the task's address: `will_wake` also compares tables of functions, of which an optimised build may
        // have several that are the same.
        assert!(known.data() == waker.data(), "a bell belongs to one task for life");
        self.armed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The owner stays awake after all. A ring that came in between only wakes it once for nothing.
    pub fn disarm(&self) {
        self.armed.store(false, Ordering::SeqCst);
    }

    /// Something was left for the owner. True if that woke it.
    pub fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        if !self.armed.load(Ordering::SeqCst) || !self.armed.swap(false, Ordering::SeqCst) {
            return false;
        }
        let waker = self.waker.get().expect("a bell is armed with its waker in place");
        self.wakes.fetch_add(1, Ordering::Relaxed);
        waker.wake_by_ref();
        true
    }

    #[cfg(test)]
    pub(super) fn armed(&self) -> bool {
        self.armed.load(Ordering::SeqCst)
    }

    /// How often it woke its owner.
    pub fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn rings_once_per_sleep_and_only_who_sleeps() {
        let (bell, count) = (Bell::default(), Arc::new(Count::default()));
        assert!(!bell.ring(), "nobody sleeps yet");
        let waker = Waker::from(Arc::clone(&count));
        bell.arm(&waker);
        assert!(bell.ring());
        assert!(!bell.ring(), "it is awake already");
        bell.arm(&waker);
        bell.disarm();
        assert!(!bell.ring(), "it stayed awake");
        assert_eq!((count.0.load(Ordering::SeqCst), bell.wakes()), (1, 1));
    }
}
