//! The end of a turn: one send per socket that has something, one batch per other core, and the turn is measured.
//!
//! Always holds: a turn is bounded. One that has read or produced much ends early, and one that has more sockets to write to
//! than [`SENDS_PER_TURN`] leaves the others to the next, before which others come.

use super::core::{Shared, State};
use super::figures::Figures;
use super::table::Key;
use crate::limits::{HANDSHAKE_LOOKS, OUTPUTS_PER_TURN, READS_PER_TURN, SENDS_PER_TURN};
use crate::net::Round;
use monoio::time::Instant;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::Duration;

/// The core's flusher, for as long as the core lives.
pub(super) async fn flush_each_turn(core: Shared, round: Round) {
    loop {
        poll_fn(|cx| core.look().turn.poll_open(cx.waker())).await;
        end_turn(&core, &mut core.look());
        while core.look().has_more() {
            // Others come first: who sends to a thousand does not delay who sends to one, and a crowd of handshakes nobody.
            let looks = if core.look().shaking.is_empty() { 1 } else { HANDSHAKE_LOOKS };
            for _ in 0..looks {
                round.pass().await;
            }
            end_turn(&core, &mut core.enter());
        }
        let state = core.look();
        if state.stopping && state.table.len() == 0 {
            return;
        }
    }
}

/// Ends a turn that has read or produced much already; what is left is the flusher's. True: it did, and others come first.
pub(super) fn end_long_turn(core: &Shared, state: &mut State) -> bool {
    if state.reads < READS_PER_TURN && state.out.len() < OUTPUTS_PER_TURN {
        return false;
    }
    end_turn(core, state);
    if state.has_more() {
        state.begin_turn();
    }
    true
}

fn end_turn(core: &Shared, state: &mut State) {
    state.carry_out();
    for _ in 0..SENDS_PER_TURN {
        let Some(key) = state.dirty.pop_front() else { break };
        if let Some(writable) = state.send(key) {
            monoio::spawn(unblock(Rc::clone(core), key, writable));
        }
    }
    state.settle();
    state.outbox.flush();
    let took = state.turn.close();
    state.count_turn(took);
}

impl State {
    /// Something is left for the next turn, which nobody else may begin. Arrivals that wait for a handshake would begin it
    /// by themselves, but without a look at the sockets before: one batch wakes the next, so the core would never wait.
    fn has_more(&self) -> bool {
        !self.dirty.is_empty() || !self.out.is_empty() || !self.shaking.is_empty()
    }

    /// A turn is over. Of a late one it is asked whose fault that was.
    fn count_turn(&mut self, took: Duration) {
        self.figures.turn(took);
        let is_late = Figures::is_late(took);
        let own = took.saturating_sub(self.starved.turn(took, is_late));
        self.figures.starved_turns += u64::from(is_late && !Figures::is_late(own));
    }
}

/// Waits for room in a socket's buffer. What comes for it meanwhile waits with the rest.
async fn unblock(core: Shared, key: Key, writable: impl Future<Output = ()>) {
    let began = Instant::now();
    writable.await;
    core.enter().unblocked(key, began.elapsed());
}
