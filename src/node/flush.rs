//! The end of a turn: one send per socket that has something, one batch per other core, and the turn is measured.

use super::core::{Shared, State};
use super::figures::Figures;
use super::table::Key;
use crate::net::Sending;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

/// The core's flusher, for as long as the core lives.
pub(super) async fn flush_each_turn(core: Shared) {
    loop {
        poll_fn(|cx| core.look().turn.poll_open(cx.waker())).await;
        let mut state = core.look();
        flush(&core, &mut state);
        let took = state.turn.close();
        state.count_turn(took);
        if state.stopping && state.table.len() == 0 {
            return;
        }
    }
}

impl State {
    /// A turn is over. Of a late one it is asked whose fault that was.
    fn count_turn(&mut self, took: Duration) {
        self.figures.turn(took);
        let is_late = Figures::is_late(took);
        let own = took.saturating_sub(self.starved.turn(took, is_late));
        self.figures.starved_turns += u64::from(is_late && !Figures::is_late(own));
    }
}

fn flush(core: &Shared, state: &mut State) {
    state.carry_out();
    let mut dirty = std::mem::take(&mut state.dirty);
    for key in dirty.drain(..) {
        if let Some(sending) = state.table.get_mut(key).and_then(|connection| connection.start_sending()) {
            monoio::spawn(send(Rc::clone(core), key, sending));
        }
    }
    state.dirty = dirty;
    state.settle();
    state.outbox.flush();
}

/// Sends what one turn had for one socket. What comes meanwhile waits for the next send.
async fn send(core: Shared, key: Key, mut sending: Sending) {
    loop {
        let taken = sending.send().await;
        let mut state = core.enter();
        if taken > 0 {
            state.progress(key, taken);
            if !sending.is_done() {
                continue;
            }
        }
        return state.sent(key, sending, taken > 0);
    }
}
