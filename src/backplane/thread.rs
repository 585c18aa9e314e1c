//! Threads of a log: each has a name, and goes to its CPUs before it does anything else.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// Called first thing on each of a log's threads with its name: for pinning. Threads of fjall and librdkafka inherit it.
pub type OnThread = Arc<dyn Fn(&'static str) + Send + Sync>;

/// Starts one.
pub(super) fn spawn(
    name: &'static str,
    on_thread: &OnThread,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let on_thread = on_thread.clone();
    Builder::new().name(name.to_owned()).spawn(move || {
        on_thread(name);
        run();
    })
}
