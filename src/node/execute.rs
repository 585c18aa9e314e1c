//! What happens to a connection: bytes out, its close, its end. Every effect on a socket is here.

use super::connection::{Connection, Phase};
use super::core::State;
use super::table::Key;
use crate::limits::{CLOSE_MS, OUTBOUND_BYTES, QUIET_MS};
use crate::model::CloseCode;
use crate::net::{Quiet, ReadEnd, Sending, half_close};
use crate::wire::websocket::write_close;
use monoio::io::CancelHandle;

impl State {
    /// Appends to what the connection sends at the end of this turn. Nothing after its close frame.
    pub(super) fn append(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        let Self { table, pool, dirty, .. } = self;
        let Some(connection) = table.get_mut(key) else { return };
        if connection.phase != Phase::Open {
            return;
        }
        write(connection.writer.buffer(pool));
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
            connection.phase = Phase::Closing;
            connection.receiver.release(&mut self.partials);
            self.closing.push_back((deadline, key));
            wake(connection);
        }
    }

    /// The kernel has taken some of a send.
    pub(super) fn progress(&mut self, key: Key, bytes: usize) {
        self.figures.bytes_written += bytes as u64;
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.writer.progress(bytes);
        if connection.writer.unsent() <= OUTBOUND_BYTES / 2 {
            wake(connection);
        }
    }

    /// A send is over: what came meanwhile is next, and after the close frame we say that there is no more.
    pub(super) fn sent(&mut self, key: Key, sending: Sending, whole: bool) {
        self.figures.writes += 1;
        let Self { table, pool, dirty, .. } = self;
        let Some(connection) = table.get_mut(key) else { return };
        connection.writer.finish(sending, pool);
        if !whole {
            connection.writer.discard(pool);
            connection.silence();
        }
        if connection.unread {
            return self.forget(key);
        }
        if !connection.writer.is_idle() {
            mark(connection, key, dirty);
        } else if connection.phase == Phase::Closing {
            connection.phase = Phase::HalfClosed;
            half_close(&connection.writer);
        }
    }

    /// A read has returned. True if there was one shortly before: the connection is active.
    pub(super) fn heard(&mut self, key: Key, result: Result<(), ReadEnd>, bytes: usize) -> bool {
        let now_ms = self.now.mono_ms;
        let Some(connection) = self.table.get_mut(key) else { return false };
        if result.is_err() {
            return false;
        }
        self.figures.bytes_read += bytes as u64;
        let before = std::mem::replace(&mut connection.heard_ms, now_ms);
        now_ms - before < QUIET_MS
    }

    /// It keeps a read buffer in flight from now on, which the tick takes back by this handle.
    pub(super) fn activate(&mut self, key: Key) -> Option<CancelHandle> {
        let connection = self.table.get_mut(key)?;
        self.active.push(key);
        Some(connection.quiet.insert(Quiet::default()).handle())
    }

    /// Its read buffer came back.
    pub(super) fn deactivate(&mut self, key: Key) {
        if let Some(connection) = self.table.get_mut(key) {
            connection.quiet = None;
        }
    }

    /// Its reading task has ended: the peer sends no more. A send in flight has nobody to wait for.
    pub(super) fn ended(&mut self, key: Key) {
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.unread = true;
        connection.receiver.release(&mut self.partials);
        if connection.phase == Phase::Open && !connection.writer.is_idle() {
            // The peer has closed only its sending side, perhaps: what was promised to it is still sent.
            connection.phase = Phase::Closing;
            self.closing.push_back((self.now.mono_ms + CLOSE_MS, key));
            return;
        }
        if connection.writer.is_idle() || connection.phase == Phase::Silenced {
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

    /// Takes it out of the table, unless a send still holds its half.
    fn forget(&mut self, key: Key) {
        let Self { table, pool, dirty, figures, .. } = self;
        let Some(connection) = table.get_mut(key) else { return };
        if connection.writer.is_sending() {
            return;
        }
        if !connection.writer.is_idle() && connection.phase != Phase::Silenced {
            return mark(connection, key, dirty);
        }
        connection.writer.discard(pool);
        table.remove(key);
        figures.connections -= 1;
    }
}

/// It has something to send at the end of this turn.
pub(super) fn mark(connection: &mut Connection, key: Key, dirty: &mut Vec<Key>) {
    if !std::mem::replace(&mut connection.dirty, true) {
        dirty.push(key);
    }
}

/// Its reading task may go on.
fn wake(connection: &mut Connection) {
    if let Some(waker) = connection.parked.take() {
        waker.wake();
    }
}
