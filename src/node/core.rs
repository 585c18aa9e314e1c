//! One core: the state its tasks share, and the tasks that live as long as it.

use super::api::Moved;
use super::connection::{Connection, Purpose};
use super::figures::Figures;
use super::frames::Frames;
use super::gate::Seat;
use super::post::PostBox;
use super::requests::Requests;
use super::start::{CoreConfig, Identity};
use super::starved::Starved;
use super::table::{Key, Table};
use super::turn::Turn;
use super::{api, arrive, attend, connection, flush, tick};
use crate::access::Access;
use crate::admin::Question;
use crate::backplane::Log;
use crate::counters::{Histogram, SIZES};
use crate::limits::{FRESH_MS, PROXY_WARNING_MS, READ_BYTES_LONG, STOP_MS};
use crate::log::{Append, LogEvent};
use crate::mesh::{Address, Inbox, Outbox};
use crate::model::{Dispatch, Now, Parcel};
use crate::net::{Handoff, Listener, Pool, Round, Watch, step_back};
use crate::router::{self, Settings, Shard};
use crate::wire::json::Parser;
use crate::wire::websocket::{PartialBudget, Rules};
use monoio::time::Instant;
use rustls::ServerConfig;
use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What cores, and other threads, send a core.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A connection that belongs here.
    Adopt(Box<Adopted>),
    /// A connection of the HTTP API whose request must be served here.
    Serve(Box<Moved>),
    /// Another core's shard speaks to ours.
    Parcel {
        /// Which core's.
        from: u16,
        /// What.
        parcel: Parcel,
    },
    /// The log speaks.
    Log(LogEvent),
    /// Judge whoever comes from now on by these keys.
    Access(Arc<Access>),
    /// Whoever comes from now on is shown this certificate.
    Tls(Arc<ServerConfig>),
    /// Take no new connections, and tell each session its moment to go within so many milliseconds.
    Drain(u64),
    /// The admin server asks how this core is.
    Ask(Question),
    /// Close everything and end.
    Stop,
    /// Something to be done at the end of the turn, for tests.
    #[cfg(test)]
    Then(tests::Act),
}

/// A connection on its way to its core, upgraded but not yet answered.
#[derive(Debug)]
pub(crate) struct Adopted {
    /// The socket and what came behind the request head.
    pub(super) handoff: Handoff,
    /// The answer to the request: the first bytes to be sent.
    pub(super) greeting: Vec<u8>,
    /// What it is for.
    pub(super) purpose: Purpose,
    /// Its place among the node's connections.
    pub(super) seat: Seat,
}

/// A core, shared by its tasks.
pub(super) type Shared = Rc<Core>;

/// What the tasks of one core share.
pub(super) struct Core {
    state: RefCell<State>,
    listener: Rc<Listener>,
    /// Of all connections.
    pub(super) watch: Watch,
    pub(super) config: CoreConfig,
}

/// Everything a task may change, between two awaits.
pub(super) struct State {
    pub(super) table: Table<Connection>,
    pub(super) pool: Pool,
    pub(super) partials: PartialBudget,
    pub(super) outbox: Outbox<Mail>,
    /// Connections with something to send, each once.
    pub(super) dirty: VecDeque<Key>,
    /// What is read goes here first, [`READ_BYTES_LONG`] at most, and is obeyed before anything else is read.
    pub(super) scratch: Vec<u8>,
    /// What was sealed in it, after it was opened.
    pub(super) opened: Vec<u8>,
    /// Connections with an incomplete message.
    pub(super) incomplete: Vec<Key>,
    /// Connections in their close handshake, and until when they may be.
    pub(super) closing: VecDeque<(u64, Key)>,
    pub(super) figures: Figures,
    /// Messages per batch that came in.
    pub(super) mesh_batches: Histogram,
    pub(super) turn: Turn,
    pub(super) starved: Starved,
    /// Of this turn.
    pub(super) now: Now,
    pub(super) shard: Shard,
    /// What the shard wants done; carried out at the end of the turn at the latest.
    pub(super) out: router::Outbox,
    /// By the shard's slot: whose connection that is.
    pub(super) sessions: Vec<Option<Key>>,
    /// What this turn has for the log.
    pub(super) appends: Vec<Append>,
    /// What this turn has for other nodes.
    pub(super) dispatches: Vec<Dispatch>,
    /// `None`: this node is alone.
    pub(super) post: Option<PostBox>,
    /// `None`: there are no sessions on this node, only echo.
    pub(super) log: Option<Log>,
    /// Requests of the HTTP API that wait for the shard.
    pub(super) requests: Requests,
    pub(super) parser: Parser,
    pub(super) frames: Frames,
    pub(super) access: Arc<Access>,
    /// `None`: connections are plain.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Reads of this turn that have brought something.
    pub(super) reads: usize,
    /// Steps of handshakes that were taken in this turn.
    pub(super) handshakes: usize,
    /// Arrivals that wait for a turn with one left, woken as many at a time, and until when they do.
    pub(super) shaking: VecDeque<(Instant, Waker)>,
    /// Signatures that were checked in this turn.
    pub(super) signatures: usize,
    /// Sessions whose new token was not checked yet; they try again with the next tick.
    pub(super) unsigned: Vec<Key>,
    /// What a session's peer may send.
    pub(super) rules: Rules,
    pub(super) identity: Identity,
    /// Until when nobody is warned of a proxy that sends no good header.
    silent_of_proxy_ms: u64,
    pub(super) draining: bool,
    pub(super) stopping: bool,
    stopped: Option<Waker>,
    /// The core's life is over.
    over: bool,
    /// Who waits for connections that have something.
    attending: Option<Waker>,
}

