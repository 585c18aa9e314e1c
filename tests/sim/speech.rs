//! What goes over a connection is the real text of the protocol: written and read by `wire::json` at both ends.

use corepost::model::{Heard, HeardError, HeardFailed, HeardMessage, HeardWelcome};
use corepost::wire::json::Heard as Wire;

/// A frame as the client's machine takes it.
pub fn heard<'a>(wire: &Wire<'a>) -> Heard<'a> {
    match *wire {
        Wire::Welcome { client, session, node, cursor, resumed, reason, missed, more, limits } => {
            Heard::Welcome(HeardWelcome {
                client,
                session,
                node,
                cursor,
                resumed,
                reason,
                missed,
                more,
                message_bytes: None,
                ping_interval_ms: ping_interval_ms(limits),
                limits,
            })
        }
        Wire::Message { from, id, at_ms, prev, cursor, to, body } => {
            Heard::Message(HeardMessage { from, id, to, at_ms, prev, cursor, body })
        }
        Wire::Ephemeral { from, body } => Heard::Ephemeral { from, body },
        Wire::Live { cursor } => Heard::Live { cursor },
        Wire::Cursor { cursor } => Heard::Cursor { cursor },
        Wire::Pong { cursor } => Heard::Pong { cursor },
        Wire::Ack { id, at_ms } => Heard::Ack { id, at_ms },
        Wire::Error { id, code, message, retry_after_ms, ref failed } => Heard::Error(HeardError {
            id,
            code,
            message,
            retry_after_ms,
            failed: failed.iter().map(|failed| HeardFailed { to: failed.to, code: failed.code }).collect(),
        }),
        Wire::Drain { reconnect_after_ms, cursor } => Heard::Drain { reconnect_after_ms, cursor },
        Wire::Other => Heard::Unknown { kind: "" },
    }
}

/// `limits.ping_interval_ms`.
fn ping_interval_ms(limits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(limits).ok()?;
    let (_, rest) = text.split_once("\"ping_interval_ms\":")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
