//! Waits for a future on this thread: rdkafka's questions to the brokers are futures, and there is no runtime for them.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park_timeout};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The future's value, or `None` if it has none by the deadline. Blocks: not for a core's thread.
pub(super) fn block_on<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn, ready};
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn a_value_ends_the_wait_and_so_does_the_deadline() {
        assert_eq!(block_on(ready(7), soon()), Some(7));
        assert_eq!(block_on(pending::<()>(), soon()), None);
    }

    #[test]
    fn a_wake_from_another_thread_is_heard() {
        let mut asked = 0;
        let woken = poll_fn(|context| {
            asked += 1;
            if asked == 3 {
                return Poll::Ready(asked);
            }
            let waker = context.waker().clone();
            std::thread::spawn(move || waker.wake());
            Poll::Pending
        });
        assert_eq!(block_on(woken, Instant::now() + Duration::from_secs(20)), Some(3));
    }
}
