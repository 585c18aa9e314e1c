//! What a send needs before it may begin: room in the log, and budget for its answer.

use crate::model::{Envelope, ErrorCode, Mistake, Partition, SendCommand};
use crate::router::room::Room;

/// A bound on what the log must take of a send.
pub fn need(send: &SendCommand<'_>) -> Room {
    let records = send.to.len() + usize::from(send.copy);
    let copied = if send.copy { send.to_json.len() } else { 0 };
    Room { records, bytes: records * (send.body.len() + Envelope::BESIDE) + copied }
}

/// It will never fit: waiting for room would be for ever.
pub fn too_large<'a>(send: &SendCommand<'a>, most: Room) -> Mistake<'a> {
    let message = format!(
        "the body comes to {} bytes for all {} recipients together; {} may be under way: name fewer or make it smaller",
        need(send).bytes,
        send.to.len(),
        most.bytes
    );
    Mistake { id: send.id, code: ErrorCode::TooLarge, message: message.into() }
}

/// Bytes that the answer to a send may need at worst: an error that names each recipient of a list.
pub fn answer_cost(first: &Envelope, list: &[(Partition, Envelope)]) -> u32 {
    let id = first.id().map_or(0, |id| id.as_str().len() as u32);
    let name = |(_, envelope): &(Partition, Envelope)| envelope.to().as_str().len() as u32 + 48;
    // The longest message of an answer, escaped, and its frame.
    768 + id + list.iter().map(name).sum::<u32>()
}
