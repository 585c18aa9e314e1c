//! `GET /v1/clients/{id}/messages`: a page of a mailbox, for apps that cannot hold a socket.

use super::Reply;
use crate::limits::PULL_BYTES;
use crate::model::{Envelope, IdRef, Position, Push, Unresumed};
use crate::wire::json::PullAnswer;

/// What the page says beside its messages.
#[derive(Clone, Copy, Debug)]
pub struct Pulled<'a> {
    /// Whose mailbox.
    pub client: IdRef<'a>,
    /// The log its cursors are of.
    pub log_epoch: u64,
    /// There when a cursor was presented; an error says why it could not be used.
    pub resumed: Option<Result<(), Unresumed>>,
    /// Everything up to here is in the messages.
    pub cursor: Position,
    /// There are more after it.
    pub more: bool,
}

/// The answer, of envelopes with their log append time and position. It ends early at [`PULL_BYTES`], though never
/// before the first message, and then says so: `cursor` is that of its last message, and there is `more`.
pub fn pulled<'a>(
    page: Pulled<'_>,
    messages: impl IntoIterator<Item = (&'a Envelope, u64, Position)>,
) -> Reply {
    let Pulled { client, log_epoch, resumed, mut cursor, mut more } = page;
    let mut body = Vec::new();
    let mut answer = PullAnswer::new(resumed, log_epoch, &mut body);
    let (mut bytes, mut last) = (0, None);
    for (envelope, at_ms, position) in messages {
        bytes += Push::message_cost(envelope) as usize;
        if let (Some(last), true) = (last, bytes > PULL_BYTES) {
            (cursor, more) = (last, true);
            break;
        }
        answer.message(envelope, at_ms, position);
        last = Some(position);
    }
    answer.finish(client, cursor, more);
    Reply::ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cursor, EnvelopeParts, Kind};

    fn envelope(bytes: usize) -> Envelope {
        let id = |text| Some(IdRef::new(text).unwrap());
        let body = format!("\"{}\"", "x".repeat(bytes));
        Envelope::new(EnvelopeParts {
            kind: Kind::Message,
            to: id("bob"),
            from: id("alice"),
            id: id("m"),
            copied_to: b"",
            body: body.as_bytes(),
        })
    }

    fn page(count: u64, bytes: usize) -> serde_json::Value {
        let envelope = envelope(bytes);
        let bob = IdRef::new("bob").unwrap();
        let page = Pulled {
            client: bob,
            log_epoch: 1,
            resumed: Some(Err(Unresumed::Expired)),
            cursor: Position::after(1, count + 10),
            more: false,
        };
        let messages = (0..count).map(|n| (&envelope, n, Position::after(1, n)));
        serde_json::from_slice(&pulled(page, messages).body).unwrap()
    }

    fn cursor(offset: u64) -> String {
        let at = Position::after(1, offset);
        let text = Cursor { log_epoch: 1, at }.text(IdRef::new("bob").unwrap());
        String::from_utf8(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_page_says_everything() {
        let page = page(2, 1);
        assert_eq!((&page["resumed"], &page["reason"]), (&false.into(), &"expired".into()));
        assert_eq!((page["cursor"].as_str(), page["more"].as_bool()), (Some(&*cursor(12)), Some(false)));
        let message = &page["messages"][1];
        assert_eq!(message["cursor"], *cursor(1));
        assert_eq!((&message["from"], &message["body"]), (&"alice".into(), &"x".into()));
        assert!(message.get("type").is_none() && message.get("prev").is_none(), "{message}");
    }

    #[test]
    fn a_page_ends_where_its_bytes_do_and_leads_on() {
        let page = page(100, 60 << 10);
        let count = page["messages"].as_array().unwrap().len();
        assert!((10..=17).contains(&count), "{count}");
        assert_eq!(page["cursor"], *cursor(count as u64 - 1), "what was left out comes next");
        assert_eq!(page["more"], true);
    }
}
