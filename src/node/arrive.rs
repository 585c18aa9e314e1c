//! From a connection to a WebSocket: accept, request head, and the core it belongs to.
//!
//! Who is in `--proxy-from` says before its request for whom it connects, and that address is the one that counts.
//! Bounded before anything is looked at: how many arrive at once, the bytes of their heads together and of each,
//! and the time to a complete head, a handshake of TLS before it included. A refusal is answered, then the socket is half-closed and drained for a moment,
//! so that the answer is not lost to a reset.

use super::api;
use super::arrival::{Arrival, Late};
use super::connection::{self, Purpose};
use super::core::{Adopted, Core, Mail, Shared};
use super::gate::Seat;
use crate::access::{Access, BadToken, Claims, Keys, TokenError};
use crate::counters::Refusal;
use crate::http::Exchange;
use crate::http::head::{Head, HeadError, PROXIED};
use crate::http::response::{Status, write_refusal};
use crate::http::upgrade::{Connect, Door, Refused, Token};
use crate::limits::{ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN, REFUSAL_BYTES, REFUSAL_MS, SIGNATURES_PER_TURN};
use crate::model::{ClientId, Cursor, Start};
use crate::net::{AcceptError, Listener, NOT_NOW, Size, Socket};
use crate::router;
use crate::wire::proxy::BadHeader;
use crate::wire::websocket::write_switching;
use monoio::time::{Instant, sleep, timeout_at};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The core's listener, until the core stops.
pub(super) async fn accept(core: Shared, listener: Rc<Listener>) {
    loop {
        listener.ready().await;
        if core.look().is_leaving() {
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
            Ok(Some((fd, peer))) => {
                core.enter().figures.accepted += 1;
                let peer = Peer { addr: peer, is_proxy: core.config.proxies.contain(peer.ip()) };
                monoio::spawn(arrive(Rc::clone(core), fd, peer, enter(core, &peer)));
            }
            Ok(None) => break,
            Err(AcceptError::Gone) => {}
            Err(AcceptError::Exhausted(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Who has connected.
#[derive(Clone, Copy)]
struct Peer {
    /// The address that counts: of a proxy, once it has said for whom it connects, that client's.
    addr: SocketAddr,
    is_proxy: bool,
}

/// Whether there is room for one more. For whom a proxy connects is not known yet.
fn enter(core: &Core, peer: &Peer) -> Result<Seat, Refusal> {
    let seat = core.config.gate.enter()?;
    if peer.is_proxy { Ok(seat) } else { seat.of(peer.addr.ip()) }
}

/// One connection's way to its core, or to its refusal.
async fn arrive(core: Shared, fd: OwnedFd, mut peer: Peer, seat: Result<Seat, Refusal>) {
    let socket = match Socket::adopt(fd) {
        Ok(socket) => socket,
        Err(error) => return core.enter().cannot_hear(&error),
    };
    let mut arrival = Arrival::begin(&core, socket);
    let outcome = first_request(&mut arrival, &mut peer, seat).await;
    let (socket, unread) = arrival.end();
    tell(&core, &peer, &outcome);
    match outcome {
        Err(turned) => turn_away(&core, socket, turned).await,
        Ok((head, seat)) if Door::of(head.uri.path()) == Door::Other => {
            api::serve(core, socket, Exchange::begin(head, unread), seat).await;
        }
        Ok((head, seat)) => upgrade(core, socket, head, unread, seat).await,
    }
}

/// The first request's head, of who is let in.
async fn first_request(
    arrival: &mut Arrival,
    peer: &mut Peer,
    seat: Result<Seat, Refusal>,
) -> Result<(Head, Seat), Turned> {
    let seat = if arrival.is_one_too_many() { Err(Refusal::TooManyConnections) } else { seat };
    let mut seat = seat.map_err(Turned::crowded)?;
    if peer.is_proxy {
        peer.addr = arrival.client().await?.unwrap_or(peer.addr);
        seat = seat.of(peer.addr.ip()).map_err(Turned::crowded)?;
    }
    arrival.secure().await?;
    Ok((arrival.head().await?, seat))
}

/// Says who came. That a proxy is set up wrongly is worth a warning, but not for each of its connections.
fn tell(core: &Core, peer: &Peer, outcome: &Result<(Head, Seat), Turned>) {
    let from = peer.addr;
    match outcome {
        Ok((head, _)) => tracing::debug!(%from, path = head.uri.path(), "a request came"),
        Err(Turned::Gone) => tracing::debug!(%from, "went before its request came"),
        Err(Turned::Away { refused, why: Refusal::ProxyHeader }) if core.enter().may_warn_of_proxy() => {
            tracing::warn!(proxy = %from, "refused: {}", refused.message);
        }
        Err(Turned::Away { refused, why }) => {
            tracing::debug!(%from, reason = why.as_str(), "refused: {}", refused.message);
        }
    }
}

/// A request that wants to become a WebSocket; `unread` came behind it.
pub(super) async fn upgrade(core: Shared, socket: Socket, head: Head, unread: Vec<u8>, seat: Seat) {
    match admit(&core, &head).await {
        Ok(admitted) => place(&core, admitted, socket, unread, seat),
        Err(turned) => {
            if let Turned::Away { refused, why } = &turned {
                tracing::debug!(
                    path = head.uri.path(),
                    reason = why.as_str(),
                    "refused: {}",
                    refused.message
                );
            }
            turn_away(&core, socket, turned).await;
        }
    }
}

/// A request that was answered with a WebSocket: its core, the answer, and what it is for.
struct Admitted {
    to: u16,
    adopted: (Vec<u8>, Purpose),
}

/// A request that was refused, or a peer that went.
pub(super) enum Turned {
    Away { refused: Refused, why: Refusal },
    Gone,
}

impl Turned {
    pub(super) fn away(status: Status, message: &'static str, why: Refusal) -> Self {
        Self::Away { refused: Refused { status, message: message.into() }, why }
    }

    pub(super) fn late((message, why): Late) -> Self {
        Self::away(Status::RequestTimeout, message, why)
    }

    /// TLS itself has told the peer why.
    pub(super) fn failed_handshake() -> Self {
        Self::away(Status::BadRequest, "the TLS handshake failed", Refusal::TlsHandshake)
    }

    fn crowded(why: Refusal) -> Self {
        let (status, message) = match why {
            Refusal::TooManyPerAddress => {
                (Status::TooManyRequests, "too many connections from this address; close some")
            }
            Refusal::ConnectRate => {
                (Status::TooManyRequests, "too many new connections; connect again with back-off")
            }
            _ => (Status::Unavailable, "too many connections; try again later"),
        };
        Self::away(status, message, why)
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
            HeadError::Proxied => Self::away(Status::BadRequest, PROXIED, Refusal::BadRequest),
        }
    }
}

impl From<BadHeader> for Turned {
    fn from(bad: BadHeader) -> Self {
        let refused = Refused { status: Status::BadRequest, message: bad.to_string().into() };
        Self::Away { refused, why: Refusal::ProxyHeader }
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

/// Whether this request becomes a WebSocket, for what, and where.
async fn admit(core: &Shared, head: &Head) -> Result<Admitted, Turned> {
    let door = Door::of(head.uri.path());
    let access = Arc::clone(&core.look().access);
    if door == Door::Echo && !access.is_development() {
        return Err(Turned::away(Status::NotFound, "there is nothing at this path", Refusal::BadRequest));
    }
    let connect = Connect::read(head)?;
    judge_origin(&access, &connect)?;
    let mut greeting = Vec::with_capacity(160);
    write_switching(&connect.upgrade, &mut greeting);
    let (client, purpose) = match door {
        Door::Sessions => {
            if !core.look().takes_sessions() {
                let message = "this node takes no sessions now; connect again";
                return Err(Turned::away(Status::Unavailable, message, Refusal::Draining));
            }
            identify(core, &access, connect).await?
        }
        // Echo needs no client; with one it lives on that client's core, so that the way there can be tried.
        _ => (connect.client, Purpose::Echo),
    };
    let topology = core.config.settings.topology;
    let to = client.map_or(core.config.index, |client| topology.core(client.as_ref()));
    Ok(Admitted { to, adopted: (greeting, purpose) })
}

/// Whether a web page, or a proxy, may bring us this.
fn judge_origin(access: &Access, connect: &Connect<'_>) -> Result<(), Turned> {
    let forbidden = |message| Err(Turned::away(Status::Forbidden, message, Refusal::ForeignOrigin));
    if access.is_development() && connect.proxied {
        return forbidden("development mode does not serve requests that a proxy passed on; configure a key");
    }
    if connect.origin.is_some_and(|origin| !access.allows_origin(origin)) {
        return forbidden("pages of this Origin may not connect; see --allow-origin");
    }
    Ok(())
}

/// Who wants a session, and from where on.
async fn identify(
    core: &Shared,
    access: &Access,
    connect: Connect<'_>,
) -> Result<(Option<ClientId>, Purpose), Turned> {
    let Connect { client, token, cursor, from, origin, .. } = connect;
    let (client, token) = match &access.keys {
        None => {
            let missing =
                || Turned::away(Status::BadRequest, "say who you are: ?client=ID", Refusal::BadRequest);
            (client.ok_or_else(missing)?, None)
        }
        Some(keys) => match verify(core, keys, token.as_ref().map(Token::as_str)).await {
            Ok(claims) => (claims.client.clone(), Some(claims)),
            // A browser cannot see a status: it gets its WebSocket and is told there.
            Err(error) if origin.is_some() => {
                core.enter().figures.refuse(Refusal::Unauthorized);
                return Ok((None, Purpose::Refused(error.close_code())));
            }
            Err(_) => {
                let message =
                    "a valid token is needed: Authorization: Bearer, ?token= or subprotocol bearer.<JWT>";
                return Err(Turned::away(Status::Unauthorized, message, Refusal::Unauthorized));
            }
        },
    };
    let cursor = cursor.map(|text| Cursor::parse(text.as_bytes(), client.as_ref()));
    let session = router::Connect { client: client.clone(), start: Start { cursor, from }, token };
    Ok((Some(client), Purpose::Session(session)))
}

/// Checks a token, when this core has signatures left to check in its turn.
async fn verify(core: &Shared, keys: &Keys, token: Option<&str>) -> Result<Claims, TokenError> {
    let Some(token) = token else { return Err(TokenError::Bad(BadToken::Malformed)) };
    loop {
        {
            let mut state = core.enter();
            if state.signatures < SIGNATURES_PER_TURN {
                state.signatures += 1;
                return keys.verify(token, state.now);
            }
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Gives the socket to its core: this one, or another by its descriptor.
fn place(core: &Shared, admitted: Admitted, socket: Socket, unread: Vec<u8>, seat: Seat) {
    let Admitted { to, adopted: (greeting, purpose) } = admitted;
    let mut state = core.enter();
    if to == core.config.index {
        return connection::begin(core, &mut state, socket, (&greeting, purpose), unread, seat);
    }
    let adopted = Adopted { handoff: socket.hand_over(unread), greeting, purpose, seat };
    state.figures.handed_on += 1;
    state.outbox.push(to, Mail::Adopt(Box::new(adopted)));
}

/// Answers a refusal and lets the peer read it.
async fn turn_away(core: &Shared, mut socket: Socket, turned: Turned) {
    let Turned::Away { refused, why } = turned else { return };
    core.enter().figures.refuse(why);
    let mut answer = Vec::new();
    if waits_for_tls(core, &socket, why) {
        answer.extend_from_slice(&NOT_NOW);
    } else {
        write_refusal(refused.status, &refused.message, &mut answer);
    }
    // TLS has told a peer itself why there is none with it.
    if socket.is_open() && !socket.write(answer).await {
        return;
    }
    socket.finish();
    drain(core, &mut socket).await;
}

/// Who is refused before his handshake has begun could not read HTTP. Who has spoken plainly can, or is a proxy.
fn waits_for_tls(core: &Core, socket: &Socket, why: Refusal) -> bool {
    let has_spoken = socket.is_secure() || matches!(why, Refusal::TlsHandshake | Refusal::ProxyHeader);
    core.look().tls.is_some() && !has_spoken
}

/// Reads and forgets what the peer still sends, for a moment, so that what was written is not lost to a reset.
pub(super) async fn drain(core: &Shared, socket: &mut Socket) {
    let deadline = Instant::now() + Duration::from_millis(REFUSAL_MS);
    let mut forgotten = 0;
    while forgotten < REFUSAL_BYTES && timeout_at(deadline, socket.ready()).await.is_ok() {
        let buffer = core.look().pool.take(Size::Short);
        let (result, buffer) = socket.read(buffer).await;
        forgotten += buffer.len();
        core.look().pool.give(Size::Short, buffer);
        if result.is_err() {
            return;
        }
    }
}
