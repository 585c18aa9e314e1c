//! A core's inbox: batches in, in the order posted, and the bell beside them.
//!
//! Bound: commands by [`crate::limits::INBOX_COMMANDS`] per sending core (see [`super::Outbox`]); everything else
//! by what its requesters were allowed to have in flight.

use super::Bell;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// What one turn of a sender had for this core.
pub(super) struct Batch<T> {
    /// The sending core; `None` for any other thread.
    pub(super) from: Option<u16>,
    /// How many of the messages are commands.
    pub(super) commands: usize,
    pub(super) messages: Vec<T>,
}

struct Shared {
    bell: Bell,
    /// Commands that wait here, by sending core: only that core adds, only the owner takes away.
    commands: Box<[AtomicUsize]>,
    batches: AtomicU64,
    messages: AtomicU64,
    taken: AtomicU64,
}

/// The owner's end.
pub struct Inbox<T> {
    receiver: Receiver<Batch<T>>,
    shared: Arc<Shared>,
}

/// Where any thread may post to a core.
pub struct Address<T> {
    sender: Sender<Batch<T>>,
    shared: Arc<Shared>,
}

impl<T> Clone for Address<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), shared: Arc::clone(&self.shared) }
    }
}

/// What has gone through one inbox since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Batches posted.
    pub batches: u64,
    /// Messages posted in them.
    pub messages: u64,
    /// Messages that wait now.
    pub depth: u64,
    /// Times the owner had to be woken.
    pub wakes: u64,
}

/// An inbox for each of so many cores, and their addresses in the same order.
pub fn inboxes<T>(cores: usize) -> (Vec<Inbox<T>>, Vec<Address<T>>) {
    (0..cores)
        .map(|_| {
            let (sender, receiver) = unbounded();
            let shared = Arc::new(Shared {
                bell: Bell::default(),
                commands: (0..cores).map(|_| AtomicUsize::new(0)).collect(),
                batches: AtomicU64::new(0),
                messages: AtomicU64::new(0),
                taken: AtomicU64::new(0),
            });
            (Inbox { receiver, shared: Arc::clone(&shared) }, Address { sender, shared })
        })
        .unzip()
}

impl<T> Inbox<T> {
    /// The next batch, never empty. Sleeps until there is one.
    pub async fn next(&mut self) -> Vec<T> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next batch, if one is there.
    pub fn try_next(&mut self) -> Option<Vec<T>> {
        let batch = self.receiver.try_recv().ok()?;
        if let Some(from) = batch.from {
            self.shared.commands[from as usize].fetch_sub(batch.commands, Ordering::Release);
        }
        self.shared.taken.fetch_add(batch.messages.len() as u64, Ordering::Relaxed);
        Some(batch.messages)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        if let Some(messages) = self.try_next() {
            return Poll::Ready(messages);
        }
        self.shared.bell.arm(cx.waker());
        match self.try_next() {
            Some(messages) => {
                self.shared.bell.disarm();
                Poll::Ready(messages)
            }
            None => Poll::Pending,
        }
    }
}

impl<T> Address<T> {
    /// From a thread that is no core: answers and records, all that there is to say now in one batch.
    pub fn post(&self, messages: Vec<T>) {
        self.post_batch(Batch { from: None, commands: 0, messages });
    }

    pub(super) fn post_batch(&self, batch: Batch<T>) {
        if batch.messages.is_empty() {
            return;
        }
        if let Some(from) = batch.from {
            self.shared.commands[from as usize].fetch_add(batch.commands, Ordering::Release);
        }
        self.shared.batches.fetch_add(1, Ordering::Relaxed);
        self.shared.messages.fetch_add(batch.messages.len() as u64, Ordering::Relaxed);
        // A core that has ended takes nothing any more; the node is stopping then and nobody waits for an answer.
        let _ = self.sender.send(batch);
        self.shared.bell.ring();
    }

    /// Commands of core `from` that wait here.
    pub(super) fn waiting(&self, from: u16) -> usize {
        self.shared.commands[from as usize].load(Ordering::Acquire)
    }

    /// For the metrics.
    pub fn load(&self) -> Load {
        let taken = self.shared.taken.load(Ordering::Relaxed);
        let messages = self.shared.messages.load(Ordering::Relaxed);
        Load {
            batches: self.shared.batches.load(Ordering::Relaxed),
            messages,
            depth: messages.saturating_sub(taken),
            wakes: self.shared.bell.wakes(),
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
