//! The core listens to its connections: those that have something are read in turn, and each is obeyed at once.
//!
//! One task does it for all of them. Only a connection that is held up has a task of its own, for as long as it is. Always
//! holds: between two turns others come, and time.

use super::connection::{Flow, hold_up};
use super::core::Shared;
use super::flush;
use super::table::Key;
use crate::limits::{READS_PER_TURN, TICK_MS};
use crate::net::{Ready, Round, step_back};
use monoio::time::{Instant, sleep};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// Reads whoever has something, until the core is over.
pub(super) async fn attend(core: Shared, round: Round) {
    let mut ready = Vec::with_capacity(READS_PER_TURN);
    let mut waited = Instant::now();
    while let Some(has_waited) = something(&core).await {
        // epoll says again at once that there is more, to peers that are faster than we are for ever, and as long as a task
        // can run monoio looks at no timer.
        if has_waited {
            waited = Instant::now();
        } else if waited.elapsed() < Duration::from_millis(TICK_MS) {
            step_back().await;
        } else {
            sleep(Duration::from_millis(1)).await;
            waited = Instant::now();
        }
        core.watch.take(&mut ready);
        let mut is_turn_over = false;
        for Ready { name, is_last } in ready.drain(..) {
            if is_turn_over {
                round.pass().await;
            }
            is_turn_over = read(&core, Key::from_bits(name), is_last);
        }
    }
}

/// Waits until some connection has something: whether that took any time. `None`: the core is over.
async fn something(core: &Shared) -> Option<bool> {
    let mut ready = pin!(core.watch.ready());
    let mut has_waited = false;
    poll_fn(|cx| {
        if core.look().is_over(cx.waker()) {
            return Poll::Ready(None);
        }
        let polled = ready.as_mut().poll(cx).map(|()| Some(has_waited));
        has_waited = true;
        polled
    })
    .await
}

/// Reads one that has something. True: that was the end of a turn.
fn read(core: &Shared, key: Key, is_last: bool) -> bool {
    let mut state = core.enter();
    match state.read(core, key, is_last) {
        Flow::Go => {}
        Flow::Park => drop(monoio::spawn(hold_up(Rc::clone(core), key))),
        Flow::End => state.ended(key),
    }
    flush::end_long_turn(core, &mut state)
}
