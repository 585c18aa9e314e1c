//! An open connection's frames: what comes is decoded, what goes is masked.

use super::stream::Stream;
use crate::limits::SKIM_BYTES;
use crate::wire::websocket::{Event as Heard, Opcode, PartialBudget, Receiver, Rules, write_masked};
use std::io::Write;

/// The writing half of a connection, and the state of its frames.
pub(super) struct Frames {
    stream: Stream,
    receiver: Receiver,
    budget: PartialBudget,
}

/// What one frame meant.
pub(super) enum Incoming<'a> {
    /// A text message.
    Text(&'a [u8]),
    /// A control frame that was dealt with.
    Control,
    /// The server's last frame.
    Close(Option<u16>),
}

impl Frames {
    pub(super) fn new(stream: Stream) -> Self {
        // One connection may hold one message of the greatest size, and the frame that is being put together.
        Self { stream, receiver: Receiver::default(), budget: PartialBudget::new(2 * SKIM_BYTES) }
    }

    /// Gives each frame in `bytes` to `each`, until it wants no more. An error is a server that breaks the protocol.
    pub(super) fn take_in(
        &mut self,
        bytes: &mut [u8],
        now_ms: u64,
        mut each: impl FnMut(Incoming<'_>) -> bool,
    ) -> Result<(), String> {
        let mut input = bytes;
        loop {
            let pong = match self.receiver.next(&mut input, &Rules::SERVER, &mut self.budget, now_ms) {
                Err(code) => return Err(format!("the server's frames are broken: {}", code.reason())),
                Ok(None) => return Ok(()),
                Ok(Some(Heard::Message { data, .. })) => {
                    if !each(Incoming::Text(data)) {
                        return Ok(());
                    }
                    continue;
                }
                Ok(Some(Heard::Oversize { bytes })) => {
                    return Err(format!("the server sent a message of {bytes} bytes"));
                }
                Ok(Some(Heard::Close(bytes))) => {
                    each(Incoming::Close(bytes.code));
                    return Ok(());
                }
                Ok(Some(Heard::Pong(_))) => None,
                Ok(Some(Heard::Ping(payload))) => Some(payload.to_vec()),
            };
            each(Incoming::Control);
            if let Some(payload) = pong {
                self.write(Opcode::Pong, &payload).map_err(|error| error.to_string())?;
            }
        }
    }

    /// Writes one frame.
    pub(super) fn write(&mut self, op: Opcode, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 14);
        write_masked(op, payload, super::dial::random_bytes(), &mut frame);
        self.stream.write_all(&frame)
    }

    /// Says goodbye, if the server still listens, and ends the connection both ways: its thread ends with it.
    pub(super) fn close(mut self, code: u16) {
        let _ = self.write(Opcode::Close, &code.to_be_bytes());
        self.stream.shutdown();
    }
}
