//! A connection whose first request is not there yet: what has come of it, counted, and the time it has left.
//!
//! Where there is a certificate the request comes in TLS, whose handshake is part of the way to it.
//!
//! A silent peer costs no buffer. The bytes of all arrivals of a core are bounded together, those of each by what it
//! waits for; the time is one for all of them.

use super::arrive::Turned;
use super::core::Shared;
use crate::counters::Refusal;
use crate::http::head::{Head, Incoming};
use crate::http::response::Status;
use crate::limits::{ARRIVAL_BYTES, ARRIVALS, HANDSHAKES_PER_TURN};
use crate::net::{Ended, Size, Socket, Tls, is_tls};
use monoio::time::{Instant, timeout_at};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// What who speaks plainly where TLS is spoken is told, plainly.
const PLAIN: &str = "this port speaks TLS: connect by wss:// or https://";
const NO_HANDSHAKE: Late = ("the TLS handshake did not come to its end in time", Refusal::HeadTooSlow);

/// What is said of what did not come in time, and as what it counts.
pub(super) type Late = (&'static str, Refusal);

/// From accept to a whole request head, and to the PROXY header before it where there must be one.
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

    /// Reads until a proxy has said for whom it connects; `None`: for itself.
    pub(super) async fn client(&mut self) -> Result<Option<SocketAddr>, Turned> {
        let late = "no PROXY header came in time; who is in --proxy-from begins with one";
        let header = self.until(Incoming::proxy_header, (late, Refusal::ProxyHeader)).await?;
        Ok(header.client)
    }

    /// Where there is a certificate, goes through the handshake; what comes after it is read as if it were plain.
    pub(super) async fn secure(&mut self) -> Result<(), Turned> {
        let Some(config) = self.core.look().tls.clone() else { return Ok(()) };
        let first = loop {
            match self.incoming.first() {
                Some(first) => break first,
                None => self.more(NO_HANDSHAKE).await?,
            }
        };
        if !is_tls(first) {
            return Err(Turned::away(Status::BadRequest, PLAIN, Refusal::TlsHandshake));
        }
        self.turn_of_handshake().await?;
        let (mut came, mut plain) = (self.incoming.take(), Vec::new());
        let begun = Tls::begin(config).and_then(|tls| self.socket.secure(tls, &mut came, &mut plain));
        begun.map_err(|_| Turned::failed_handshake())?;
        self.incoming.push(&plain);
        // What is dear may come in any of its steps: who sends a byte first, and then the rest, has passed no gate.
        while !self.socket.is_open() {
            self.ready(NO_HANDSHAKE).await?;
            self.turn_of_handshake().await?;
            self.shake()?;
        }
        Ok(())
    }

    /// Waits for a turn in which the core has a step of a handshake left. What is done without another wait falls into it.
    /// Those that wait are arrivals, and bounded as those; whose time is over takes none, for nobody waits for it any more.
    async fn turn_of_handshake(&mut self) -> Result<(), Turned> {
        self.count_held()?;
        let (core, deadline) = (&self.core, self.deadline);
        let turn = poll_fn(|cx| {
            let mut state = core.enter();
            if Instant::now() >= deadline {
                // The timer behind this one is about to tell.
                return Poll::Pending;
            }
            if state.handshakes < HANDSHAKES_PER_TURN {
                state.handshakes += 1;
                return Poll::Ready(());
            }
            state.shaking.push_back((deadline, cx.waker().clone()));
            Poll::Pending
        });
        timeout_at(deadline, turn).await.map_err(|_| Turned::late(NO_HANDSHAKE))
    }

    /// The handshake's next step, with what is there.
    fn shake(&mut self) -> Result<(), Turned> {
        let mut buffer = self.core.look().pool.take(Size::Short);
        let result = self.socket.read_now(&mut buffer);
        self.came(result, buffer)
    }

    /// Reads until the head is whole.
    pub(super) async fn head(&mut self) -> Result<Head, Turned> {
        let late = "the request's head did not come in time";
        self.until(Incoming::head, (late, Refusal::HeadTooSlow)).await
    }

    /// Reads until there is a whole one of these, unless there is already.
    async fn until<T, E: Into<Turned>>(
        &mut self,
        find: impl Fn(&mut Incoming) -> Result<Option<T>, E>,
        late: Late,
    ) -> Result<T, Turned> {
        loop {
            if let Some(found) = find(&mut self.incoming).map_err(E::into)? {
                return Ok(found);
            }
            self.more(late).await?;
        }
    }

    /// Reads what comes next.
    async fn more(&mut self, late: Late) -> Result<(), Turned> {
        self.ready(late).await?;
        self.read().await
    }

    /// Waits until something can be read.
    async fn ready(&mut self, late: Late) -> Result<(), Turned> {
        self.count_held()?;
        timeout_at(self.deadline, self.socket.ready()).await.map_err(|_| Turned::late(late))
    }

    /// The socket, and what came behind what was asked for.
    pub(super) fn end(self) -> (Socket, Vec<u8>) {
        let figures = &mut self.core.enter().figures;
        figures.arrivals -= 1;
        figures.arrival_bytes -= self.held;
        (self.socket, self.incoming.rest())
    }

    async fn read(&mut self) -> Result<(), Turned> {
        let buffer = self.core.look().pool.take(Size::Short);
        let (result, buffer) = self.socket.read(buffer).await;
        self.came(result, buffer)
    }

    /// A read is over, and brought this.
    fn came(&mut self, result: Result<(), Ended>, buffer: Vec<u8>) -> Result<(), Turned> {
        self.incoming.push(&buffer);
        self.core.enter().pool.give(Size::Short, buffer);
        result.map_err(|_| if self.socket.is_open() { Turned::Gone } else { Turned::failed_handshake() })
    }

    /// Keeps the core's count of what arrivals hold.
    fn count_held(&mut self) -> Result<(), Turned> {
        let held = self.incoming.len() + self.socket.held_bytes();
        let bytes = &mut self.core.look().figures.arrival_bytes;
        *bytes = *bytes + held - std::mem::replace(&mut self.held, held);
        if *bytes <= ARRIVAL_BYTES {
            return Ok(());
        }
        let message = "too many incomplete requests; try again later";
        Err(Turned::away(Status::Unavailable, message, Refusal::TooManyConnections))
    }
}
