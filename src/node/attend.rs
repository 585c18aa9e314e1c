//! The core listens to its connections: those that have something are read in turn, and each is obeyed at once.
//!
//! One task does it for all of them. Only a connection that is held up has a task of its own, for as long as it is.

use super::connection::{Flow, called};
use super::core::Shared;
use super::flush;
use super::table::Key;
use crate::limits::READS_PER_TURN;
use crate::net::{Driver, step_back};
use std::rc::Rc;

/// Reads whoever has something, for as long as the core lives.
pub(super) async fn attend(core: Shared) {
    let mut ready = Vec::with_capacity(READS_PER_TURN);
    loop {
        core.watch.ready().await;
        core.watch.take(&mut ready);
        for it in ready.drain(..) {
            read(&core, Key::from_bits(it.name), it.is_last);
        }
        // epoll says again at once that there is more, to peers that are faster than we are for ever.
        if core.config.driver == Driver::Epoll {
            step_back().await;
        }
    }
}

fn read(core: &Shared, key: Key, is_last: bool) {
    let mut state = core.enter();
    match state.read(core, key, is_last) {
        Flow::Go => {}
        Flow::Park => drop(monoio::spawn(hold_up(Rc::clone(core), key))),
        Flow::End => state.ended(key),
    }
    flush::end_long_turn(core, &mut state);
}

/// Lets a connection that is held up go on when it may, until it is not held up any more.
pub(super) async fn hold_up(core: Shared, key: Key) {
    loop {
        called(&core, key).await;
        let mut state = core.enter();
        let flow = state.feed_held(key);
        match flow {
            Flow::Go => state.look_again(&core, key),
            Flow::Park => {}
            Flow::End => state.ended(key),
        }
        flush::end_long_turn(&core, &mut state);
        if flow != Flow::Park {
            return;
        }
    }
}
