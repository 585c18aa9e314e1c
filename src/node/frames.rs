//! Pushes as WebSocket frames, each built once for all sessions in a row that get the same.

use crate::model::Push;
use crate::wire::json::{Face, encode, size_hint};
use crate::wire::websocket::begin_text;

/// The last frame, for whoever gets the same next.
#[derive(Debug, Default)]
pub(super) struct Frames {
    last: Option<Push>,
    /// The frame of `last`, once somebody has needed it a second time.
    bytes: Vec<u8>,
}

impl Frames {
    /// Appends the frame of `push` to `out`.
    pub(super) fn write(&mut self, push: Push, face: &Face<'_>, out: &mut Vec<u8>) {
        if !self.last.as_ref().is_some_and(|last| same_frame(last, &push)) {
            frame(&push, face, out);
            self.bytes.clear();
            // Only what goes to many is worth remembering.
            self.last = matches!(push, Push::Message { .. } | Push::Ephemeral { .. }).then_some(push);
            return;
        }
        if self.bytes.is_empty() {
            frame(&push, face, &mut self.bytes);
        }
        out.extend_from_slice(&self.bytes);
    }

    /// Forgets the last frame, which holds its envelope.
    pub(super) fn forget(&mut self) {
        self.last = None;
        self.bytes.clear();
        // One long message does not stay for ever.
        self.bytes.shrink_to(crate::limits::READ_BYTES);
    }
}

fn frame(push: &Push, face: &Face<'_>, out: &mut Vec<u8>) {
    let start = begin_text(size_hint(push), out);
    encode(push, face, out);
    start.finish(out);
}

/// Whether two pushes are the same bytes. A message's cursors are its recipient's, who is the envelope's; an
/// ephemeral one has none and is the same for everybody.
fn same_frame(a: &Push, b: &Push) -> bool {
    match (a, b) {
        (
            Push::Message { envelope, at_ms, prev, cursor },
            Push::Message { envelope: other, at_ms: other_at, prev: other_prev, cursor: other_cursor },
        ) => envelope.is(other) && at_ms == other_at && prev == other_prev && cursor == other_cursor,
        (Push::Ephemeral { envelope }, Push::Ephemeral { envelope: other }) => envelope.is(other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientId, Envelope, EnvelopeParts, Kind, Position};

    fn envelope(body: &[u8]) -> Envelope {
        let (to, id) = (ClientId::new("bob").unwrap(), ClientId::new("m-1").unwrap());
        let (to, id) = (Some(to.as_ref()), Some(id.as_ref()));
        Envelope::new(EnvelopeParts { kind: Kind::Message, to, from: to, id, copied_to: b"", body })
    }

    #[test]
    fn a_frame_used_again_is_the_frame_that_would_have_been_built() {
        let client = ClientId::new("bob").unwrap();
        let face = Face { log_epoch: 1, client: client.as_ref(), node: 0, incarnation: 0, limits_json: "{}" };
        let (one, other) = (envelope(b"1"), envelope(b"1"));
        let message = |envelope: &Envelope, offset| Push::Message {
            envelope: envelope.clone(),
            at_ms: 5,
            prev: Position::START,
            cursor: Position::after(0, offset),
        };
        let ephemeral = |envelope: &Envelope| Push::Ephemeral { envelope: envelope.clone() };
        let pushes = [
            message(&one, 1),
            message(&one, 1),
            message(&one, 1),
            message(&one, 2),
            message(&other, 2),
            ephemeral(&one),
            ephemeral(&one),
            ephemeral(&other),
            Push::Live { cursor: Position::START },
            Push::Live { cursor: Position::after(0, 9) },
            ephemeral(&other),
        ];
        let (mut frames, mut got, mut built) = (Frames::default(), Vec::new(), Vec::new());
        for push in pushes {
            frame(&push, &face, &mut built);
            frames.write(push, &face, &mut got);
        }
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&built));
    }
}
