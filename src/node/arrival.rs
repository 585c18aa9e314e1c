//! A connection whose first request is not there yet: what has come of it, counted, and the time it has left.
//!
//! A silent peer costs no buffer. The bytes of all arrivals of a core are bounded together, those of each by what it
//! waits for; the time is one for all of them.

use super::arrive::Turned;
use super::core::Shared;
use crate::counters::Refusal;
use crate::http::head::{Head, Incoming};
use crate::http::response::Status;
use crate::limits::{ARRIVAL_BYTES, ARRIVALS};
use crate::net::{Size, Socket};
use monoio::time::{Instant, timeout_at};
use std::rc::Rc;
use std::time::Duration;

/// From accept to a whole request head.
pub(super) struct Arrival {
    core: Shared,
    socket: Socket,
    incoming: Incoming,
    /// Bytes of it that are counted in the core's.
    held: usize,
    deadline: Instant,
}

impl Arrival {
    /// Counted until [`Arrival::end`].
    pub(super) fn begin(core: &Shared, socket: Socket) -> Self {
        core.enter().figures.arrivals += 1;
        let deadline = Instant::now() + Duration::from_millis(core.config.handshake_ms);
        Self { core: Rc::clone(core), socket, incoming: Incoming::default(), held: 0, deadline }
    }

    /// Whether it is one more than the core takes at a time.
    pub(super) fn is_one_too_many(&self) -> bool {
        self.core.look().figures.arrivals > ARRIVALS
    }

    /// Reads until the head is whole.
    pub(super) async fn head(&mut self) -> Result<Head, Turned> {
        loop {
            if let Some(head) = self.incoming.head()? {
                return Ok(head);
            }
            self.count_held()?;
            self.read().await?;
        }
    }

    /// The socket, and what came behind what was asked for.
    pub(super) fn end(self) -> (Socket, Vec<u8>) {
        let figures = &mut self.core.enter().figures;
        figures.arrivals -= 1;
        figures.arrival_bytes -= self.held;
        (self.socket, self.incoming.rest())
    }

    async fn read(&mut self) -> Result<(), Turned> {
        if timeout_at(self.deadline, self.socket.ready()).await.is_err() {
            return Err(Turned::away(
                Status::RequestTimeout,
                "the request's head did not come in time",
                Refusal::HeadTooSlow,
            ));
        }
        let buffer = self.core.look().pool.take(Size::Short);
        let (result, buffer) = self.socket.read(buffer).await;
        self.incoming.push(&buffer);
        self.core.enter().pool.give(Size::Short, buffer);
        result.map_err(|_| Turned::Gone)
    }

    /// Keeps the core's count of what arrivals hold.
    fn count_held(&mut self) -> Result<(), Turned> {
        let held = self.incoming.len();
        let bytes = &mut self.core.look().figures.arrival_bytes;
        *bytes = *bytes + held - std::mem::replace(&mut self.held, held);
        if *bytes <= ARRIVAL_BYTES {
            return Ok(());
        }
        let message = "too many incomplete requests; try again later";
        Err(Turned::away(Status::Unavailable, message, Refusal::TooManyConnections))
    }
}
