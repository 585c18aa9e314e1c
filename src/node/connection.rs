//! One upgraded connection: what the core remembers of it, and how what comes from it is obeyed.
//!
//! A connection is its entry in the table and its place in the core's watch. When bytes come they are read into the core's
//! scratch and obeyed at once; only where it may not go on is the rest kept for it, and a task that waits until it may.

use super::core::{Adopted, Shared, State};
use super::execute::mark;
use super::gate::{Seat, Settled};
use super::table::Key;
use super::{echo, flush, session};
use crate::counters::Refusal;
use crate::limits::{READ_BYTES, READ_BYTES_LONG};
use crate::model::CloseCode;
use crate::net::{Line, Opened, Socket, Took, silence};
use crate::router::Connect;
use crate::wire::websocket::{Receiver, Remainder};
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// What the core remembers of a connection: 88 bytes while it is silent, and its keys if it is TLS.
pub(super) struct Connection {
    pub(super) receiver: Receiver,
    pub(super) line: Line,
    /// What only a connection that is held up needs.
    held_up: Option<Box<HeldUp>>,
    /// The shard's slot, or [`NO_SESSION`].
    session: u32,
    /// What the collected frames cost the session's budget.
    pub(super) collected: u32,
    pub(super) phase: Phase,
    /// It stands in `dirty`.
    pub(super) dirty: bool,
    /// Its socket has no room: somebody waits for that.
    pub(super) blocked: bool,
    /// It stands in `incomplete`.
    pub(super) incomplete: bool,
    /// Its last read was filled to the brim: the next one may bring more.
    long: bool,
    /// It is read no more.
    pub(super) unread: bool,
    /// Its place among the node's connections; a drain waits for it.
    _seat: Settled,
}

// The figure that idle memory per connection is counted with.
const _: () = assert!(size_of::<Connection>() <= 88);

/// In place of a slot: the connection echoes, or has been a session.
const NO_SESSION: u32 = u32::MAX;

/// What only a connection that is held up needs.
#[derive(Default)]
pub(super) struct HeldUp {
    /// What was read when it was parked, at most what one read brings, and how much of that was obeyed.
    held: Vec<u8>,
    obeyed: usize,
    /// A message for which there was no room: the first to be obeyed when there is.
    pub(super) waiting: Option<Box<[u8]>>,
    /// It may go on, and has not yet.
    is_called: bool,
    /// Who sees to it that it goes on.
    waiter: Option<Waker>,
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
    /// No more: it is over.
    End,
}

