//! One upgraded connection: the task that reads it, and what the core remembers of it.
//!
//! A silent connection is its entry in the table and a task that waits for bytes without a buffer. When bytes come
//! it is lent one for one read; if more come soon after, the buffer stays in flight until a second of silence.

use super::core::{Adopted, Shared, State};
use super::gate::{Seat, Settled};
use super::table::Key;
use super::{echo, session};
use crate::limits::{QUIET_MS, READ_BYTES};
use crate::model::CloseCode;
use crate::net::{Quiet, ReadEnd, Reader, Sending, Size, Socket, Writer, silence};
use crate::router::Connect;
use crate::wire::websocket::Receiver;
use monoio::io::CancelHandle;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// What the core remembers of a connection: 80 bytes while it is silent.
pub(super) struct Connection {
    pub(super) receiver: Receiver,
    pub(super) writer: Writer,
    /// What only a connection that is busy, or held up, needs.
    busy: Option<Box<Busy>>,
    /// The shard's slot, or [`NO_SESSION`].
    session: u32,
    /// What the collected frames cost the session's budget.
    pub(super) collected: u32,
    /// When bytes were last read: milliseconds of the core's clock, of which the low bits do.
    heard_ms: u32,
    pub(super) phase: Phase,
    /// It stands in `dirty`.
    pub(super) dirty: bool,
    /// It stands in `incomplete`.
    pub(super) incomplete: bool,
    /// Its reading task has ended.
    pub(super) unread: bool,
    /// Its place among the node's connections; a drain waits for it.
    _seat: Settled,
}

// The figure that idle memory per connection is counted with.
const _: () = assert!(size_of::<Connection>() <= 96);

/// In place of a slot: the connection echoes, or has been a session.
const NO_SESSION: u32 = u32::MAX;

/// What only a connection that is busy, or held up, needs.
#[derive(Default)]
pub(super) struct Busy {
    /// Takes the read buffer back; there while one is in flight.
    pub(super) quiet: Option<Quiet>,
    /// A message for which there was no room: the first to be obeyed when there is.
    pub(super) waiting: Option<Box<[u8]>>,
    /// The reading task, while it may not read.
    pub(super) parked: Option<Waker>,
}

/// What an upgraded connection is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// To hear what it says.
    Echo,
    /// To be a session.
    Session(Connect),
    /// To be told why it cannot be one, as browsers see no status.
    Refused(CloseCode),
}

/// Who obeys a connection's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// [`echo`]
    Echo,
    /// The shard, which calls it by this slot.
    Session(u32),
}

/// How far a connection's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Frames come and go.
    Open,
    /// Our close frame is the last thing we send; what comes is read and forgotten.
    Closing,
    /// We have sent everything and said so; the peer's end of the stream ends it.
    HalfClosed,
    /// It was shut both ways.
    Silenced,
}

/// What a look at new bytes says about the next read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Read on.
    Go,
    /// Not before the connection is unparked; what was not used is fed again then.
    Park,
}

/// Why a reading task stops reading with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It is silent: wait without a buffer.
    Idle,
    /// It is over.
    End,
}

impl Connection {
    fn new(writer: Writer, now_ms: u64, seat: Seat) -> Self {
        Self {
            _seat: seat.settle(),
            receiver: Receiver::default(),
            writer,
            busy: None,
            session: NO_SESSION,
            collected: 0,
            heard_ms: (now_ms as u32).wrapping_sub(QUIET_MS as u32),
            phase: Phase::Open,
            dirty: false,
            incomplete: false,
            unread: false,
        }
    }

    /// Who obeys its frames.
    pub(super) fn service(&self) -> Service {
        if self.session == NO_SESSION { Service::Echo } else { Service::Session(self.session) }
    }

    /// It is that session from now on, or none any more.
    pub(super) fn set_session(&mut self, slot: Option<u32>) {
        self.session = slot.unwrap_or(NO_SESSION);
    }

    /// What it needs while it is busy.
    pub(super) fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// A message that waits for room.
    pub(super) fn take_waiting(&mut self) -> Option<Box<[u8]>> {
        self.busy.as_mut()?.waiting.take()
    }

    /// Its reading task may go on.
    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.busy.as_mut().and_then(|busy| busy.parked.take()) {
            waker.wake();
        }
    }

    /// Its reading task waits to be woken.
    fn is_parked(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.parked.is_some())
    }

    /// Its read buffer came back.
    pub(super) fn rest(&mut self) {
        if let Some(busy) = &mut self.busy {
            busy.quiet = None;
            if busy.waiting.is_none() && busy.parked.is_none() {
                self.busy = None;
            }
        }
    }

    /// Bytes were read. How long after the last ones.
    pub(super) fn heard(&mut self, now_ms: u64) -> u64 {
        let silence = self.silence_ms(now_ms);
        self.heard_ms = now_ms as u32;
        silence
    }

    /// How long nothing was read.
    pub(super) fn silence_ms(&self, now_ms: u64) -> u64 {
        u64::from((now_ms as u32).wrapping_sub(self.heard_ms))
    }

    /// Shuts it both ways: its reading task ends, and a send in flight fails.
    pub(super) fn silence(&mut self) {
        self.phase = Phase::Silenced;
        silence(&self.writer);
        self.wake();
    }

    /// After all input was used: remembers that a message is incomplete, for its deadline.
    pub(super) fn note_incomplete(&mut self, key: Key, incomplete: &mut Vec<Key>) {
        if !self.incomplete && self.receiver.pending_since().is_some() {
            self.incomplete = true;
            incomplete.push(key);
        }
    }

    /// Begins to send what the turn collected.
    pub(super) fn start_sending(&mut self) -> Option<Sending> {
        self.dirty = false;
        self.writer.start(&mut self.collected)
    }
}

