//! One round of the ring without sleeping: what is complete is seen before anything else happens.

use super::Driver;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::task::Poll;

/// Lets a core look at its sockets between two pieces of other work.
///
/// A foreign wake, or a task that is runnable all the time, makes monoio skip its wait, and with deferred completions
/// only a wait runs them: such a core would never see its own sockets. So it does wait, on an operation that is
/// complete at once. The other drivers look at the sockets when the run queue has gone round, so there the task steps
/// back once: others come first, though not always a look at the sockets.
pub struct Round {
    /// A socket that is always ready to be written, where completions are deferred.
    ready: Option<monoio::net::UnixStream>,
}

impl Round {
    /// One for a core. It holds one descriptor at most.
    pub fn new(driver: Driver) -> std::io::Result<Self> {
        if !driver.defers_completions() {
            return Ok(Self { ready: None });
        }
        let fd = OwnedFd::from(UnixDatagram::unbound()?);
        Ok(Self { ready: Some(monoio::net::UnixStream::from_std(fd.into())?) })
    }

    /// Comes back after the others, and after the core's own completions where those are deferred.
    pub async fn pass(&self) {
        match &self.ready {
            // An error also means that the ring has been round.
            Some(ready) => drop(ready.writable(true).await),
            None => step_back().await,
        }
    }
}

/// To the end of the run queue.
pub async fn step_back() {
    let mut again = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut again, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
