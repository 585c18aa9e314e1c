//! The threads that read: whoever is free takes the read that waits longest, and answers it with one page.

use crate::backplane::thread::{OnThread, spawn};
use crate::limits::STORE_READERS;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// What reads are for, and until when.
pub trait Answer: Send + Sync + 'static {
    /// A read, with whatever belongs to it.
    type Read: Send + 'static;
    /// Answers one.
    fn answer(&self, read: Self::Read);
    /// Nobody waits for an answer any more.
    fn is_stopped(&self) -> bool;
}

/// Starts them. They end when it is stopped, or nobody can ask any more.
pub fn start<A: Answer>(
    shared: &Arc<A>,
    reads: &Receiver<A::Read>,
    on_thread: &OnThread,
) -> io::Result<Vec<JoinHandle<()>>> {
    const NAMES: [&str; STORE_READERS] = ["store-read-0", "store-read-1"];
    NAMES
        .into_iter()
        .map(|name| {
            let (shared, reads) = (shared.clone(), reads.clone());
            spawn(name, on_thread, move || run(&*shared, &reads))
        })
        .collect()
}

fn run<A: Answer>(shared: &A, reads: &Receiver<A::Read>) {
    loop {
        match reads.recv_timeout(Duration::from_millis(100)) {
            Ok(read) => shared.answer(read),
            Err(RecvTimeoutError::Timeout) if !shared.is_stopped() => {}
            Err(_) => return,
        }
    }
}