/// Makes an upgraded socket a connection of this core.
pub(super) fn adopt(core: &Shared, state: &mut State, adopted: Adopted) {
    let Adopted { handoff, greeting, purpose, seat } = adopted;
    match Socket::adopt(handoff.fd) {
        Ok(socket) => begin(core, state, socket, (&greeting, purpose), handoff.unread, seat),
        Err(error) => tracing::warn!(%error, "a connection handed to core {} was lost", core.config.index),
    }
}

/// Enters a socket into the table, greets it, obeys what it has said already, and reads on.
pub(super) fn begin(
    core: &Shared,
    state: &mut State,
    socket: Socket,
    (greeting, purpose): (&[u8], Purpose),
    unread: Vec<u8>,
    seat: Seat,
) {
    let (reader, writer) = socket.split();
    let key = state.table.insert(Connection::new(writer, state.now.mono_ms, seat));
    state.figures.connections += 1;
    state.append(key, |out| out.extend_from_slice(greeting));
    match purpose {
        Purpose::Echo => {}
        Purpose::Session(connect) => session::open(state, key, connect),
        Purpose::Refused(code) => state.close(key, code),
    }
    if state.stopping {
        state.table.get_mut(key).expect("it was just entered").silence();
    }
    if unread.is_empty() {
        monoio::spawn(attend(Rc::clone(core), key, reader));
    } else {
        monoio::spawn(catch_up(Rc::clone(core), key, reader, unread));
    }
}

/// A connection that has said something behind its request.
async fn catch_up(core: Shared, key: Key, reader: Reader, unread: Vec<u8>) {
    obey(&core, key, unread).await;
    attend(core, key, reader).await;
}

/// A connection's reading task. Its future is small: what a busy connection needs is in a box of its own, and as
/// a block it holds what it was given only once.
#[allow(clippy::manual_async_fn)]
fn attend(core: Shared, key: Key, mut reader: Reader) -> impl Future<Output = ()> {
    async move {
        loop {
            let _ = reader.ready().await;
            if Box::pin(busy(&core, key, &mut reader)).await == Next::End {
                break;
            }
        }
        core.enter().ended(key);
    }
}

/// Reads until it is silent. The first read needs no buffer in flight: the bytes are there, and often they are all,
/// as with an answer to a ping.
async fn busy(core: &Shared, key: Key, reader: &mut Reader) -> Next {
    let buffer = core.look().pool.take(Size::Short);
    let (result, buffer) = reader.read_ready(buffer).await;
    let lately = core.enter().heard(key, result, buffer.len());
    if result.is_err() {
        core.look().pool.give(buffer);
        return Next::End;
    }
    let mut size = size_after(&buffer);
    obey(core, key, buffer).await;
    if !lately && size == Size::Short {
        return Next::Idle;
    }
    let Some(handle) = core.look().activate(key) else { return Next::End };
    let next = stay(core, key, reader, &mut size, handle).await;
    core.look().deactivate(key);
    next
}

/// Reads with a buffer always in flight, until the tick takes it back.
async fn stay(core: &Shared, key: Key, reader: &mut Reader, size: &mut Size, quiet: CancelHandle) -> Next {
    loop {
        let buffer = core.look().pool.take(*size);
        let (result, buffer) = reader.read(buffer, quiet.clone()).await;
        core.enter().heard(key, result, buffer.len());
        match result {
            Ok(()) => {
                *size = size_after(&buffer);
                obey(core, key, buffer).await;
            }
            Err(end) => {
                core.look().pool.give(buffer);
                return if end == ReadEnd::GivenBack { Next::Idle } else { Next::End };
            }
        }
    }
}

/// A buffer that was filled to the brim is followed by more.
fn size_after(buffer: &[u8]) -> Size {
    if buffer.len() >= READ_BYTES { Size::Long } else { Size::Short }
}

/// Feeds what was read, waiting wherever the connection may not go on, and gives the buffer back.
async fn obey(core: &Shared, key: Key, mut buffer: Vec<u8>) {
    let mut at = 0;
    loop {
        let (used, flow) = feed(&mut core.enter(), key, &mut buffer[at..]);
        at += used;
        match flow {
            Flow::Go => break,
            Flow::Park => unparked(core, key).await,
        }
    }
    core.look().pool.give(buffer);
}

/// Lets whoever serves the connection obey `bytes`, as far as it may go on: how many were used, and whether to.
fn feed(state: &mut State, key: Key, bytes: &mut [u8]) -> (usize, Flow) {
    match state.table.get_mut(key).map(|connection| connection.service()) {
        Some(Service::Echo) => echo::feed(state, key, bytes),
        Some(Service::Session(slot)) => session::feed(state, key, slot, bytes),
        None => (bytes.len(), Flow::Go),
    }
}

/// Waits until the connection may go on, or is over.
async fn unparked(core: &Shared, key: Key) {
    let mut asked = false;
    std::future::poll_fn(|cx| {
        let mut state = core.look();
        let Some(connection) = state.table.get_mut(key) else { return Poll::Ready(()) };
        if connection.phase != Phase::Open || (asked && !connection.is_parked()) {
            return Poll::Ready(());
        }
        asked = true;
        connection.busy().parked = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}
