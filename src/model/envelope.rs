//! One addressed message.
//!
//! An envelope is built once, in one allocation, and shared from then on: by the append that waits for its ack, the
//! log's thread, the mailbox's recent ones, and every session it is delivered to. Cloning it copies a pointer.
//! The envelopes of a list share all but the recipient: its thousand cost one body in memory and one copy of it.

use super::{ClientId, IdRef};
use crate::limits::ID_BYTES;
use std::sync::Arc;

/// What a record in the log, or a message beside it, asks of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Deliver this.
    Message = 0,
    /// Deliver this to who is live now; never in the log.
    Ephemeral = 1,
    /// Serve nothing at or below this any more.
    Erase = 2,
}

/// An immutable message: addressee, sender, name, body. Equal when all of them are.
#[derive(Clone)]
pub struct Envelope(Form);

/// Where its bytes are.
#[derive(Clone)]
enum Form {
    /// All in one allocation.
    Whole(Arc<[u8]>),
    /// One of a list's.
    Listed(Arc<Listed>),
}

/// What one recipient of a list has alone, and what all of them share.
struct Listed {
    to: ClientId,
    /// Like [`Form::Whole`], without a recipient.
    message: Arc<[u8]>,
}

// Mailboxes, queues and frames hold these by the million: a list's must not make the others larger.
const _: () = assert!(size_of::<Envelope>() == 16);

/// The parts an envelope is made of.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeParts<'a> {
    /// What it asks.
    pub kind: Kind,
    /// The recipient; `None` only for ephemeral messages, of which one serves a whole list.
    pub to: Option<IdRef<'a>>,
    /// The sender; `None` when an outside producer named none.
    pub from: Option<IdRef<'a>>,
    /// The sender's name for it; `None` for ephemeral messages and outside records without one.
    pub id: Option<IdRef<'a>>,
    /// For a copy in the sender's own mailbox: the send's `to`, JSON exactly as sent. Empty otherwise.
    pub copied_to: &'a [u8],
    /// One JSON value, byte for byte as sent.
    pub body: &'a [u8],
}

/// The texts of an envelope as they are written on: bytes, and none where there is nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Texts<'a> {
    /// The recipient's ID.
    pub to: &'a [u8],
    /// The sender's ID.
    pub from: &'a [u8],
    /// The sender's name for it.
    pub id: &'a [u8],
    /// JSON of the send's `to`, for a copy.
    pub copied_to: &'a [u8],
    /// One JSON value.
    pub body: &'a [u8],
}

// Layout: kind, three lengths, the length of `copied_to`, then the texts in this order and the body to the end.
const HEAD: usize = 8;
/// What an [`Arc`] keeps beside what it shares.
const COUNTS: usize = 16;

// See `Envelope::BESIDE`.
const _: () = assert!(3 * ID_BYTES + HEAD + COUNTS + COUNTS + size_of::<Listed>() <= Envelope::BESIDE);

impl Envelope {
    /// A bound on [`Envelope::size`] less the bytes of `copied_to` and body.
    pub const BESIDE: usize = 3 * ID_BYTES + 96;

    /// Builds it in one allocation.
    pub fn new<'a>(parts: EnvelopeParts<'a>) -> Self {
        let text = |id: Option<IdRef<'a>>| id.map_or(&b""[..], |id| id.as_str().as_bytes());
        let (to, from, id) = (text(parts.to), text(parts.from), text(parts.id));
        let copied_to = u32::try_from(parts.copied_to.len()).expect("`to` is bounded by the message limit");
        let [a, b, c, d] = copied_to.to_le_bytes();
        let head: [u8; HEAD] =
            [parts.kind as u8, to.len() as u8, from.len() as u8, id.len() as u8, a, b, c, d];
        let pieces = [&head[..], to, from, id, parts.copied_to, parts.body];
        let total = pieces.iter().map(|piece| piece.len()).sum();
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, total).collect();
        let mut rest = Arc::get_mut(&mut bytes).expect("a new allocation has one owner");
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            let (now, later) = rest.split_at_mut(piece.len());
            now.copy_from_slice(piece);
            rest = later;
        }
        Self(Form::Whole(bytes))
    }

    /// This message, which was built without a recipient, to one of a list: everything else is shared.
    pub fn to_one_of_list(&self, to: IdRef<'_>) -> Self {
        let Form::Whole(message) = &self.0 else {
            panic!("a list's message is built once, without recipient")
        };
        assert_eq!(self.recipient(), None, "a list's message is built without recipient");
        Self(Form::Listed(Arc::new(Listed { to: to.to_client(), message: Arc::clone(message) })))
    }

    /// All its texts, found in one pass: for whoever writes several of them on.
    #[inline]
    pub fn texts(&self) -> Texts<'_> {
        let (head, rest) = self.bytes().split_at(HEAD);
        let (to, rest) = rest.split_at(usize::from(head[1]));
        let (from, rest) = rest.split_at(usize::from(head[2]));
        let (id, rest) = rest.split_at(usize::from(head[3]));
        let copied_to = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let (copied_to, body) = rest.split_at(copied_to as usize);
        let to = match &self.0 {
            Form::Whole(_) => to,
            Form::Listed(listed) => listed.to.as_str().as_bytes(),
        };
        Texts { to, from, id, copied_to, body }
    }

    /// What it asks of the mailbox.
    pub fn kind(&self) -> Kind {
        match self.bytes()[0] {
            0 => Kind::Message,
            1 => Kind::Ephemeral,
            2 => Kind::Erase,
            other => unreachable!("an envelope of kind {other} was built"),
        }
    }

    /// The recipient. Panics for an ephemeral message built for a list: its recipients travel beside it.
    pub fn to(&self) -> IdRef<'_> {
        self.recipient().expect("a logged envelope has a recipient")
    }

    /// The sender, if known.
    pub fn from(&self) -> Option<IdRef<'_>> {
        id_of(self.texts().from)
    }

    /// The sender's name for the message, if it has one.
    pub fn id(&self) -> Option<IdRef<'_>> {
        id_of(self.texts().id)
    }

    /// JSON of the send's `to`, for a copy in the sender's own mailbox.
    pub fn copied_to(&self) -> Option<&[u8]> {
        Some(self.texts().copied_to).filter(|copied| !copied.is_empty())
    }

    /// One JSON value, byte for byte as sent.
    pub fn body(&self) -> &[u8] {
        self.texts().body
    }

    /// Bytes it occupies in memory, without the allocator's, if it is the only one of its list that is left. So
    /// whoever adds up sizes adds up no less than there is, and the bounds of such sums are true of memory; and they
    /// are those of what the log writes, which keeps a row for each recipient.
    pub fn size(&self) -> usize {
        match &self.0 {
            Form::Whole(bytes) => bytes.len() + COUNTS,
            Form::Listed(listed) => {
                listed.message.len() + COUNTS + listed.to.as_str().len() + size_of::<Listed>() + COUNTS
            }
        }
    }

    /// Whether both are the same envelope, not only equal: one frame built for it serves again.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Whole(one), Form::Whole(other)) => Arc::ptr_eq(one, other),
            (Form::Listed(one), Form::Listed(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Everything, but for one of a list's the recipient.
    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Whole(bytes) => bytes,
            Form::Listed(listed) => &listed.message,
        }
    }

    fn recipient(&self) -> Option<IdRef<'_>> {
        id_of(self.texts().to)
    }
}

