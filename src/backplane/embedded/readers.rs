//! The threads that read: whoever is free takes the read that waits longest, and answers it with one page.

use super::options::OnThread;
use super::{Shared, page};
use crate::limits::STORE_READERS;
use crate::log::{LogEvent, Read, Unreadable};
use crate::model::Unresumed;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

pub fn start(
    shared: &Arc<Shared>,
    reads: &Receiver<Read>,
    on_thread: &OnThread,
) -> io::Result<Vec<JoinHandle<()>>> {
    const NAMES: [&str; STORE_READERS] = ["store-read-0", "store-read-1"];
    NAMES
        .into_iter()
        .map(|name| {
            let (shared, reads, on_thread) = (shared.clone(), reads.clone(), on_thread.clone());
            std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                on_thread(name);
                run(&shared, &reads);
            })
        })
        .collect()
}

fn run(shared: &Shared, reads: &Receiver<Read>) {
    loop {
        match reads.recv_timeout(Duration::from_millis(100)) {
            Ok(read) => answer(shared, &read),
            Err(RecvTimeoutError::Timeout) if !shared.is_stopped() => {}
            Err(_) => return,
        }
    }
}

fn answer(shared: &Shared, read: &Read) {
    let view = shared.sight.get();
    let page = view.as_ref().map_or(Err(Unreadable::Unavailable), |view| page::read(view, read));
    // Before the answer: whoever closes the store waits for nobody who has been told.
    drop(view);
    shared.health.reads.fetch_add(1, Relaxed);
    if page == Err(Unreadable::Unresumed(Unresumed::Damaged)) {
        shared.health.damaged.fetch_add(1, Relaxed);
    }
    shared.reads.fetch_sub(1, Relaxed);
    (shared.deliver)(read.ticket.core, vec![LogEvent::Page(read.ticket, page)]);
}
