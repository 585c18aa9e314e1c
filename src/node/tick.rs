//! Twenty times a second: deadlines, and a copy of the core's figures for who asks.

use super::core::{Shared, State};
use crate::limits::{PARTIAL_MS, TICK_MS};
use crate::model::CloseCode;
use std::time::Duration;

/// Ticks in a second.
const SECOND_TICKS: u64 = 1_000 / TICK_MS;

/// The core's tick, for as long as the core lives.
pub(super) async fn tick(core: Shared) {
    for count in 1_u64.. {
        monoio::time::sleep(Duration::from_millis(TICK_MS)).await;
        let mut state = core.enter();
        if state.stopping {
            return;
        }
        // So that what a late turn asks for is no older than a tick.
        state.starved.tick();
        state.cut_late_closers();
        state.tick_shard();
        if count.is_multiple_of(SECOND_TICKS) {
            state.close_slow_senders();
            state.pool.trim();
            core.publish(&mut state);
        }
    }
}

impl State {
    /// The shard's own deadlines, and tokens that waited.
    fn tick_shard(&mut self) {
        let Self { shard, out, now, table, unsigned, .. } = self;
        shard.on_tick(*now, out);
        for key in unsigned.drain(..) {
            if let Some(connection) = table.get_mut(key) {
                connection.wake();
            }
        }
    }

    /// Whose close handshake has taken too long.
    fn cut_late_closers(&mut self) {
        while let Some(&(deadline, key)) = self.closing.front()
            && deadline <= self.now.mono_ms
        {
            self.closing.pop_front();
            self.cut(key);
        }
    }

    /// Whose message has been incomplete for too long.
    fn close_slow_senders(&mut self) {
        let mut incomplete = std::mem::take(&mut self.incomplete);
        incomplete.retain(|&key| {
            let now_ms = self.now.mono_ms;
            let Some(connection) = self.table.get_mut(key) else { return false };
            match connection.incomplete_since() {
                Some(since) if now_ms - since < PARTIAL_MS => return true,
                Some(_) => {
                    self.figures.refuse_by_close(CloseCode::Policy);
                    self.close(key, CloseCode::Policy);
                }
                None => connection.incomplete = false,
            }
            false
        });
        self.incomplete = incomplete;
    }
}