/// The identifier that was written there, if there was one.
#[inline]
fn id_of(text: &[u8]) -> Option<IdRef<'_>> {
    (!text.is_empty()).then(|| IdRef::trusted(text))
}

impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.texts() == other.texts()
    }
}

impl Eq for Envelope {}

impl std::fmt::Debug for Envelope {
    /// Without the body: bodies are never in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (to, from, id) = (self.recipient(), self.from(), self.id());
        write!(f, "{:?}({from:?} → {to:?} id {id:?}, {} body bytes)", self.kind(), self.body().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_was_built_from() {
        let id = |text| Some(IdRef::new(text).unwrap());
        let whole = Envelope::new(EnvelopeParts {
            kind: Kind::Message,
            to: id("bob"),
            from: id("alice"),
            id: id("m-1"),
            copied_to: br#"["bob","eve"]"#,
            body: br#"{"text":"hi"}"#,
        });
        assert_eq!((Some(whole.to()), whole.from(), whole.id()), (id("bob"), id("alice"), id("m-1")));
        assert_eq!(whole.copied_to(), Some(&br#"["bob","eve"]"#[..]));
        assert_eq!((whole.kind(), whole.body()), (Kind::Message, &br#"{"text":"hi"}"#[..]));

        let bare = EnvelopeParts {
            kind: Kind::Ephemeral,
            to: None,
            from: None,
            id: None,
            copied_to: b"",
            body: b"1",
        };
        let bare = Envelope::new(bare);
        assert_eq!((bare.from(), bare.id(), bare.copied_to(), bare.body()), (None, None, None, &b"1"[..]));
    }

    #[test]
    fn those_of_a_list_share_all_but_the_recipient_and_count_for_themselves() {
        let id = |text| Some(IdRef::new(text).unwrap());
        let parts = EnvelopeParts {
            kind: Kind::Message,
            to: None,
            from: id("alice"),
            id: id("m-1"),
            copied_to: b"",
            body: br#"{"text":"hi"}"#,
        };
        let message = Envelope::new(parts);
        let [bob, eve] = ["bob", "eve"].map(|to| message.to_one_of_list(IdRef::new(to).unwrap()));
        assert_eq!((bob.to().as_str(), eve.to().as_str()), ("bob", "eve"));
        assert_eq!(bob.body().as_ptr(), eve.body().as_ptr(), "the body is there once");
        assert!(bob.is(&bob.clone()) && !bob.is(&eve) && bob != eve);

        let alone = Envelope::new(EnvelopeParts { to: id("bob"), ..parts });
        assert_eq!(bob, alone, "how it is kept makes no difference");
        assert_eq!(format!("{bob:?}"), format!("{alone:?}"));
        assert!(!bob.is(&alone));
        assert!(bob.size() >= alone.size(), "its size is that of one without a list to share with");
        assert!(bob.size() <= Envelope::BESIDE + bob.body().len());
    }

    #[test]
    fn never_shows_a_body() {
        let parts = EnvelopeParts {
            kind: Kind::Message,
            to: IdRef::new("bob").ok(),
            from: None,
            id: None,
            copied_to: b"",
            body: b"\"secret\"",
        };
        assert!(!format!("{:?}", Envelope::new(parts)).contains("secret"));
    }
}
