//! `/v1/echo`: everything a peer says comes back, so that others can judge this receiver and writer.

use super::connection::{Connection, Flow, Phase};
use super::core::State;
use super::execute::mark;
use super::table::Key;
use crate::limits::OUTBOUND_BYTES;
use crate::model::CloseCode;
use crate::wire::websocket::{Event, Opcode, Rules, write_frame};

/// What one event asks for beyond the frame that was written for it.
enum Verdict {
    /// Nothing was there or answered.
    Nothing,
    /// A frame was appended.
    Answered,
    /// All bytes were used.
    Hungry,
    /// The peer closes, with this code.
    Closed(Option<u16>),
    /// The peer broke a rule.
    Broken(CloseCode),
}

/// Obeys `bytes` as far as the connection may go on: how many were used, and whether to go on.
///
/// A peer that does not read what comes back is not read either: at most one message beyond the budget waits.
pub(super) fn feed(state: &mut State, key: Key, bytes: &mut [u8]) -> (usize, Flow) {
    let all = bytes.len();
    let mut input = bytes;
    loop {
        let State { table, partials, pool, dirty, incomplete, now, .. } = &mut *state;
        let Some(connection) = table.get_mut(key).filter(|connection| connection.phase == Phase::Open) else {
            return (all, Flow::Go);
        };
        if connection.line.unsent() > OUTBOUND_BYTES {
            return (all - input.len(), Flow::Park);
        }
        let Connection { receiver, line, .. } = connection;
        let mut answer = |op, data: &[u8]| {
            write_frame(op, data, line.buffer(pool));
            Verdict::Answered
        };
        let verdict = match receiver.next(&mut input, &Rules::ECHO, partials, now.mono_ms) {
            Ok(Some(Event::Message { text: true, data })) => answer(Opcode::Text, data),
            Ok(Some(Event::Message { text: false, data })) => answer(Opcode::Binary, data),
            Ok(Some(Event::Ping(data))) => answer(Opcode::Pong, data),
            Ok(Some(Event::Pong(_))) => Verdict::Nothing,
            Ok(Some(Event::Oversize { .. })) => Verdict::Broken(CloseCode::TooBig),
            Ok(Some(Event::Close(close))) => Verdict::Closed(close.code),
            Ok(None) => Verdict::Hungry,
            Err(code) => Verdict::Broken(code),
        };
        match verdict {
            Verdict::Nothing => {}
            Verdict::Answered => mark(connection, key, dirty),
            Verdict::Hungry => {
                connection.note_incomplete(key, incomplete);
                return (all, Flow::Go);
            }
            Verdict::Closed(code) => state.close_with(key, code, ""),
            Verdict::Broken(code) => {
                state.figures.refuse_by_close(code);
                state.close(key, code);
            }
        }
    }
}