impl Connection {
    fn new(line: Line, seat: Seat) -> Self {
        Self {
            _seat: seat.settle(),
            receiver: Receiver::default(),
            line,
            held_up: None,
            session: NO_SESSION,
            collected: 0,
            phase: Phase::Open,
            dirty: false,
            blocked: false,
            incomplete: false,
            long: false,
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

    /// What it needs while it is held up.
    pub(super) fn held_up(&mut self) -> &mut HeldUp {
        self.held_up.get_or_insert_default()
    }

    /// A message that waits for room.
    pub(super) fn take_waiting(&mut self) -> Option<Box<[u8]>> {
        self.held_up.as_mut()?.waiting.take()
    }

    /// What it has still to say and to obey.
    pub(super) fn remainder(&self) -> Remainder<'_> {
        let (unsent, counted) = (self.line.bytes(), self.collected);
        if self.phase != Phase::Open {
            return Remainder { unsent, counted, closing: true, ..Remainder::default() };
        }
        let held_up = self.held_up.as_deref();
        Remainder {
            unsent,
            counted,
            closing: false,
            waiting: held_up.and_then(|it| it.waiting.as_deref()),
            held: held_up.map_or(&[], |it| &it.held[it.obeyed..]),
        }
    }

    /// Memory of what was read from it and not obeyed.
    pub(super) fn held_bytes(&self) -> usize {
        let of = |it: &HeldUp| {
            size_of::<HeldUp>() + it.held.capacity() + it.waiting.as_ref().map_or(0, |it| it.len())
        };
        self.held_up.as_deref().map_or(0, of)
    }

    /// Since when a message, or a record of TLS, is incomplete.
    pub(super) fn incomplete_since(&self) -> Option<u64> {
        self.receiver.pending_since().into_iter().chain(self.line.incomplete_since()).min()
    }

    /// It may go on, if it is held up.
    pub(super) fn wake(&mut self) {
        let Some(held_up) = &mut self.held_up else { return };
        held_up.is_called = true;
        if let Some(waiter) = held_up.waiter.take() {
            waiter.wake();
        }
    }

    /// It is not held up any more.
    fn rest(&mut self) {
        self.held_up = None;
    }

    /// Shuts it both ways: the next read is the last, and the next send fails.
    pub(super) fn silence(&mut self) {
        self.phase = Phase::Silenced;
        silence(&self.line);
        self.wake();
    }

    /// After all input was used: remembers that a message is incomplete, for its deadline.
    pub(super) fn note_incomplete(&mut self, key: Key, incomplete: &mut Vec<Key>) {
        if !self.incomplete && self.incomplete_since().is_some() {
            self.incomplete = true;
            incomplete.push(key);
        }
    }
}

/// Makes an upgraded socket a connection of this core.
pub(super) fn adopt(core: &Shared, state: &mut State, adopted: Adopted) {
    let Adopted { handoff, greeting, purpose, seat } = adopted;
    match Socket::receive(handoff) {
        Ok((socket, unread)) => begin(core, state, socket, (&greeting, purpose), unread, seat),
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
    let key = state.table.insert(Connection::new(socket.into_line(), seat));
    state.figures.connections += 1;
    state.append(key, |out| out.extend_from_slice(greeting));
    match purpose {
        Purpose::Echo => {}
        // It was let in before the drain began, and its token or its way here took until now. A drain has told every
        // session its moment already: this one would have none, be waited for and cut.
        Purpose::Session(_) if state.draining => {
            state.figures.refuse(Refusal::Draining);
            state.close(key, CloseCode::Restart);
        }
        Purpose::Session(connect) => session::open(state, key, connect),
        Purpose::Refused(code) => state.close(key, code),
    }
    if state.stopping {
        state.table.get_mut(key).expect("it was just entered").silence();
    }
    if !unread.is_empty() {
        state.hold(key, unread, 0);
        state.table.get_mut(key).expect("it was just entered").wake();
        monoio::spawn(hold_up(Rc::clone(core), key));
    }
    state.watch(core, key);
}

impl State {
    /// From now on it is read when something comes.
    fn watch(&mut self, core: &Shared, key: Key) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if let Err(error) = core.watch.add(&connection.line, key.bits()) {
            connection.unread = true;
            self.cannot_hear(&error);
            self.close(key, CloseCode::TryLater);
        }
    }

    /// There is no room in the kernel to wait for one connection more.
    pub(super) fn cannot_hear(&mut self, error: &io::Error) {
        self.figures.refuse(Refusal::TooManyConnections);
        tracing::warn!(%error, "a connection was refused; if no space is left, raise the sysctl fs.epoll.max_user_watches");
    }

    /// Reads what is there and lets it be obeyed. `is_last`: what comes then is the end.
    pub(super) fn read(&mut self, core: &Shared, key: Key, is_last: bool) -> Flow {
        let Some(connection) = self.table.get_mut(key) else { return Flow::Go };
        // Who is held up is looked at again when it is not any more.
        if connection.unread || connection.held_up.is_some() {
            return Flow::Go;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let room = if connection.long { READ_BYTES_LONG } else { READ_BYTES };
        let flow = match connection.line.take(&mut scratch[..room]) {
            Took::Bytes(bytes) => {
                self.reads += 1;
                self.figures.bytes_read += bytes as u64;
                // A read that filled its buffer is followed by more.
                connection.long = bytes == room;
                let is_more = connection.long || is_last;
                let flow = self.obey(key, &mut scratch[..bytes]);
                if flow == Flow::Go && is_more {
                    self.look_again(core, key);
                }
                flow
            }
            Took::Nothing => Flow::Go,
            Took::End => Flow::End,
        };
        self.scratch = scratch;
        flow
    }

    /// There may be something to read of which we are told no more.
    fn look_again(&mut self, core: &Shared, key: Key) {
        let Some(connection) = self.table.get_mut(key).filter(|connection| !connection.unread) else {
            return;
        };
        core.watch
            .again(&connection.line, key.bits())
            .expect("a socket that is watched can be watched again");
    }

    /// Lets what came be obeyed, after it was opened if it is TLS.
    fn obey(&mut self, key: Key, came: &mut [u8]) -> Flow {
        let mut room = std::mem::take(&mut self.opened);
        let Self { table, partials, incomplete, dirty, now, .. } = self;
        let Some(connection) = table.get_mut(key) else { return Flow::End };
        let Opened { plain, is_end } = connection.line.open(came, &mut room, now.mono_ms);
        // What TLS itself answers.
        if !connection.line.is_idle() {
            mark(connection, key, dirty);
        }
        let is_held = connection.line.count_held(|from, to| partials.change(from, to));
        connection.note_incomplete(key, incomplete);
        let (used, mut flow) = feed(self, key, plain);
        if flow == Flow::Park {
            self.hold(key, plain[used..].to_vec(), 0);
        }
        if let Err(code) = is_held {
            self.figures.refuse_by_close(code);
            self.close(key, code);
        }
        if is_end && flow == Flow::Go {
            flow = Flow::End;
        }
        self.opened = room;
        flow
    }

    /// Keeps what may not be obeyed yet; it may be called for one message at a time, so nothing of it is moved.
    fn hold(&mut self, key: Key, held: Vec<u8>, obeyed: usize) {
        let Some(connection) = self.table.get_mut(key) else { return };
        let held_up = connection.held_up();
        (held_up.held, held_up.obeyed, held_up.is_called) = (held, obeyed, false);
    }

    /// Lets what was kept be obeyed, as far as the connection may go on now.
    fn feed_held(&mut self, key: Key) -> Flow {
        let Some(connection) = self.table.get_mut(key) else { return Flow::End };
        let held_up = connection.held_up();
        let (mut held, obeyed) = (std::mem::take(&mut held_up.held), held_up.obeyed);
        let (used, flow) = feed(self, key, &mut held[obeyed..]);
        if flow == Flow::Park {
            self.hold(key, held, obeyed + used);
            return flow;
        }
        let Some(connection) = self.table.get_mut(key) else { return Flow::End };
        connection.rest();
        // Of what came with it before it was held up nobody is told again.
        if connection.line.has_heard_all() { Flow::End } else { flow }
    }
}

/// Lets whoever serves the connection obey `bytes`, as far as it may go on: how many were used, and whether to.
fn feed(state: &mut State, key: Key, bytes: &mut [u8]) -> (usize, Flow) {
    match state.table.get_mut(key).map(|connection| connection.service()) {
        Some(Service::Echo) => echo::feed(state, key, bytes),
        Some(Service::Session(slot)) => session::feed(state, key, slot, bytes),
        None => (bytes.len(), Flow::Go),
    }
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

/// Waits until the connection may go on, or is over.
async fn called(core: &Shared, key: Key) {
    std::future::poll_fn(|cx| {
        let mut state = core.look();
        let Some(connection) = state.table.get_mut(key) else { return Poll::Ready(()) };
        let Some(held_up) =
            connection.held_up.as_mut().filter(|it| connection.phase == Phase::Open && !it.is_called)
        else {
            return Poll::Ready(());
        };
        held_up.waiter = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}
