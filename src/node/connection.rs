//! One upgraded connection: the task that reads it, and what the core remembers of it.
//!
//! A silent connection is its entry in the table and a task that waits for bytes without a buffer. When bytes come
//! it is lent one for one read; if more come soon after, the buffer stays in flight until a second of silence.

use super::core::{Adopted, Shared};
use super::echo;
use super::table::Key;
use crate::limits::{QUIET_MS, READ_BYTES};
use crate::net::{Quiet, ReadEnd, Reader, Sending, Size, Socket, Writer, silence};
use crate::wire::websocket::Receiver;
use monoio::io::CancelHandle;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// What the core remembers of a connection.
pub(super) struct Connection {
    pub(super) receiver: Receiver,
    pub(super) writer: Writer,
    /// Takes the read buffer back; there while one is in flight.
    pub(super) quiet: Option<Quiet>,
    /// When bytes were last read.
    pub(super) heard_ms: u64,
    /// The reading task, while it may not read.
    pub(super) parked: Option<Waker>,
    pub(super) phase: Phase,
    /// It stands in `dirty`.
    pub(super) dirty: bool,
    /// It stands in `incomplete`.
    pub(super) incomplete: bool,
    /// Its reading task has ended.
    pub(super) unread: bool,
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
    fn new(writer: Writer, now_ms: u64) -> Self {
        Self {
            receiver: Receiver::default(),
            writer,
            quiet: None,
            heard_ms: now_ms.saturating_sub(QUIET_MS),
            parked: None,
            phase: Phase::Open,
            dirty: false,
            incomplete: false,
            unread: false,
        }
    }

    /// Shuts it both ways: its reading task ends, and a send in flight fails.
    pub(super) fn silence(&mut self) {
        self.phase = Phase::Silenced;
        silence(&self.writer);
        if let Some(waker) = self.parked.take() {
            waker.wake();
        }
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
        self.writer.start()
    }
}

/// Makes an upgraded socket a connection of this core.
pub(super) fn adopt(core: &Shared, adopted: Adopted) {
    let Adopted { handoff, greeting } = adopted;
    match Socket::adopt(handoff.fd) {
        Ok(socket) => begin(core, socket, &greeting, handoff.unread),
        Err(error) => tracing::warn!(%error, "a connection handed to core {} was lost", core.config.index),
    }
}

/// Enters a socket into the table, greets it, obeys what it has said already, and reads on.
pub(super) fn begin(core: &Shared, socket: Socket, greeting: &[u8], unread: Vec<u8>) {
    let (reader, writer) = socket.split();
    let mut state = core.enter();
    let connection = Connection::new(writer, state.now.mono_ms);
    let key = state.table.insert(connection);
    state.figures.connections += 1;
    state.append(key, |out| out.extend_from_slice(greeting));
    if state.stopping {
        state.table.get_mut(key).expect("it was just entered").silence();
    }
    drop(state);
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

/// A connection's reading task. Its future is small: what a busy connection needs is in a box of its own.
async fn attend(core: Shared, key: Key, mut reader: Reader) {
    loop {
        reader.ready().await;
        if Box::pin(busy(&core, key, &mut reader)).await == Next::End {
            break;
        }
    }
    core.enter().ended(key);
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
        let (used, flow) = echo::feed(&mut core.enter(), key, &mut buffer[at..]);
        at += used;
        match flow {
            Flow::Go => break,
            Flow::Park => unparked(core, key).await,
        }
    }
    core.look().pool.give(buffer);
}

/// Waits until the connection may go on, or is over.
async fn unparked(core: &Shared, key: Key) {
    let mut asked = false;
    std::future::poll_fn(|cx| {
        let mut state = core.look();
        let Some(connection) = state.table.get_mut(key) else { return Poll::Ready(()) };
        if connection.phase != Phase::Open || (asked && connection.parked.is_none()) {
            return Poll::Ready(());
        }
        asked = true;
        connection.parked = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}
