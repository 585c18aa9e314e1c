//! From a connection to a WebSocket: accept, request head, and the core it belongs to.
//!
//! Bounded before anything is looked at: how many arrive at once, the bytes of their heads together and of each,
//! and the time to a complete head. A refusal is answered, then the socket is half-closed and drained for a moment,
//! so that the answer is not lost to a reset.

use super::connection;
use super::core::{Adopted, Mail, Shared};
use crate::counters::Refusal;
use crate::http::head::{Head, HeadError, Incoming};
use crate::http::response::{Status, write_refusal};
use crate::http::upgrade::{Connect, Door, Refused};
use crate::limits::{
    ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN, ARRIVAL_BYTES, ARRIVALS, CONNECTIONS, HANDSHAKE_MS, REFUSAL_BYTES,
    REFUSAL_MS,
};
use crate::net::{AcceptError, Handoff, Listener, Size, Socket, half_close};
use crate::wire::websocket::write_switching;
use monoio::time::{Instant, sleep, timeout_at};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

/// The core's listener, until the core stops.
pub(super) async fn accept(core: Shared, listener: Rc<Listener>) {
    loop {
        listener.ready().await;
        if core.look().stopping {
            return;
        }
        if let Err(error) = accept_some(&core, &listener) {
            core.enter().figures.accept_pauses += 1;
            tracing::warn!(%error, "cannot accept more connections for now; raise the limit of open files");
            sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
        }
    }
}

/// What has connected, as many as fit one turn.
fn accept_some(core: &Shared, listener: &Listener) -> std::io::Result<()> {
    for _ in 0..ACCEPTS_PER_TURN {
        match listener.accept() {
            Ok(Some((fd, _peer))) => {
                core.enter().figures.accepted += 1;
                monoio::spawn(arrive(Rc::clone(core), fd));
            }
            Ok(None) => break,
            Err(AcceptError::Gone) => {}
            Err(AcceptError::Exhausted(error)) => return Err(error),
        }
    }
    Ok(())
}

/// One connection's way to its core, or to its refusal.
async fn arrive(core: Shared, fd: OwnedFd) {
    let Ok(mut socket) = Socket::adopt(fd) else { return };
    let crowded = {
        let figures = &mut core.enter().figures;
        figures.arrivals += 1;
        figures.arrivals > ARRIVALS || figures.connections >= CONNECTIONS
    };
    let (mut incoming, mut held) = (Incoming::default(), 0);
    let outcome = if crowded {
        Err(Turned::away(
            Status::Unavailable,
            "too many connections; try again later",
            Refusal::TooManyConnections,
        ))
    } else {
        read_head(&core, &mut socket, &mut incoming, &mut held).await
    };
    {
        let figures = &mut core.enter().figures;
        figures.arrivals -= 1;
        figures.arrival_bytes -= held;
    }
    match outcome.and_then(|head| admit(&core, &head)) {
        Ok(Admitted { to, greeting }) => place(&core, to, socket, greeting, incoming.rest()),
        Err(turned) => turn_away(&core, socket, turned).await,
    }
}

/// A request that was answered with a WebSocket.
struct Admitted {
    to: u16,
    greeting: Vec<u8>,
}

/// A request that was refused, or a peer that went.
enum Turned {
    Away { refused: Refused, why: Refusal },
    Gone,
}

impl Turned {
    fn away(status: Status, message: &'static str, why: Refusal) -> Self {
        Self::Away { refused: Refused { status, message: message.into() }, why }
    }
}

impl From<HeadError> for Turned {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::TooLarge => Self::away(
                Status::HeadTooLarge,
                "the request's head is over 8 KiB or 96 headers",
                Refusal::HeadTooLarge,
            ),
            HeadError::Malformed => {
                Self::away(Status::BadRequest, "this is not HTTP/1.1", Refusal::BadRequest)
            }
        }
    }
}

