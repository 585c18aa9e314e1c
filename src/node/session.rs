//! A connection that is a session: its frames become the shard's commands.

use super::connection::{Connection, Flow, Phase};
use super::core::State;
use super::execute::mark;
use super::table::Key;
use crate::access::{Access, Claims};
use crate::limits::{OUTBOUND_ANSWERS, OUTBOUND_BYTES, SIGNATURES_PER_TURN};
use crate::model::{CloseCode, Command, ErrorCode, Mistake, Now};
use crate::router::{self, Connect, Shard};
use crate::wire::json::{Parser, Rejected};
use crate::wire::websocket::{Event, Opcode, write_frame};

/// A connection becomes a session. Its `welcome` follows when its home has answered.
pub(super) fn open(state: &mut State, key: Key, connect: Connect) {
    // What was meant for an earlier session of that slot must not reach this one.
    state.carry_out();
    let State { shard, out, now, table, sessions, .. } = state;
    let slot = shard.open(connect, *now, out).slot;
    let connection = table.get_mut(key).expect("it was just entered");
    connection.set_session(Some(slot));
    if sessions.len() <= slot as usize {
        sessions.resize(slot as usize + 1, None);
    }
    sessions[slot as usize] = Some(key);
}

/// What became of one frame.
enum Verdict {
    /// It was obeyed, or answered.
    Done,
    /// There is no room for this message: it comes again.
    Wait(Box<[u8]>),
    /// Nothing is left to look at.
    Hungry,
    /// The peer closes, with this code.
    Closed(Option<u16>),
    /// The session must end.
    End(CloseCode),
}

/// Obeys `bytes` as far as the session may go on: how many were used, and whether to go on.
pub(super) fn feed(state: &mut State, key: Key, slot: u32, bytes: &mut [u8]) -> (usize, Flow) {
    let all = bytes.len();
    let mut input = bytes;
    loop {
        if !state.table.get_mut(key).is_some_and(|connection| connection.phase == Phase::Open) {
            return (all, Flow::Go);
        }
        if !may_go_on(state, key, slot) {
            return (all - input.len(), Flow::Park);
        }
        match next(state, key, slot, &mut input) {
            Verdict::Done => {}
            Verdict::Hungry => return (all, Flow::Go),
            Verdict::Wait(message) => {
                if let Some(connection) = state.table.get_mut(key) {
                    connection.held_up().waiting = Some(message);
                }
                return (all - input.len(), Flow::Park);
            }
            Verdict::Closed(code) => {
                // What it asked before is answered before.
                state.carry_out();
                state.close_with(key, code, "");
                state.leave(key);
            }
            Verdict::End(code) => {
                state.figures.refuse_by_close(code);
                state.shard.close(slot, code, state.now, &mut state.out);
                state.carry_out();
            }
        }
    }
}

/// A peer that does not read its answers is not read either; and the shard may have no room.
fn may_go_on(state: &mut State, key: Key, slot: u32) -> bool {
    let State { table, shard, .. } = state;
    let unsent = table.get_mut(key).map_or(0, |connection| connection.line.unsent());
    unsent <= OUTBOUND_BYTES + OUTBOUND_ANSWERS && shard.is_ready(slot)
}

/// The next frame: one that waits, or the next of `input`.
fn next(state: &mut State, key: Key, slot: u32, input: &mut &mut [u8]) -> Verdict {
    let State {
        table,
        partials,
        incomplete,
        dirty,
        pool,
        now,
        shard,
        out,
        parser,
        rules,
        access,
        signatures,
        unsigned,
        ..
    } = state;
    let Some(connection) = table.get_mut(key) else { return Verdict::Hungry };
    let mut signer = Signer { access, signatures, unsigned, key };
    if let Some(message) = connection.take_waiting() {
        return obey(slot, &message, parser, &mut signer, shard, *now, out);
    }
    let Connection { receiver, line, .. } = connection;
    let event = receiver.next(input, rules, partials, now.mono_ms);
    if !matches!(event, Ok(None)) {
        shard.on_heard(slot, *now);
    }
    match event {
        Ok(Some(Event::Message { data, .. })) => obey(slot, data, parser, &mut signer, shard, *now, out),
        Ok(Some(Event::Oversize { bytes })) => {
            let message = format!("the message has {bytes} bytes; it may have {}", rules.keep).into();
            shard.on_mistake(slot, &Mistake { id: None, code: ErrorCode::TooLarge, message }, *now, out);
            Verdict::Done
        }
        Ok(Some(Event::Ping(data))) => {
            write_frame(Opcode::Pong, data, line.buffer(pool));
            mark(connection, key, dirty);
            Verdict::Done
        }
        Ok(Some(Event::Pong(_))) => Verdict::Done,
        Ok(Some(Event::Close(close))) => Verdict::Closed(close.code),
        Ok(None) => {
            connection.note_incomplete(key, incomplete);
            Verdict::Hungry
        }
        Err(code) => Verdict::End(code),
    }
}

/// One message: a command, or a mistake.
fn obey(
    slot: u32,
    message: &[u8],
    parser: &mut Parser,
    signer: &mut Signer<'_>,
    shard: &mut Shard,
    now: Now,
    out: &mut router::Outbox,
) -> Verdict {
    match parser.command(message) {
        Ok(Command::Send(send)) => {
            if shard.on_send(slot, send, now, out) == router::Flow::Park {
                return Verdict::Wait(message.into());
            }
        }
        Ok(Command::Ping) => shard.on_ping(slot, now, out),
        Ok(Command::Auth { token }) => match signer.renew(token, shard.client_at(slot).as_str(), now) {
            None => return Verdict::Wait(message.into()),
            Some(Ok(claims)) => shard.on_renewed(slot, claims, now, out),
            Some(Err(code)) => return Verdict::End(code),
        },
        Err(Rejected::Mistake(mistake)) => shard.on_mistake(slot, &mistake, now, out),
        Err(Rejected::NotUtf8) => return Verdict::End(CloseCode::BadUtf8),
    }
    Verdict::Done
}

/// Checks tokens, a bounded number a turn.
struct Signer<'s> {
    access: &'s Access,
    signatures: &'s mut usize,
    /// Whose token waits for the next tick.
    unsigned: &'s mut Vec<Key>,
    key: Key,
}

impl Signer<'_> {
    /// A session's next token. `None`: not in this turn.
    fn renew(&mut self, token: &str, client: &str, now: Now) -> Option<Result<Claims, CloseCode>> {
        let Some(keys) = &self.access.keys else { return Some(Err(CloseCode::BadToken)) };
        if *self.signatures >= SIGNATURES_PER_TURN {
            self.unsigned.push(self.key);
            return None;
        }
        *self.signatures += 1;
        Some(match keys.verify(token, now) {
            Ok(claims) if claims.client.as_str() == client => Ok(claims),
            Ok(_) => Err(CloseCode::BadToken),
            Err(error) => Err(error.close_code()),
        })
    }
}