impl Core {
    fn new(config: CoreConfig, listener: Rc<Listener>, addresses: &[Address<Mail>]) -> io::Result<Self> {
        let settings = Settings { core: config.index, ..config.settings.clone() };
        let turn = Turn::new();
        let state = State {
            table: Table::default(),
            pool: Pool::default(),
            partials: PartialBudget::default(),
            outbox: Outbox::new(config.index, addresses),
            dirty: VecDeque::new(),
            scratch: vec![0; READ_BYTES_LONG],
            opened: Vec::new(),
            incomplete: Vec::new(),
            closing: VecDeque::new(),
            figures: Figures::default(),
            mesh_batches: Histogram::new(SIZES),
            starved: Starved::of_this_thread(),
            now: turn.now(),
            shard: Shard::new(settings, config.identity.log_epoch, &config.heads, turn.now()),
            out: router::Outbox::default(),
            sessions: Vec::new(),
            appends: Vec::new(),
            dispatches: Vec::new(),
            post: config.post.clone(),
            log: config.log.clone(),
            requests: Requests::default(),
            parser: Parser::new(),
            frames: Frames::default(),
            access: Arc::clone(&config.access),
            tls: config.tls.clone(),
            reads: 0,
            handshakes: 0,
            shaking: VecDeque::new(),
            turn,
            signatures: 0,
            unsigned: Vec::new(),
            rules: Rules { keep: config.message_bytes, ..Rules::CLIENT },
            identity: config.identity.clone(),
            silent_of_proxy_ms: 0,
            draining: false,
            stopping: false,
            stopped: None,
            over: false,
            attending: None,
        };
        Ok(Self { state: RefCell::new(state), listener, watch: Watch::new()?, config })
    }

    /// The state, because something happens: begins a turn if none is open. Never held across an await.
    pub(super) fn enter(&self) -> RefMut<'_, State> {
        let mut state = self.state.borrow_mut();
        state.begin_turn();
        state
    }

    /// Shows a copy of the core's figures. Never waits: if somebody reads the last one just now, the next will do.
    pub(super) fn publish(&self, state: &mut State) {
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
    /// Begins a turn if none is open.
    pub(super) fn begin_turn(&mut self) {
        if self.turn.enter() {
            self.now = self.turn.now();
        }
    }

    /// Whether somebody new may become a session here.
    pub(super) fn takes_sessions(&self) -> bool {
        self.log.is_some() && !self.draining
    }

    /// Whether it is time for a warning that a proxy sends no good header, as the asker then gives.
    pub(super) fn may_warn_of_proxy(&mut self) -> bool {
        let may = self.now.mono_ms >= self.silent_of_proxy_ms;
        if may {
            self.silent_of_proxy_ms = self.now.mono_ms + PROXY_WARNING_MS;
        }
        may
    }

    fn take(&mut self, mail: Mail, core: &Shared) {
        let Self { shard, out, now, .. } = self;
        match mail {
            Mail::Parcel { from, parcel } => shard.on_parcel(from, parcel, *now, out),
            Mail::Log(event) => shard.on_log(event, *now, out),
            Mail::Serve(moved) => api::take_over(core, *moved),
            Mail::Adopt(adopted) => connection::adopt(core, self, *adopted),
            Mail::Access(access) => self.access = access,
            Mail::Tls(tls) => self.tls = Some(tls),
            Mail::Drain(window_ms) => {
                shard.drain(window_ms, *now, out);
                self.draining = true;
                core.listener.close();
            }
            Mail::Ask(question) => question.answer(core.report(self)),
            Mail::Stop => self.stop(),
            #[cfg(test)]
            Mail::Then(act) => drop(monoio::spawn(async move { act.0() })),
        }
    }

    /// Whether the core's life is over. Who asks is woken when it is.
    pub(super) fn is_over(&mut self, attending: &Waker) -> bool {
        if !self.over {
            self.attending = Some(attending.clone());
        }
        self.over
    }

    fn end(&mut self) {
        self.over = true;
        if let Some(waker) = self.attending.take() {
            waker.wake();
        }
    }

    /// No new connections are taken.
    pub(super) fn is_leaving(&self) -> bool {
        self.stopping || self.draining
    }

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
    let driver = config.driver;
    let core = Rc::new(Core::new(config, Rc::clone(&listener), addresses)?);
    monoio::spawn(flush::flush_each_turn(Rc::clone(&core), Round::new(driver)?));
    monoio::spawn(tick::tick(Rc::clone(&core)));
    monoio::spawn(arrive::accept(Rc::clone(&core), Rc::clone(&listener)));
    monoio::spawn(attend::attend(Rc::clone(&core), Round::new(driver)?));
    monoio::spawn(receive(Rc::clone(&core), inbox, Round::new(driver)?));
    hear_of_the_log(&core).await;
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
    core.look().end();
    // Who attends lets go of the ring.
    step_back().await;
    Ok(())
}

/// Who is told that we are ready finds us ready: a `welcome` needs fresh knowledge of the log, and `/readyz` asks for
/// it. A log that does not beat is told there, and keeps nobody from starting.
async fn hear_of_the_log(core: &Core) {
    for _ in 0..FRESH_MS / 2 {
        {
            let state = core.enter();
            if state.log.is_none() || state.shard.is_fresh(state.now) {
                return;
            }
        }
        monoio::time::sleep(Duration::from_millis(2)).await;
    }
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
            {
                let mut state = core.enter();
                state.mesh_batches.observe(batch.len() as u64);
                batch.into_iter().for_each(|mail| state.take(mail, &core));
                if state.stopping {
                    return;
                }
                flush::end_long_turn(&core, &mut state);
            }
            // Others may wake us in every turn; our own sockets come between.
            round.pass().await;
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