impl From<Refused> for Turned {
    fn from(refused: Refused) -> Self {
        let why = match refused.status {
            Status::Unauthorized => Refusal::Unauthorized,
            Status::Forbidden => Refusal::Forbidden,
            _ => Refusal::BadRequest,
        };
        Self::Away { refused, why }
    }
}

/// Reads until the head is whole. A silent peer costs no buffer; `held` counts what an incomplete head does.
async fn read_head(
    core: &Shared,
    socket: &mut Socket,
    incoming: &mut Incoming,
    held: &mut usize,
) -> Result<Head, Turned> {
    let deadline = Instant::now() + Duration::from_millis(HANDSHAKE_MS);
    loop {
        if timeout_at(deadline, socket.ready()).await.is_err() {
            return Err(Turned::away(
                Status::RequestTimeout,
                "the request's head did not come in time",
                Refusal::HeadTooSlow,
            ));
        }
        let buffer = core.look().pool.take(Size::Short);
        let (result, buffer) = socket.read(buffer).await;
        incoming.push(&buffer);
        let read = buffer.len();
        let mut state = core.enter();
        state.pool.give(buffer);
        result.map_err(|_| Turned::Gone)?;
        if let Some(head) = incoming.head()? {
            return Ok(head);
        }
        *held += read;
        state.figures.arrival_bytes += read;
        if state.figures.arrival_bytes > ARRIVAL_BYTES {
            return Err(Turned::away(
                Status::Unavailable,
                "too many incomplete requests; try again later",
                Refusal::TooManyConnections,
            ));
        }
    }
}

/// Whether this request becomes a WebSocket, and where.
fn admit(core: &Shared, head: &Head) -> Result<Admitted, Turned> {
    let nothing = || Turned::away(Status::NotFound, "there is nothing at this path", Refusal::BadRequest);
    match Door::of(head.uri.path()) {
        Door::Echo if core.config.development => {}
        _ => return Err(nothing()),
    }
    let connect = Connect::read(head)?;
    if connect.proxied {
        return Err(Turned::away(
            Status::Forbidden,
            "development mode does not serve requests that a proxy passed on; configure a key",
            Refusal::ForeignOrigin,
        ));
    }
    let mut greeting = Vec::with_capacity(160);
    write_switching(&connect.upgrade, &mut greeting);
    // Echo needs no client; with one it lives on that client's core, so that the way there can be tried.
    let to =
        connect.client.map_or(core.config.index, |client| core.config.topology.place(client.as_ref()).core);
    Ok(Admitted { to, greeting })
}

/// Gives the socket to its core: this one, or another by its descriptor.
fn place(core: &Shared, to: u16, socket: Socket, greeting: Vec<u8>, unread: Vec<u8>) {
    if to == core.config.index {
        return connection::begin(core, socket, &greeting, unread);
    }
    let adopted = Adopted { handoff: Handoff::new(socket, unread), greeting };
    let mut state = core.enter();
    state.figures.handed_on += 1;
    state.outbox.push(to, Mail::Adopt(Box::new(adopted)));
}

/// Answers a refusal and lets the peer read it.
async fn turn_away(core: &Shared, mut socket: Socket, turned: Turned) {
    let Turned::Away { refused, why } = turned else { return };
    core.enter().figures.refuse(why);
    let mut answer = Vec::new();
    write_refusal(refused.status, &refused.message, &mut answer);
    let deadline = Instant::now() + Duration::from_millis(REFUSAL_MS);
    if !socket.write(answer).await {
        return;
    }
    half_close(&socket);
    let mut forgotten = 0;
    while forgotten < REFUSAL_BYTES && timeout_at(deadline, socket.ready()).await.is_ok() {
        let buffer = core.look().pool.take(Size::Short);
        let (result, buffer) = socket.read(buffer).await;
        forgotten += buffer.len();
        core.look().pool.give(buffer);
        if result.is_err() {
            return;
        }
    }
}
