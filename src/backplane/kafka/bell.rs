//! Wakes the thread that serves several pieces of Kafka: each rings when it has something to take.
//!
//! Rings are not counted: who has been woken asks every piece that holds the bell. It is rung on librdkafka's threads,
//! some of which hold a lock of their queue meanwhile, so ringing never waits.

use crossbeam_channel::{Receiver, Sender, bounded};

/// Held by whatever may have something to take. Clones ring for the same thread.
#[derive(Clone, Debug)]
pub struct Bell(Sender<()>);

impl Bell {
    /// A bell, and what its thread waits at, alone or in a `select!` with its commands.
    pub fn new() -> (Self, Receiver<()>) {
        let (ring, rung) = bounded(1);
        (Self(ring), rung)
    }

    /// There is something to take. One that has been rung already stays so, and where nobody listens nothing happens.
    pub fn ring(&self) {
        let _ = self.0.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_that_was_rung_twice_wakes_once() {
        let (bell, rung) = Bell::new();
        bell.ring();
        bell.clone().ring();
        assert_eq!(rung.try_iter().count(), 1);
        drop(rung);
        bell.ring();
    }
}
