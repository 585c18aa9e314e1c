//! One round of the ring without sleeping: what is complete is seen before anything else happens.

use super::Driver;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

/// Lets a core look at its sockets between two pieces of other work.
///
/// A foreign wake, or a task that is runnable all the time, makes monoio skip its wait, and with deferred completions
/// only a wait runs them: such a core would never see its own sockets. So it does wait, on an operation that is
/// complete at once. Not before the others have run: while many are left monoio submits without a wait, and that would
/// complete this operation alone. The other drivers look at the sockets when the run queue has gone round, so there the
/// task steps back once: others come first, though not always a look at the sockets.
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
        step_back().await;
        if let Some(ready) = &self.ready {
            // An error also means that the ring has been round.
            drop(ready.writable(true).await);
        }
    }
}

/// To the end of the run queue. A task that wakes itself would be the next to run: monoio puts it in front of the others.
pub async fn step_back() {
    monoio::spawn(async {}).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Wish, choose};
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn who_steps_back_comes_after_the_others() {
        for wish in [Wish::Best, Wish::Epoll] {
            let (driver, _) = choose(wish).expect("one of them");
            let order = Rc::new(RefCell::new(Vec::new()));
            let (first, other) = (Rc::clone(&order), Rc::clone(&order));
            let both = async {
                let first = monoio::spawn(async move {
                    step_back().await;
                    first.borrow_mut().push("who stepped back");
                });
                monoio::spawn(async move { other.borrow_mut().push("the other") }).await;
                first.await;
            };
            driver.block_on(both).expect("a runtime");
            assert_eq!(*order.borrow(), ["the other", "who stepped back"], "{driver}");
        }
    }
}
