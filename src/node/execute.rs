//! What happens to a connection: bytes out, its close, its end. Every effect on a socket is here.

use super::connection::{Connection, Phase, Service};
use super::core::{Mail, State};
use super::table::Key;
use super::told::{self, Who};
use crate::limits::{CLOSE_MS, HANDSHAKES_PER_TURN, OUTBOUND_BYTES};
use crate::model::{CloseCode, Push};
use crate::net::{Sent, half_close};
use crate::router::Output;
use crate::wire::websocket::{Opcode, PartialBudget, write_close, write_frame};
use monoio::time::Instant;
use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

impl State {
    /// Does what the shard wants done: the only place where its outputs become effects. Called at the end of each
    /// turn, and before a slot of the shard changes hands, so that nothing reaches the wrong session.
    pub(super) fn carry_out(&mut self) {
        let Self {
            out,
            table,
            sessions,
            pool,
            dirty,
            shard,
            frames,
            identity,
            closing,
            now,
            partials,
            appends,
            dispatches,
            log,
            outbox,
            requests,
            ..
        } = self;
        for output in out.drain() {
            let session = |slot: u32| sessions.get(slot as usize).copied().flatten();
            match output {
                Output::Push { slot, push } => {
                    let Some(key) = session(slot) else { continue };
                    let Some(connection) = table.get_mut(key).filter(|it| it.phase == Phase::Open) else {
                        continue;
                    };
                    connection.collected += push.cost();
                    let who = Who { shard, identity, slot };
                    match &push {
                        Push::Welcome(welcome) => told::began(who, welcome),
                        Push::Live { .. } => told::is_live(who),
                        _ => {}
                    }
                    let face = identity.face(shard.client_at(slot).as_ref());
                    frames.write(push, &face, connection.line.buffer(pool));
                    mark(connection, key, dirty);
                }
                Output::Ping { slot } => {
                    let Some(key) = session(slot) else { continue };
                    let Some(connection) = table.get_mut(key).filter(|it| it.phase == Phase::Open) else {
                        continue;
                    };
                    write_frame(Opcode::Ping, &[], connection.line.buffer(pool));
                    mark(connection, key, dirty);
                }
                Output::Close { slot, code } => {
                    let Some(key) = session(slot) else { continue };
                    let Some(connection) = table.get_mut(key).filter(|it| it.phase == Phase::Open) else {
                        continue;
                    };
                    told::closed(Who { shard, identity, slot }, code);
                    write_close(Some(code as u16), code.reason(), connection.line.buffer(pool));
                    mark(connection, key, dirty);
                    begin_closing(connection, partials);
                    closing.push_back((now.mono_ms + CLOSE_MS, key));
                }
                Output::Cut { slot } => {
                    if let Some(connection) = session(slot).and_then(|key| table.get_mut(key)) {
                        told::cut(Who { shard, identity, slot });
                        connection.silence();
                    }
                }
                Output::Behind { slot } => {
                    if session(slot).is_some() {
                        told::fell_behind(Who { shard, identity, slot });
                    }
                }
                Output::Unpark { slot } => {
                    if let Some(connection) = session(slot).and_then(|key| table.get_mut(key)) {
                        connection.wake();
                    }
                }
                Output::Append(append) => appends.push(append),
                Output::Revoke(ticket, revocation) => {
                    log.as_ref().map_or((), |log| log.revoke(ticket, revocation))
                }
                Output::Read(read) => log.as_ref().map_or((), |log| log.read(read)),
                Output::Parcel { core, parcel } => {
                    let (command, room) = (parcel.is_command(), parcel.room());
                    let mail = Mail::Parcel { from: outbox.core(), parcel: *parcel };
                    if command {
                        outbox.push_large_command(core, mail, room);
                    } else {
                        outbox.push(core, mail);
                    }
                }
                Output::Dispatch(dispatch) => dispatches.push(*dispatch),
                Output::Answer(request, answer) => requests.answered(request, answer),
            }
        }
        frames.forget();
    }

    /// Hands this turn's appends to the log, and tells the shard which cores take commands in the next turn.
    pub(super) fn settle(&mut self) {
        if !self.appends.is_empty() {
            let appends = std::mem::take(&mut self.appends);
            if let Some(log) = &self.log {
                log.append(appends);
            }
        }
        if let Some(post) = &self.post
            && !self.dispatches.is_empty()
        {
            post.post(self.outbox.core(), std::mem::take(&mut self.dispatches));
        }
        (self.reads, self.signatures, self.handshakes) = (0, 0, 0);
        self.wake_shaking();
        for core in 0..self.outbox.cores() {
            self.out.set_room(core, self.outbox.room(core));
        }
    }

    /// Wakes as many that wait for a step of a handshake as the next turn has.
    fn wake_shaking(&mut self) {
        let mut left = HANDSHAKES_PER_TURN;
        while left > 0
            && let Some((deadline, waker)) = self.shaking.pop_front()
        {
            // Whose time is over is woken by that, and would take the place of somebody who is in time.
            if Instant::now() < deadline {
                waker.wake();
                left -= 1;
            }
        }
    }

