//! One core: the state its tasks share, and the tasks that live as long as it.

use super::connection::Connection;
use super::figures::Figures;
use super::start::CoreConfig;
use super::table::{Key, Table};
use super::turn::Turn;
use super::{arrive, connection, flush, tick};
use crate::limits::STOP_MS;
use crate::mesh::{Address, Inbox, Outbox};
use crate::model::Now;
use crate::net::{Handoff, Listener, Pool, Round};
use crate::wire::websocket::PartialBudget;
use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What cores, and other threads, send a core.
#[derive(Debug)]
pub enum Mail {
    /// A connection that belongs here.
    Adopt(Box<Adopted>),
    /// Close everything and end.
    Stop,
    /// Something to be done at the end of the turn, for tests.
    #[cfg(test)]
    Then(tests::Act),
}

/// A connection on its way to its core, upgraded but not yet answered.
#[derive(Debug)]
pub struct Adopted {
    /// The socket and what came behind the request head.
    pub(super) handoff: Handoff,
    /// The answer to the request: the first bytes to be sent.
    pub(super) greeting: Vec<u8>,
}

/// A core, shared by its tasks.
pub(super) type Shared = Rc<Core>;

/// What the tasks of one core share.
pub(super) struct Core {
    state: RefCell<State>,
    pub(super) config: CoreConfig,
}

/// Everything a task may change, between two awaits.
pub(super) struct State {
    pub(super) table: Table<Connection>,
    pub(super) pool: Pool,
    pub(super) partials: PartialBudget,
    pub(super) outbox: Outbox<Mail>,
    /// Connections with something to send, each once.
    pub(super) dirty: Vec<Key>,
    /// Connections that hold a read buffer.
    pub(super) active: Vec<Key>,
    /// Connections with an incomplete message.
    pub(super) incomplete: Vec<Key>,
    /// Connections in their close handshake, and until when they may be.
    pub(super) closing: VecDeque<(u64, Key)>,
    pub(super) figures: Figures,
    pub(super) turn: Turn,
    /// Of this turn.
    pub(super) now: Now,
    pub(super) stopping: bool,
    stopped: Option<Waker>,
}

impl Core {
    fn new(config: CoreConfig, addresses: &[Address<Mail>]) -> Self {
        let state = State {
            table: Table::default(),
            pool: Pool::default(),
            partials: PartialBudget::default(),
            outbox: Outbox::new(config.index, addresses),
            dirty: Vec::new(),
            active: Vec::new(),
            incomplete: Vec::new(),
            closing: VecDeque::new(),
            figures: Figures::default(),
            turn: Turn::new(),
            now: Now::default(),
            stopping: false,
            stopped: None,
        };
        Self { state: RefCell::new(state), config }
    }

    /// The state, because something happens: begins a turn if none is open. Never held across an await.
    pub(super) fn enter(&self) -> RefMut<'_, State> {
        let mut state = self.state.borrow_mut();
        if state.turn.enter() {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            state.now = Now { mono_ms: state.turn.mono_ms(), unix_ms: unix.as_millis() as u64 };
        }
        state
    }

    /// Shows a copy of the core's figures. Never waits: if somebody reads the last one just now, the next will do.
    pub(super) fn publish(&self, state: &mut State) {
        state.figures.active = state.active.len();
        state.figures.pool_bytes = state.pool.bytes();
        state.figures.partial_bytes = state.partials.used();
        if let Ok(mut shown) = self.config.shown.try_lock() {
            shown.clone_from(&state.figures);
        }
    }

    /// The state, without beginning a turn.
    pub(super) fn look(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

impl State {
    /// Ends all connections and takes no new ones.
    fn stop(&mut self) {
        self.stopping = true;
        if let Some(waker) = self.stopped.take() {
            waker.wake();
        }
        for (_, connection) in self.table.iter_mut() {
            connection.silence();
        }
    }
}

/// A core's life, on its own thread and ring: until it is told to stop and its sockets have ended.
pub(super) async fn run(
    config: CoreConfig,
    listener: std::net::TcpListener,
    inbox: Inbox<Mail>,
    addresses: &[Address<Mail>],
    ready: impl FnOnce(),
) -> io::Result<()> {
    let listener = Rc::new(Listener::adopt(listener)?);
    let round = Round::new()?;
    let core = Rc::new(Core::new(config, addresses));
    monoio::spawn(flush::flush_each_turn(Rc::clone(&core)));
    monoio::spawn(tick::tick(Rc::clone(&core)));
    monoio::spawn(arrive::accept(Rc::clone(&core), Rc::clone(&listener)));
    monoio::spawn(receive(Rc::clone(&core), inbox, round));
    ready();
    stopped(&core).await;
    listener.close();
    // Sockets end by themselves once they are silenced; one that does not is closed with the process.
    for _ in 0..STOP_MS / 10 {
        if core.look().table.len() == 0 {
            break;
        }
        monoio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn stopped(core: &Core) {
    std::future::poll_fn(|cx| {
        let mut state = core.look();
        if state.stopping {
            return Poll::Ready(());
        }
        state.stopped = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// Takes what others send us. Ends with the core, so that no other thread is left with this task's waker.
async fn receive(core: Shared, mut inbox: Inbox<Mail>, round: Round) {
    loop {
        let mut batch = inbox.next().await;
        loop {
            for mail in batch {
                match mail {
                    Mail::Adopt(adopted) => connection::adopt(&core, *adopted),
                    Mail::Stop => return core.enter().stop(),
                    #[cfg(test)]
                    Mail::Then(act) => drop(monoio::spawn(async move { act.0() })),
                }
            }
            if core.config.driver.defers_completions() {
                round.pass().await;
            }
            match inbox.try_next() {
                Some(next) => batch = next,
                None => break,
            }
        }
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