    /// Appends to what the connection sends at the end of this turn. Nothing after its close frame.
    pub(super) fn append(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        let Self { table, pool, dirty, .. } = self;
        let Some(connection) = table.get_mut(key) else { return };
        if connection.phase != Phase::Open {
            return;
        }
        write(connection.line.buffer(pool));
        mark(connection, key, dirty);
    }

    /// Closes it with that code, after what was appended before. Its messages are not obeyed any more.
    pub(super) fn close(&mut self, key: Key, code: CloseCode) {
        self.close_with(key, Some(code as u16), code.reason());
    }

    /// The same with any code: a peer's is echoed.
    pub(super) fn close_with(&mut self, key: Key, code: Option<u16>, reason: &str) {
        self.append(key, |out| write_close(code, reason, out));
        let deadline = self.now.mono_ms + CLOSE_MS;
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.phase == Phase::Open {
            begin_closing(connection, &mut self.partials);
            self.closing.push_back((deadline, key));
        }
    }

    /// Sends what was collected for a connection. `Some`: its socket has no room; wait for this, then
    /// [`State::unblocked`]. After the close frame we say that there is no more.
    pub(super) fn send(&mut self, key: Key) -> Option<impl Future<Output = ()> + use<>> {
        let Self { table, pool, .. } = self;
        let connection = table.get_mut(key)?;
        connection.dirty = false;
        if connection.blocked {
            return None;
        }
        let is_sealed = connection.line.seal(connection.phase == Phase::Closing, pool);
        let unsent = connection.line.unsent();
        let sent = is_sealed.map_or(Sent::Broken, |()| connection.line.send(pool));
        match sent {
            Sent::All(0) | Sent::Some(0) => {}
            Sent::All(bytes) | Sent::Some(bytes) => self.written(key, bytes, unsent),
            Sent::Broken => {
                connection.line.discard(pool);
                connection.silence();
            }
        }
        let connection = self.table.get_mut(key)?;
        if let Sent::Some(_) = sent {
            connection.blocked = true;
            return Some(connection.line.writable());
        }
        if connection.line.is_idle() {
            if connection.unread {
                self.forget(key);
            } else if connection.phase == Phase::Closing {
                connection.phase = Phase::HalfClosed;
                half_close(&connection.line);
            }
        }
        None
    }

    /// The kernel has taken `bytes` of what was `unsent`: that much of its budget is free again.
    fn written(&mut self, key: Key, bytes: usize, unsent: usize) {
        self.figures.writes += 1;
        self.figures.bytes_written += bytes as u64;
        let Some(connection) = self.table.get_mut(key) else { return };
        let cost = (u64::from(connection.collected) * bytes as u64 / unsent as u64) as u32;
        connection.collected -= cost;
        if connection.line.unsent() <= OUTBOUND_BYTES / 2 {
            connection.wake();
        }
        if let Service::Session(slot) = connection.service() {
            self.shard.on_written(slot, cost, self.now, &mut self.out);
        }
    }

    /// A socket has room again, after so long.
    pub(super) fn unblocked(&mut self, key: Key, waited: Duration) {
        self.figures.wait(waited);
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.blocked = false;
        mark(connection, key, &mut self.dirty);
    }

    /// It is read no more: the peer sends nothing any more.
    pub(super) fn ended(&mut self, key: Key) {
        // What this turn has for it counts among what was promised.
        self.carry_out();
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.unread = true;
        connection.receiver.release(&mut self.partials);
        if connection.phase == Phase::Open && !connection.line.is_idle() {
            // The peer has closed only its sending side, perhaps: what was promised to it is still sent.
            connection.phase = Phase::Closing;
            self.closing.push_back((self.now.mono_ms + CLOSE_MS, key));
            return;
        }
        if connection.line.is_idle() || connection.phase == Phase::Silenced {
            self.forget(key);
        }
    }

    /// Its time for a close handshake is over.
    pub(super) fn cut(&mut self, key: Key) {
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.silence();
        if connection.unread {
            self.forget(key);
        }
    }

    /// It is no session any more, if it was one: the shard forgets it.
    pub(super) fn leave(&mut self, key: Key) {
        let Some(connection) = self.table.get_mut(key) else { return };
        let Service::Session(slot) = connection.service() else { return };
        connection.set_session(None);
        drop(connection.take_waiting());
        self.carry_out();
        told::left(Who { shard: &self.shard, identity: &self.identity, slot });
        self.sessions[slot as usize] = None;
        self.shard.on_closed(slot, self.now, &mut self.out);
    }

    /// Takes it out of the table.
    fn forget(&mut self, key: Key) {
        let Self { table, pool, partials, .. } = self;
        let Some(connection) = table.get_mut(key) else { return };
        connection.line.discard(pool);
        partials.give(connection.line.uncount_held());
        self.leave(key);
        self.table.remove(key);
        self.figures.connections -= 1;
    }
}

/// Nothing of it is obeyed any more.
fn begin_closing(connection: &mut Connection, partials: &mut PartialBudget) {
    connection.phase = Phase::Closing;
    connection.receiver.release(partials);
    connection.wake();
}

/// It has something to send at the end of this turn.
pub(super) fn mark(connection: &mut Connection, key: Key, dirty: &mut VecDeque<Key>) {
    if !std::mem::replace(&mut connection.dirty, true) {
        dirty.push_back(key);
    }
}
